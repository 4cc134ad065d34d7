"""facsim: fast, faithful copies of slow physics simulations.

The verbs (`simulate`, `fit`, `sample`, `evaluate`, `export`, `bench`) and `load` are the whole public interface;
they are imported on first use, so that ``import facsim`` stays light and works without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from facsim.errors import FacsimError
from facsim.events import Events, concatenate
from facsim.sampler import Sampler
from facsim.schema import Block, Grid, Schema

if TYPE_CHECKING:
    from facsim.api import bench, evaluate, export, fit, info, load, read, sample, simulate, write

__version__ = "0.1.0"

__all__ = [
    "Block",
    "Events",
    "FacsimError",
    "Grid",
    "Sampler",
    "Schema",
    "bench",
    "concatenate",
    "evaluate",
    "export",
    "fit",
    "info",
    "load",
    "read",
    "sample",
    "simulate",
    "write",
]

_VERBS = frozenset({"bench", "evaluate", "export", "fit", "info", "load", "read", "sample", "simulate", "write"})


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(importlib.import_module("facsim.api"), name)
    msg = f"module 'facsim' has no attribute '{name}'"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)

"""facsim: fast, faithful copies of slow physics simulations.

The verbs (`simulate`, `fit`, `sample`, `evaluate`, `export`, `bench` and those for files and models) are what most
programs need; verbs and rooms (``facsim.io``, ``facsim.datasets``, ...) are imported on first use, so that
``import facsim`` stays light and works without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from facsim.errors import FacsimError
from facsim.events import Events, concatenate
from facsim.sampler import Sampler
from facsim.schema import Block, Grid, Schema

if TYPE_CHECKING:
    from facsim import (
        datasets,
        deploy,
        detectors,
        io,
        metrics,
        models,
        nets,
        observables,
        pyroot,
        recipes,
        report,
        runtime,
        simulators,
        sweights,
        tmva,
        training,
        transforms,
        tuning,
    )
    from facsim.api import (
        bench,
        compare,
        convert,
        evaluate,
        export,
        fit,
        info,
        load,
        monitor,
        read,
        sample,
        simulate,
        split,
        splot,
        tune,
        watch,
        write,
    )

__version__ = "0.1.0"

_VERBS = (
    "bench",
    "compare",
    "convert",
    "evaluate",
    "export",
    "fit",
    "info",
    "load",
    "monitor",
    "read",
    "sample",
    "simulate",
    "split",
    "splot",
    "tune",
    "watch",
    "write",
)
_ROOMS = (
    "datasets",
    "deploy",
    "detectors",
    "io",
    "metrics",
    "models",
    "nets",
    "observables",
    "pyroot",
    "recipes",
    "report",
    "runtime",
    "simulators",
    "sweights",
    "tmva",
    "training",
    "transforms",
    "tuning",
)

__all__ = [
    "Block",
    "Events",
    "FacsimError",
    "Grid",
    "Sampler",
    "Schema",
    "bench",
    "compare",
    "concatenate",
    "convert",
    "datasets",
    "deploy",
    "detectors",
    "evaluate",
    "export",
    "fit",
    "info",
    "io",
    "load",
    "metrics",
    "models",
    "monitor",
    "nets",
    "observables",
    "pyroot",
    "read",
    "recipes",
    "report",
    "runtime",
    "sample",
    "simulate",
    "simulators",
    "split",
    "splot",
    "sweights",
    "tmva",
    "training",
    "transforms",
    "tune",
    "tuning",
    "watch",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(importlib.import_module("facsim.api"), name)
    if name in _ROOMS:
        return importlib.import_module(f"facsim.{name}")
    msg = f"module 'facsim' has no attribute '{name}'"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)

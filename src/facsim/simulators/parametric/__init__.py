"""Simulators with parameters, which can be tuned: named ranges, units, validity, and a record of every call."""

from facsim.simulators.parametric.base import Calls, ParametricSimulator, require_calls
from facsim.simulators.parametric.cache import Cached
from facsim.simulators.parametric.command import CommandSimulator
from facsim.simulators.parametric.function import FunctionSimulator
from facsim.simulators.parametric.imported import imported
from facsim.simulators.parametric.space import Parameter, Space
from facsim.simulators.parametric.space_file import read_space
from facsim.simulators.parametric.table import parametric, parametric_names, write

__all__ = [
    "Cached",
    "Calls",
    "CommandSimulator",
    "FunctionSimulator",
    "Parameter",
    "ParametricSimulator",
    "Space",
    "imported",
    "parametric",
    "parametric_names",
    "read_space",
    "require_calls",
    "write",
]

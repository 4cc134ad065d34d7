"""Simulators with parameters, which can be tuned: named ranges, units, validity, and a record of every call."""

from facsim.simulators.parametric.base import Calls, ParametricSimulator, require_calls
from facsim.simulators.parametric.space import Parameter, Space
from facsim.simulators.parametric.table import parametric, parametric_names, write

__all__ = [
    "Calls",
    "Parameter",
    "ParametricSimulator",
    "Space",
    "parametric",
    "parametric_names",
    "require_calls",
    "write",
]

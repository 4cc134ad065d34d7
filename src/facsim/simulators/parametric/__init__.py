"""Simulators with parameters, which can be tuned: named ranges, units, validity, and a record of every call."""

from facsim.simulators.parametric.base import Calls, ParametricSimulator, require_calls
from facsim.simulators.parametric.space import Parameter, Space

__all__ = ["Calls", "Parameter", "ParametricSimulator", "Space", "require_calls"]

"""Hadronisation and final-state shower of Pythia, with the parameters that LEP's data tune."""

from facsim.simulators.parametric.pythia_tune.simulator import PythiaTune

__all__ = ["PythiaTune"]

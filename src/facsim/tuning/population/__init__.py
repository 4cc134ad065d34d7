"""Populations of parameters: the law of parameters from which data come, not the uncertainty of one point."""

from facsim.tuning.population.source import SourceSettings, tune_source
from facsim.tuning.population.variational import VariationalSettings, tune_variational

__all__ = ["SourceSettings", "VariationalSettings", "tune_source", "tune_variational"]

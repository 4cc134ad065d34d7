"""Populations of parameters: the law of parameters from which data come, not the uncertainty of one point."""

from facsim.tuning.population.source import SourceSettings, tune_source

__all__ = ["SourceSettings", "tune_source"]

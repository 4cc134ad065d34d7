"""The parameters of a simulator, from data: posteriors, populations, best fits."""

from facsim.tuning.result import Tuned
from facsim.tuning.verb import METHODS, settings_of, tune

__all__ = ["METHODS", "Tuned", "settings_of", "tune"]

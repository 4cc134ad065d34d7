"""The parameters of a simulator, from data: posteriors, populations, best fits."""

from facsim.tuning.result import Tuned

__all__ = ["Tuned"]

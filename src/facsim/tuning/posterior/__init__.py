"""The posterior of parameters by neural networks, with signed weights, rounds and ensembles."""

from facsim.tuning.posterior.fit import fit_posterior
from facsim.tuning.posterior.posterior import Posterior
from facsim.tuning.posterior.settings import PosteriorSettings

__all__ = ["Posterior", "PosteriorSettings", "fit_posterior"]

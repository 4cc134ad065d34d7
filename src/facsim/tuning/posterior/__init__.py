"""The posterior of parameters by neural networks, with signed weights, rounds and ensembles."""

from facsim.tuning.posterior.density import Density, fit_density
from facsim.tuning.posterior.fit import fit_posterior
from facsim.tuning.posterior.posterior import Posterior
from facsim.tuning.posterior.response import Response, fit_response
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.tune import Learned, learn_posterior, tune_posterior

__all__ = [
    "Density",
    "Learned",
    "Posterior",
    "PosteriorSettings",
    "Response",
    "fit_density",
    "fit_posterior",
    "fit_response",
    "learn_posterior",
    "tune_posterior",
]

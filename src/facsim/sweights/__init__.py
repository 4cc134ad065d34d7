"""Event weights that leave the signal: fit of a mass spectrum, sWeights, and the test that they may be used."""

from facsim.sweights.fit import Goodness, MassFit, fit_mass
from facsim.sweights.independence import Independence, independence
from facsim.sweights.shapes import BACKGROUNDS, PEAKS, Model, Parameter, Shape, parse
from facsim.sweights.weigh import SPlot, weigh
from facsim.sweights.weights import signal_yield, sweights

__all__ = [
    "BACKGROUNDS",
    "PEAKS",
    "Goodness",
    "Independence",
    "MassFit",
    "Model",
    "Parameter",
    "SPlot",
    "Shape",
    "fit_mass",
    "independence",
    "parse",
    "signal_yield",
    "sweights",
    "weigh",
]

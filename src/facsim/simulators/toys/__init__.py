"""Toys: small problems whose answer is known exactly. They need numpy alone (digits: scikit-learn)."""

from facsim.simulators.toys.base import Toy
from facsim.simulators.toys.digits import Digits
from facsim.simulators.toys.gaussians import GaussianGrid, Ring, good_share, modes_found
from facsim.simulators.toys.light_curves import LightCurves
from facsim.simulators.toys.mixture import SWeightsMixture, background_mass, draw_background_mass, signal_mass
from facsim.simulators.toys.table import get, names, options, write
from facsim.simulators.toys.transport import LogTransport

__all__ = [
    "Digits",
    "GaussianGrid",
    "LightCurves",
    "LogTransport",
    "Ring",
    "SWeightsMixture",
    "Toy",
    "background_mass",
    "draw_background_mass",
    "get",
    "good_share",
    "modes_found",
    "names",
    "options",
    "signal_mass",
    "write",
]

"""All toys by name."""

from __future__ import annotations

from facsim.simulators.toys.digits import Digits
from facsim.simulators.toys.gaussians import GaussianGrid, Ring
from facsim.simulators.toys.light_curves import LightCurves
from facsim.simulators.toys.mixture import SWeightsMixture
from facsim.simulators.toys.shelf import Shelf
from facsim.simulators.toys.transport import LogTransport

__all__ = ["get", "names", "options", "write"]

TOYS = Shelf("toy", {toy.name: toy for toy in (Ring, GaussianGrid, LogTransport, SWeightsMixture, LightCurves, Digits)})

names, options, get, write = TOYS.names, TOYS.options, TOYS.get, TOYS.write

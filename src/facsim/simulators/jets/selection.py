"""Which jets are taken, and the quantities that are written beside their images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facsim.simulators.jets.clustering import Jet, wrapped
from facsim.simulators.jets.subjettiness import subjettiness

__all__ = ["MASS_GEV", "MOST_ETA", "PT_GEV", "kinematics", "quantities", "selected"]

PT_GEV = (250.0, 300.0)
MASS_GEV = (60.0, 100.0)
MOST_ETA = 2.0
LEAST_TAU = 1e-4
NO_RATIO = -10.0
"""What LAGAN's files have where a subjettiness is divided by one below 1e-4."""


def kinematics(jet: Jet) -> tuple[float, float, float, float]:
    """Transverse momentum (GeV), pseudorapidity, azimuth and mass (GeV) of a jet.

    Examples
    --------
    >>> parts = np.array([[100.0, 0.0, 0.0], [100.0, 0.0, 1.0]])
    >>> [round(v, 3) for v in kinematics(Jet(parts, parts))]
    [175.517, 0.0, 0.5, 95.885]
    """
    energy, px, py, pz = (float(v) for v in jet.momentum)
    pt = float(np.hypot(px, py))
    mass = np.sqrt(max(0.0, energy**2 - pt**2 - pz**2))
    return pt, float(np.arcsinh(pz / pt)), float(np.arctan2(py, px)), float(mass)


def selected(jet: Jet) -> bool:
    """Whether 250 < pT < 300 GeV, 60 < m < 100 GeV and abs(eta) < 2: the window of LAGAN's published file."""
    pt, eta, _, mass = kinematics(jet)
    return PT_GEV[0] < pt < PT_GEV[1] and MASS_GEV[0] < mass < MASS_GEV[1] and abs(eta) < MOST_ETA


def quantities(jet: Jet) -> NDArray[np.float64]:
    """Quantities of a jet in the order of `facsim.detectors.jet_images(quantities=True)`, (10,).

    ``jet_delta_R`` is the distance between the two hardest subjets, 0 where there is one; the ratios of subjettinesses
    are -10 where the divisor is below 1e-4.
    """
    pt, eta, phi, mass = kinematics(jet)
    distance = 0.0
    if len(jet.subjets) > 1:
        first, second = jet.subjets[:2, 1:]
        distance = float(np.hypot(first[0] - second[0], wrapped(first[1] - second[1])))
    tau = [subjettiness(jet.constituents, count) for count in (1, 2, 3)]
    ratios = [over / under if under > LEAST_TAU else NO_RATIO for under, over in pairwise(tau)]
    return np.array([pt, eta, phi, mass, distance, *tau, *ratios])

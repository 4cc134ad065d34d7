"""From particles to the trimmed jet: idealised calorimeter, anti-kt, trimming.

Settings of LAGAN's jets (arXiv:1701.05927 and the authors' jet maker): cells of 0.1 x 0.1 in rapidity and azimuth,
anti-kt with R = 1.0, the leading jet trimmed with kt subjets of R = 0.3 at 5 % of the jet's momentum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import require

__all__ = ["CELL", "Jet", "cells", "leading_jet", "massless", "trim", "wrapped"]

Array = NDArray[np.float64]

CELL = 0.1
"""Width of a cell in rapidity and in azimuth (rad)."""
MOST_RAPIDITY = 5.0
FIRST_AZIMUTH = -10.0  # lower edge of the first cell: edges are multiples of 0.1, so that the cells at pi are cut
RADIUS, SUBJET_RADIUS = 1.0, 0.3
LEAST_PT_GEV = 10.0
LEAST_SHARE = 0.05
"""Of the jet's transverse momentum, that a subjet must have to stay."""


@dataclass(frozen=True)
class Jet:
    """A trimmed jet.

    Parameters
    ----------
    constituents : array (m, 3)
        Transverse momentum (GeV), pseudorapidity and azimuth of its cells, massless.
    subjets : array (s, 3)
        The same of its subjets, the hardest first.
    """

    constituents: Array
    subjets: Array

    @property
    def momentum(self) -> Array:
        """Energy, px, py, pz in GeV, (4,)."""
        pt, eta, phi = self.constituents.T
        parts = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        return np.asarray(parts.sum(axis=1))


def cells(particles: Array) -> Array:
    """Sum the energies of particles in cells of rapidity and azimuth.

    Parameters
    ----------
    particles : array (n, 4)
        px, py, pz, E in GeV.

    Returns
    -------
    array (m, 3)
        Of the cells that were hit: pT = E / cosh(eta), eta and phi of the cell's centre, which count as one massless
        particle.

    Examples
    --------
    >>> cells(np.array([[3.0, 0.0, 0.0, 3.0], [2.0, 0.0, 0.0, 2.0]])).round(4)
    array([[4.9938, 0.05  , 0.05  ]])
    """
    px, py, pz, energy = particles.T
    with np.errstate(divide="ignore", invalid="ignore"):
        rapidity = 0.5 * np.log((energy + pz) / (energy - pz))
    inside = np.abs(rapidity) < MOST_RAPIDITY  # False for what flies along the beam
    azimuth = np.arctan2(py[inside], px[inside])
    row = np.floor((rapidity[inside] + MOST_RAPIDITY) / CELL).astype(int)
    column = np.floor((azimuth - FIRST_AZIMUTH) / CELL).astype(int)
    columns = round(-2 * FIRST_AZIMUTH / CELL)
    hit, which = np.unique(row * columns + column, return_inverse=True)
    energies = np.bincount(which, energy[inside], minlength=len(hit))
    eta = (hit // columns + 0.5) * CELL - MOST_RAPIDITY
    phi = (hit % columns + 0.5) * CELL + FIRST_AZIMUTH
    return np.stack([energies / np.cosh(eta), eta, phi], axis=1)


def leading_jet(towers: Array) -> NDArray[np.intp]:
    """Rows of `towers` (m, 3) that make the hardest anti-kt jet; empty if no jet has 10 GeV."""
    jets, _sequence = _clusters(towers, "antikt_algorithm", RADIUS, LEAST_PT_GEV)
    return np.array(_members(max(jets, key=lambda jet: jet.pt())) if jets else [], np.intp)


def trim(towers: Array) -> Jet:
    """Keep the kt subjets with at least 5 % of the transverse momentum of the jet that the rows of `towers` make."""
    whole = np.hypot(towers[:, 0] @ np.cos(towers[:, 2]), towers[:, 0] @ np.sin(towers[:, 2]))
    jets, _sequence = _clusters(towers, "kt_algorithm", SUBJET_RADIUS, LEAST_SHARE * float(whole))
    jets.sort(key=lambda jet: -jet.pt())
    rows = [row for jet in jets for row in _members(jet)]
    return Jet(towers[rows], np.array([(jet.pt(), jet.eta(), jet.phi_std()) for jet in jets]).reshape(-1, 3))


def wrapped(angle: Array) -> Array:
    """Angles within -pi to pi."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def massless(towers: Array) -> list[Any]:
    """FastJet's particles for the rows of `towers`."""
    particle = require("fastjet", "pythia", "simulating jets").PseudoJet
    pt, eta, phi = towers.T
    four = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], axis=1)
    return [particle(*momentum) for momentum in four.tolist()]


def _clusters(towers: Array, algorithm: str, radius: float, least_pt: float) -> tuple[list[Any], Any]:
    """Inclusive jets, and what must be kept alive as long as they are used."""
    fj = require("fastjet", "pythia", "simulating jets")
    definition = fj.JetDefinition(getattr(fj, algorithm), radius)
    sequence = fj.ClusterSequence(massless(towers), definition)
    return list(sequence.inclusive_jets(least_pt)), sequence


def _members(jet: Any) -> list[int]:
    """Which of the clustered particles are in a jet: their number is their place in the history."""
    return [part.cluster_hist_index() for part in jet.constituents()]

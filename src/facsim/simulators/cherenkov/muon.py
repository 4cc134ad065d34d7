"""Muon chambers behind iron: whether a track looks like a muon, and how well its hits lie on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.events import Events
from facsim.schema import Block
from facsim.simulators.cherenkov.detector import TrackDetector
from facsim.simulators.cherenkov.particles import PARTICLES, decayed, species_of

__all__ = ["FLOOR", "MUON_BLOCKS", "UNDEFINED", "Muon", "stations"]

Array = NDArray[np.float64]

MUON_BLOCKS = (Block("isMuon", kind="mask"), Block("MuonMuLL"), Block("MuonBgLL"))
UNDEFINED = 0.0
"""Both log-likelihoods where isMuon is 0; elsewhere they are negative."""
FLOOR = -9.0
"""Log-likelihoods approach this value and do not reach it."""

PUNCH = np.array([[0.0, 0.0, 0.9, 0.8, 0.5], [0.0, 0.0, 1.0, 1.2, 0.9]])
"""Hadrons that come through the iron, relative to positive pions: rows -1, +1; columns e, mu, pi, K, p (a choice)."""
MUON, DECAY, THROUGH, CHANCE = range(4)
WIDTH = np.array([1.0, 1.8, 3.0, 100.0])
"""Width of the hits' distances by origin, in units of a muon's: a kink, secondary particles, anywhere."""
KEPT = 0.15
"""Decays whose kink leaves the track, and hits near it (a choice)."""
TAIL_SHARE, TAIL_WIDTH = 0.06, 2.5
"""Of muons: large-angle scattering."""


def stations(momentum: ArrayLike) -> NDArray[np.intp]:
    """Chambers in which a track must have hits: two below 6 GeV, three below 10 GeV, else four (arXiv:1306.0249).

    Examples
    --------
    >>> stations([4.0, 8.0, 20.0])
    array([2, 3, 4])
    """
    return np.asarray(2 + np.searchsorted([6.0, 10.0], np.asarray(momentum, np.float64), side="right"), np.intp)


@dataclass(frozen=True)
class Muon(TrackDetector):
    r"""Answer of muon chambers: ``isMuon``, and where that is 1, ``MuonMuLL`` and ``MuonBgLL``.

    A track is a muon candidate if the chambers that its momentum asks for (`stations`) have hits near it: because it is
    a muon with enough energy for the iron (3 GeV), because it decayed on 14 m to one, because it came through, or by
    chance, which hits of other tracks (nTracks) allow more often at low momentum. The four are independent:
    `probability` is known in closed form.

    The distances of the hits then give S, their sum of squares in units of a muon's scattering, and

    .. math::

        \mathrm{MuonMuLL} \sim \ln P(\chi^2_{2k} > S), \qquad
        \mathrm{MuonBgLL} \sim \ln P(U_1 + \dots + U_k < S/R^2)

    for k chambers and hits anywhere in a field of radius R, both brought smoothly above -9. Where isMuon is 0 both
    are `UNDEFINED`, 0: no information.

    Efficiency (95 to 98 %) and misidentification (about 1 %, more of slow kaons) are those of arXiv:1306.0249; the
    shapes in detail are choices of this project. Parameters are those of `TrackDetector`.

    Examples
    --------
    >>> muons = Muon("mu").sample(2000, seed=1)
    >>> pions = Muon("pi").sample(muons, seed=2)
    >>> bool(muons["isMuon"].mean() > 0.9), bool(pions["isMuon"].mean() < 0.05)
    (True, True)
    """

    particle: str = "mu"

    name = "muon"
    summary = "muon chambers: isMuon and two log-likelihoods"
    blocks = MUON_BLOCKS

    def probability(self, tracks: ArrayLike | Events) -> Array:
        """True probability (n,) of isMuon under conditions (n, k) as `schema` has them."""
        given = self._given(tracks, 0).astype(np.float64)
        species = species_of(self.particle)
        kinds = given[:, 4].astype(np.intp) if species is None else np.full(len(given), species, np.intp)
        parts, sees = _origins(kinds, given[:, :4])
        return np.asarray(sees * (1 - np.prod(1 - parts, axis=1)))

    def response(self, rng: np.random.Generator, species: NDArray[np.intp], conditions: Array) -> Array:
        """Features (n, 3) of particles `species` (n,) under conditions P, ETA, nTracks, charge."""
        fate, hits = rng.spawn(2)
        parts, sees = _origins(species, conditions)
        luck = fate.random((len(species), 5))
        happened = luck[:, :4] < parts
        is_muon = happened.any(axis=1) & (luck[:, 4] < sees)
        origin = happened.argmax(axis=1)  # the first of several: what is nearest to the track
        both = _log_likelihoods(hits, origin, conditions)
        return np.column_stack([is_muon, np.where(is_muon[:, None], both, UNDEFINED)])


def _range(momentum: Array) -> Array:
    """Probability that a muon comes through the iron: 3.3 GeV, and straggling."""
    return np.asarray(1 / (1 + np.exp((3.3 - momentum) / 0.15)))


def _crowd(conditions: Array) -> Array:
    """Expected hits (n,) of other tracks in the field around a track, per chamber: wider at low momentum."""
    momentum, eta, tracks, _ = conditions.T
    return np.asarray(tracks / 3000 * (1 + 8 / momentum) * np.exp(0.5 * (eta - 3.5)))


def _origins(species: NDArray[np.intp], conditions: Array) -> tuple[Array, Array]:
    """Probabilities (n, 4) that a track has the hits as `MUON`, `DECAY`, `THROUGH`, `CHANCE`; that it is seen (n,)."""
    momentum, eta, _, charge = conditions.T
    k = stations(momentum)
    muon = (species == PARTICLES.index("mu")) * _range(momentum) * 0.993**k
    decay = decayed(momentum, species, 14.0) * KEPT * _range(0.8 * momentum) * (species > PARTICLES.index("mu"))
    through = 0.012 * PUNCH[charge.astype(np.intp), species] * -np.expm1(-momentum / 80)
    chance = (-np.expm1(-_crowd(conditions))) ** k
    sees = 1 / (1 + np.exp((1.95 - eta) / 0.04)) / (1 + np.exp((eta - 4.65) / 0.06))
    return np.stack([muon, decay, through, chance], axis=1), sees


def _log_likelihoods(rng: np.random.Generator, origin: NDArray[np.intp], conditions: Array) -> Array:
    """MuonMuLL and MuonBgLL (n, 2)."""
    near, far, tail = (child.random((len(origin), 4)) for child in rng.spawn(3))
    k = stations(conditions[:, 0])[:, None]
    field = (5 + 2 * -np.expm1(-conditions[:, :1] / 30)) ** 2  # R^2
    width = WIDTH[origin][:, None]
    width = np.where((origin == MUON)[:, None] & (tail < TAIL_SHARE), TAIL_WIDTH, width)
    cut = -np.expm1(-field / (2 * width**2))  # squares of distances are exponential, cut at the field's edge
    own = -2 * width**2 * np.log1p(-near * cut)
    stray = -field * np.log1p(-far) / _crowd(conditions)[:, None]  # the nearest hit of another track
    used = np.arange(4) < k
    total = np.where(used, np.minimum(own, stray), 0).sum(axis=1)
    raw = np.stack([_log_survival(total, k[:, 0]), _log_irwin_hall(total / field[:, 0], k[:, 0])], axis=1)
    return np.asarray(FLOOR * -np.expm1(raw / -FLOOR))


def _log_survival(total: Array, k: NDArray[np.intp]) -> Array:
    r""":math:`\ln P(\chi^2_{2k} > S) = -S/2 + \ln\sum_{j<k} (S/2)^j / j!`."""
    half = total / 2
    terms = np.stack([half**j / factorial(j) for j in range(4)])
    return np.asarray(-half + np.log(np.where(np.arange(4)[:, None] < k, terms, 0).sum(axis=0)))


def _log_irwin_hall(x: Array, k: NDArray[np.intp]) -> Array:
    r""":math:`\ln P(U_1 + \dots + U_k < x) = \ln \sum_{j \le x} (-1)^j \binom{k}{j} (x - j)^k / k!`."""
    out = np.empty_like(x)
    for count in (2, 3, 4):
        rows = k == count
        terms = [(-1) ** j * comb(count, j) * np.maximum(x[rows] - j, 0) ** count for j in range(count)]
        out[rows] = np.log(np.clip(sum(terms) / factorial(count), 1e-30, 1))
    return out

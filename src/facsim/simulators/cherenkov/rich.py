"""A ring-imaging Cherenkov detector with two gases: five log-likelihood differences of a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.schema import Block
from facsim.simulators.cherenkov.detector import TrackDetector
from facsim.simulators.cherenkov.likelihood import differences, log_ratios, ring, uniform
from facsim.simulators.cherenkov.particles import MASS, PARTICLES, decayed
from facsim.simulators.cherenkov.radiator import Radiator

__all__ = ["GASES", "RICH_BLOCKS", "Gas", "Rich"]

Array = NDArray[np.float64]

RICH_BLOCKS = tuple(Block(name) for name in ("RichDLLe", "RichDLLmu", "RichDLLk", "RichDLLp", "RichDLLbt"))
_ORDER = ("e", "mu", "K", "p", "bt")

LUMPS = 10.0
"""Shape of the gamma law of the true background around its expectation: 32 % rms, as tracks come in bunches."""
HADRON, ABSORBED = np.array([0.0, 0.0, 1.0, 0.9, 1.2]), np.array([[1.05, 1.02, 1.12, 1.3], [0.95, 0.98, 0.88, 0.9]])
"""Inelastic interaction of each particle relative to the pion, and of negative and positive e or mu, pi, K, p."""


@dataclass(frozen=True)
class Gas:
    """A radiator at its place.

    Parameters
    ----------
    radiator : Radiator
    eta : (float, float)
        Pseudorapidities between which most of its light is seen.
    background : (float, float)
        Photons in the window without any track, and per other track, at pseudorapidity 3.5.
    direction : (float, float)
        Error of a track's direction: rad, and rad GeV for multiple scattering.
    metres : float
        Way of the particle to the end of the gas.
    interacts : float
        Probability that a pion has interacted before.
    """

    radiator: Radiator
    eta: tuple[float, float]
    background: tuple[float, float]
    direction: tuple[float, float]
    metres: float
    interacts: float

    def seen(self, eta: Array) -> Array:
        """Share (n,) of a ring that falls on the photon detectors: edges of width 0.12 in pseudorapidity."""
        low, high = self.eta
        return np.asarray(1 / (1 + np.exp((low - eta) / 0.12)) / (1 + np.exp((eta - high) / 0.12)))

    def expected_background(self, eta: Array, tracks: Array) -> Array:
        """Expected photons (n,) of other tracks and of noise in the window: more towards the beam."""
        flat, per_track = self.background
        return np.asarray(flat + per_track * tracks * np.exp(0.4 * (eta - 3.5).clip(-1.5, 1.5)))

    def lost(self, momentum: Array, species: NDArray[np.intp], charge: NDArray[np.intp]) -> Array:
        """Probability (n,) that the particle has decayed or interacted before it could shine."""
        kind = np.maximum(species - 1, 0)
        interacted = self.interacts * HADRON[species] * ABSORBED[charge, kind]
        return np.asarray(1 - (1 - interacted) * (1 - decayed(momentum, species, self.metres)))


GASES = (
    Gas(
        Radiator("C4F10", index=1.0014, length=95.0, n0=77.0, sigma=1.62e-3, window=0.080),
        eta=(1.88, 4.40),
        background=(2.0, 0.15),
        direction=(0.3e-3, 4.0e-3),
        metres=2.0,
        interacts=0.03,
    ),
    Gas(
        Radiator("CF4", index=1.0005, length=180.0, n0=88.0, sigma=0.68e-3, window=0.048),
        eta=(2.80, 4.90),
        background=(1.0, 0.06),
        direction=(0.2e-3, 6.0e-3),
        metres=11.0,
        interacts=0.12,
    ),
)
r"""The two gases.

============================  =======  =======  ===============================================================
quantity                      C4F10    CF4      source
============================  =======  =======  ===============================================================
refractive index              1.0014   1.0005   LHCb, JINST 3 (2008) S08005, section 6.1
angle of fast particles, mrad 52.9     31.6     :math:`\arccos(1/n)`
resolution per photon, mrad   1.62     0.68     arXiv:1211.6759, section 5
photons of fast particles     20       16       arXiv:1211.6759, section 5; L is the gas, :math:`N_0` follows
polar angles, mrad            25-300   15-120   arXiv:1211.6759, section 2; as pseudorapidity 1.9-4.4, 2.8-4.9
============================  =======  =======  ===============================================================

Backgrounds, errors of the direction and interactions are choices of this project: at 200 tracks some 2.4 (C4F10) and
0.7 (CF4) background photons lie within two resolutions of a ring.
"""


@dataclass(frozen=True)
class Rich(TrackDetector):
    r"""Answer of a ring-imaging Cherenkov detector with two gases (:data:`GASES`).

    In either gas the particle shines if it is above threshold and neither decayed nor interacted; its photons are
    measured from a track whose direction is not exact (Student's t with 4 degrees of freedom); photons of other tracks
    lie under them, in a number that fluctuates more than the reconstruction thinks. The features are
    ``RichDLLx`` :math:`= \ln L_x - \ln L_\pi` for x = e, mu, k, p, and bt for "below threshold", over both gases (see
    `facsim.simulators.cherenkov.likelihood`). Below 9.3 GeV a kaon shines in neither gas, and neither does a proton:
    ``RichDLLk`` and ``RichDLLp`` then equal ``RichDLLbt``.

    Parameters are those of `TrackDetector`.

    Examples
    --------
    >>> kaons = Rich("K").sample(2000, seed=1)
    >>> pions = Rich("pi").sample(kaons, seed=2)  # at the same conditions
    >>> bool(kaons["RichDLLk"].mean() > 5), bool(pions["RichDLLk"].mean() < -15)
    (True, True)
    """

    name = "rich"
    summary = "ring-imaging Cherenkov detector: five log-likelihood differences of a track"
    blocks = RICH_BLOCKS

    def response(self, rng: np.random.Generator, species: NDArray[np.intp], conditions: Array) -> Array:
        """Features (n, 5) of particles `species` (n,) under conditions P, ETA, nTracks, charge."""
        fate, *streams = rng.spawn(1 + len(GASES))
        luck = fate.random(len(species))
        total = np.zeros((len(species), len(PARTICLES)))
        for gas, stream in zip(GASES, streams, strict=True):
            total += _gas_ratios(stream, gas, species, conditions, luck)
        named = differences(total)
        return np.stack([named[x] for x in _ORDER], axis=1)


def _gas_ratios(rng: np.random.Generator, gas: Gas, species: NDArray[np.intp], conditions: Array, luck: Array) -> Array:
    """Log-likelihood ratios (n, 5) of one gas; a particle is lost in it where `luck` is below the probability."""
    momentum, eta, tracks, charge = conditions.T
    signal, noise, lumps, direction = rng.spawn(4)
    medium, seen = gas.radiator, gas.seen(eta)
    theta = medium.angle(momentum[:, None], MASS)  # (n, 5)
    mean = medium.photons(momentum[:, None], MASS) * seen[:, None]
    expected = gas.expected_background(eta, tracks)
    rows = np.arange(len(species))
    shines = np.where(luck < gas.lost(momentum, species, charge.astype(np.intp)), 0.0, mean[rows, species])
    offset = np.hypot(gas.direction[0], gas.direction[1] / momentum) * direction.standard_t(4, len(species))
    true_background = expected * lumps.gamma(LUMPS, 1 / LUMPS, len(species))
    own, owner = ring(signal, theta[rows, species], shines, medium.sigma, offset)
    other, other_owner = uniform(noise, true_background, medium.window)
    angles, owners = np.concatenate([own, other]), np.concatenate([owner, other_owner])
    return log_ratios(angles, owners, theta, mean, medium.sigma, expected / medium.window)

"""A bar of quartz that sends Cherenkov light to its end (DIRC), crossed by two tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, RangeError, nearest
from facsim.schema import Block
from facsim.simulators.cherenkov.detector import Detector
from facsim.simulators.cherenkov.likelihood import differences, log_ratios, ring, uniform
from facsim.simulators.cherenkov.particles import MASS, PARTICLES, PION, species_of
from facsim.simulators.cherenkov.radiator import Radiator
from facsim.simulators.toys.base import Conditions

__all__ = ["BAR", "Dirc"]

Array = NDArray[np.float64]

BAR = Radiator("quartz", index=1.473, length=1.7, n0=52.7, sigma=8e-3, window=1.2)
r"""The bar.

===========================  ==========  =======================================================================
quantity                     value       source
===========================  ==========  =======================================================================
refractive index             1.473       fused silica, averaged over the photons seen (BaBar, NIM A 538 (2005) 281)
thickness, cm                1.7         as BaBar's bars; the way in it is longer by :math:`\cosh\eta`
photons                      40          mean of the fastDIRC generator; here of fast particles at the bar's centre
resolution per photon, mrad  8 to 10     BaBar: 9.6; here it grows with the way of the light
masses of the second track   5:75:15:5   mu, pi, K, p, as in the fastDIRC generator
===========================  ==========  =======================================================================
"""
HALF_LENGTH = 1500.0
"""Of the bar, mm; photons are read at its positive end."""
ATTENUATION = 8000.0
"""Length over which the light falls to 1/e, mm (a choice)."""
BLUR = 2e-3
"""Growth of a photon's resolution over the whole bar, rad: 8 mrad at the read-out, 10 at the far end."""
REACH = 800.0
"""Distance in x over which light of the second track is confused with the first's, mm (a choice)."""
NOISE, LUMPS = 4.0, 10.0
"""Mean number of noise photons in the window, and shape of the gamma law of their fluctuation (choices)."""
DIRECTION = 1e-3, 4e-3
"""Error of the direction of a track: rad, and rad GeV for multiple scattering (choices)."""
INSIDE = 0.8
"""Share of the second track's photons that the reconstruction expects in the window (a choice)."""
SECOND = np.array([0.0, 0.05, 0.75, 0.15, 0.05])


@dataclass(frozen=True)
class Dirc(Detector):
    r"""Answer of a quartz bar to the first of two tracks.

    Photons of the first track come at :math:`\theta_c`, in a number that depends on its way in the bar and on that of
    the light to the read-out. Photons of the second track, whose kind nobody knows, are measured from the first's
    direction: :math:`\cos\theta = \cos\theta_2 \cos\delta + \sin\theta_2 \sin\delta \cos\varphi`, :math:`\delta` the
    angle between the tracks. So where both tracks are close they look like the first's own. The reconstruction knows
    how many to expect, and takes them as uniform in angle; it knows the momentum of the first track. The features are
    ``dll_x`` :math:`= \ln L_x - \ln L_\pi`, with bt for "below threshold".

    Energies are total energies. A kaon is below threshold up to 0.67 GeV, a proton up to 1.28 GeV.

    Parameters
    ----------
    particle : str
        The first track: ``K`` as in the published exercise, ``e``, ``mu``, ``pi``, ``p``, or ``all``, where it is a
        condition.
    kinematics : str
        ``real``: energies normal, 7 ± 1.5 GeV, x of the second track normal with 2 m, pseudorapidities flat (the
        fastDIRC generator), x of the first track normal with 0.5 m; ``flat``: everything flat over the acceptance,
        energies in their logarithm.

    Examples
    --------
    >>> kaons = Dirc("K").sample(2000, seed=1)
    >>> pions = Dirc("pi").sample(kaons, seed=2)
    >>> bool(kaons["dll_kaon"].mean() > 0 > pions["dll_kaon"].mean())
    True
    """

    particle: str = "K"
    kinematics: str = "real"

    name = "dirc"
    summary = "quartz bar crossed by two tracks: five log-likelihood differences of the first"
    blocks = tuple(Block(f"dll_{x}") for x in ("electron", "kaon", "muon", "proton", "bt"))
    given = tuple(
        block
        for track in ("particle_one", "particle_two")
        for block in (
            Block(f"{track}_energy", (), "energy", "GeV"),
            Block(f"{track}_eta"),
            Block(f"{track}_x", unit="mm"),
        )
    )
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "particle_one_energy": (0.5, 15.0),
        "particle_one_eta": (-0.5, 0.5),
        "particle_one_x": (-HALF_LENGTH, HALF_LENGTH),
        "particle_two_energy": (0.5, 15.0),
        "particle_two_eta": (-0.5, 0.5),
        "particle_two_x": (-8000.0, 8000.0),
    }

    def __post_init__(self) -> None:
        species_of(self.particle)
        if self.kinematics not in {"real", "flat"}:
            near = nearest(str(self.kinematics), ["real", "flat"])
            msg = f"{self.name}: kinematics='{self.kinematics}' must be 'real' or 'flat'.{near}"
            raise DataError(msg)

    def draw(self, rng: np.random.Generator, n: int, particle: str) -> Array:
        """Conditions (n, 6) of n pairs of tracks."""
        low, high = np.array(list(self.ranges.values())).T
        low[0] = max(low[0], 1.05 * MASS[PARTICLES.index(particle)])
        drawn = low + (high - low) * rng.random((n, 6))
        if self.kinematics == "flat":
            drawn[:, [0, 3]] = np.exp(rng.uniform(np.log(low[[0, 3]]), np.log(high[[0, 3]]), (n, 2)))
            return np.asarray(drawn)
        drawn[:, [0, 3]] = rng.normal(7.0, 1.5, (n, 2))
        drawn[:, [2, 5]] = rng.normal(0.0, [500.0, 2000.0], (n, 2))
        return np.asarray(np.clip(drawn, low, high))  # three to four standard deviations away

    def _given(self, conditions: Conditions, seed: int) -> NDArray[np.float32]:
        matrix = super()._given(conditions, seed)
        species = species_of(self.particle)
        rest = MASS[matrix[:, -1].astype(np.intp) if species is None else np.full(len(matrix), species)]
        slow = matrix[:, 0] <= rest
        if slow.any():
            row = int(slow.argmax())
            msg = (
                f"particle_one_energy={matrix[row, 0]:g} GeV of track {row} is below the particle's rest energy of "
                f"{rest[row]:.4g} GeV: give its total energy, or another particle"
            )
            raise RangeError(msg)
        return matrix

    def response(self, rng: np.random.Generator, species: NDArray[np.intp], conditions: Array) -> Array:
        """Features (n, 5) of first tracks `species` (n,) under the six conditions."""
        energy, eta, x, energy_two, eta_two, x_two = conditions.T
        signal, direction, second, noise, lumps = rng.spawn(5)
        n, rows = len(species), np.arange(len(species))
        momentum = np.sqrt(energy**2 - MASS[species] ** 2)
        sigma = BAR.sigma + BLUR * _way(x) / (2 * HALF_LENGTH)
        theta = BAR.angle(momentum[:, None], MASS)
        mean = BAR.photons(momentum[:, None], MASS) * _light(eta, x)[:, None]
        offset = np.hypot(DIRECTION[0], DIRECTION[1] / momentum) * direction.standard_t(4, n)
        overlap = np.exp(-(((x_two - x) / REACH) ** 2) / 2)

        angles, owner = ring(signal, theta[rows, species], mean[rows, species], sigma, offset)
        others, of = _second(second, energy_two, eta_two, x_two, overlap, sigma, eta)
        dark, dark_of = uniform(noise, NOISE * lumps.gamma(LUMPS, 1 / LUMPS, n), BAR.window)
        expected = NOISE + INSIDE * overlap * BAR.photons(energy_two, MASS[PION]) * _light(eta_two, x_two)
        photons, owners = np.concatenate([angles, others, dark]), np.concatenate([owner, of, dark_of])
        named = differences(log_ratios(photons, owners, theta, mean, sigma, expected / BAR.window))
        return np.stack([named[k] for k in ("e", "K", "mu", "p", "bt")], axis=1)


def _way(x: Array) -> Array:
    """Way of the light to the read-out, mm; a track beside the bar counts as at its end."""
    return np.asarray(HALF_LENGTH - np.clip(x, -HALF_LENGTH, HALF_LENGTH))


def _light(eta: Array, x: Array) -> Array:
    """Photons seen relative to a perpendicular track at the read-out: longer way in the bar, light lost on the way."""
    return np.asarray(np.cosh(eta) * np.exp(-_way(x) / ATTENUATION))


def _second(
    rng: np.random.Generator, energy: Array, eta: Array, x: Array, overlap: Array, sigma: Array, eta_one: Array
) -> tuple[Array, NDArray[np.intp]]:
    """Angles to the first track of the second's photons (m,), and their events (m,)."""
    kind, light, azimuth = rng.spawn(3)
    mass = MASS[np.searchsorted(np.cumsum(SECOND), kind.random(len(energy)), side="right")]
    momentum = np.sqrt(np.maximum(energy**2 - mass**2, 1e-6))
    theta, of = ring(
        light, BAR.angle(momentum, mass), BAR.photons(momentum, mass) * _light(eta, x) * overlap, sigma, 0.0
    )
    apart = (_polar(eta) - _polar(eta_one))[of]
    cosine = np.cos(theta) * np.cos(apart) + np.sin(theta) * np.sin(apart) * np.cos(2 * np.pi * azimuth.random(len(of)))
    seen = np.arccos(np.clip(cosine, -1, 1))
    inside = seen < BAR.window
    return seen[inside], of[inside]


def _polar(eta: Array) -> Array:
    """Polar angle, rad."""
    return np.asarray(2 * np.arctan(np.exp(-eta)))

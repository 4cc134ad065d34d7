"""Fibres of a zero-degree calorimeter: light of a shower whose shape varies much under some conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.schema import Block
from facsim.simulators.images.base import ImageDetector
from facsim.simulators.toys.base import Conditions, positive

__all__ = ["KINDS", "SIDE", "Zdc"]

Array = NDArray[np.float64]

SIDE = 44
"""Fibres along each side."""
PITCH_MM = 1.6
"""Distance between fibres: 70.4 mm in all, as the neutron calorimeter of ALICE."""
DISTANCE_MM = 112_500.0
"""From the middle of the interaction region to the calorimeter."""
LENGTH = 8.7
"""Of the calorimeter, interaction lengths."""
KINDS: Mapping[str, tuple[float, float, float]] = {
    "neutron": (0.70, 0.939565, 0.0),
    "gamma": (0.15, 0.0, 0.0),
    "K0L": (0.05, 0.497611, 0.0),
    "proton": (0.10, 0.938272, 1.0),
}
"""Share of the drawn particles, mass in GeV, charge. The shares are choices."""

# What follows, up to the class, are choices of this project.
DEFLECTION = 50_000.0
"""Of a unit charge by the magnets, mm GeV: 20 mm along x at 2.5 TeV."""
BEAM = 2510.0
"""Energy per nucleon, GeV."""
LIGHT = 0.35
"""Photons seen per GeV of electromagnetic energy."""
HADRONIC = 0.2
"""Light of the hadronic energy relative to the electromagnetic: little is fast enough to shine."""
ESCAPE = 1.6
"""Interaction lengths behind a shower's start over which what escapes at the back falls to 1/e."""
CORE_MM, HALO_MM, HALO = 2.5, 12.0, 0.3
"""Median radius of the light of an electromagnetic shower, of a hadron's halo, and the halo's share of the light."""
KICK_MM = 40.0
"""Spread of sub-showers around the axis times the logarithm of the energy in GeV: 5 mm at 2.5 TeV, 9 mm at 100 GeV."""
STEADINESS = 30.0
"""Concentration of the electromagnetic share at 1 TeV; it grows with the square root of the energy."""
LIGHTEST_HADRON = 0.1
"""GeV; what has less mass showers as an electron or photon does."""
CENTRAL_MM, EDGE_MM = 12.0, 33.0
"""Standard deviation and limit of the points that drawn particles hit."""


@dataclass(frozen=True)
class Zdc(ImageDetector):
    r"""Photon counts in 44 x 44 fibres of a calorimeter far down the beam.

    A particle flies straight from its vertex (charges are deflected along x) and hits the face, 1.6 mm per fibre, block
    axes x and y. Photons shower at once into one compact spot. Hadrons begin at an exponential depth; of their energy a
    share :math:`f \sim \mathrm{Beta}`, in the mean :math:`1 - (E/\mathrm{GeV})^{-0.18}` (Gabriel et al., NIM A 338
    (1994) 336), is electromagnetic and gives light, what escapes at the back does not. A hadron's light comes from
    :math:`1 + \mathrm{Poisson}(1.2 \ln(E/10\,\mathrm{GeV}))` sub-showers with random shares beside the axis, and a
    halo. So answers to the same photon differ by counting alone, those to the same slow hadron in everything. Radii of
    photons follow :math:`2 r R^2/(r^2 + R^2)^2`, their number is a Poisson variable.

    The nine conditions are of those kinds which the calorimeter of ALICE is modelled with (Comput. Softw. Big Sci. 9:1
    (2025)): energy, mass, charge, vertex and momentum. Names, units and the particles' spectra are ours, and so is the
    parametrisation; it is no description of the experiment.

    Parameters
    ----------
    repeats : int
        So many successive events have the same particle, where only the number of events is given; at most 1024 (one
        shard), of which it should be a divisor for all particles to have as many.
    soft : float
        Share of particles with energies log-flat from 50 GeV on; the others have the beam's, within 8 %.

    Examples
    --------
    >>> events = Zdc(repeats=4).sample(200, seed=1)
    >>> events["response"].shape, len(np.unique(events.conditions, axis=0))
    ((200, 44, 44), 50)
    """

    repeats: int = 8
    soft: float = 0.5

    name = "zdc"
    summary = "zero-degree calorimeter: images of 44 x 44 photon counts, every particle several times"
    # kind energy, not count: images are mostly zero, and models treat that kind accordingly
    image = Block("response", (SIDE, SIDE), "energy")
    given = (
        Block("energy", (), "energy", "GeV"),
        Block("mass", unit="GeV"),
        Block("charge"),
        *(Block(f"vertex_{axis}", unit="mm") for axis in "xyz"),
        *(Block(f"momentum_{axis}", unit="GeV") for axis in "xyz"),
    )
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "energy": (20.0, 7000.0),
        "mass": (0.0, 2.0),
        "charge": (-1.0, 1.0),
        "vertex_x": (-10.0, 10.0),
        "vertex_y": (-10.0, 10.0),
        "vertex_z": (-500.0, 500.0),
        "momentum_x": (-50.0, 50.0),
        "momentum_y": (-50.0, 50.0),
        "momentum_z": (10.0, 7000.0),
    }

    def __post_init__(self) -> None:
        positive(self, "repeats")
        if not 0 <= self.soft <= 1:
            msg = f"{self.name}: soft={self.soft} must lie between 0 and 1"
            raise DataError(msg)

    def impact(self, conditions: Conditions) -> Array:
        """Where particles hit the face (n, 2), mm from its middle."""
        return _impact(self._given(conditions, 0).astype(np.float64))

    def _given(self, conditions: Conditions, seed: int) -> NDArray[np.float32]:
        matrix = super()._given(conditions, seed)
        energy, mass = matrix[:, :2].astype(np.float64).T
        expected = np.sqrt(mass**2 + (matrix[:, 6:].astype(np.float64) ** 2).sum(axis=1))
        wrong = np.abs(energy - expected) > 1e-3 * energy
        if wrong.any():
            row = int(wrong.argmax())
            msg = (
                f"{self.name}: energy={energy[row]:g} GeV of event {row} does not belong to its mass and momentum "
                f"({int(wrong.sum())} of {len(energy)} events): give sqrt(p^2 + m^2) = {expected[row]:.6g} GeV"
            )
            raise DataError(msg)
        return matrix

    def _conditions(self, rng: np.random.Generator, n: int) -> Array:
        m = -(-n // self.repeats)
        shares, masses, charges = np.array(list(KINDS.values())).T
        kind = rng.choice(len(shares), m, p=shares / shares.sum())
        mass, charge = masses[kind], charges[kind]
        energy = np.where(
            rng.random(m) < self.soft, 50 * (BEAM / 50) ** rng.random(m), rng.normal(BEAM, 0.08 * BEAM, m)
        )
        momentum = np.sqrt(energy**2 - mass**2)
        vertex = rng.normal(0, [0.1, 0.1, 50.0], (m, 3)).clip(-400, 400)
        target, anywhere = rng.normal(0, CENTRAL_MM, (m, 2)), rng.uniform(-EDGE_MM, EDGE_MM, (m, 2))
        target = np.where(np.abs(target) > EDGE_MM, anywhere, target)
        target[:, 0] -= charge * DEFLECTION / momentum
        slope = (target - vertex[:, :2]) / (DISTANCE_MM - vertex[:, 2:])
        along = momentum / np.sqrt(1 + (slope**2).sum(axis=1))
        drawn = np.column_stack([energy, mass, charge, vertex, slope * along[:, None], along])
        return np.asarray(np.repeat(drawn, self.repeats, axis=0)[:n])

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        given = conditions.astype(np.float64)
        energy, hadron = given[:, 0], given[:, 1] >= LIGHTEST_HADRON
        # one child per quantity: what an event gets does not depend on events after it
        yields, number, cut, beside, flashes, radii, halos, azimuths = rng.spawn(8)
        light = _light(yields, energy, hadron)

        owner = np.repeat(np.arange(len(given)), 1 + hadron * number.poisson(1.2 * np.log(energy / 10)))
        share = cut.standard_exponential(len(owner))
        share /= np.bincount(owner, share)[owner]
        kick = beside.standard_normal((len(owner), 2)) * (hadron * KICK_MM / np.log(energy))[owner, None]
        centre = _impact(given)[owner] + kick

        spot = np.repeat(np.arange(len(owner)), flashes.poisson(share * light[owner]))
        u = radii.random(len(spot))
        far = hadron[owner][spot] & (halos.random(len(spot)) < HALO)
        radius = np.where(far, HALO_MM, CORE_MM) * np.sqrt(u / (1 - u))
        azimuth = 2 * np.pi * azimuths.random(len(spot))
        x = np.floor((centre[spot, 0] + radius * np.cos(azimuth)) / PITCH_MM + SIDE / 2)
        y = np.floor((centre[spot, 1] + radius * np.sin(azimuth)) / PITCH_MM + SIDE / 2)
        seen = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
        cell = (owner[spot[seen]] * SIDE + x[seen].astype(np.intp)) * SIDE + y[seen].astype(np.intp)
        return np.bincount(cell, minlength=len(given) * SIDE**2).reshape(len(given), -1).astype(np.float64)


def _impact(given: Array) -> Array:
    """Where particles of conditions (n, 9) hit the face (n, 2), mm."""
    vertex, momentum = given[:, 3:6], given[:, 6:]
    along = momentum[:, 2:]
    hit = vertex[:, :2] + momentum[:, :2] / along * (DISTANCE_MM - vertex[:, 2:])
    hit[:, 0] += given[:, 2] * DEFLECTION / along[:, 0]
    return np.asarray(hit)


def _light(rng: np.random.Generator, energy: Array, hadron: NDArray[np.bool_]) -> Array:
    """Mean number of photons (n,) of a shower of energy (n,), GeV, with its fluctuations before counting."""
    depth, shares = rng.spawn(2)
    start = depth.standard_exponential(len(energy))
    kept = -np.expm1(-np.maximum(LENGTH - start, 0) / ESCAPE)
    mean, steady = 1 - energy**-0.18, STEADINESS * np.sqrt(energy / 1000)
    share = shares.beta(mean * steady, (1 - mean) * steady)
    return np.asarray(LIGHT * energy * np.where(hadron, kept * (share + HADRONIC * (1 - share)), 1.0))

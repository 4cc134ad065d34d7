"""Calibration samples: particles known from a decay, under a mass peak, with other particles below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.sampler import SHARD
from facsim.schema import Block, Schema
from facsim.simulators.cherenkov.detector import TRACK, TrackDetector
from facsim.simulators.cherenkov.kinematics import SPECTRA
from facsim.simulators.cherenkov.muon import Muon
from facsim.simulators.cherenkov.particles import PARTICLES, species_of
from facsim.simulators.cherenkov.pid import GlobalPID
from facsim.simulators.cherenkov.rich import Rich
from facsim.simulators.toys.base import Conditions, Toy

__all__ = ["DECAYS", "Calibration", "Decay", "MuonCalibration", "PIDCalibration", "RichCalibration"]

Array = NDArray[np.float64]

BACKGROUND = np.array([0.05, 0.05, 0.60, 0.20, 0.10])
"""What lies under the peak: e, mu, pi, K, p (a choice)."""
WINDOW, LENGTH = 6.0, 10.0
"""Half width of the mass window and decay length of the background's exponential, in units of the resolution."""
TYPICAL, SPREAD = np.log(25.0), 0.9
"""Centre and width of ln(P / GeV): what a broken independence is counted in."""


class Decay(NamedTuple):
    """A decay that gives particles of a known kind: its name, and the mass and its resolution, MeV."""

    label: str
    mass: float
    resolution: float


DECAYS = {
    "e": Decay("J/psi -> e e", 3096.90, 40.0),
    "mu": Decay("J/psi -> mu mu", 3096.90, 13.0),
    "pi": Decay("D0 -> K pi", 1864.84, 8.0),
    "K": Decay("D0 -> K pi", 1864.84, 8.0),
    "p": Decay("Lambda -> p pi", 1115.683, 1.1),
}
"""Masses of the Particle Data Group 2024; resolutions of the size that the experiment has (a choice)."""


@dataclass(frozen=True)
class Calibration(Toy):
    r"""Signal of one kind under a peak in the mass, and a background of all kinds.

    The features are those of the detector, then ``mass`` (MeV) and ``signal``, the truth. The signal's mass is
    Gaussian, the background's falls exponentially; the two differ in their spectra of P, ETA and nTracks, and in what
    particles they are. Within either the mass is independent of all else, as sPlot needs: weights from a fit of the
    mass give the signal's distributions, which are those of the detector itself with the same particle.

    Parameters
    ----------
    particle : str
        The signal: ``e``, ``mu``, ``pi``, ``K`` or ``p``; see `DECAYS`.
    signal : float
        Its share of the events, between 0 and 1.
    correlated : float
        Breaks the independence: the peak moves by so many resolutions per unit of (ln P - ln 25 GeV) / 0.9, and the
        background's slope changes, too. Between 0 and 1.

    Examples
    --------
    >>> sample = RichCalibration("K", signal=0.3)
    >>> events = sample.sample(5000, seed=1)
    >>> bool(abs(events["signal"].mean() - 0.3) < 0.03), float(sample.window[0])
    (True, 1816.84)
    """

    particle: str = "K"
    signal: float = 0.5
    correlated: float = 0.0

    system: ClassVar[type[TrackDetector]]

    def __post_init__(self) -> None:
        species_of(self.particle, mixed=False)
        for option, low, high in (("signal", 0.0, 1.0), ("correlated", 0.0, 1.0)):
            value = getattr(self, option)
            if not low <= value <= high:
                msg = f"{self.name}: {option}={value} must lie between {low:g} and {high:g}"
                raise DataError(msg)

    @property
    def schema(self) -> Schema:
        """Columns of the events: the detector's, with ``mass`` and ``signal`` after the features."""
        extra = (Block("mass", unit="MeV"), Block("signal", kind="mask"))
        return Schema(self.system.blocks + extra, TRACK, self.system.name)

    @property
    def decay(self) -> Decay:
        """The decay that the signal comes from."""
        return DECAYS[PARTICLES[species_of(self.particle, mixed=False) or 0]]

    @property
    def window(self) -> tuple[float, float]:
        """Lowest and highest mass, MeV."""
        half = WINDOW * self.decay.resolution
        return self.decay.mass - half, self.decay.mass + half

    def stream(self, conditions: Conditions, *, seed: int = 0, start: int = 0) -> Iterator[Events]:
        """Yield the events of ``sample(n, seed=seed)`` from event `start` on, piece by piece.

        Raises
        ------
        DataError
            If conditions are given: what is signal depends on them.
        """
        if not isinstance(conditions, (int, np.integer)):
            msg = (
                f"{self.name} draws signal and background with their own conditions: give the number of events; for "
                f"given tracks take facsim.simulators.cherenkov.{self.system.__name__}('{self.particle}')"
            )
            raise DataError(msg)
        if conditions < 1 or seed < 0 or start < 0:
            msg = f"n={conditions}, seed={seed}, start={start}: at least one event, and no negative numbers, are needed"
            raise DataError(msg)
        for shard in range(start // SHARD, -(-int(conditions) // SHARD)):
            features, tracks = self._shard(np.random.default_rng([seed, shard]))
            rows = slice(max(start - shard * SHARD, 0), min(int(conditions) - shard * SHARD, SHARD))
            yield Events(features[rows], tracks[rows], self.schema)

    def _shard(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        which, kinds, signal, background, detector, masses = rng.spawn(6)
        is_signal = which.random(SHARD) < self.signal
        own = species_of(self.particle, mixed=False) or 0
        others = np.searchsorted(np.cumsum(BACKGROUND), kinds.random(SHARD), side="right")
        species = np.where(is_signal, own, np.minimum(others, len(PARTICLES) - 1)).astype(np.intp)
        pure, below = SPECTRA[PARTICLES[own]].draw(signal, SHARD), SPECTRA["background"].draw(background, SHARD)
        tracks = np.where(is_signal[:, None], pure, below).astype(np.float32)  # what the file says is what was used
        features = self.system().response(detector, species, tracks.astype(np.float64))
        mass = self._mass(masses, is_signal, tracks[:, 0])
        return np.column_stack([features, mass, is_signal]).astype(np.float32), tracks

    def _mass(self, rng: np.random.Generator, is_signal: NDArray[np.bool_], momentum: NDArray[np.float32]) -> Array:
        peak, slope = rng.spawn(2)
        away = self.correlated * (np.log(momentum) - TYPICAL) / SPREAD
        length = LENGTH * np.exp(0.5 * away)
        edge = np.exp(-2 * WINDOW / length)
        falling = -WINDOW - length * np.log1p(-slope.random(SHARD) * (1 - edge))
        pull = np.where(is_signal, peak.standard_normal(SHARD) + away, falling)
        return np.asarray(self.decay.mass + self.decay.resolution * np.clip(pull, -WINDOW, WINDOW))


@dataclass(frozen=True)
class RichCalibration(Calibration):
    """Calibration sample of `Rich`; parameters are those of `Calibration`."""

    name = "rich-calibration"
    summary = "rings of a known particle under a mass peak, with background"
    system = Rich


@dataclass(frozen=True)
class MuonCalibration(Calibration):
    """Calibration sample of `Muon`; parameters are those of `Calibration`."""

    particle: str = "mu"

    name = "muon-calibration"
    summary = "muon chambers, a known particle under a mass peak, with background"
    system = Muon


@dataclass(frozen=True)
class PIDCalibration(Calibration):
    """Calibration sample of `GlobalPID`; parameters are those of `Calibration`."""

    name = "pid-calibration"
    summary = "whole chain of identification, a known particle under a mass peak, with background"
    system = GlobalPID

"""Light curves of periodic variable stars: long, smooth, and never in phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.schema import Block, Schema
from facsim.simulators.toys.base import Toy, positive

__all__ = ["CLASSES", "LightCurves", "profile"]

Array = NDArray[np.float64]

CLASSES = ("sinusoid", "sawtooth", "eclipsing")
PERIOD = (0.3, 3.0)  # in spans of observation, flat in the logarithm
AMPLITUDE = (0.2, 1.0)  # magnitudes from brightest to faintest, flat
RISE = 0.2  # share of the period in which a sawtooth brightens
ECLIPSES = ((0.0, 1.0), (0.5, 0.4))  # phase and relative depth
WIDTH = 0.05  # of an eclipse, as a standard deviation in phase


@dataclass(frozen=True)
class LightCurves(Toy):
    r"""Magnitudes at evenly spaced times, :math:`m(t) = A\,f(t/P + \varphi) + \text{noise}`, with a random phase.

    Parameters
    ----------
    points : int
        Times per curve, over one span of observation.
    noise : float
        Standard deviation, in magnitudes.
    conditions : bool
        Tell ``period`` (in spans), ``amplitude`` (magnitudes) and ``kind`` as conditions; else they are drawn for every
        curve and not told.

    Examples
    --------
    >>> events = LightCurves(points=32).sample(5, seed=1)
    >>> events["magnitude"].shape, events["kind"].shape
    ((5, 32), (5,))
    """

    points: int = 64
    noise: float = 0.02
    conditions: bool = True

    name = "light-curves"
    summary = "periodic variable stars of three kinds with noise; the covariance is known"

    def __post_init__(self) -> None:
        positive(self, "noise")
        if self.points < 2:
            msg = f"{self.name}: points={self.points} must be at least 2"
            raise DataError(msg)

    @property
    def schema(self) -> Schema:
        """One block ``magnitude``; conditions ``period``, ``amplitude`` and ``kind``, if wanted."""
        given = (Block("period"), Block("amplitude", (), "real", "mag"), Block("kind", (), "category", names=CLASSES))
        return Schema((Block("magnitude", (self.points,), "real", "mag"),), given if self.conditions else ())

    @property
    def times(self) -> Array:
        """Times (points,) in spans of observation."""
        return np.arange(self.points) / self.points

    def covariance(self, period: float, amplitude: float, kind: str) -> Array:
        """Covariance (points, points) of the magnitudes of one kind of star: over all phases, and of the noise."""
        phase = np.arange(2000) / 2000
        wave = amplitude * profile(phase[:, None] + self.times / period, np.array(CLASSES.index(kind)))
        wave -= wave.mean()  # the same at all times
        return np.asarray(wave.T @ wave / len(phase) + self.noise**2 * np.eye(self.points))

    def _conditions(self, rng: np.random.Generator, n: int) -> Array:
        drawn = _stars(rng, n)
        return drawn if self.conditions else np.empty((n, 0))

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        n = len(conditions)
        phase, noise = rng.random((n, 1)), rng.normal(0, self.noise, (n, self.points))
        stars = conditions.astype(np.float64) if self.conditions else _stars(rng, n)
        period, amplitude, kind = (stars[:, [i]] for i in range(3))
        if not (period > 0).all() or not np.isin(kind, range(len(CLASSES))).all():
            msg = f"{self.name}: a period must be positive, and a kind one of 0 to {len(CLASSES) - 1}: {CLASSES}"
            raise DataError(msg)
        return np.asarray(amplitude * profile(phase + self.times / period, kind) + noise)


def profile(phase: ArrayLike, kind: ArrayLike) -> Array:
    """Magnitude against phase, from 0 (brightest) to 1 (faintest), with the period 1.

    Parameters
    ----------
    phase : array
    kind : array of int
        Index into `CLASSES`, broadcast against the phase: a sinusoid; a sawtooth that brightens within a fifth of the
        period; two eclipses of unequal depth.

    Examples
    --------
    >>> profile([0.0, 0.5], 0), profile([0.0, 0.2], 1)
    (array([1., 0.]), array([1., 0.]))
    """
    phase = np.asarray(phase, np.float64) % 1.0
    sinusoid = (1 + np.cos(2 * np.pi * phase)) / 2
    sawtooth = np.where(phase < RISE, 1 - phase / RISE, (phase - RISE) / (1 - RISE))
    eclipsing = np.zeros_like(phase)
    for centre, depth in ECLIPSES:
        away = (phase - centre + 0.5) % 1.0 - 0.5
        eclipsing += depth * np.exp(-((away / WIDTH) ** 2) / 2)
    which = np.asarray(kind, int)
    return np.asarray(np.where(which == 0, sinusoid, np.where(which == 1, sawtooth, eclipsing)))


def _stars(rng: np.random.Generator, n: int) -> Array:
    """Period, amplitude and kind (n, 3)."""
    low, high = PERIOD
    period = low * (high / low) ** rng.random(n)
    return np.stack([period, rng.uniform(*AMPLITUDE, n), rng.integers(len(CLASSES), size=n)], axis=1)

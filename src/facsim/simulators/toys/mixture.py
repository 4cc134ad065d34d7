"""Signal over background, with the sWeights that remove it: training without simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.sampler import SHARD
from facsim.schema import Block, Schema
from facsim.simulators.toys.base import Conditions, Toy
from facsim.sweights.weights import signal_yield, sweights

__all__ = ["SWeightsMixture", "background_mass", "draw_background_mass", "signal_mass"]

Array = NDArray[np.float64]

WINDOW = 5.0
"""The mass is known within +- so much, in units of the signal's resolution."""
DECAY = 10.0
"""Decay length of the background's exponential."""
NORM = 2 * DECAY * np.sinh(WINDOW / DECAY)

SIGNAL = np.array([0.5, 0.5]), np.array([[1.0, 0.6], [0.6, 1.0]])
BACKGROUND = np.array([-1.0, 1.0]), np.array([[2.25, -0.5], [-0.5, 0.64]])
"""Mean and covariance of the two features."""


@dataclass(frozen=True)
class SWeightsMixture(Toy):
    """Two features of signal and background events, and sWeights from a fit of their mass.

    Both are Gaussian, with other means, widths and signs of the correlation, so that a model that ignores the weights
    is seen at once. The mass, which is not among the features, is Gaussian for the signal and falls exponentially for
    the background; it is independent of the features, as sPlot asks for. The yields are fitted to the sample, so that
    the weights (not the features) depend on all of its events.

    Parameters
    ----------
    signal : float
        Share of signal events, between 0 and 1.

    Examples
    --------
    >>> toy = SWeightsMixture(signal=0.3)
    >>> events, truth = toy.sample(20_000, seed=1), toy.pure(20_000, seed=2)
    >>> weighted = np.average(events["x"], weights=events.weights)
    >>> bool(abs(weighted - truth["x"].mean()) < 0.06), bool(abs(events["x"].mean() - truth["x"].mean()) > 0.9)
    (True, True)
    """

    signal: float = 0.5

    name = "sweights-mixture"
    summary = "signal over background with sWeights from a mass fit; the pure signal is known"

    def __post_init__(self) -> None:
        if not 0 < self.signal < 1:
            msg = f"{self.name}: signal={self.signal} must lie between 0 and 1"
            raise DataError(msg)

    @property
    def schema(self) -> Schema:
        """Two real columns, ``x`` and ``y``; no conditions."""
        return Schema((Block("x"), Block("y")))

    def sample(self, conditions: Conditions, *, seed: int = 0) -> Events:
        """Draw events with sWeights; see `Toy.sample`.

        Raises
        ------
        DataError
            If the fit finds only signal or only background: draw more events.
        """
        features, mass, _ = self.mixture(len(self._given(conditions, seed)), seed)
        shapes = signal_mass(mass), background_mass(mass)
        n_signal = signal_yield(*shapes)
        weights = sweights(*shapes, n_signal, len(mass) - n_signal)
        return self._events(features, weights)

    def stream(self, conditions: Conditions, *, seed: int = 0, start: int = 0) -> Iterator[Events]:
        """Yield the events of `sample` piece by piece."""
        events = self.sample(conditions, seed=seed)
        for first in range(start, len(events), SHARD):
            yield events[first : first + SHARD]

    def mixture(self, n: int, seed: int = 0) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Features (n, 2), mass (n,) and whether it is signal (n,), of the events of ``sample(n, seed=seed)``."""
        shards = [self._shard(np.random.default_rng([seed, i])) for i in range(-(-n // SHARD))]
        features, mass, is_signal = (np.concatenate(part)[:n] for part in zip(*shards, strict=True))
        return features, mass, is_signal

    def pure(self, n: int, seed: int = 0) -> Events:
        """Signal events alone, without weights: what a model trained with the weights must give."""
        return self._events(_coloured(np.random.default_rng([seed, 0, 0x51]).normal(size=(n, 2)), *SIGNAL))

    def _shard(self, rng: np.random.Generator) -> tuple[Array, Array, NDArray[np.bool_]]:
        is_signal = rng.random(SHARD) < self.signal
        normal = rng.normal(size=(SHARD, 2))
        peak = rng.normal(size=SHARD)
        while (outside := np.abs(peak) > WINDOW).any():
            peak[outside] = rng.normal(size=int(outside.sum()))
        mass = np.where(is_signal, peak, draw_background_mass(rng, SHARD))
        return np.where(is_signal[:, None], _coloured(normal, *SIGNAL), _coloured(normal, *BACKGROUND)), mass, is_signal

    def density(self, x: ArrayLike) -> Array:
        """Density (n,) of the signal at features x (n, 2)."""
        mean, covariance = SIGNAL
        away = np.asarray(x, np.float64) - mean
        square = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        return np.asarray(np.exp(-square / 2) / (2 * np.pi * np.sqrt(np.linalg.det(covariance))))

    def _events(self, features: Array, weights: Array | None = None) -> Events:
        return Events(features.astype(np.float32), np.empty((len(features), 0), np.float32), self.schema, weights)


def signal_mass(mass: ArrayLike) -> Array:
    """Density of the signal's mass: Gaussian of mean 0 and width 1 (6e-7 of it lie outside the window)."""
    return np.asarray(np.exp(-(np.asarray(mass, np.float64) ** 2) / 2) / np.sqrt(2 * np.pi))


def background_mass(mass: ArrayLike) -> Array:
    """Density of the background's mass: exponential of decay length 10 on [-5, 5]."""
    return np.asarray(np.exp(-np.asarray(mass, np.float64) / DECAY) / NORM)


def draw_background_mass(rng: np.random.Generator, n: int) -> Array:
    """Masses (n,) of the background."""
    edge = np.exp(WINDOW / DECAY)
    return np.asarray(-DECAY * np.log(edge - rng.random(n) * (edge - 1 / edge)))


def _coloured(normal: Array, mean: Array, covariance: Array) -> Array:
    return np.asarray(mean + normal @ np.linalg.cholesky(covariance).T)

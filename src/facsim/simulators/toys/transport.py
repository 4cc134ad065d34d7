"""The simplest generator there is: one number in, one number out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.schema import Block, Schema
from facsim.simulators.toys.base import Toy

__all__ = ["LogTransport"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogTransport(Toy):
    """``x = ln z`` with z flat between 0 and 1: minus an exponential number of mean 1.

    Noise through the quantile function gives any law in one dimension (inverse transform); a generator has to find this
    function. Its steep end, at z = 0, is where networks fail first.

    Examples
    --------
    >>> toy = LogTransport()
    >>> x = toy.sample(10_000, seed=1)["x"]
    >>> bool(abs(x.mean() + 1) < 0.04), float(toy.cdf(toy.quantile(0.3)).round(6))
    (True, 0.3)
    """

    name = "log-transport"
    summary = "x = ln z with z flat: an exponential law, whose quantile function is known"

    @property
    def schema(self) -> Schema:
        """One real column ``x``; no conditions."""
        return Schema((Block("x"),))

    def quantile(self, z: ArrayLike) -> Array:
        """Transport z in (0, 1) to x: its logarithm."""
        return np.asarray(np.log(z))

    def cdf(self, x: ArrayLike) -> Array:
        """Share of events below x: e^x for x below 0, else 1."""
        return np.asarray(np.exp(np.minimum(x, 0.0)))

    def density(self, x: ArrayLike) -> Array:
        """e^x for x below 0, else 0."""
        x = np.asarray(x, np.float64)
        return np.where(x < 0, np.exp(np.minimum(x, 0.0)), 0.0)

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        return self.quantile(1 - rng.random((len(conditions), 1)))  # random() may give 0, but never 1

"""A Gaussian whose mean is to be found: the posterior is a Gaussian, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from facsim.errors import DataError
from facsim.schema import Block
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.space import DRAW, DRAWN, Parameter, Space

__all__ = ["GaussianLinear", "GaussianLinearUniform", "GaussianSpace"]

Array = NDArray[np.float64]
VARIANCE = 0.1  # of the events, and of the Gaussian prior
REACH = 2.0  # of the Gaussian prior: 6.3 standard deviations


@dataclass(frozen=True)
class GaussianSpace(Space):
    """A space whose parameters are drawn from N(0, 0.1), cut at its ranges, instead of uniformly."""

    def draw(
        self, n: int, seed: int, stream: int = 0, *, ranges: Mapping[str, tuple[float, float]] | None = None
    ) -> Array:
        """Points (n, p) of the prior; as in `Space.draw`."""
        low, high = self._narrow(ranges or {})
        rng = np.random.default_rng([seed, stream, DRAWN])
        rows = rng.random((-(-n // DRAW) * DRAW, len(self)))[:n]
        points = truncated(rows, np.zeros(len(self)), VARIANCE, low, high)
        return np.asarray(np.clip(points.astype(np.float32).astype(np.float64), self.low, self.high))


@dataclass(frozen=True)
class GaussianLinear(ParametricSimulator):
    r"""Events :math:`x \sim N(\theta, 0.1 I)` with the prior :math:`\theta \sim N(0, 0.1 I)`.

    The posterior is :math:`N(x / 2, 0.05 I)`, where the prior is cut at 2 (6.3 standard deviations) in every direction.

    Parameters
    ----------
    size : int
        Parameters, and observables.

    Notes
    -----
    Task T.1 of Lueckmann et al., arXiv:2101.04653. Its space draws from the Gaussian prior, see `GaussianSpace`.

    Examples
    --------
    >>> GaussianLinear(size=3).reference_posterior([0.2, 0, 0], n=5, seed=0).shape
    (5, 3)
    """

    size: int = 10

    name = "gaussian-linear"
    summary = "mean of a Gaussian in ten dimensions under a Gaussian prior"
    seconds_per_call = 1e-6

    def __post_init__(self) -> None:
        if self.size < 1:
            msg = f"{self.name}: size={self.size} must be at least 1"
            raise DataError(msg)
        object.__setattr__(self, "space", self._space())
        object.__setattr__(self, "features", (Block("x", (self.size,)),))

    def log_likelihood(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Logarithm (n,) of the density of one event x (d,) at points theta (n, d)."""
        away = np.asarray(x, np.float64).reshape(self.size) - np.asarray(theta, np.float64)
        log = -(away**2).sum(axis=1) / (2 * VARIANCE) - self.size * np.log(2 * np.pi * VARIANCE) / 2
        return np.asarray(log)

    def reference_posterior(self, x: ArrayLike, n: int, seed: int) -> Array:
        """Points (n, d) of the exact posterior of one event x (d,)."""
        mean, variance = self._posterior(np.asarray(x, np.float64).reshape(self.size))
        u = np.random.default_rng(seed).random((n, self.size))
        return truncated(u, mean, variance, self.space.low, self.space.high)

    def _space(self) -> Space:
        return GaussianSpace(tuple(Parameter(f"theta{i + 1}", -REACH, REACH) for i in range(self.size)))

    def _posterior(self, x: Array) -> tuple[Array, float]:
        """Mean and variance, before it is cut at the ranges."""
        return np.asarray(x / 2), VARIANCE / 2

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> Array:
        return np.asarray(conditions + np.sqrt(VARIANCE) * rng.standard_normal(conditions.shape))


@dataclass(frozen=True)
class GaussianLinearUniform(GaussianLinear):
    r"""Events :math:`x \sim N(\theta, 0.1 I)` with the prior :math:`\theta \sim U(-1, 1)^{10}`.

    The posterior is :math:`N(x, 0.1 I)`, cut at the ranges. Task T.2 of Lueckmann et al., arXiv:2101.04653.

    Parameters
    ----------
    size : int
        Parameters, and observables.
    """

    name = "gaussian-linear-uniform"
    summary = "mean of a Gaussian in ten dimensions under a uniform prior"

    def _space(self) -> Space:
        return Space(tuple(Parameter(f"theta{i + 1}", -1, 1) for i in range(self.size)))

    def _posterior(self, x: Array) -> tuple[Array, float]:
        return x, VARIANCE


def truncated(u: ArrayLike, mean: Array, variance: float, low: Array, high: Array) -> Array:
    """Quantiles of Gaussians that are cut at `low` and `high`, column by column.

    Examples
    --------
    >>> truncated([[0.5]], np.zeros(1), 1.0, -np.ones(1), np.ones(1))
    array([[0.]])
    """
    sd = np.sqrt(variance)
    # mirrored, so that the range lies in the lower tail, where the distribution function is precise
    sign = np.where(mean < (low + high) / 2, -1.0, 1.0)
    first, last = np.where(sign > 0, low, -high) - sign * mean, np.where(sign > 0, high, -low) - sign * mean
    share = np.where(sign > 0, np.asarray(u), 1 - np.asarray(u))
    below, above = ndtr(first / sd), ndtr(last / sd)
    values = sign * (sign * mean + sd * ndtri(below + share * (above - below)))
    return np.asarray(np.clip(values, low, high))

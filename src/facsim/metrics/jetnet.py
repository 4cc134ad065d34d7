"""FPD and KPD as JetNet 0.2.5 defines them, its bias included: for comparison with published numbers, not for new ones.

Both divide each column by its largest absolute value in the reference and draw batches with replacement.

* FPD: plug-in distances at ten sizes, equally spaced in 1/n, mean of 20 batches each, and a line fitted to them over
  1/n. The fit starts at (1, 1) with bounds at 0 and stops early where values are small: two samples of one truth (36
  columns, 50,000 events) get 1.7e-4 to 2.0e-4 with a stated error of 0.35e-4 instead of 0. The finite pool from which
  batches are drawn adds a/N + b/M.
* KPD: median of ten batches of 5,000, and half of their inter-quantile range as the error.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import CapabilityError, DataError
from facsim.metrics.frechet import frechet_distance
from facsim.metrics.quadratic import Estimate
from facsim.metrics.samples import Array

__all__ = ["fpd", "kpd"]


def fpd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    min_samples: int = 20_000,
    max_samples: int = 50_000,
    num_batches: int = 20,
    num_points: int = 10,
    seed: int = 42,
) -> Estimate:
    """Fréchet physics distance by JetNet's definition.

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Real and generated sample; 50,000 events are recommended there.
    wx, wy : None
        Event weights have no place in this definition.
    min_samples, max_samples, num_batches, num_points, seed : int
        Names and defaults as in JetNet. The CaloChallenge has ``min_samples=10_000``.

    Returns
    -------
    Estimate
        Without a p-value. The value for one truth is not 0: see the module.

    Raises
    ------
    CapabilityError
        With weights.
    DataError
        If a value is not finite or shapes differ.

    Examples
    --------
    >>> x, y = np.random.default_rng(0).normal(size=(2, 3000, 2))
    >>> fpd(x, y, min_samples=1000, max_samples=3000, num_batches=2).value >= 0
    True
    """
    from scipy import optimize

    first, second = _normalised(x, y, wx, wy)
    sizes = (1 / np.linspace(1.0 / min_samples, 1.0 / max_samples, num_points)).astype(np.int32)
    generator = np.random.default_rng(seed)
    means = []
    for size in sizes:
        values = []
        for _ in range(num_batches):
            batches = [s[generator.choice(len(s), size=size)] for s in (first, second)]
            moments = [m for batch in batches for m in (batch.mean(0), np.atleast_2d(np.cov(batch, rowvar=False)))]
            values.append(frechet_distance(*moments))
        means.append(np.mean(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optimize.OptimizeWarning)  # of a covariance that cannot be estimated
        fitted, covariance = optimize.curve_fit(
            lambda inverse, intercept, slope: intercept + slope * inverse, 1 / sizes, means, bounds=(0, np.inf)
        )
    return Estimate(float(fitted[0]), float(np.sqrt(covariance[0, 0])), np.nan)


def kpd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    num_batches: int = 10,
    batch_size: int = 5_000,
    seed: int = 42,
) -> Estimate:
    """Kernel physics distance by JetNet's definition.

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Real and generated sample.
    wx, wy : None
        Event weights have no place in this definition.
    num_batches, batch_size, seed : int
        Names and defaults as in JetNet. The CaloChallenge has ``batch_size=10_000``.

    Returns
    -------
    Estimate
        Without a p-value. For one truth the value scatters about 0, in units that the largest values of x set.

    Raises
    ------
    CapabilityError
        With weights.
    DataError
        If a value is not finite or shapes differ.

    Examples
    --------
    >>> x, y = np.random.default_rng(0).normal(size=(2, 3000, 2))
    >>> estimate = kpd(x, y, batch_size=500)
    >>> abs(estimate.value) < 3 * estimate.error
    True
    """
    first, second = _normalised(x, y, wx, wy)
    values = []
    for batch in range(num_batches):
        generator = np.random.default_rng(seed + 1000 * batch)
        p, q = (s[generator.choice(len(s), size=batch_size)] for s in (first, second))
        values.append(_mean_of_pairs(p) + _mean_of_pairs(q) - 2 * float(_kernel(p, q).mean()))
    low, high = np.percentile(values, [16.275, 83.725])
    return Estimate(float(np.median(values)), float(high - low) / 2, np.nan)


def _kernel(p: Array, q: Array) -> Array:
    out = p @ q.T
    out /= p.shape[1]
    out += 1
    out *= out
    out *= out
    return out


def _mean_of_pairs(p: Array) -> float:
    """Mean of the kernel over all pairs of different events."""
    n = len(p)
    kernel = _kernel(p, p)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def _normalised(x: ArrayLike, y: ArrayLike, wx: ArrayLike | None, wy: ArrayLike | None) -> tuple[Array, Array]:
    if wx is not None or wy is not None:
        msg = "definition='jetnet' knows no event weights. Use the default definition"
        raise CapabilityError(msg)
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not len(first) or not len(second):
        msg = f"x {first.shape} and y {second.shape} must be (events, columns) with the same columns"
        raise DataError(msg)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        msg = "x or y holds values that are not finite. Remove these events first"
        raise DataError(msg)
    largest = np.abs(first).max(0)
    largest[largest == 0] = 1
    return first / largest, second / largest

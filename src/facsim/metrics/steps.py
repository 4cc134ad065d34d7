"""The one-dimensional distances as functions of two cumulative distributions, so that all of them share one sorting.

Each function takes ``values`` (k,), the distinct values of both samples, ``difference`` (k,), F_p - F_q at them, and
``mean`` (k,), (F_p + F_q) / 2. Null distributions come from the same functions, with relabelled or simulated events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.metrics.samples import Array

__all__ = ["ROUNDING", "cvm_of", "ks_of", "population_starts", "separation_of", "w1_of"]

ROUNDING = 1e-12
"""Shares of a sample that differ by less differ by rounding only."""


def w1_of(values: Array, difference: Array, mean: Array | None = None) -> float:
    r"""Wasserstein-1 distance, :math:`\int |F_p - F_q|\, dx`."""
    del mean
    return float(np.abs(difference[:-1]) @ np.diff(values))


def ks_of(values: Array, difference: Array, mean: Array | None = None) -> float:
    r"""Kolmogorov-Smirnov statistic, :math:`\sup |F_p - F_q|`."""
    del values, mean
    return float(max(difference.max(), -difference.min()))


def cvm_of(values: Array, difference: Array, mean: Array) -> float:
    r"""Cramér-von Mises distance, :math:`\int (F_p - F_q)^2\, dH` with H the mean."""
    del values
    squares = difference**2
    # sum of squares[i] * (mean[i] - mean[i - 1]); signed weights can make a step negative, and the sum with it
    return max(0.0, float(squares[0] * mean[0] + squares[1:] @ np.diff(mean)))


def separation_of(values: Array, difference: Array, mean: Array, bins: int = 10) -> float:
    """Separation power in bins of equal population, without the check for negative contents."""
    starts = population_starts(values, mean, bins)
    last = np.append(starts - 1, len(values) - 1)
    gap, both = np.diff(difference[last], prepend=0.0), 2 * np.diff(mean[last], prepend=0.0)
    return float(0.5 * np.sum(gap**2 / both, where=both > ROUNDING))


def population_starts(values: Array, mean: Array, bins: int) -> NDArray[np.intp]:
    """Indices into `values` where the second and later bins of equal population start."""
    if len(values) <= bins:
        return np.arange(1, len(values))
    # weights may be negative, but a share that falls again must not move a cut back
    share = np.maximum.accumulate(mean)
    targets = np.arange(1, bins) / bins
    after = np.clip(np.searchsorted(share, targets - ROUNDING), 1, len(values) - 2)
    nearer_before = targets - share[after - 1] < share[after] - targets - ROUNDING
    return np.unique(np.where(nearer_before, after, after + 1))

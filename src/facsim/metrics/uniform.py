"""Whether numbers are uniform between 0 and 1, with a band for their whole cumulative curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.samples import Array

__all__ = ["Uniformity", "grid_of", "uniformity"]

REPLICAS = 2000
GRID = 100  # most points at which a curve is looked at
NULL = 0x0111  # purpose of a random stream


@dataclass(frozen=True)
class Uniformity:
    """Test of numbers against the uniform distribution.

    Parameters
    ----------
    pvalue : float
        Flat between 0 and 1 where the numbers are uniform.
    grid, cumulative : array (k,)
        Share of the numbers up to each point.
    low, high : array (k,)
        Band that holds the whole curve with probability `level`.
    level : float
    """

    pvalue: float
    grid: Array = field(repr=False)
    cumulative: Array = field(repr=False)
    low: Array = field(repr=False)
    high: Array = field(repr=False)
    level: float


def uniformity(values: ArrayLike, *, level: float = 0.95) -> Uniformity:
    """Test whether numbers are uniform between 0 and 1.

    Parameters
    ----------
    values : array (m,)
        Independent numbers between 0 and 1.
    level : float, optional
        Probability of the band.

    Raises
    ------
    DataError
        If values are not between 0 and 1, or fewer than two.

    Notes
    -----
    The statistic is the smallest binomial tail probability along the curve, so that both ends are looked at as sharply
    as the middle (Säilynoja, Bürkner and Vehtari, arXiv:2103.10522); its null distribution is simulated, once for
    each m, so that the smallest p-value is 1/2001.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> uniformity(rng.random(300)).pvalue > 0.01, uniformity(rng.beta(0.6, 0.6, 300)).pvalue < 0.01
    (True, True)
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or len(numbers) < 2 or not ((numbers >= 0) & (numbers <= 1)).all():
        msg = f"values of shape {numbers.shape}: need at least two numbers, each between 0 and 1"
        raise DataError(msg)
    m, grid = len(numbers), grid_of(len(numbers))
    tail, null = _null(m)
    below = np.searchsorted(np.sort(numbers), grid, side="right")
    observed = tail[np.arange(len(tail)), below[:-1]].min()
    pvalue = (1 + np.count_nonzero(null <= observed * (1 + 1e-9))) / (1 + REPLICAS)
    allowed = tail >= np.quantile(null, 1 - level)
    low, high = allowed.argmax(axis=1), m - allowed[:, ::-1].argmax(axis=1)
    return Uniformity(float(pvalue), grid, below / m, np.append(low / m, 1.0), np.append(high / m, 1.0), level)


def grid_of(m: int) -> Array:
    """Points at which a curve of m numbers is looked at; the last is 1."""
    k = max(2, min(GRID, m))
    return np.arange(1, k + 1) / k


@lru_cache(maxsize=8)
def _null(m: int) -> tuple[Array, Array]:
    """Two-sided tail probability of each count at each inner point (k - 1, m + 1), and the statistic under the null."""
    grid = grid_of(m)
    counts = np.arange(m + 1)
    from scipy import stats

    up = stats.binom.cdf(counts, m, grid[:-1, None])
    down = stats.binom.sf(counts - 1, m, grid[:-1, None])
    tail = np.minimum(1.0, 2 * np.minimum(up, down))
    rng = np.random.default_rng([m, NULL])
    drawn = rng.multinomial(m, np.full(len(grid), 1 / len(grid)), REPLICAS).cumsum(axis=1)[:, :-1]
    return tail, tail[np.arange(len(tail)), drawn].min(axis=1)

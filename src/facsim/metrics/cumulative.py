"""Distances between the cumulative distributions of two one-dimensional samples, with signed event weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.metrics.samples import Array, as_sample, as_weights
from facsim.metrics.steps import ks_of, w1_of

__all__ = [
    "KSResult",
    "Side",
    "cumulative",
    "ks",
    "ks_statistic",
    "largest_variance",
    "multiplier_noise",
    "wasserstein",
]

TAIL = 10
"""Replicas beyond the statistic; with fewer the p-value is extrapolated."""

ENOUGH = 50
"""Replicas beyond the statistic after which no more are drawn."""

AT_ONCE = 2**16
"""Numbers drawn together."""


def wasserstein(p: ArrayLike, q: ArrayLike, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None) -> float:
    r"""Wasserstein-1 (earth mover's) distance.

    .. math:: W_1 = \int |F_p(x) - F_q(x)|\, dx

    Parameters
    ----------
    p, q : array (n,), (m,)
        Samples, same unit.
    wp, wq : array, optional
        Event weights of any normalisation with a positive sum; may be negative (sWeights).

    Returns
    -------
    float
        In the unit of the samples; a pure shift by d gives d. For two samples of the same truth the mean is
        :math:`\sqrt{\tfrac{2}{\pi}(\tfrac1n + \tfrac1m)} \int \sqrt{F(1 - F)}\,dx`, for a Gaussian
        :math:`1.29\,\sigma \sqrt{1/n + 1/m}`; with weights n becomes the effective size.

    Raises
    ------
    DataError, WeightError
        If a sample is empty or not finite, or a sum of weights is not positive.

    Notes
    -----
    Vallender 1974. With signed weights F need not rise; the integral stays well defined. Blind to correlations, and
    ruled by the tails where they are long.

    Examples
    --------
    >>> wasserstein([0.0, 1.0], [2.0, 3.0])
    2.0
    """
    values, difference, _ = cumulative(p, q, wp, wq)
    return w1_of(values, difference)


@dataclass(frozen=True)
class KSResult:
    """Kolmogorov-Smirnov test: the largest difference of the cumulative distributions, and its p-value."""

    statistic: float
    pvalue: float


def ks(
    p: ArrayLike,
    q: ArrayLike,
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
    seed: int = 0,
    replicas: int = 1000,
) -> KSResult:
    r"""Kolmogorov-Smirnov test of two samples.

    .. math:: D = \sup_x |F_p(x) - F_q(x)|

    Parameters
    ----------
    p, q : array (n,), (m,)
        Samples, same unit.
    wp, wq : array, optional
        Event weights with a positive sum; may be negative (sWeights).
    seed, replicas : int
        Of the multiplier bootstrap that gives the p-value of weighted samples.

    Returns
    -------
    KSResult
        The statistic is 0 for equal and 1 for disjoint samples; for two samples of one truth its mean is
        :math:`0.869 \sqrt{1/n + 1/m}` (less for discrete values). The p-value is then flat between 0 and 1
        (nearer to 1 for discrete values).

    Raises
    ------
    DataError, WeightError
        If a sample is empty or not finite, or a sum of weights is not positive.

    Notes
    -----
    Without weights the p-value is Kolmogorov's with n m / (n + m) events. With weights that depend on x no such formula
    holds (background subtraction moves the errors to where the background was), so the difference is simulated:
    :math:`\sum_i g_i w_i (1[x_i \le x] - F(x))` with g standard normal, per sample (multiplier central limit theorem,
    van der Vaart and Wellner, chapter 2.9). Copies of events count as information; weights do not.
    Replicas are drawn until 50 are as large as the statistic, and the p-value is 50 over their number (Besag and
    Clifford 1991): samples of one truth need few.
    Where fewer than ten of all are as large, the p-value follows the tail of the supremum of a Gaussian process,
    :math:`e^{-D^2 / 2\sigma^2}` with :math:`\sigma^2` its largest variance (for a Brownian bridge, of variance 1/4,
    that is Kolmogorov's own tail).

    Examples
    --------
    >>> ks([0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]).statistic
    1.0
    """
    from scipy import special, stats

    values, difference, sides = cumulative(p, q, wp, wq)
    statistic = ks_of(values, difference)
    if wp is None and wq is None:
        n, m = len(sides[0].positions), len(sides[1].positions)
        if statistic > 1 - 1e-12:  # disjoint: two of all orders, which the formula for large samples makes none
            return KSResult(statistic, float(min(1.0, 2 / special.binom(n + m, n))))
        pvalue = float(stats.kstwo.sf(statistic, max(1, round(n * m / (n + m)))))
        return KSResult(statistic, pvalue)
    generator = np.random.default_rng(seed)
    null = _suprema(sides, generator, replicas, statistic)
    above = int(np.count_nonzero(null >= statistic))
    if above == ENOUGH:
        return KSResult(statistic, ENOUGH / len(null))
    pvalue = (above + 1) / (replicas + 1)
    if above < TAIL < replicas:
        limit, variance = float(np.sort(null)[-TAIL]), largest_variance(sides)
        with np.errstate(divide="ignore"):  # no variance at all: two different constants
            far = np.divide(statistic**2 - limit**2, 2 * variance)
        pvalue = (TAIL + 1) / (replicas + 1) * float(np.exp(-far))
    return KSResult(statistic, pvalue)


def largest_variance(sides: tuple[Side, Side]) -> float:
    """Variance of `multiplier_noise` where it is largest."""
    total = np.zeros(len(sides[0].cumulative))
    for side in sides:
        squares, f = side.weights**2, side.cumulative
        below = np.cumsum(np.bincount(side.positions, squares, len(f)))
        total += below * (1 - f) ** 2 + (squares.sum() - below) * f**2
    return float(total.max())


def ks_statistic(p: ArrayLike, q: ArrayLike, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None) -> float:
    """Return the statistic of `ks` alone; same null value.

    Examples
    --------
    >>> ks_statistic([0.0, 2.0], [1.0, 3.0])
    0.5
    """
    values, difference, _ = cumulative(p, q, wp, wq)
    return ks_of(values, difference)


@dataclass(frozen=True)
class Side:
    """One sample on the grid of all distinct values of both."""

    positions: NDArray[np.intp]  # index of each event's value
    weights: Array  # of each event, sum 1
    cumulative: Array  # F at each distinct value


def cumulative(
    p: ArrayLike, q: ArrayLike, wp: ArrayLike | None, wq: ArrayLike | None
) -> tuple[Array, Array, tuple[Side, Side]]:
    """Return the distinct values of both samples, F_p - F_q at them, and each sample's part."""
    first, second = as_sample(p, "p"), as_sample(q, "q")
    values, positions = np.unique(np.concatenate([first, second]), return_inverse=True)

    def side(rows: NDArray[np.intp], weights: ArrayLike | None, name: str) -> Side:
        normalised = as_weights(weights, len(rows), name)
        return Side(rows, normalised, np.cumsum(np.bincount(rows, normalised, len(values))))

    sides = (side(positions[: len(first)], wp, "wp"), side(positions[len(first) :], wq, "wq"))
    return values, sides[0].cumulative - sides[1].cumulative, sides


def multiplier_noise(sides: tuple[Side, Side], generator: np.random.Generator) -> Array:
    """Draw a difference of the cumulative distributions as chance alone makes it; see the notes of `ks`."""
    noise = np.zeros(len(sides[0].cumulative))
    for side in sides:
        kicks = generator.standard_normal(len(side.positions)) * side.weights
        noise += np.cumsum(np.bincount(side.positions, kicks, len(noise))) - kicks.sum() * side.cumulative
    return noise


def _suprema(sides: tuple[Side, Side], generator: np.random.Generator, most: int, statistic: float) -> Array:
    """Largest absolute values of `multiplier_noise`: `most` of them, or up to the `ENOUGH`-th beyond the statistic.

    One running sum over the sorted events of both samples: normal numbers are symmetric, so the sign of the second
    sample does not matter.
    """
    order = np.argsort(np.concatenate([side.positions for side in sides]), kind="stable")
    weights = np.concatenate([side.weights for side in sides])[order]
    of_first = (order < len(sides[0].positions)).astype(np.float64)
    known = np.stack([side.cumulative for side in sides])
    counts = sum(np.bincount(side.positions, minlength=known.shape[1]) for side in sides)
    ends = np.cumsum(counts) - 1  # the last event at each value
    found, beyond, drawn = [], 0, 0
    while drawn < most and beyond < ENOUGH:
        rows = min(most - drawn, max(1, AT_ONCE // len(weights)))
        kicks = generator.standard_normal((rows, len(weights)), np.float32) * weights
        first = kicks @ of_first
        noise = np.cumsum(kicks, axis=1)[:, ends]
        noise -= np.stack([first, noise[:, -1] - first], axis=1) @ known
        largest = np.maximum(noise.max(axis=1), -noise.min(axis=1))
        exceed = beyond + np.cumsum(largest >= statistic)
        rows = min(rows, int(np.searchsorted(exceed, ENOUGH)) + 1)
        found.append(largest[:rows])
        beyond, drawn = int(exceed[rows - 1]), drawn + rows
    return np.concatenate(found)

"""Chi-square tests of two histograms of one or two observables, with Poisson errors of weighted events."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.binned import equal_population_edges
from facsim.metrics.quantiles import bin_numbers, quantile_edges
from facsim.metrics.samples import Array, as_sample, as_weights

__all__ = ["Chi2Result", "chi2", "chi2_2d"]

FEWEST = 5.0  # expected events in a bin of the smaller sample, Cochran, Biometrics 10 (1954) 417


@dataclass(frozen=True)
class Chi2Result:
    """Chi-square test: statistic, degrees of freedom, p-value, and the bins that were left after merging."""

    statistic: float
    ndf: int
    pvalue: float
    edges: tuple[float, ...] = field(repr=False, default=())

    def to_json(self) -> dict[str, float]:
        """Plain numbers."""
        return {"chi2": self.statistic, "ndf": self.ndf, "pvalue": self.pvalue}


def chi2(
    p: ArrayLike,
    q: ArrayLike,
    edges: ArrayLike | int = 20,
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
    absolute: bool = False,
) -> Chi2Result:
    r"""Test by their histograms whether two samples have one truth.

    .. math:: \chi^2 = d^T V^{-1} d, \qquad d_i = \frac{a_i}{A} - \frac{b_i}{B}

    with the bin contents a, b (sums of weights), their totals A, B, and V the covariance of d for contents of variance
    :math:`\sum w^2`; k bins give k - 1 degrees of freedom.

    Parameters
    ----------
    p, q : array (n,), (m,)
        Samples, same unit.
    edges : array (k + 1,) or int, optional
        Ascending bin edges, or the number of `equal_population_edges`. Events outside are counted in the outer bins.
    wp, wq : array, optional
        Event weights; may be negative (sWeights).
    absolute : bool, optional
        Compare the contents themselves, not the shares: samples of different size then differ,
        :math:`\chi^2 = \sum (a_i - b_i)^2 / (\sigma_{a_i}^2 + \sigma_{b_i}^2)` with k degrees of freedom. For yields at
        equal luminosity.

    Returns
    -------
    Chi2Result
        For two samples of one truth the statistic is ndf on average and the p-value flat between 0 and 1.

    Raises
    ------
    DataError, WeightError
        If a sample is empty or not finite, a sum of weights is not positive, or the edges do not ascend.

    Notes
    -----
    Without weights V is that of the pooled shares, which makes this Pearson's test of homogeneity. Neighbouring bins
    are merged until the smaller sample can expect 5 events in each; a weighted bin counts
    :math:`(\sum w^2)^2 / \sum w^4` events, since that number rules how Gaussian its content is, also where the weights
    cancel. Weighted bins of 15 events each gave 6-9 % of p-values below 5 %. The statistic grows with the sizes: it is
    a test, not a distance. Blind to order and sign of the deviations, to what happens inside a bin, and to
    correlations.

    Examples
    --------
    >>> result = chi2([0.5] * 30 + [1.5] * 10, [0.5] * 20 + [1.5] * 20, [0, 1, 2])
    >>> round(result.statistic, 4), result.ndf, round(result.pvalue, 4)
    (5.3333, 1, 0.0209)
    """
    from scipy import stats

    if isinstance(edges, (int, np.integer)):
        edges = equal_population_edges(p, q, int(edges), wp=wp, wq=wq)
    cuts = np.asarray(edges, np.float64)
    if cuts.ndim != 1 or len(cuts) < 2 or not np.all(np.diff(cuts) > 0):
        msg = "edges must be at least two ascending numbers, or the number of bins"
        raise DataError(msg)
    first, second = _filled(p, wp, cuts, "p"), _filled(q, wq, cuts, "q")
    groups = _merged(first, second)
    kept = np.append(cuts[groups], cuts[-1])
    # (3, bins) sums of w, w^2, w^4
    a, b = (np.add.reduceat(h, groups, axis=1) for h in (first, second))
    bins = len(groups)
    if absolute:
        statistic, ndf = float(np.sum((a[0] - b[0]) ** 2 / (a[1] + b[1]))), bins
    elif bins == 1:
        return Chi2Result(0.0, 0, 1.0, tuple(kept.tolist()))
    else:
        pooled = (a[0] + b[0]) / (a[0] + b[0]).sum() if wp is None and wq is None else None
        covariance = _covariance(a, pooled) + _covariance(b, pooled)
        d = (a[0] / a[0].sum() - b[0] / b[0].sum())[:-1]  # shares sum to 1: the last one says nothing new
        statistic, ndf = float(d @ np.linalg.solve(covariance[:-1, :-1], d)), bins - 1
    return Chi2Result(statistic, ndf, float(stats.chi2.sf(statistic, ndf)), tuple(kept.tolist()))


def chi2_2d(
    x: ArrayLike,
    y: ArrayLike,
    bins: int | tuple[ArrayLike, ArrayLike] = 8,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    absolute: bool = False,
) -> Chi2Result:
    r"""Test by their two-dimensional histograms whether two samples have one truth: `chi2` over the cells of a grid.

    Parameters
    ----------
    x, y : array (n, 2), (m, 2)
        Two observables of each event.
    bins : int or (array, array), optional
        Edges of each observable, or how many quantiles of x.
    wx, wy : array, optional
        Event weights; may be negative (sWeights).
    absolute : bool, optional
        See `chi2`.

    Returns
    -------
    Chi2Result
        For two samples of one truth the statistic is ndf on average. Its edges number the cells.

    Raises
    ------
    DataError, WeightError
        As `chi2`, and if the shapes are wrong.

    Notes
    -----
    The statistic of the LHCb RICH studies (arXiv:1905.11825) leaves out cells with fewer than five events, where lost
    modes hide, and compares contents, so that samples of different size differ. Here cells are counted along a
    line that runs through the grid to and fro, and thin ones are merged with their neighbours on it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 2000, 2))
    >>> chi2_2d(x, y).pvalue > 0.01, chi2_2d(x, np.column_stack([y[:, 0], y.sum(axis=1) / 2**0.5])).pvalue < 1e-6
    (True, True)
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.ndim != 2 or first.shape[1:] != (2,) or second.shape[1:] != (2,):
        msg = f"x {first.shape}, y {second.shape}: give both as (n, 2)"
        raise DataError(msg)
    if isinstance(bins, (int, np.integer)):
        edges = [quantile_edges(column, int(bins), wx) for column in first.T]
    else:
        edges = [np.asarray(e, np.float64) for e in bins]
    rows, columns = (len(e) - 1 for e in edges)

    def cells(sample: Array, name: str) -> Array:
        i, j = (bin_numbers(as_sample(v, name), e) for v, e in zip(sample.T, edges, strict=True))
        return np.asarray(i * columns + np.where(i % 2, columns - 1 - j, j), np.float64)

    cuts = np.arange(rows * columns + 1) - 0.5
    return chi2(cells(first, "x"), cells(second, "y"), cuts, wp=wx, wq=wy, absolute=absolute)


def _filled(values: ArrayLike, weights: ArrayLike | None, cuts: Array, name: str) -> Array:
    """Sums of w, w^2 and w^4 in each bin, (3, bins)."""
    sample = as_sample(values, name)
    as_weights(weights, len(sample), f"w{name}")
    w = np.ones(len(sample)) if weights is None else np.asarray(weights, np.float64)
    bins = np.searchsorted(cuts[1:-1], sample, side="right")
    return np.array([np.bincount(bins, w**power, len(cuts) - 1) for power in (1, 2, 4)])


def _merged(first: Array, second: Array) -> list[int]:
    """Indices of the bins that start a group of neighbours with enough expected events."""
    counts = [np.divide(h[1] ** 2, h[2], out=np.zeros_like(h[2]), where=h[2] > 0) for h in (first, second)]
    totals = counts[0].sum(), counts[1].sum()
    # what the smaller sample can expect from both samples' contents: an empty bin must not merge away a lost mode
    expected = (counts[0] + counts[1]) * min(totals) / sum(totals)
    starts, filled = [0], 0.0
    for i, content in enumerate(expected):
        if filled >= FEWEST:
            starts.append(i)
            filled = 0.0
        filled += content
    if filled < FEWEST and len(starts) > 1:
        starts.pop()
    return starts


def _covariance(sums: Array, pooled: Array | None) -> Array:
    """Covariance of the shares of one histogram; of shares `pooled` over both, if there are no weights."""
    total = sums[0].sum()
    share = sums[0] / total if pooled is None else pooled
    variance = (sums[1] if pooled is None else total * pooled) / total**2
    mixed = np.outer(share, variance)
    return np.asarray(np.diag(variance) - mixed - mixed.T + variance.sum() * np.outer(share, share))

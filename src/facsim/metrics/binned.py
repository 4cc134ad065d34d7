"""Distance between two one-dimensional samples in bins, with signed event weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, WeightError
from facsim.metrics.cumulative import cumulative
from facsim.metrics.samples import Array, as_sample, as_weights
from facsim.metrics.steps import ROUNDING, population_starts

__all__ = ["equal_population_edges", "separation_power"]


def separation_power(
    p: ArrayLike,
    q: ArrayLike,
    edges: ArrayLike | int = 10,
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
) -> float:
    r"""Triangular discrimination between two histograms.

    .. math:: S = \tfrac12 \sum_i \frac{(p_i - q_i)^2}{p_i + q_i}

    Parameters
    ----------
    p, q : array (n,), (m,)
        Samples, same unit.
    edges : array (k + 1,) or int
        Ascending bin edges, or the number of `equal_population_edges`. Events outside are counted in the two outer
        bins, so that S cannot fall when events leave the range.
    wp, wq : array, optional
        Event weights; may be negative (sWeights).

    Returns
    -------
    float
        0 for equal, 1 for disjoint histograms. For two samples of the same truth the mean is about
        (k - 1) (1/n + 1/m) / 4 with k bins; with weights n becomes the effective size.

    Raises
    ------
    WeightError
        If a bin content is negative after weighting: merge bins or use `wasserstein`.
    DataError
        If a sample is empty or not finite, or the edges do not ascend.

    Notes
    -----
    arXiv:2009.03796, eq. 15; ten bins of equal population as in the notebooks of CaloGAN (arXiv:1712.10321). Blind to
    order inside a bin and to correlations.

    Examples
    --------
    >>> separation_power([0.1, 0.4], [0.6, 0.9], edges=[0, 0.5, 1])
    1.0
    """
    if isinstance(edges, (int, np.integer)):
        edges = equal_population_edges(p, q, int(edges), wp=wp, wq=wq)
    cuts = np.asarray(edges, np.float64)
    if cuts.ndim != 1 or len(cuts) < 2 or not np.all(np.diff(cuts) > 0):
        msg = "edges must be at least two ascending numbers, or the number of bins"
        raise DataError(msg)
    shares = []
    for values, weights, name in ((p, wp, "p"), (q, wq, "q")):
        sample = as_sample(values, name)
        bins = np.searchsorted(cuts[1:-1], sample, side="right")
        share = np.bincount(bins, as_weights(weights, len(sample), name), len(cuts) - 1)
        share[np.abs(share) < ROUNDING] = 0.0
        if np.any(share < 0):
            i = int(np.argmin(share))
            msg = f"{name}: bin {i} holds {share[i]:.3g} of the sum of weights. Merge bins, or use wasserstein"
            raise WeightError(msg)
        shares.append(share)
    both = shares[0] + shares[1]
    return float(0.5 * np.sum(np.divide((shares[0] - shares[1]) ** 2, both, out=np.zeros_like(both), where=both > 0)))


def equal_population_edges(
    p: ArrayLike, q: ArrayLike, bins: int = 10, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None
) -> Array:
    """Edges that share out the pooled sample evenly.

    Parameters
    ----------
    p, q : array (n,), (m,)
    bins : int
        Number of bins asked for.
    wp, wq : array, optional
        Event weights; each sample enters the pool with the same total.

    Returns
    -------
    array (k + 1,)
        Ascending; bins are ``[low, high)``. Edges lie on values that occur, never between equal values: few distinct
        values give fewer bins, and as many as there are values if those are at most `bins`.

    Raises
    ------
    DataError, WeightError
        If a sample is empty or not finite, a sum of weights is not positive, or `bins` is below 1.

    Examples
    --------
    >>> equal_population_edges([1, 2, 3, 4], [5, 6, 7, 8], 2)
    array([1., 5., 8.])
    >>> equal_population_edges([0, 1, 1, 1], [1, 1, 1, 2])
    array([0., 1., 2., 3.])
    """
    if bins < 1:
        msg = f"bins={bins}: at least one"
        raise DataError(msg)
    values, _, sides = cumulative(p, q, wp, wq)
    starts = population_starts(values, (sides[0].cumulative + sides[1].cumulative) / 2, bins)
    edges = values[np.append(0, starts)]
    top = values[-1]
    if top > edges[-1]:
        return np.append(edges, top)
    # the largest value has a bin of its own, and bins are half open
    return np.append(edges, top + (top - edges[-2] if len(edges) > 1 else max(1.0, abs(top))))

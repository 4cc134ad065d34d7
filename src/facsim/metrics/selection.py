"""The number by which LAGAN's authors chose among networks and epochs: the worst class' earth mover's distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, WeightError
from facsim.metrics.samples import Array
from facsim.observables.weights import shares

__all__ = ["binned_emd", "selection_distance"]

BINS = 40


def selection_distance(
    truth: Mapping[str, ArrayLike], copies: Mapping[str, ArrayLike], ranges: Sequence[tuple[float, float]]
) -> float:
    """Largest `binned_emd` over the classes.

    Parameters
    ----------
    truth, copies : mapping of array (n,) or (n, 2)
        One or two observables of the events of each class.
    ranges : sequence of (float, float)
        Of each observable, shared out in 40 bins.

    Returns
    -------
    float
        In bins. One observable, two samples of one truth: about 40 :math:`W_1` / range.

    Raises
    ------
    DataError
        If the classes differ.

    Notes
    -----
    LAGAN, arXiv:1701.05927 (the authors' code).
    """
    if set(truth) != set(copies) or not truth:
        msg = f"truth has the classes {list(truth)}, copies {list(copies)}: need the same, at least one"
        raise DataError(msg)
    edges = [np.linspace(low, high, BINS + 1) for low, high in ranges]
    return max(binned_emd(truth[name], copies[name], edges) for name in truth)


def binned_emd(
    p: ArrayLike,
    q: ArrayLike,
    edges: Sequence[ArrayLike],
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
) -> float:
    r"""Earth mover's distance of two histograms, in bins.

    .. math:: \min_{T \ge 0} \sum_{ij} T_{ij} |i - j|, \qquad \sum_j T_{ij} = p_i, \; \sum_i T_{ij} = q_j

    Parameters
    ----------
    p, q : array (n,) or (n, d)
        Samples of d = 1 or 2 observables.
    edges : sequence of d arrays
        Bin edges per observable. Events outside are counted in the outer bins.
    wp, wq : array, optional
        Event weights; may be negative with one observable.

    Returns
    -------
    float
        In bins; with two observables the Euclidean distance of their numbers.

    Raises
    ------
    WeightError
        If a bin of two observables is negative after weighting.
    DataError
        If the shapes do not fit.

    Notes
    -----
    One observable: the sum of :math:`|F_p - F_q|` over the bins. Two: the linear programme above over the bins where
    the histograms differ (what both hold need not move); seconds for a few hundred of them.

    Examples
    --------
    >>> binned_emd([0.5, 0.5], [2.5, 1.5], [[0, 1, 2, 3]])
    1.5
    >>> round(binned_emd([[0.5, 0.5]], [[3.5, 4.5]], [range(6), range(6)]), 6)
    5.0
    """
    cuts = [np.asarray(e, np.float64) for e in edges]
    histograms: list[Array] = []
    for values, weights in ((p, wp), (q, wq)):
        sample = np.asarray(values, np.float64)
        sample = sample[:, None] if sample.ndim == 1 else sample
        if sample.ndim != 2 or sample.shape[1] != len(cuts) or len(cuts) > 2 or not np.isfinite(sample).all():
            msg = f"samples of shape {sample.shape} with {len(cuts)} sets of edges: need one or two finite observables"
            raise DataError(msg)
        bins = [np.searchsorted(c[1:-1], x, side="right") for c, x in zip(cuts, sample.T, strict=True)]
        shape = tuple(len(c) - 1 for c in cuts)
        counts = np.zeros(shape)
        np.add.at(counts, tuple(bins), shares(weights, len(sample)))
        histograms.append(counts)
    if len(cuts) == 1:
        return float(np.abs(np.cumsum(histograms[0] - histograms[1])[:-1]).sum())
    if min(h.min() for h in histograms) < -1e-12:
        msg = "a bin is negative after weighting. Merge bins, or compare one observable at a time"
        raise WeightError(msg)
    return _transport(histograms[0] - histograms[1])


def _transport(surplus: Array) -> float:
    """Least work that brings a surplus of sum 0 on a grid to nothing."""
    from scipy import optimize, sparse

    surplus = np.where(np.abs(surplus) < 1e-12, 0.0, surplus)
    sources, sinks = np.argwhere(surplus > 0), np.argwhere(surplus < 0)
    if not len(sources):
        return 0.0
    supply, demand = surplus[surplus > 0], -surplus[surplus < 0]
    cost = np.hypot(*(sources[:, None] - sinks).transpose(2, 0, 1)).ravel()
    a, b = len(sources), len(sinks)
    leaving = sparse.kron(sparse.eye(a), np.ones((1, b)))
    arriving = sparse.kron(np.ones((1, a)), sparse.eye(b))
    found: Any = optimize.linprog(  # type: ignore[call-overload]
        cost,
        A_eq=sparse.vstack([leaving, arriving]).tocsr()[:-1],  # the last one follows from the others
        b_eq=np.concatenate([supply, demand * (supply.sum() / demand.sum())])[:-1],
        method="highs",
    )
    return float(found.fun)

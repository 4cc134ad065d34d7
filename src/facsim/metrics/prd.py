"""Precision against recall of clusters: how much of each sample the other one has, as one curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics.blocks import Normalise, prepare
from facsim.metrics.samples import Array, require_non_negative

__all__ = ["PRD", "prd", "worst_prd"]

SLOPES = 1001


@dataclass(frozen=True)
class PRD:
    """Curve of precision against recall.

    Parameters
    ----------
    recall, precision : array (k,)
        From no recall to all; means over runs.
    auc, auc_error : float
        Area below, 0 to 1, and its scatter over runs of the clustering (not that of the samples).
    """

    recall: Array
    precision: Array
    auc: float
    auc_error: float


def prd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    clusters: int = 20,
    runs: int = 10,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    seed: int = 0,
) -> PRD:
    r"""Precision and recall of distributions, from how often clusters of both samples are visited.

    With p and q the shares of truth and copies in the clusters, for all :math:`\lambda > 0`

    .. math:: \alpha(\lambda) = \sum_i \min(\lambda p_i, q_i), \quad \beta(\lambda) = \alpha(\lambda) / \lambda

    are a precision and a recall that can be had together.

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Truth and copies, the same columns.
    clusters, runs : int
        Of k-means on both samples together; runs differ in their start. The MLHEP school has 100 each.
    wx, wy : array, optional
        Event weights, not negative; they count in the shares, not in the clustering.
    normalise : {"std", "max", None}
        Unit of each column, see `fpd`.
    seed : int

    Returns
    -------
    PRD
        The area is 1 for equal shares in all clusters and 0 for disjoint samples. Two samples of one truth fall short
        of 1 by about :math:`k (1/n + 1/m) / 2` for k equal clusters: half the variance of the ratio of shares.

    Raises
    ------
    WeightError
        If a weight is negative.
    DataError
        If a value is not finite, or there are fewer events than clusters.

    Notes
    -----
    Sajjadi et al., arXiv:1806.00035. Blind to everything within a cluster.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).normal(size=(2000, 2))
    >>> half = truth[truth[:, 0] > 0]  # all that is there is right, half is missing
    >>> found = prd(truth, half, runs=2)
    >>> 0.4 < found.auc < 0.6, bool(found.precision[0] > 0.9), bool(found.recall[-1] < 0.8)
    (True, True, True)
    """
    from sklearn.cluster import MiniBatchKMeans

    cure = "Give events a non-negative weight, such as the smoothed sWeight E[w|x], or use kpd or energy_distance"
    require_non_negative(wx, "wx", "prd", cure)
    require_non_negative(wy, "wy", "prd", cure)
    truth, copies = prepare(x, y, wx, wy, normalise=normalise, seed=seed)
    both = np.concatenate([truth.values(), copies.values()])
    if not 2 <= clusters <= len(both) or runs < 1:
        msg = f"clusters={clusters}, runs={runs}: 2 clusters to as many as there are events ({len(both)}), and a run"
        raise DataError(msg)
    curves = []
    for run in range(runs):
        found = MiniBatchKMeans(clusters, n_init=3, random_state=seed + run).fit_predict(both)
        parts = found[: len(truth)], found[len(truth) :]
        p, q = (np.bincount(f, s.weights, clusters).astype(float) for f, s in zip(parts, (truth, copies), strict=True))
        curves.append(_curve(p, q))
    areas = np.array([np.trapezoid(precision, recall) for recall, precision in curves])
    recall, precision = np.mean(curves, axis=0)
    return PRD(recall, precision, float(areas.mean()), float(areas.std()))


def worst_prd(
    truth: Events, copies: Events, views: Mapping[str, Callable[[Events], ArrayLike]], **options: int
) -> tuple[float, dict[str, float]]:
    """The least area of `prd` over several views of events, and that of each view.

    The score of the MLHEP school 2019 is that of two views: the 24 numbers of `facsim.observables.lhcb.quantities`, and
    an inner layer of a regression of the conditions. Every view is taken of either sample's own events (the school's
    script takes the embedding of the copies from the truth, so that half of its score is perfect for any copies).

    Parameters
    ----------
    truth, copies : Events
    views : mapping
        Functions from events to rows (n, d).
    **options
        ``clusters``, ``runs`` and ``seed`` of `prd`.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> rng, schema = np.random.default_rng(0), Schema((Block("x", (3,)),))
    >>> one, two = (Events(rng.normal(size=(1000, 3)), np.empty((1000, 0)), schema) for _ in range(2))
    >>> least, each = worst_prd(one, two, {"all": lambda e: e.features, "first": lambda e: e.features[:, :1]}, runs=2)
    >>> least == min(each.values()), least > 0.8
    (True, True)
    """
    if not views:
        msg = "views is empty: give at least one function from events to rows"
        raise DataError(msg)
    weights = {"wx": truth.weights, "wy": copies.weights}
    each = {name: prd(view(truth), view(copies), **weights, **options).auc for name, view in views.items()}  # type: ignore[arg-type]
    return min(each.values()), each


def _curve(p: Array, q: Array) -> tuple[Array, Array]:
    """Recall, ascending, and precision."""
    slopes = np.tan(np.linspace(0, np.pi / 2, SLOPES + 2)[1:-1])[:, None]
    precision = np.minimum(slopes * p, q).sum(axis=1)
    recall = np.minimum(p, q / slopes).sum(axis=1)
    return recall[::-1], precision[::-1]

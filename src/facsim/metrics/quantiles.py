"""Quantiles and bins of weighted samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.metrics.samples import Array, as_sample, as_weights

__all__ = ["bin_numbers", "quantile_edges", "weighted_quantiles"]


def weighted_quantiles(values: ArrayLike, shares: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Smallest values below or at which at least the given shares of the weight lie.

    Parameters
    ----------
    values : array (n,)
    shares : array (k,)
        Between 0 and 1.
    weights : array (n,), optional
        May be negative (sWeights): where the cumulative weight falls again, its first passage counts.

    Returns
    -------
    array (k,)
        Values that occur in the sample.

    Raises
    ------
    DataError, WeightError
        If the sample is empty or not finite, the sum of weights is not positive, or a share is outside 0 to 1.

    Examples
    --------
    >>> weighted_quantiles([1.0, 2.0, 3.0], [0.5, 1.0], [1, 1, 8])
    array([3., 3.])
    """
    sample, wanted = as_sample(values, "values"), np.asarray(shares, np.float64)
    if not np.all((wanted >= 0) & (wanted <= 1)):
        msg = f"quantile shares must lie between 0 and 1, got {wanted.min():g} to {wanted.max():g}"
        raise DataError(msg)
    order = np.argsort(sample, kind="stable")
    filled = np.maximum.accumulate(np.cumsum(as_weights(weights, len(sample), "weights")[order]))
    at = np.searchsorted(filled, wanted - 1e-12)
    return np.asarray(sample[order[np.minimum(at, len(sample) - 1)]])


def quantile_edges(
    values: ArrayLike, bins: int, weights: ArrayLike | None = None, *, shares: tuple[float, float] = (0.0, 1.0)
) -> Array:
    """Edges of at most `bins` bins that hold equal shares of the weight; fewer where values repeat.

    Parameters
    ----------
    values, weights
        As for `weighted_quantiles`.
    bins : int
    shares : (float, float), optional
        Where the first and the last edge lie.

    Returns
    -------
    array (k + 1,)
        Ascending.

    Raises
    ------
    DataError
        If all values are equal.

    Examples
    --------
    >>> quantile_edges([1.0, 2.0, 3.0, 4.0], 2)
    array([1., 2., 4.])
    """
    if bins < 1:
        msg = f"bins={bins}: at least one"
        raise DataError(msg)
    edges = np.unique(weighted_quantiles(values, np.linspace(*shares, bins + 1), weights))
    if len(edges) < 2:
        msg = f"all values are {edges[0]:g}: a constant cannot be divided into bins. Leave it out"
        raise DataError(msg)
    return edges


def bin_numbers(values: ArrayLike, edges: ArrayLike, *, outside: bool = True) -> NDArray[np.intp]:
    """Bin of each value, low < x <= high; those outside count in the outer bins, or get -1 with ``outside=False``.

    Examples
    --------
    >>> bin_numbers([0.0, 1.0, 1.5, 9.0], [0, 1, 2])
    array([0, 0, 1, 1])
    """
    x, cuts = np.asarray(values, np.float64), np.asarray(edges, np.float64)
    number = np.searchsorted(cuts[1:-1], x, side="left")
    return number if outside else np.where((x >= cuts[0]) & (x <= cuts[-1]), number, -1)

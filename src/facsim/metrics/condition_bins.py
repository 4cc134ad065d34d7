"""Bins of two conditions, such as momentum and pseudorapidity: edges, numbers, effective events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.metrics.quantiles import bin_numbers, quantile_edges
from facsim.metrics.samples import Array

__all__ = ["Tracks", "bin_of_two", "condition_edges", "effective_in_bin_numbers", "effective_in_bins"]


@dataclass(frozen=True)
class Tracks:
    """Events with some quantities (n, d), the two conditions (n, 2) of a map, and weights, which may be negative."""

    features: ArrayLike
    conditions: ArrayLike
    weights: ArrayLike | None = None


def condition_edges(
    conditions: ArrayLike, bins: Sequence[int], weights: ArrayLike | None = None, *, central: float = 0.999
) -> tuple[Array, Array]:
    """Edges of bins that hold equal shares of the weight in each of two conditions, over the central range.

    Examples
    --------
    >>> [len(e) - 1 for e in condition_edges(np.random.default_rng(0).random((1000, 2)), (6, 3))]
    [6, 3]
    """
    outside = (1 - central) / 2
    columns = np.asarray(conditions, np.float64).T
    first, second = (
        quantile_edges(column, count, weights, shares=(outside, 1 - outside))
        for column, count in zip(columns, bins, strict=True)
    )
    return first, second


def effective_in_bins(
    conditions: ArrayLike, edges: tuple[ArrayLike, ArrayLike], weights: ArrayLike | None = None
) -> Array:
    """Effective events in each bin of two conditions, (a, b); 0 where the weights do not sum to more than zero.

    Examples
    --------
    >>> effective_in_bins([[0.5, 0.5], [0.5, 0.5], [1.5, 0.5]], ([0, 1, 2], [0, 1]), [1, 3, -1])
    array([[1.6],
           [0. ]])
    """
    pair = np.asarray(edges[0], np.float64), np.asarray(edges[1], np.float64)
    places = np.asarray(conditions, np.float64)
    given = np.ones(len(places)) if weights is None else np.asarray(weights, np.float64)
    return effective_in_bin_numbers(bin_of_two(places, pair), given, (len(pair[0]) - 1, len(pair[1]) - 1))


def bin_of_two(conditions: Array, edges: tuple[Array, Array]) -> NDArray[np.intp]:
    """Bin of every event, row by row; -1 outside."""
    i, j = (bin_numbers(c, e, outside=False) for c, e in zip(conditions.T, edges, strict=True))
    return np.asarray(np.where((i >= 0) & (j >= 0), i * (len(edges[1]) - 1) + j, -1))


def effective_in_bin_numbers(number: NDArray[np.intp], weights: Array, shape: tuple[int, int]) -> Array:
    """Effective events per bin; 0 where the weights do not sum to more than zero."""
    size, inside = shape[0] * shape[1], number >= 0
    total, squares = (np.bincount(number[inside], weights[inside] ** k, size) for k in (1, 2))
    found = np.divide(np.maximum(total, 0) ** 2, squares, out=np.zeros(size), where=squares > 0)
    return np.asarray(found.reshape(shape))

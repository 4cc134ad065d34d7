"""Exact nearest neighbours among many events, by brute force in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.metrics.samples import Array

__all__ = ["nearest_rows", "row_distances"]

CHUNK = 2048
CHUNK_BYTES = 32 * 2**20


def nearest_rows(asked: NDArray[Any], pool: NDArray[Any], own: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
    """Index into the pool of the event nearest to each asked one.

    Parameters
    ----------
    asked : array (n, d)
    pool : array (m, d)
    own : array (n,), optional
        Index of the asked event itself in the pool, which is left out; -1: it is not there.

    Returns
    -------
    array (n,)
        The first one, if several are equally near.

    Examples
    --------
    >>> nearest_rows(np.array([[0.0], [5.0]]), np.array([[4.0], [1.0]]))
    array([1, 0])
    """
    index = np.zeros(len(asked), np.intp)
    step = max(1, CHUNK_BYTES // (8 * CHUNK))
    for first in range(0, len(asked), step):
        rows = slice(first, first + step)
        index[rows] = _nearest(asked[rows].astype(np.float64), pool, None if own is None else own[rows])
    return index


def row_distances(a: NDArray[Any], b: NDArray[Any]) -> Array:
    """Euclidean distance of each row of `a` from the same row of `b`, exact for copies."""
    return np.asarray(np.sqrt(((a.astype(np.float64) - b) ** 2).sum(axis=1)))


def _nearest(asked: Array, pool: NDArray[Any], own: NDArray[np.intp] | None) -> NDArray[np.intp]:
    best, index = np.full(len(asked), np.inf), np.zeros(len(asked), np.intp)
    for start in range(0, len(pool), CHUNK):
        part = pool[start : start + CHUNK].astype(np.float64)
        squares = (part**2).sum(axis=1) - 2 * asked @ part.T  # the norm of `asked` does not change the order
        if own is not None:
            rows = np.flatnonzero((own >= start) & (own < start + len(part)))
            squares[rows, own[rows] - start] = np.inf
        at = squares.argmin(axis=1)
        values = squares[np.arange(len(asked)), at]
        better = values < best
        best[better], index[better] = values[better], at[better] + start
    return index

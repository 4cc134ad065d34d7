"""Numbers that recur exactly: values that many events share, and columns that are equal."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["atoms", "parents"]

Rows = NDArray[np.float32]

SHARE = 0.01
"""Part of the events from which on a coincidence is no coincidence."""
LEAST = 10  # events, whatever their part
ROWS = 20_000
MOST = 64  # columns that are compared with each other
DEPTH = 3
"""Longest way of a column to one that is kept as it is."""


def atoms(values: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """The value that most events share in each column, and whether it is an atom.

    Parameters
    ----------
    values : array (n, d)

    Returns
    -------
    array (d,), array (d,)
        Values (0 where there is none), and whether one in a hundred events and at least ten have exactly it.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    >>> x[:30, 1] = -9
    >>> [found.tolist() for found in atoms(x)]
    [[0.0, -9.0], [False, True]]
    """
    values = values[:ROWS]
    run = max(LEAST, math.ceil(SHARE * len(values)))
    common, found = np.zeros(values.shape[1], np.float32), np.zeros(values.shape[1], bool)
    if len(values) < run:
        return common, found
    ordered = np.sort(values, axis=0)
    found = (ordered[run - 1 :] == ordered[: len(values) - run + 1]).any(axis=0)
    for column in np.flatnonzero(found):
        each, counts = np.unique(ordered[:, column], return_counts=True)
        common[column] = each[counts.argmax()]
    return common, found


def parents(values: Rows, unit: list[str | None]) -> NDArray[np.int64]:
    """For each column the earlier one that it equals most often; d, one past the last, for none.

    Events in which both have the value that is most common in their columns do not count: that is an atom of each.

    Parameters
    ----------
    values : array (n, d)
    unit : list of str or None
        Columns are compared within a unit; those with None are not.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    >>> x[:30, 2] = x[:30, 0]
    >>> parents(x, ["", "", ""]).tolist()
    [3, 3, 0]
    """
    width = values.shape[1]
    found = np.full(width, width)
    known = [column for column in range(width) if unit[column] is not None]
    if not 2 <= len(known) <= MOST:
        return found
    values = values[:ROWS]
    run = max(LEAST, SHARE * len(values))
    common, atomic = atoms(values)
    at_atom = atomic & (values == common)
    depth = np.zeros(width, int)
    for j in known:
        counts = {
            i: int(((values[:, i] == values[:, j]) & ~at_atom[:, j]).sum())
            for i in known
            if i < j and unit[i] == unit[j] and depth[i] < DEPTH
        }
        best = max(counts, key=lambda i: counts[i], default=width)
        if counts.get(best, 0) >= run:
            found[j], depth[j] = best, depth[best] + 1
    return found

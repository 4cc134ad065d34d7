"""Confusion of classes: which class a classifier takes events of each class for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.samples import Array
from facsim.observables.weights import shares

__all__ = ["Confusion", "label_confusion"]


@dataclass(frozen=True, eq=False)
class Confusion:
    """Row-normalised confusion table.

    Parameters
    ----------
    names : tuple of str
        Of the k classes.
    table : array (k, k)
        Share of the events of class i (row) that are taken for class j (column); NaN where a class
        has no events.
    error : array (k, k)
        Statistical error.
    events : tuple of int
        Events per class.
    """

    names: tuple[str, ...]
    table: Array
    error: Array
    events: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; rows of classes without events are None."""
        rows = [
            (self.table[i].tolist(), self.error[i].tolist()) if n else (None, None) for i, n in enumerate(self.events)
        ]
        return {
            "names": list(self.names),
            "table": [r[0] for r in rows],
            "error": [r[1] for r in rows],
            "events": list(self.events),
        }


def label_confusion(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str] = (),
    weights: ArrayLike | None = None,
    cut: float = 0.5,
) -> Confusion:
    """Count which class events of each class are taken for, such as by the auxiliary head of a discriminator.

    Parameters
    ----------
    probabilities : array (n,) or (n, k)
        Of class 1, to be compared with the `cut`; or of every class, of which the largest counts.
    labels : array (n,)
        True (for copies: requested) classes, 0 to k - 1.
    names : sequence of str, optional
        Of the classes.
    weights : array (n,), optional
        May be negative.
    cut : float, optional

    Returns
    -------
    Confusion
        The error of a share is that of a weighted mean, with at least one event in the bin taken to be possible
        (a share of 0 or 1 from n events has the error 1/n).

    Raises
    ------
    DataError
        If shapes or labels do not fit.

    Notes
    -----
    LAGAN (arXiv:1701.05927) gives this table for its copies and for Pythia.

    Examples
    --------
    >>> label_confusion([0.1, 0.7, 0.9, 0.8], [0, 0, 1, 1], names=("qcd", "w")).table
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    given = np.asarray(probabilities, np.float64)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    label = np.asarray(labels)
    if given.ndim not in {1, 2} or len(given) != len(label) or not np.isfinite(given).all():
        msg = f"probabilities {given.shape} of {len(label)} events: need finite numbers (n,) or (n, classes)"
        raise DataError(msg)
    taken = (given > cut).astype(int) if given.ndim == 1 else given.argmax(axis=1)
    classes = 2 if given.ndim == 1 else given.shape[1]
    if names and len(names) != classes:
        msg = f"names={tuple(names)}: there are {classes} classes"
        raise DataError(msg)
    if not np.isin(label, np.arange(classes)).all():
        msg = f"labels are {np.unique(label)}: must be whole numbers from 0 to {classes - 1}"
        raise DataError(msg)
    table, error = np.full((2, classes, classes), np.nan)
    events = []
    for i in range(classes):
        rows = label == i
        events.append(int(rows.sum()))
        if not events[i]:
            continue
        w = shares(None if weights is None else np.asarray(weights)[rows], events[i])
        hit = taken[rows, None] == np.arange(classes)
        table[i] = w @ hit
        error[i] = np.maximum(np.sqrt(w**2 @ (hit - table[i]) ** 2), np.sum(w**2))
    return Confusion(tuple(names) or tuple(map(str, range(classes))), table, error, tuple(events))

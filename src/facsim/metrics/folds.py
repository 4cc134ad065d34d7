"""Sharing out two samples over folds so that a classifier is only ever asked about events it cannot know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError

__all__ = ["assign_folds"]


def assign_folds(
    reference: NDArray[np.float32], generated: NDArray[np.float32], folds: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give every event a fold number, at random.

    Parameters
    ----------
    reference, generated : array (n, k), (m, k)
        Conditions of the events; k may be 0.
    folds : int
        At least 2, at most the size of the smaller sample.
    seed : int

    Returns
    -------
    array (n,), array (m,)
        Fold of each event. The folds of each sample are equally large, with one exception: a generated event whose
        condition occurs exactly once in the reference goes to the fold of that event.

    Raises
    ------
    DataError
        If there are too few events.

    Notes
    -----
    The exception matters since copies are usually drawn at the energies of the truth. Apart, one of such a pair is in
    the training, and a classifier learns that its energy belongs to the other class: a perfect copy would get an AUC
    below 0.5, and a poor one a too good value.

    Examples
    --------
    >>> import numpy as np
    >>> energies = np.arange(6.0, dtype=np.float32)[:, None]
    >>> first, second = assign_folds(energies, energies, 3, seed=0)
    >>> bool((first == second).all()), np.bincount(first)
    (True, array([2, 2, 2]))
    """
    smaller = min(len(reference), len(generated))
    if not 2 <= folds <= smaller:
        msg = f"folds={folds}: must be between 2 and the smaller sample's size, {smaller}"
        raise DataError(msg)
    generator = np.random.default_rng([seed, 0xF01D])
    first, second = (generator.permutation(len(s)) % folds for s in (reference, generated))
    if reference.shape[1]:
        rows = [row.tobytes() for row in np.ascontiguousarray(reference)]
        number: dict[bytes, int] = {}
        for index, row in enumerate(rows):
            number[row] = -1 if row in number else index
        partner = np.array([number.get(row.tobytes(), -1) for row in np.ascontiguousarray(generated)])
        second = np.where(partner >= 0, first[partner], second)
    return first, second

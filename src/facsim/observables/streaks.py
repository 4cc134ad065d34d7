"""Observables of images with one straight streak: a line, a track."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError

__all__ = ["streaks"]

Array = NDArray[np.float64]


def streaks(images: ArrayLike, threshold: float) -> dict[str, Array]:
    """Where a streak begins and ends, and the straight line through it, image by image.

    Parameters
    ----------
    images : array (n, h, w)
        Pixel ``[y, x]``.
    threshold : float
        Pixels above it are hit.

    Returns
    -------
    dict of array (n,)
        ``intensity``: sum of all pixels. ``hits``: pixels above the threshold. ``start`` and ``end``: first and last
        column with a hit. ``slope`` and ``intercept`` (at column 0) of the straight line through the hits by least
        squares in y. Without hits start, end, slope and intercept are 0, with hits in one column only the slope is.

    Raises
    ------
    DataError
        If these are no images.

    Examples
    --------
    >>> found = streaks([[[1, 0, 0], [0, 1, 0], [0, 0, 1]]], threshold=0.5)
    >>> {name: float(v[0].round(6)) for name, v in found.items()}
    {'intensity': 3.0, 'hits': 3.0, 'start': 0.0, 'end': 2.0, 'slope': 1.0, 'intercept': 0.0}
    """
    x = np.asarray(images, np.float64)
    if x.ndim != 3:
        msg = f"images have shape {x.shape}, expected (n, rows, columns)"
        raise DataError(msg)
    hit = x > threshold
    count = hit.sum(axis=(1, 2)).astype(np.float64)
    lit = np.asarray(hit.any(axis=1))  # (n, columns)
    rows, columns = (np.arange(size, dtype=np.float64) for size in x.shape[1:])
    per_column, per_row = hit.sum(axis=1), hit.sum(axis=2)
    some = np.maximum(count, 1)
    mean_x, mean_y = per_column @ columns / some, per_row @ rows / some
    square = per_column @ columns**2 / some - mean_x**2
    mixed = np.einsum("nyx,y,x->n", hit, rows, columns, optimize=True) / some - mean_x * mean_y
    slope = np.divide(mixed, square, out=np.zeros_like(mixed), where=square > 1e-9)
    return {
        "intensity": x.sum(axis=(1, 2)),
        "hits": count,
        "start": np.where(count > 0, lit.argmax(axis=1), 0).astype(np.float64),
        "end": np.where(count > 0, x.shape[2] - 1 - lit[:, ::-1].argmax(axis=1), 0).astype(np.float64),
        "slope": slope,
        "intercept": mean_y - slope * mean_x,
    }

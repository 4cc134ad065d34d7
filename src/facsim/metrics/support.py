"""Variety of generated events by the birthday paradox: how often two of them fall together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.kernels import squared_distances
from facsim.metrics.samples import Array

__all__ = ["relative_support"]

NEIGHBOURS = 4.0
"""Mean number of neighbours of a truth event: what "falling together" means is set by this."""


def relative_support(x: ArrayLike, y: ArrayLike) -> float:
    r"""Size of the copies' support relative to the truth's.

    Among n events drawn from N equally likely kinds, :math:`n (n - 1) / 2N` pairs are of one kind (the birthday
    paradox; Arora and Zhang, arXiv:1706.08224, estimate the support of GANs so). Here two events are of one kind if
    they are within a distance r, which is chosen so that truth events have four such neighbours on average:

    .. math:: S = \frac{P(|x - x'| < r)}{P(|y - y'| < r)}

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Truth and copies, in units in which distances make sense; at least 20 of each.

    Returns
    -------
    float
        1 for two samples of one truth, within about 10 % for 500 events; 1/4 for copies that stay in a quarter of the
        truth's support; above 1 for blurred copies.

    Raises
    ------
    DataError
        If there are too few events, or the columns differ.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth, half = rng.random((600, 2)), rng.random((600, 2)) * [0.5, 1.0]
    >>> 0.4 < relative_support(truth, half) < 0.6
    True
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 20:
        msg = f"x {first.shape}, y {second.shape}: give both as (n, d) with one d, at least 20 events of each"
        raise DataError(msg)
    truth, copies = _pairs(first), _pairs(second)
    together = min(1.0, NEIGHBOURS / (len(first) - 1))
    reach = float(np.quantile(truth, together)) + 1e-9 * float(truth.mean())  # equal events are equal but for rounding
    found = float(np.mean(copies <= reach))
    return float(np.mean(truth <= reach)) / max(found, 1 / len(copies))


def _pairs(rows: Array) -> Array:
    """Squared distances of all pairs."""
    return np.asarray(squared_distances(rows, rows)[np.triu_indices(len(rows), 1)])

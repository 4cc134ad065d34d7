"""Event weights of means, quantiles and correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, WeightError

__all__ = ["Band", "band", "shares"]

Array = NDArray[np.float64]

CENTRAL = (0.16, 0.84)


class Band:
    """Mean of k quantities with error, and the range that holds the central 68 % of the events.

    Parameters
    ----------
    mean, error, low, high : array (k,)
    """

    __slots__ = ("error", "high", "low", "mean")

    def __init__(self, mean: Array, error: Array, low: Array, high: Array) -> None:
        self.mean, self.error, self.low, self.high = mean, error, low, high


def shares(weights: ArrayLike | None, n: int, name: str = "weights") -> Array:
    """Weights (n,) with a sum of 1; None gives every event the same.

    Raises
    ------
    WeightError
        If there are not n finite weights, or their sum is not positive.
    DataError
        If there are no events.

    Examples
    --------
    >>> shares(None, 2), shares([3.0, -1.0], 2)
    (array([0.5, 0.5]), array([ 1.5, -0.5]))
    """
    if n == 0:
        msg = f"{name}: no events, at least one is needed"
        raise DataError(msg)
    if weights is None:
        return np.full(n, 1.0 / n)
    out = np.asarray(weights, np.float64)
    if out.shape != (n,) or not np.isfinite(out).all():
        msg = f"{name}: need {n} finite weights, got shape {out.shape} with {int((~np.isfinite(out)).sum())} not finite"
        raise WeightError(msg)
    total = out.sum()
    if not total > 0:
        msg = f"{name}: the weights sum to {total:g}; a distribution needs a positive sum. Is the signal's sign right?"
        raise WeightError(msg)
    return np.asarray(out / total)


def band(values: Array, weights: ArrayLike | None = None) -> Band:
    r"""Mean of every column with its error, and the 16 % and 84 % quantiles.

    The error is :math:`\sqrt{\sum_i w_i^2 (x_i - \bar x)^2}` with weights of sum 1. With negative weights a quantile is
    the first value at which the summed weights reach it.

    Parameters
    ----------
    values : array (n, k)
    weights : array (n,), optional
        May be negative.

    Examples
    --------
    >>> found = band(np.arange(101.0)[:, None])
    >>> found.mean, found.low, found.high
    (array([50.]), array([16.]), array([84.]))
    """
    w = shares(weights, len(values))
    mean = w @ values
    error = np.sqrt(w**2 @ (values - mean) ** 2)
    if weights is None:
        low, high = np.quantile(values, CENTRAL, axis=0)
        return Band(mean, error, low, high)
    order = np.argsort(values, axis=0, kind="stable")
    filled = np.cumsum(w[order], axis=0)
    rows = [np.argmax(filled >= share - 1e-12, axis=0) for share in CENTRAL]
    low, high = (np.take_along_axis(values, np.take_along_axis(order, r[None], axis=0), axis=0)[0] for r in rows)
    return Band(mean, error, low, high)

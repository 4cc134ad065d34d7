"""What every metric asks of its samples and weights, in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, WeightError
from facsim.observables.weights import shares as as_weights

__all__ = ["Array", "as_sample", "as_weights", "effective_size", "require_non_negative"]

Array = NDArray[np.float64]


def as_sample(values: ArrayLike, name: str) -> Array:
    """Bring a one-dimensional sample to float64, or raise `DataError` if it is empty or not finite."""
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or len(sample) == 0:
        msg = f"{name} has shape {sample.shape}: a sample is one-dimensional with at least one event"
        raise DataError(msg)
    finite = np.isfinite(sample)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        bad = f"{int((~finite).sum())} of {len(sample)}"
        msg = f"{name}: event {row} is {sample[row]} ({bad} are not finite). Remove these events first"
        raise DataError(msg)
    return sample


def require_non_negative(weights: ArrayLike | None, name: str, what: str, cure: str) -> None:
    """Raise `WeightError` if any weight is negative; `what` cannot take it and `cure` can."""
    if weights is None:
        return
    negative = int((np.asarray(weights) < 0).sum())
    if negative:
        msg = f"{name}: {negative} negative weights, which {what} cannot take. {cure}"
        raise WeightError(msg)


def effective_size(n: int, weights: ArrayLike | None) -> float:
    r"""Return the number of unweighted events with the same statistical error, :math:`(\sum w)^2 / \sum w^2`.

    Examples
    --------
    >>> effective_size(3, None), effective_size(2, [1.0, 3.0]), effective_size(2, [0.0, 0.0])
    (3.0, 1.6, 0.0)
    """
    if weights is None:
        return float(n)
    w = np.asarray(weights, np.float64)
    squares = float(np.sum(w**2))
    return float(w.sum() ** 2 / squares) if squares > 0 else 0.0

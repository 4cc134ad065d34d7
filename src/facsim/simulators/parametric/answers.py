"""What a call gives: numbers in single precision, or a reason why it gives none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["NOT_A_NUMBER", "TOO_LARGE", "Tell", "limit_of", "nobody", "single", "too_long", "unusable"]

Tell = Callable[[int, Iterable[str]], None]
"""Is told of calls that were answered: how many, and the reasons of those that failed."""

NOT_A_NUMBER = "the result is not a finite number"
TOO_LARGE = "the result is too large for single precision (3.4e38)"
TIMED_OUT = re.compile(r"it took longer than (\S+) s")


def nobody(calls: int, reasons: Iterable[str]) -> None:
    """A `Tell` that listens to nothing."""


def too_long(seconds: float) -> str:
    """Reason of a call that was given up after so many seconds."""
    return f"it took longer than {seconds:g} s"


def limit_of(reason: str) -> float | None:
    """Seconds after which a call was given up; None if it failed otherwise.

    Examples
    --------
    >>> limit_of(too_long(3)), limit_of("exit status 1")
    (3.0, None)
    """
    found = TIMED_OUT.fullmatch(reason)
    return float(found[1]) if found else None


def single(values: ArrayLike) -> NDArray[np.float32]:
    """Values in single precision: what is no number or infinite is NaN, what is too large infinite."""
    array = np.asarray(values)
    if array.dtype == np.float32:
        return array
    array = np.asarray(array, np.float64)
    with np.errstate(over="ignore"):
        found: NDArray[np.float32] = np.where(np.isinf(array), np.nan, array).astype(np.float32)
    return found


def unusable(values: NDArray[np.float32]) -> dict[int, str]:
    """Why rows of what `single` gives (m, d) are no events, by row."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist()
    return {i: NOT_A_NUMBER if np.isnan(values[i]).any() else TOO_LARGE for i in bad}

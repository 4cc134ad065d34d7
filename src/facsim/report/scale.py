"""Axes: where a value lies between two ends, and which ticks people like to read there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.report.labels import SUPERSCRIPT

__all__ = ["Scale", "Ticks"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ticks:
    """Major ticks with their labels, minor ticks without, and a factor common to all labels (``"×10³"``, or empty)."""

    major: tuple[float, ...]
    labels: tuple[str, ...]
    minor: tuple[float, ...] = ()
    factor: str = ""


@dataclass(frozen=True)
class Scale:
    """One axis.

    Parameters
    ----------
    low, high : float
        Ends; positive if `log`.
    log : bool, optional
        Logarithmic.

    Examples
    --------
    >>> Scale(1, 100, log=True)([1, 10, 1000])
    array([0. , 0.5, 1.5])
    >>> Scale(0, 10).ticks(5).labels
    ('0', '2', '4', '6', '8', '10')
    """

    low: float
    high: float
    log: bool = False

    def __call__(self, values: ArrayLike) -> Array:
        """Place values: 0 is the lower, 1 the upper end. What a logarithmic axis cannot show lies far below."""
        v = np.asarray(values, np.float64)
        if not self.log:
            return np.asarray((v - self.low) / (self.high - self.low))
        with np.errstate(invalid="ignore", divide="ignore"):
            place = np.log(v / self.low) / math.log(self.high / self.low)
        return np.asarray(np.where(v > 0, place, np.where(np.isnan(v), np.nan, -9.0)))

    def ticks(self, most: int = 5) -> Ticks:
        """Choose at most about `most` round values."""
        return _decades(self.low, self.high, most) if self.log else _even(self.low, self.high, most)


def _even(low: float, high: float, most: int) -> Ticks:
    raw = (high - low) / max(1, most)
    size = 10.0 ** math.floor(math.log10(raw))
    factor, parts = next((f, p) for f, p in ((1, 5), (2, 4), (2.5, 5), (5, 5), (10, 5)) if f * size >= 0.999 * raw)
    step = factor * size
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    major = [k * step for k in range(first, last + 1)]
    small = step / parts
    minor = [k * small for k in range(math.ceil(low / small - 1e-6), math.floor(high / small + 1e-6) + 1) if k % parts]
    largest = max(abs(low), abs(high))
    power = 3 * math.floor(math.log10(largest) / 3) if largest >= 2e4 or largest < 2e-3 else 0
    unit = 10.0**power
    shown = [0.0 if abs(m) < step / 1e3 else m / unit for m in major]
    digits = next((d for d in range(8) if all(abs(v - round(v, d)) < 1e-3 * step / unit for v in shown)), 8)
    labels = [f"{v:.{digits}f}".replace("-", "−") for v in shown]
    return Ticks(tuple(major), tuple(labels), tuple(minor), f"×10{str(power).translate(SUPERSCRIPT)}" if power else "")


def _decades(low: float, high: float, most: int) -> Ticks:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside = [(m * 10.0**k, m) for k in range(first, last + 1) for m in range(1, 10)]
    inside = [(v, m) for v, m in inside if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
    span = math.log10(high / low)
    if span < 0.6:
        return _even(low, high, most)
    if span > most:
        every = math.ceil(span / most)
        major = [10.0**k for k in range(first, last + 1) if k % every == 0 and low * (1 - 1e-9) <= 10.0**k <= high]
        return Ticks(tuple(major), tuple(_short(v) for v in major), tuple(v for v, m in inside if m == 1))
    chosen = {1, 2, 5} if span < 2 else {1}
    major = [v for v, m in inside if m in chosen]
    return Ticks(tuple(major), tuple(_short(v) for v in major), tuple(v for v, m in inside if m not in chosen))


def _short(value: float) -> str:
    if 0.9e-2 < value < 2e4:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{'' if mantissa == '1' else mantissa + '×'}10{str(int(exponent)).translate(SUPERSCRIPT)}"

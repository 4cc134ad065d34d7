"""Where a fit of a mass spectrum begins: the highest excess over a background drawn through both ends of the range."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facsim.sweights.shapes import Model

__all__ = ["starting_values"]

Array = NDArray[np.float64]

SIDE = 0.15
"""Share of the range, at either end, that is taken for background."""
WIDTHS = (1.0, 0.4, 2.5)
"""Times the width read off the excess: the first guess is not always the right valley."""


def starting_values(counts: Array, low: float, high: float, model: Model) -> Iterator[tuple[float, dict[str, float]]]:
    """Signal yield and parameters to begin with, several sets.

    Parameters
    ----------
    counts : array (b,)
        Events in equal bins of the range.
    low, high : float
        Ends of the range.
    model : Model

    Yields
    ------
    float, dict
        Yield of the peak, and every parameter in the unit of the mass.
    """
    bins, total = len(counts), float(counts.sum())
    side = max(1, int(SIDE * bins))
    left, right = (max(float(part.mean()), 1e-3 * total / bins) for part in (counts[:side], counts[-side:]))
    t = (np.arange(bins) + 0.5) / bins
    slope = float(np.clip(np.log(right / left) / (1 - side / bins), -20, 20))  # per width of the range
    below = np.sqrt(left * right) * np.exp(slope * (t - 0.5))
    window = np.ones(max(3, bins // 25) | 1)
    excess = np.convolve(counts - below, window / len(window), "same")
    top = int(np.argmax(excess))
    half = excess < excess[top] / 2
    first = top - np.argmax(half[top::-1]) if half[: top + 1].any() else 0
    last = top + np.argmax(half[top:]) if half[top:].any() else bins - 1
    sigma = max(last - first, 2) / bins / 2.355  # of half height's full width, as share of the range
    signal = float(np.clip((counts - below).clip(0).sum(), 0.02 * total, 0.95 * total))
    known = {"mu": t[top], "slope": slope, "falling": 1 / (1 + right / left)}
    for factor in WIDTHS:
        wide = float(np.clip(factor * sigma, 2e-3, 0.3))
        known |= {"sigma": wide, "gamma": 2 * wide}
        values = {p.name: float(np.clip(known.get(p.name, p.start), p.low, p.high)) for p in model.parameters}
        yield signal, {p.name: p.absolute(values[p.name], low, high) for p in model.parameters}

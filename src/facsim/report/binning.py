"""Histogram bins that show a distribution as it is: lattices are respected, outliers are counted and not drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.report.labels import Label

__all__ = ["Histogram", "histogram"]

Array = NDArray[np.float64]

MOST_LATTICE = 2000
MOST_BINS = 50


@dataclass(frozen=True)
class Histogram:
    """Two samples in common bins.

    Parameters
    ----------
    edges : array (b + 1,)
        In display units.
    reference, generated : array (b,)
        Events per bin.
    sizes : (int, int)
        Events of both samples, also those outside the edges.
    zeros : (int, int)
        Events at 0 that a logarithmic axis cannot show.
    log : bool
        Whether the axis is logarithmic.
    unit : str
        Display unit.
    """

    edges: Array
    reference: Array
    generated: Array
    sizes: tuple[int, int]
    zeros: tuple[int, int]
    log: bool
    unit: str

    @property
    def outside(self) -> tuple[int, int]:
        """Events beyond the edges of either sample, not counting `zeros`."""
        n, m = self.sizes
        return (
            n - int(self.reference.sum()) - self.zeros[0],
            m - int(self.generated.sum()) - self.zeros[1],
        )


def histogram(reference: Array, generated: Array, label: Label) -> Histogram:
    """Bin two samples for a figure.

    Parameters
    ----------
    reference, generated : array (n,), (m,)
        Finite values.
    label : Label
        Says unit and kind of axis.

    Examples
    --------
    >>> from facsim.report.labels import label
    >>> histogram(np.arange(4.0), np.arange(4.0), label("max_depth")).reference
    array([1., 1., 1., 1.])
    """
    unit, scale = label.unit, 1.0
    if unit == "MeV" and np.median(reference) > 2000:
        unit, scale = "GeV", 1e-3
    a, b = reference * scale, generated * scale
    log = label.log and bool((a > 0).any())
    zeros = (0, 0)
    if log:
        zeros = (int((a <= 0).sum()), int((b <= 0).sum()))
        a, b = a[a > 0], b[b > 0]
    edges = _edges(a, b, log=log, discrete=label.discrete)
    counts = [np.histogram(values, edges)[0].astype(np.float64) for values in (a, b)]
    return Histogram(edges, counts[0], counts[1], (len(reference), len(generated)), zeros, log, unit)


def _edges(a: Array, b: Array, *, log: bool, discrete: bool) -> Array:
    target = int(np.clip(2 * len(a) ** (1 / 3), 10, MOST_BINS))
    low, high = _range(np.log(a) if log else a, np.log(b) if log and len(b) else b, whole=discrete)
    if log:
        low, high = (low, high) if high - low > 1e-6 else (low - 0.1, high + 0.1)
        return np.asarray(np.exp(np.linspace(low, high, target + 1)))
    step = _lattice(a, discrete=discrete)
    if step:
        cells = max(1, round((high - low) / step) + 1)
        per_bin = -(-cells // max(target, 25 if discrete else 1))
        bins = -(-cells // per_bin)
        start = np.round(low / step) * step - step / 2
        return np.asarray(start + step * per_bin * np.arange(bins + 1))
    if not high > low:
        width = max(1e-6, 0.05 * abs(low))
        low, high = low - width, high + width
    return np.linspace(low, high, target + 1)


def _range(a: Array, b: Array, *, whole: bool) -> tuple[float, float]:
    """Central 99.8 % of both, the copy at most one width beyond the truth; everything of few discrete values."""
    low, high = _core(a, whole=whole)
    if len(b) == 0:
        return low, high
    width = high - low
    other_low, other_high = _core(b, whole=whole)
    return float(max(min(low, other_low), low - width)), float(min(max(high, other_high), high + width))


def _core(values: Array, *, whole: bool) -> tuple[float, float]:
    """Range without far outliers."""
    low, high = float(values.min()), float(values.max())
    if whole:
        return low, high
    inner_low, inner_high = (float(v) for v in np.quantile(values, [0.001, 0.999]))
    near = 0.1 * (inner_high - inner_low)
    return low if inner_low - low < near else inner_low, high if high - inner_high < near else inner_high


def _lattice(values: Array, *, discrete: bool) -> float:
    """Step of values that lie on a lattice (shares of cells, counts), 0 if they do not."""
    known = np.unique(values)
    if len(known) == 1:
        return 1.0 if discrete else 0.0
    if len(known) > MOST_LATTICE or (not discrete and len(known) > len(values) / 3):
        return 0.0
    step = float(np.diff(known).min())
    places = (known - known[0]) / step
    return step if np.allclose(places, np.round(places), atol=1e-3) and places[-1] < 10 * MOST_LATTICE else 0.0

"""Histogram bins that show a distribution as it is: lattices are respected, outliers are counted and not drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        Sum of the weights per bin; events, if they have none.
    reference_squares, generated_squares : array (b,)
        Sum of the squared weights per bin: the variance of the former.
    sizes : (float, float)
        Sum of all weights of both samples, also outside the edges.
    zeros : (float, float)
        Weights at 0 that a logarithmic axis cannot show.
    log : bool
        Whether the axis is logarithmic.
    unit : str
        Display unit.
    """

    edges: Array
    reference: Array
    generated: Array
    reference_squares: Array
    generated_squares: Array
    sizes: tuple[float, float]
    zeros: tuple[float, float]
    log: bool
    unit: str

    @property
    def outside(self) -> tuple[float, float]:
        """Weights beyond the edges of either sample, not counting `zeros`."""
        sums = self.reference.sum(), self.generated.sum()
        first, second = (n - float(s) - z for n, s, z in zip(self.sizes, sums, self.zeros, strict=True))
        return first, second

    @property
    def weighted(self) -> bool:
        """Whether any event counts other than 1."""
        return not (
            np.array_equal(self.reference, self.reference_squares)
            and np.array_equal(self.generated, self.generated_squares)
        )

    def ratio(self) -> tuple[Array, Array, Array]:
        """Generated over reference share, its error from the generated events, and the reference's relative error.

        NaN where the reference has nothing.
        """
        known = self.reference > 0
        nothing = np.full(len(self.reference), np.nan)
        band = np.divide(np.sqrt(self.reference_squares), self.reference, out=nothing.copy(), where=known)
        share = self.reference * (self.sizes[1] / self.sizes[0])
        value = np.divide(self.generated, share, out=nothing.copy(), where=known)
        error = np.divide(np.sqrt(self.generated_squares), share, out=nothing, where=known)
        return value, error, band

    def pulls(self) -> Array:
        r"""Difference of the shares in standard errors, per bin; NaN where both are empty.

        .. math:: p_i = \frac{g_i / G - r_i / R}{\sqrt{V_i}}, \qquad
                  V_i = \frac{r_i + g_i}{R + G} \left(\frac{1}{R} + \frac{1}{G}\right)

        for events without weights, whose share is estimated from both samples together: a bin that only one of them
        fills then has a sensible error. With weights V is the sum of both squared errors, and an empty bin has that
        of one event of mean weight. One truth gives numbers of mean 0 and spread 1, rounder than a Gaussian below
        about five events.
        """
        r, g = self.reference, self.generated
        n, m = self.sizes
        if self.weighted:
            squares = []
            for content, sums, size in ((r, self.reference_squares, n), (g, self.generated_squares, m)):
                one = sums.sum() / max(np.abs(content).sum(), 1e-300)
                squares.append(np.where(sums > 0, sums, one**2) / size**2)
            variance = squares[0] + squares[1]
        else:
            variance = (r + g) / (n + m) * (1 / n + 1 / m)
        filled = (self.reference_squares > 0) | (self.generated_squares > 0)
        difference = g / m - r / n
        nothing = np.full(len(r), np.nan)
        return np.asarray(np.divide(difference, np.sqrt(variance), out=nothing, where=filled & (variance > 0)))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; squared weights only where they say something new."""
        out: dict[str, Any] = {"edges": self.edges.tolist(), "log": self.log, "unit": self.unit}
        out |= {"sizes": list(self.sizes), "zeros": list(self.zeros)}
        out |= {"reference": self.reference.tolist(), "generated": self.generated.tolist()}
        if self.weighted:
            out["reference_squares"] = self.reference_squares.tolist()
            out["generated_squares"] = self.generated_squares.tolist()
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Histogram:
        """Inverse of `to_json`."""
        edges, reference, generated = (np.array(data[key], np.float64) for key in ("edges", "reference", "generated"))
        squares = [np.array(data.get(f"{role}_squares", data[role]), np.float64) for role in ("reference", "generated")]
        (n, m), (z, y) = data["sizes"], data["zeros"]
        return cls(edges, reference, generated, squares[0], squares[1], (n, m), (z, y), data["log"], data["unit"])


def histogram(
    reference: Array,
    generated: Array,
    label: Label,
    *,
    wr: Array | None = None,
    wg: Array | None = None,
) -> Histogram:
    """Bin two samples for a figure.

    Parameters
    ----------
    reference, generated : array (n,), (m,)
        Finite values.
    label : Label
        Says unit and kind of axis.
    wr, wg : array, optional
        Event weights; may be negative.

    Examples
    --------
    >>> from facsim.report.labels import label
    >>> histogram(np.arange(4.0), np.arange(4.0), label("max_depth")).reference
    array([1., 1., 1., 1.])
    """
    unit, scale = label.unit, 1.0
    if unit == "MeV" and np.median(reference) > 2000:
        unit, scale = "GeV", 1e-3
    sides = [
        (values * scale, np.ones(len(values)) if weights is None else weights)
        for values, weights in ((reference, wr), (generated, wg))
    ]
    log = label.log and bool((sides[0][0] > 0).any())
    sizes = [float(w.sum()) for _, w in sides]
    zeros = [0.0, 0.0]
    if log:
        zeros = [float(w[v <= 0].sum()) for v, w in sides]
        sides = [(v[v > 0], w[v > 0]) for v, w in sides]
    edges = _edges(sides[0][0], sides[1][0], log=log, discrete=label.discrete)
    sums, squares = ([np.histogram(v, edges, weights=w**k)[0].astype(np.float64) for v, w in sides] for k in (1, 2))
    return Histogram(
        edges, sums[0], sums[1], squares[0], squares[1], (sizes[0], sizes[1]), (zeros[0], zeros[1]), log, unit
    )


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

"""Corner plot: every parameter alone and every pair, drawn from samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facsim.report.chart import Chart, Panel
from facsim.report.scale import Scale
from facsim.simulators.parametric import Space

__all__ = ["corner_width", "draw_corner"]

Array = NDArray[np.float64]

CELL, GAP, LEFT, TOP, BOTTOM = 128.0, 10.0, 52.0, 24.0, 34.0  # px
BINS = 32
SMOOTH = 1.0  # width of the smoothing of a pair's histogram, bins
LEVELS = (0.68, 0.95)
MARKS = {"truth": "series solid s2", "default": "series s1"}


def corner_width(parameters: int) -> float:
    """Of the figure, px."""
    return LEFT + parameters * CELL + (parameters - 1) * GAP + 12


def draw_corner(samples: Array, space: Space, marks: Mapping[str, Array] | None = None) -> str:
    """Histograms on the diagonal, regions of 68 and 95 % below it.

    Parameters
    ----------
    samples : array (n, p)
        Draws of the parameters.
    space : Space
        Names, units and ranges.
    marks : mapping of str to array (p,), optional
        Points to mark by lines: ``truth``, ``default``.

    Returns
    -------
    str
        One ``<svg>`` element.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> space = Space((Parameter("m", -1, 1), Parameter("c", 0, 27)))
    >>> draws = np.random.default_rng(0).normal([0, 12], [0.1, 2], (500, 2))
    >>> draw_corner(draws, space, {"truth": np.array([0.1, 11.0])}).startswith("<svg")
    True
    """
    p = len(space)
    side = p * CELL + (p - 1) * GAP
    chart = Chart(corner_width(p), TOP + side + BOTTOM, "Parameters one by one and in pairs")
    bins = [
        _whole_edges(samples[:, i], marks, i) if space.whole[i] else _edges(samples[:, i], space, marks, i)
        for i in range(p)
    ]
    scales = [Scale(float(edges[0]), float(edges[-1])) for edges in bins]
    titles = [f"{q.name} [{q.unit}]" if q.unit else q.name for q in space]
    for row in range(p):
        for column in range(row + 1):
            left, top = LEFT + column * (CELL + GAP), TOP + row * (CELL + GAP)
            x, bottom = scales[column], row == p - 1
            title = titles[column] if bottom else ""
            if row == column:
                counts, edges = np.histogram(samples[:, row], bins[row])
                panel = chart.panel(left, top, CELL, CELL, x, Scale(0, 1.12 * max(1, counts.max())))
                panel.steps(edges, counts, "reference-fill", fill=True)
                panel.steps(edges, counts, "reference")
                _mark(panel, marks, column, None)
                panel.frame(title, x_ticks=3, y_ticks=None, x_labels=bottom, y_labels=False)
            else:
                panel = chart.panel(left, top, CELL, CELL, x, scales[row])
                smooth = [0.0 if space.whole[i] else SMOOTH for i in (row, column)]
                _regions(panel, samples[:, column], samples[:, row], bins[column], bins[row], smooth)
                _mark(panel, marks, column, row)
                y_title = titles[row] if column == 0 else ""
                panel.frame(title, y_title, x_ticks=3, y_ticks=3, x_labels=bottom, y_labels=column == 0)
    names = [name for name in marks or {} if name in MARKS]
    chart.key(LEFT, 14, [("fill", "reference-fill", "tuned"), *(("line", MARKS[n], n) for n in names)])
    return chart.svg()


def _ends(values: Array, marks: Mapping[str, Array] | None, i: int) -> tuple[float, float]:
    """Nearly all samples, and the truth (not the default: it may be far away)."""
    inner, outer = (float(v) for v in np.quantile(values, [0.002, 0.998]))
    if marks and "truth" in marks and np.isfinite(marks["truth"][i]):
        inner, outer = min(inner, marks["truth"][i]), max(outer, marks["truth"][i])
    return inner, outer


def _edges(values: Array, space: Space, marks: Mapping[str, Array] | None, i: int) -> Array:
    """With some room, and never much beyond the range."""
    inner, outer = _ends(values, marks, i)
    low, high = space.low[i], space.high[i]
    room = max(0.12 * (outer - inner), 1e-3 * (high - low))
    return np.linspace(
        max(inner - room, low - 0.02 * (high - low)), min(outer + room, high + 0.02 * (high - low)), BINS + 1
    )


def _whole_edges(values: Array, marks: Mapping[str, Array] | None, i: int) -> Array:
    """Bars around whole numbers, one more on both sides; several numbers per bar if they are many."""
    inner, outer = _ends(values, marks, i)
    first, last = int(np.floor(inner)) - 1, int(np.ceil(outer)) + 1
    step = -(-(last - first + 1) // BINS)
    count = -(-(last - first + 1) // step)
    return np.asarray(first - 0.5 + step * np.arange(count + 1))


def _mark(panel: Panel, marks: Mapping[str, Array] | None, column: int, row: int | None) -> None:
    for name, point in (marks or {}).items():
        if name in MARKS:
            if np.isfinite(point[column]):
                panel.upright(float(point[column]), MARKS[name])
            if row is not None and np.isfinite(point[row]):
                panel.level(float(point[row]), MARKS[name])


def _regions(panel: Panel, x: Array, y: Array, across: Array, up: Array, smooth: list[float]) -> None:
    """Smallest regions that hold 68 and 95 % of the samples, as pixels of two shades."""
    from scipy.ndimage import gaussian_filter

    counts, *_ = np.histogram2d(y, x, (up, across))
    density = gaussian_filter(counts, smooth)
    order = np.sort(density.ravel())[::-1]
    held = np.cumsum(order) / max(order.sum(), 1e-300)
    colours = np.zeros((*density.shape, 4), np.uint8)
    for level, opacity in zip(LEVELS[::-1], (90, 210), strict=True):
        border = order[min(int(np.searchsorted(held, level)), len(order) - 1)]
        colours[(density >= border) & (density > 0)] = (47, 100, 150, opacity)
    panel.picture(colours[::-1])

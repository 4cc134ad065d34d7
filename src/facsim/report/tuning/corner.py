"""Corner plot: every parameter alone and every pair, drawn from samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facsim.report.chart import Chart, Panel
from facsim.report.scale import Scale
from facsim.simulators.parametric import Space

__all__ = ["draw_corner"]

Array = NDArray[np.float64]

CELL, GAP, LEFT, TOP, BOTTOM = 128.0, 10.0, 52.0, 24.0, 34.0  # px
BINS = 32
SMOOTH = 1.0  # width of the smoothing of a pair's histogram, bins
LEVELS = (0.68, 0.95)
MARKS = {"truth": "series solid s2", "default": "series s1"}


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
    chart = Chart(LEFT + side + 12, TOP + side + BOTTOM, "Parameters one by one and in pairs")
    scales = [_scale(samples[:, i], space.low[i], space.high[i], marks, i) for i in range(p)]
    titles = [f"{q.name} [{q.unit}]" if q.unit else q.name for q in space]
    for row in range(p):
        for column in range(row + 1):
            left, top = LEFT + column * (CELL + GAP), TOP + row * (CELL + GAP)
            x, bottom = scales[column], row == p - 1
            title = titles[column] if bottom else ""
            if row == column:
                counts, edges = np.histogram(samples[:, row], BINS, (x.low, x.high))
                panel = chart.panel(left, top, CELL, CELL, x, Scale(0, 1.12 * max(1, counts.max())))
                panel.steps(edges, counts, "reference-fill", fill=True)
                panel.steps(edges, counts, "reference")
                _mark(panel, marks, column, None)
                panel.frame(title, x_ticks=3, y_ticks=None, x_labels=bottom, y_labels=False)
            else:
                panel = chart.panel(left, top, CELL, CELL, x, scales[row])
                _regions(panel, samples[:, column], samples[:, row], x, scales[row])
                _mark(panel, marks, column, row)
                y_title = titles[row] if column == 0 else ""
                panel.frame(title, y_title, x_ticks=3, y_ticks=3, x_labels=bottom, y_labels=column == 0)
    names = [name for name in marks or {} if name in MARKS]
    chart.key(LEFT, 14, [("fill", "reference-fill", "tuned"), *(("line", MARKS[n], n) for n in names)])
    return chart.svg()


def _scale(values: Array, low: float, high: float, marks: Mapping[str, Array] | None, i: int) -> Scale:
    """The samples with some room, the truth (not the default: it may be far away), and never much beyond the range."""
    inner, outer = np.quantile(values, [0.002, 0.998])
    if marks and "truth" in marks:
        inner, outer = min(inner, marks["truth"][i]), max(outer, marks["truth"][i])
    room = max(0.12 * (outer - inner), 1e-3 * (high - low))
    return Scale(max(inner - room, low - 0.02 * (high - low)), min(outer + room, high + 0.02 * (high - low)))


def _mark(panel: Panel, marks: Mapping[str, Array] | None, column: int, row: int | None) -> None:
    for name, point in (marks or {}).items():
        if name in MARKS:
            panel.upright(float(point[column]), MARKS[name])
            if row is not None:
                panel.level(float(point[row]), MARKS[name])


def _regions(panel: Panel, x: Array, y: Array, across: Scale, up: Scale) -> None:
    """Smallest regions that hold 68 and 95 % of the samples, as pixels of two shades."""
    from scipy.ndimage import gaussian_filter

    counts, *_ = np.histogram2d(y, x, BINS, ((up.low, up.high), (across.low, across.high)))
    smooth = gaussian_filter(counts, SMOOTH)
    order = np.sort(smooth.ravel())[::-1]
    held = np.cumsum(order) / max(order.sum(), 1e-300)
    colours = np.zeros((BINS, BINS, 4), np.uint8)
    for level, opacity in zip(LEVELS[::-1], (90, 210), strict=True):
        border = order[min(int(np.searchsorted(held, level)), len(order) - 1)]
        colours[(smooth >= border) & (smooth > 0)] = (47, 100, 150, opacity)
    panel.picture(colours[::-1])

"""Figures of calibration: expected against found coverage, and ranks of the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from facsim.report.chart import Chart
from facsim.report.scale import Scale

__all__ = ["draw_coverage", "draw_ranks"]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 320.0, 240.0, 48.0, 24.0, 34.0  # px


def draw_coverage(
    levels: ArrayLike, found: Mapping[str, ArrayLike], band: tuple[ArrayLike, ArrayLike] | None = None
) -> str:
    """How often the truth lies inside an interval, against how often it should.

    Parameters
    ----------
    levels : array (l,)
        Credible levels from 0 to 1.
    found : mapping of str to array (l,)
        Share of test points whose truth is inside, by parameter.
    band : (array, array), optional
        Where a calibrated method lies in 95 % of all tests.

    Examples
    --------
    >>> draw_coverage([0, 0.5, 1], {"m": [0, 0.45, 1]}).startswith("<svg")
    True
    """
    chart = Chart(WIDTH, HEIGHT, "Coverage of credible intervals, found against expected")
    panel = chart.panel(LEFT, TOP, WIDTH - LEFT - 10, HEIGHT - TOP - BOTTOM, Scale(0, 1), Scale(0, 1))
    if band is not None:
        panel.area(levels, *band, "band")
    panel.line([0, 1], [0, 1], "muted dashed")
    x = LEFT
    for i, (name, values) in enumerate(found.items()):
        panel.line(levels, values, f"series s{i % 8}")
        chart.key(x, 14, (("line", f"series s{i % 8}", name),))
        x += 34 + 5.4 * len(name)
    panel.frame("credible level", "truth inside")
    return chart.svg()


def draw_ranks(ranks: ArrayLike, bins: int, name: str) -> str:
    """Histogram of the rank of the truth among the draws: flat if the method is calibrated.

    Parameters
    ----------
    ranks : array (n,)
        From 0 to 1.
    bins : int
    name : str
        Of the parameter.

    Notes
    -----
    The band holds 95 % of the bins of a calibrated method. A hump means intervals that are too wide, horns too narrow,
    a slope a shift.
    """
    from scipy.stats import binom

    values = np.asarray(ranks, np.float64)
    counts, edges = np.histogram(values, bins, (0, 1))
    low, high = (float(binom.ppf(q, len(values), 1 / bins)) for q in (0.025, 0.975))
    chart = Chart(WIDTH, HEIGHT * 0.8, f"Ranks of the true {name} among the draws")
    up = Scale(0, 1.25 * max(float(counts.max(initial=1)), high))
    panel = chart.panel(LEFT, TOP, WIDTH - LEFT - 10, 0.8 * HEIGHT - TOP - BOTTOM, Scale(0, 1), up)
    panel.step_band([0.0, 1.0], [low], [high], "band")
    panel.steps(edges, counts, "generated")
    panel.frame(f"rank of the true {name}", "tests", y_ticks=4)
    return chart.svg()

"""The figures of distributions and means; each function returns one SVG element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facsim.report.binning import Histogram
from facsim.report.labels import Label
from facsim.report.style import GENERATED, REFERENCE, REFERENCE_LINE, RULE, canvas, log_axis, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_excess", "draw_histogram", "draw_profile", "draw_response"]

Array = NDArray[np.float64]

SMALL = (3.7, 3.35)
MARGINS = (0.62, 0.14, 0.45, 0.24)  # fixed: a layout computed for each of 20 histograms takes half of the time


def draw_histogram(data: Histogram, label: Label, prefix: str) -> str:
    """Reference filled, generated as a line; below, generated over reference with the errors of both."""
    with canvas(*SMALL, margins=MARGINS) as figure:
        main, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        edges, n, m = data.edges, data.sizes[0], data.sizes[1]
        truth, copy = data.reference / n, data.generated / m
        main.stairs(truth, edges, fill=True, facecolor=REFERENCE, label="reference")
        main.stairs(truth, edges, edgecolor=REFERENCE_LINE, linewidth=1.0)
        main.stairs(copy, edges, edgecolor=GENERATED, linewidth=1.7, label="generated")
        _share_axis(main, truth, copy, n)
        _key(main)
        _ratio_panel(ratio, edges, data)
        unit = f" [{data.unit}]" if data.unit else ""
        ratio.set_xlabel(f"{label.symbol}{unit}")
        ratio.set_xlim(edges[0], edges[-1])
        if data.log:
            log_axis(ratio, "x")
        if label.discrete and len(edges) <= 12:
            ratio.set_xticks((edges[1:] + edges[:-1]) / 2)
            ratio.minorticks_off()
            main.tick_params(axis="x", which="minor", length=0)
        figure.align_ylabels([main, ratio])
        return to_svg(figure, prefix, f"Histogram of {label.words}: reference and generated, with their ratio")


def _share_axis(axes: Axes, truth: Array, copy: Array, n: int) -> None:
    """Share of events per bin; logarithmic where the bins span more than two decades."""
    axes.set_ylabel("share of events")
    filled = truth[truth > 0]
    top = float(max(truth.max(initial=0), copy.max(initial=0))) or 1.0
    if len(filled) and truth.max() > 60 * np.median(filled):
        axes.set_ylim(0.5 / n, 3 * top)
        log_axis(axes, "y")
    else:
        axes.set_ylim(0, 1.12 * top)


def _key(axes: Axes) -> None:
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 0.995), "borderaxespad": 0, "borderpad": 0.1}
    axes.legend(ncols=3, handlelength=1.4, columnspacing=1.4, **place)


def _ratio_panel(axes: Axes, edges: Array, data: Histogram) -> None:
    n, m = data.sizes
    truth, copy = data.reference, data.generated
    known = truth > 0
    band = np.divide(1, np.sqrt(truth), out=np.zeros_like(truth), where=known)
    value = np.divide(copy / m, truth / n, out=np.full_like(truth, np.nan), where=known)
    error = np.divide(value, np.sqrt(copy), out=np.zeros_like(truth), where=copy > 0)
    limits = _ratio_limits(value, np.hypot(error, band), truth)
    axes.stairs(1 + band, edges, baseline=1 - band, fill=True, facecolor=REFERENCE, alpha=0.75)
    axes.axhline(1, color=REFERENCE_LINE, linewidth=0.9)
    centres = np.sqrt(edges[1:] * edges[:-1]) if data.log else (edges[1:] + edges[:-1]) / 2
    _points(axes, centres, value, error, limits)
    axes.set_ylabel("gen. / ref.")
    axes.set_ylim(*limits)


def _ratio_limits(value: Array, error: Array, truth: Array) -> tuple[float, float]:
    """Narrowest of a few fixed ranges that holds nine in ten bins with a useful number of events."""
    useful = np.isfinite(value) & (truth >= min(20, truth.max(initial=0) / 2))
    off = np.abs(value[useful] - 1) + error[useful]
    for reach in (0.05, 0.1, 0.25, 0.5):
        if len(off) > 2 and np.quantile(off, 0.9) < reach:
            return 1 - reach, 1 + reach
    return 0.0, 2.0


def _points(axes: Axes, x: Array, y: Array, error: Array, limits: tuple[float, float]) -> None:
    """Points with errors; what lies outside the panel is an arrow head at its rim."""
    low, high = limits
    inside = np.isfinite(y) & (y >= low) & (y <= high)
    axes.vlines(x[inside], (y - error)[inside], (y + error)[inside], color=GENERATED, linewidth=1.1)
    axes.plot(x[inside], y[inside], ".", color=GENERATED, markersize=4.5)
    reach = high - low
    for outside, place, marker in ((y > high, high - 0.06 * reach, "^"), (y < low, low + 0.06 * reach, "v")):
        axes.plot(x[outside], np.full(outside.sum(), place), marker, color=GENERATED, markersize=4.5, linestyle="")


def draw_excess(observables: dict[str, dict[str, Any]], words: Sequence[str], prefix: str) -> str:
    """W1 over its floor for every observable, worst on top, beside the range that truth against truth covers."""
    entries = [e for e in observables.values() if e["excess"] is not None]
    names = [w for w, e in zip(words, observables.values(), strict=True) if e["excess"] is not None]
    with canvas(9.2, 0.75 + 0.25 * max(1, len(entries))) as figure:
        axes = figure.subplots()
        rows = np.arange(len(entries))[::-1]
        low = np.array([e["floor"]["w1_low"] / e["floor"]["w1"] if e["floor"]["w1"] > 0 else 1 for e in entries])
        high = np.array([e["floor"]["w1_high"] / e["floor"]["w1"] if e["floor"]["w1"] > 0 else 1 for e in entries])
        excess = np.array([max(e["excess"], 0.42) for e in entries])  # nearer is no better: it stays at the rim
        differs = np.array([e["differs"] for e in entries], bool)
        axes.barh(rows, high - low, left=low, height=0.62, color=REFERENCE)
        axes.axvline(1, color=REFERENCE_LINE, linewidth=1)
        axes.hlines(rows, 1, excess, color=GENERATED, linewidth=0.9, alpha=0.6)
        axes.plot(excess[differs], rows[differs], "o", color=GENERATED, markersize=6.5)
        axes.plot(excess[~differs], rows[~differs], "o", color=GENERATED, markersize=5.5, markerfacecolor="none")
        axes.set_yticks(rows, names)
        axes.set_ylim(-0.7, len(entries) - 0.3)
        axes.set_xlim(0.4, max(4.0, 1.6 * excess.max(initial=1)))
        log_axis(axes, "x")
        axes.tick_params(axis="y", which="both", length=0)
        axes.grid(axis="x", color=RULE, linewidth=0.7)
        axes.set_xlabel("W₁(reference, generated) / W₁(truth, truth)")
        return to_svg(figure, prefix, "Distance of every observable relative to its floor, largest on top")


def draw_response(data: dict[str, Any], prefix: str) -> str:
    """Mean and spread of E_tot / E against the incident energy, with ratios."""
    keep = np.array([e is not None for e in data["energy"]], bool)
    energy = np.array([e or np.nan for e in data["energy"]], float)[keep] / 1e3
    edges = np.array(data["edges"]) / 1e3
    with canvas(9.4, 4.0) as figure:
        grid = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1.2))
        titles = {"mean": "mean of Eₜₒₜ / E", "spread": "standard deviation of Eₜₒₜ / E"}
        for column, (what, title) in enumerate(titles.items()):
            main, ratio = grid[0, column], grid[1, column]
            truth, truth_error = _column(data["reference"], what, keep)
            copy, copy_error = _column(data["generated"], what, keep)
            style: dict[str, Any] = {"linestyle": "", "markersize": 5.5, "elinewidth": 1.2, "capsize": 0}
            main.errorbar(energy, truth, truth_error, fmt="s", color=REFERENCE_LINE, label="reference", **style)
            main.errorbar(
                energy, copy, copy_error, fmt="o", color=GENERATED, markerfacecolor="none", label="generated", **style
            )
            main.set_ylabel(title)
            main.ticklabel_format(axis="y", style="plain", useOffset=False)
            if what == "spread":
                main.set_ylim(bottom=0)
            else:
                _key(main)
            relative = np.divide(truth_error, truth, out=np.zeros_like(truth), where=truth > 0)
            ratio.fill_between(energy, 1 - relative, 1 + relative, color=REFERENCE, alpha=0.75, linewidth=0)
            ratio.axhline(1, color=REFERENCE_LINE, linewidth=0.9)
            value = np.divide(copy, truth, out=np.full_like(truth, np.nan), where=truth > 0)
            error = np.divide(copy_error, truth, out=np.zeros_like(truth), where=truth > 0)
            limits = _reach(value, error)
            _points(ratio, energy, value, error, limits)
            ratio.set_ylim(*limits)
            ratio.set_ylabel("gen. / ref.")
            ratio.set_xlabel("incident energy E [GeV]")
            ratio.set_xlim(
                edges[0] if edges[0] < energy.min() else 0.9 * edges[0],
                edges[-1] if edges[-1] > energy.max() else 1.1 * edges[-1],
            )
            if len(edges) > 1 and edges[-1] > 120 * edges[0]:
                log_axis(ratio, "x")
        figure.align_ylabels(grid)
        return to_svg(figure, prefix, "Energy response and resolution against incident energy")


def _column(entries: Sequence[dict[str, Any]], what: str, keep: NDArray[np.bool_]) -> tuple[Array, Array]:
    values = np.array([np.nan if e[what] is None else e[what] for e in entries], float)[keep]
    errors = np.array([np.nan if e[what] is None else e[f"{what}_error"] for e in entries], float)[keep]
    return values, errors


def _reach(value: Array, error: Array) -> tuple[float, float]:
    off = np.abs(value - 1) + error
    off = off[np.isfinite(off)]
    reach = float(np.clip(1.15 * off.max(initial=0.0), 0.002, 1.0))
    return 1 - reach, 1 + reach


def draw_profile(values: dict[str, tuple[Array, Array]], labels: Sequence[str], title: str, prefix: str) -> str:
    """Mean per layer of reference and generated, for detectors with many layers.

    Parameters
    ----------
    values : dict
        ``reference`` and ``generated``: mean and error per layer.
    labels : sequence of str
        Numbers of the layers.
    title : str
        Of the vertical axis.
    prefix : str
        For ids.
    """
    with canvas(*SMALL, margins=MARGINS) as figure:
        main, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        edges = np.arange(len(labels) + 1) - 0.5
        (truth, truth_error), (copy, copy_error) = values["reference"], values["generated"]
        main.stairs(truth, edges, fill=True, facecolor=REFERENCE, label="reference")
        main.stairs(truth, edges, edgecolor=REFERENCE_LINE, linewidth=1.0)
        main.stairs(copy, edges, edgecolor=GENERATED, linewidth=1.7, label="generated")
        main.set_ylabel(title)
        main.set_ylim(0, 1.12 * max(truth.max(), copy.max()))
        _key(main)
        band = np.divide(truth_error, truth, out=np.zeros_like(truth), where=truth > 0)
        ratio.stairs(1 + band, edges, baseline=1 - band, fill=True, facecolor=REFERENCE, alpha=0.75)
        ratio.axhline(1, color=REFERENCE_LINE, linewidth=0.9)
        value = np.divide(copy, truth, out=np.full_like(truth, np.nan), where=truth > 0)
        error = np.divide(copy_error, truth, out=np.zeros_like(truth), where=truth > 0)
        limits = _reach(value, error)
        _points(ratio, np.arange(len(labels), dtype=float), value, error, limits)
        ratio.set_ylim(*limits)
        ratio.set_ylabel("gen. / ref.")
        ratio.set_xlabel("layer")
        ratio.set_xlim(edges[0], edges[-1])
        places = np.arange(0, len(labels), max(1, len(labels) // 9))
        ratio.set_xticks(places, [labels[int(i)] for i in places])
        return to_svg(figure, prefix, f"{title} by layer")

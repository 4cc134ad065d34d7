"""The figures of distributions and means; each function returns one SVG element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.report.binning import Histogram
from facsim.report.chart import LETTER, Chart, Panel
from facsim.report.labels import Label
from facsim.report.scale import Scale, Ticks

__all__ = ["BOTH", "draw_excess", "draw_histogram", "draw_profile", "draw_response", "ratio_panel", "reach", "top_of"]

Array = NDArray[np.float64]

WIDTH, LEFT, RIGHT = 272.0, 50.0, 10.0  # px of a small figure
BOTH = (("fill", "reference-fill", "reference"), ("line", "generated", "generated"))


def draw_histogram(data: Histogram, label: Label) -> str:
    """Reference filled, generated as steps with errors; below, their ratio with the errors of both, and the pulls."""
    chart = Chart(WIDTH, 268, f"Histogram of {label.words}: reference and generated, with ratio and pulls")
    x = Scale(float(data.edges[0]), float(data.edges[-1]), data.log)
    inner = WIDTH - LEFT - RIGHT
    truth, copy = data.reference / data.sizes[0], data.generated / data.sizes[1]
    main = chart.panel(LEFT, 16, inner, 122, x, _share_scale(truth, copy, data.sizes[0]))
    main.steps(data.edges, truth, "reference-fill", fill=True)
    main.steps(data.edges, truth, "reference")
    main.steps(data.edges, copy, "generated")
    error = np.sqrt(data.generated_squares) / data.sizes[1]
    centres = np.sqrt(data.edges[1:] * data.edges[:-1]) if data.log else (data.edges[1:] + data.edges[:-1]) / 2
    main.bars(centres, copy - error, copy + error, "generated bar")
    ticks: Ticks | int = 5
    if label.discrete and len(data.edges) <= 12:
        ticks = Ticks(tuple(centres), tuple(f"{c:g}" for c in centres))
    main.frame(y_title="share of events", x_ticks=ticks, x_labels=False, y_ticks=4)
    chart.key(LEFT, 11, BOTH)
    value, error, band = data.ratio()
    useful = data.reference**2 >= min(20.0, _most(data.reference)) * data.reference_squares
    ratio = chart.panel(LEFT, 144, inner, 46, x, _ratio_scale(value[useful], np.hypot(error, band)[useful]))
    ratio.step_band(data.edges, 1 - band, 1 + band, "band")
    ratio.level(1, "reference")
    ratio.points(centres, value, "generated", error)
    ratio.frame(y_title="gen. / ref.", x_ticks=ticks, x_labels=False, y_ticks=5, y_rim=False)
    _pull_panel(chart, data, x, ticks, f"{label.symbol}{f' [{data.unit}]' if data.unit else ''}")
    return chart.svg()


def _pull_panel(chart: Chart, data: Histogram, x: Scale, ticks: Ticks | int, title: str) -> None:
    pulls = data.pulls()
    largest = float(np.nanmax(np.abs(pulls), initial=0.0))
    limit = next((r for r in (4.0, 8.0, 16.0) if largest < 0.95 * r), 16.0)
    panel = chart.panel(LEFT, 196, WIDTH - LEFT - RIGHT, 42, x, Scale(-limit, limit))
    panel.step_band(data.edges[[0, -1]], [-2.0], [2.0], "pull-band")
    panel.step_band(data.edges, np.minimum(pulls, 0), np.maximum(pulls, 0), "pull")
    panel.level(0, "rule")
    half = limit / 2
    marks = Ticks((-half, 0.0, half), (f"−{half:g}", "0", f"{half:g}"))
    panel.frame(title, "pull", x_ticks=ticks, y_ticks=marks)


def _most(values: Array) -> float:
    return float(np.max(values, initial=0.0)) / 2


def _share_scale(truth: Array, copy: Array, size: float) -> Scale:
    """Share of events per bin; logarithmic where the bins span more than two decades."""
    filled = truth[truth > 0]
    top = float(max(truth.max(initial=0), copy.max(initial=0))) or 1.0
    if len(filled) and truth.max() > 60 * np.median(filled) and truth.min() >= 0:
        return Scale(min(0.5 / size, top / 10), 3 * top, log=True)
    return Scale(min(0.0, 1.1 * float(min(truth.min(initial=0), copy.min(initial=0)))), 1.12 * top)


def _ratio_scale(value: Array, error: Array) -> Scale:
    """Narrowest of a few fixed ranges that holds nine in ten bins with a useful number of events."""
    off = np.abs(value - 1) + error
    off = off[np.isfinite(off)]
    for size in (0.05, 0.1, 0.25, 0.5):
        if len(off) > 2 and np.quantile(off, 0.9) < size:
            return Scale(1 - size, 1 + size)
    return Scale(0.0, 2.0)


def reach(value: Array, error: Array, most: float = 1.0) -> Scale:
    """Scale around 1 that holds values with their errors."""
    off = np.abs(value - 1) + error
    off = off[np.isfinite(off)]
    size = float(np.clip(1.2 * off.max(initial=0.0), 0.002, most))
    return Scale(1 - size, 1 + size)


def top_of(*values: Array) -> float:
    """Upper end of an axis from 0 that holds all finite values."""
    largest = max((float(v[np.isfinite(v)].max(initial=0.0)) for v in values), default=0.0)
    return 1.12 * largest or 1.0


def ratio_panel(
    panel: Panel, x: Array, truth: tuple[Array, Array], copy: tuple[Array, Array], *, edges: Array | None = None
) -> None:
    """Fill a panel with copy over truth, each (value, error) at places x: band for the truth, points for the copy."""
    (a, a_error), (b, b_error) = truth, copy
    known = np.isfinite(a) & (a != 0)
    nothing = np.full(len(a), np.nan)
    band = np.divide(a_error, np.abs(a), out=nothing.copy(), where=known)
    value = np.divide(b, a, out=nothing.copy(), where=known)
    error = np.divide(b_error, np.abs(a), out=nothing, where=known)
    useful = band < 0.2
    panel.y = reach(value[useful], error[useful])
    if edges is None:
        panel.area(x[known], (1 - band)[known], (1 + band)[known], "band")
    else:
        panel.step_band(edges, 1 - band, 1 + band, "band")
    panel.level(1, "reference")
    panel.points(x, value, "generated", error)


def draw_excess(observables: dict[str, dict[str, Any]], words: Sequence[str]) -> str:
    """W1 over its floor for every observable, worst on top, beside the range that truth against truth covers."""
    rows = [(w, e) for w, e in zip(words, observables.values(), strict=True) if e.get("excess") is not None]
    left, step = 18 + LETTER * max((len(w) for w, _ in rows), default=10), 16.0
    chart = Chart(660, 46 + step * max(1, len(rows)), "Distance of every observable relative to its floor")
    excess = np.array([max(e["excess"], 0.42) for _, e in rows])  # nearer is no better: it stays at the rim
    x = Scale(0.4, max(4.0, 1.6 * excess.max(initial=1)), log=True)
    height = step * max(1, len(rows))
    panel = chart.panel(left, 6, 650 - left, height, x, Scale(len(rows) or 1, 0))
    for value in x.ticks().major:
        panel.upright(value, "rule")
    for i, (text, entry) in enumerate(rows):
        w1, low, high = (entry["floor"][k] for k in ("w1", "w1_low", "w1_high"))
        if w1 > 0:
            panel.step_band([low / w1, high / w1], [i + 0.8], [i + 0.2], "reference-fill")
        panel.line([1, excess[i]], [i + 0.5, i + 0.5], "generated thin")
        panel.points([excess[i]], [i + 0.5], f"generated large {'' if entry['differs'] else 'open'}")
        chart.text(left - 6, 6 + step * (i + 0.5) + 3.3, text, "end")
    panel.upright(1, "reference")
    panel.frame("W₁(reference, generated) / W₁(truth, truth)", y_ticks=None, y_labels=False, x_ticks=5)
    return chart.svg()


def draw_response(data: Mapping[str, Any], fits: Mapping[str, Any] | None = None) -> str:
    """Mean and relative spread of E_tot / E against the incident energy, with ratios, and the fitted resolution."""
    keep = np.array([e is not None for e in data["energy"]], bool)
    energy = np.array([e or np.nan for e in data["energy"]], float)[keep] / 1e3
    edges = np.array(data["edges"]) / 1e3
    low = edges[0] if edges[0] < energy.min() else 0.9 * edges[0]
    high = edges[-1] if edges[-1] > energy.max() else 1.1 * edges[-1]
    x = Scale(float(low), float(high), log=bool(len(edges) > 1 and edges[-1] > 120 * edges[0]))
    chart = Chart(680, 292, "Energy response and resolution against incident energy")
    titles = {"mean": "mean of Eₜₒₜ / E", "spread": "resolution σ / ⟨Eₜₒₜ⟩"}
    for column, (what, title) in enumerate(titles.items()):
        left, width, place = 62 + 344 * column, 270.0, 10.0 + 344 * column
        (truth, copy) = (_column(data[role], what, keep) for role in ("reference", "generated"))
        values = np.concatenate([truth[0] - truth[1], truth[0] + truth[1], copy[0] - copy[1], copy[0] + copy[1]])
        bottom, top = float(np.nanmin(values, initial=np.inf)), float(np.nanmax(values, initial=-np.inf))
        room = 0.12 * (top - bottom) or 0.1 * abs(top) or 1.0
        if not np.isfinite(bottom):  # nothing is known: showers without energy
            bottom, top, room = 0.0, 1.0, 0.0
        y = Scale(0.0, 1.12 * top) if what == "spread" and top > 0 else Scale(bottom - room, top + room)
        main = chart.panel(left, 16, width, 158, x, y)
        for role, css in (("reference", "reference"), ("generated", "generated thin")):
            if fits and what == "spread":
                fine = np.geomspace(x.low, x.high, 60) if x.low > 0 else np.linspace(energy.min(), x.high, 60)
                main.line(fine, np.sqrt(fits[role]["a"] ** 2 / fine + fits[role]["b"] ** 2), css)
        main.points(energy, truth[0], "reference square", truth[1])
        main.points(energy, copy[0], "generated", copy[1])
        main.frame(y_title=title, x_labels=False, y_place=place)
        chart.key(left, 11, (("dots", "reference square dots", "reference"), ("dots", "generated dots", "generated")))
        ratio = chart.panel(left, 180, width, 74, x, Scale(0, 2))
        ratio_panel(ratio, energy, truth, copy)
        ratio.frame("incident energy E [GeV]", "gen. / ref.", y_ticks=5, y_rim=False, y_place=place)
    return chart.svg()


def _column(entries: Sequence[dict[str, Any]], what: str, keep: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Means, or spreads relative to them, with errors."""
    values = np.array([np.nan if e[what] is None else e[what] for e in entries], float)[keep]
    errors = np.array([np.nan if e[what] is None else e[f"{what}_error"] for e in entries], float)[keep]
    if what == "spread":
        means = np.array([e["mean"] or np.nan for e in entries], float)[keep]
        return values / means, errors / means
    return values, errors


def draw_profile(values: dict[str, tuple[Array, Array]], labels: Sequence[str], title: str) -> str:
    """Mean per layer of reference and generated, for detectors with many layers.

    Parameters
    ----------
    values : dict
        ``reference`` and ``generated``: mean and error per layer.
    labels : sequence of str
        Numbers of the layers.
    title : str
        Of the vertical axis.
    """
    chart = Chart(WIDTH, 232, f"{title} by layer")
    edges = np.arange(len(labels) + 1) - 0.5
    x, inner = Scale(-0.5, len(labels) - 0.5), WIDTH - LEFT - RIGHT
    (truth, _), (copy, _) = values["reference"], values["generated"]
    main = chart.panel(LEFT, 16, inner, 122, x, Scale(0, top_of(truth, copy)))
    main.steps(edges, truth, "reference-fill", fill=True)
    main.steps(edges, truth, "reference")
    main.steps(edges, copy, "generated")
    places = np.arange(0, len(labels), max(1, len(labels) // 9))
    ticks = Ticks(tuple(map(float, places)), tuple(labels[int(i)] for i in places))
    main.frame(y_title=title, x_ticks=ticks, x_labels=False)
    chart.key(LEFT, 11, BOTH)
    ratio = chart.panel(LEFT, 144, inner, 56, x, Scale(0, 2))
    ratio_panel(ratio, np.arange(len(labels), dtype=float), values["reference"], values["generated"])
    ratio.frame("layer", "gen. / ref.", x_ticks=ticks, y_ticks=5, y_rim=False)
    return chart.svg()

"""The page that shows several surrogates side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facsim.report.binning import Histogram
from facsim.report.chart import LETTER, Chart
from facsim.report.drawing import Drawing, capital, markup
from facsim.report.figures import LEFT, RIGHT, WIDTH, top_of
from facsim.report.labels import label
from facsim.report.page import environment
from facsim.report.scale import Scale

if TYPE_CHECKING:
    from facsim.report.sidebyside import Comparison, Row

__all__ = ["draw_overlay", "draw_speed", "render"]

Array = NDArray[np.float64]

MOST_HISTOGRAMS = 12
GROUPS = {
    "classifiers": "Classifier tests",
    "distances": "All observables at once",
    "observables": "Observables",
    "speed": "Speed",
}


def render(comparison: Comparison) -> str:
    """Fill the template with the table and the figures."""
    bins = {name: report.metrics.get("histograms", {}) for name, report in comparison.reports.items()}
    rows = {title: [r for r in comparison.rows if r.group == group] for group, title in GROUPS.items()}
    template = environment().get_template("compare.html.j2")
    first = next(iter(comparison.reports.values())).metrics
    return str(
        template.render(
            names=comparison.names,
            folders=comparison.folders(),
            verdicts={name: r.metrics["verdict"] for name, r in comparison.reports.items()},
            differs={name: r.metrics["differs"] for name, r in comparison.reports.items()},
            groups={title: found for title, found in rows.items() if found},
            warnings=comparison.warnings,
            reference=first["samples"]["reference"],
            events=first["events"],
            version=first["facsim_version"],
            speed=_speed(comparison),
            overlays=_overlays(bins, comparison),
        )
    )


def _speed(comparison: Comparison) -> Drawing | None:
    row = next((r for key in ("fpd", "high_level", "low_level") for r in comparison.rows if r.key == key), None)
    if not comparison.times or row is None:
        return None
    return Drawing("Quality against speed", markup(draw_speed(row, comparison.names, comparison.times)))


def draw_speed(row: Row, names: Sequence[str], times: Mapping[str, float]) -> str:
    """One point per surrogate: time per event (given in seconds) against a figure of merit, small is better in both."""
    shown = [
        (i, n, v, e or 0.0)
        for i, (n, v, e) in enumerate(zip(names, row.values, row.errors, strict=True))
        if n in times and v is not None
    ]
    x = np.array([1e3 * times[n] for _, n, _, _ in shown])
    floor = row.floor
    values = np.array([v for _, _, v, _ in shown] + ([] if floor is None else [floor]))
    errors = np.array([e for *_, e in shown] + ([] if floor is None else [0.0]))
    low, high = float((values - errors).min(initial=np.inf)), float((values + errors).max(initial=-np.inf))
    room = 0.12 * (high - low) or 0.05
    chart = Chart(560, 280, f"{row.title} against time per event")
    ends = float(x.min(initial=1.0)) / 2, 4 * float(x.max(initial=1.0))
    panel = chart.panel(58, 16, 490, 226, Scale(*ends, log=True), Scale(low - room, high + room))
    if floor is not None:
        panel.level(floor, "reference")
    for i, name, value, error in shown:
        panel.points([1e3 * times[name]], [value], f"series solid large s{i}", [error])
        panel.write(1e3 * times[name] * (ends[1] / ends[0]) ** 0.016, value + 0.02 * (high - low + 2 * room), name)
    panel.frame("time per event [ms]", row.title)
    if floor is not None:
        chart.key(58, 11, (("line", "reference", "floor"),))
    return chart.svg()


def _overlays(bins: Mapping[str, Mapping[str, Any]], comparison: Comparison) -> list[Drawing]:
    """Main observables: those of the table first, then in the order of physics."""
    known = [set(b.get("observables", {})) for b in bins.values()]
    common = set.intersection(*known) if known else set()
    order = next(iter(comparison.reports.values())).metrics["order"]
    chosen = list(
        dict.fromkeys([*(r.key for r in comparison.rows if r.key in common), *(n for n in order if n in common)])
    )
    out = []
    for name in chosen[:MOST_HISTOGRAMS]:
        found = [Histogram.from_json(b["observables"][name]) for b in bins.values()]
        out.append(Drawing(capital(label(name).words), markup(draw_overlay(found, name, comparison.names))))
    return out


def draw_overlay(found: Sequence[Histogram], name: str, models: Sequence[str]) -> str:
    """Reference filled, each surrogate a line, their ratios below.

    Parameters
    ----------
    found : sequence of Histogram
        One per surrogate; bins may differ between them, then densities are drawn.
    name : str
        Of the observable.
    models : sequence of str
        Names of the surrogates.
    """
    info, first = label(name), found[0]
    same = all(len(h.edges) == len(first.edges) and np.allclose(h.edges, first.edges) for h in found)
    low, high = min(float(h.edges[0]) for h in found), max(float(h.edges[-1]) for h in found)
    x, inner = Scale(low, high, first.log), WIDTH - LEFT - RIGHT

    def shares(data: Histogram, which: int) -> Array:
        content = (data.reference, data.generated)[which] / data.sizes[which]
        width = np.diff(np.log(data.edges) if data.log else data.edges)
        return np.asarray(content if same else content / width)

    lines, key = _key_lines(models)
    above = 4 + 12 * lines
    chart = Chart(WIDTH, above + 214, f"Histogram of {info.words}: reference and {', '.join(models)}")
    copies = [shares(h, 1) for h in found]
    main = chart.panel(LEFT, above, inner, 122, x, Scale(0, top_of(shares(first, 0), *copies)))
    main.steps(first.edges, shares(first, 0), "reference-fill", fill=True)
    ratio = chart.panel(LEFT, above + 128, inner, 56, x, Scale(0, 2))
    _, _, band = first.ratio()
    ratio.step_band(first.edges, 1 - band, 1 + band, "band")
    off = []
    for k, (data, copy) in enumerate(zip(found, copies, strict=True)):
        main.steps(data.edges, copy, f"series s{k}")
        value, error, _ = data.ratio()
        useful = (data.reference >= min(20.0, float(data.reference.max(initial=0)) / 2)) & np.isfinite(value)
        off.append(np.abs(value[useful] - 1) + error[useful])
        ratio.steps(data.edges, value, f"series s{k}")
    size = float(np.quantile(np.concatenate(off), 0.9)) if any(map(len, off)) else 1.0
    size = next((s for s in (0.05, 0.1, 0.25, 0.5) if size < s), 1.0)
    ratio.y = Scale(1 - size, 1 + size)
    main.frame(y_title="share of events" if same else "density", x_labels=False)
    unit = f" [{first.unit}]" if first.unit else ""
    ratio.frame(f"{info.symbol}{unit}", "gen. / ref.", y_ticks=5, y_rim=False)
    for left, line, entry in key:
        chart.key(LEFT + left, 10 + 12 * line, (entry,))
    return chart.svg()


def _key_lines(models: Sequence[str]) -> tuple[int, list[tuple[float, int, tuple[str, str, str]]]]:
    """Place the names in lines that fit the figure."""
    entries = [("fill", "reference-fill", "reference")]
    entries += [("line", f"series s{k}", name if len(name) <= 24 else f"{name[:23]}…") for k, name in enumerate(models)]
    out, left, line = [], 0.0, 0
    for entry in entries:
        width = 30 + LETTER * len(entry[2])
        if left and left + width > WIDTH - LEFT:
            left, line = 0.0, line + 1
        out.append((left, line, entry))
        left += width
    return line + 1, out

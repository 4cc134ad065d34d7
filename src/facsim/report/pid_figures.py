"""Figures of the section on particle identification: maps of bins, efficiency ratios, response along the occupancy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.report.chart import Chart, Panel
from facsim.report.drawing import Drawing, markup
from facsim.report.figures import BOTH, LEFT, RIGHT, WIDTH, reach
from facsim.report.labels import number
from facsim.report.pid_samples import OCCUPANCY
from facsim.report.scale import Scale, Ticks

__all__ = ["draw", "draw_pair", "draw_species"]

Array = NDArray[np.float64]

SHOWN = (0.1, 0.5, 0.9)
"""Shares of the truth whose cuts are drawn; the others are in the file."""


def draw(data: Mapping[str, Any]) -> list[Drawing]:
    """All figures of the section: species after species, then the pairs."""
    out = []
    for name, entry in data["species"].items():
        if "error" not in entry:
            out += draw_species(name, entry, data)
    return out + [draw_pair(p, data["conditions"]) for p in data["pairs"] if "error" not in p]


def draw_species(name: str, entry: Mapping[str, Any], data: Mapping[str, Any]) -> list[Drawing]:
    """Map of the bins, map of the classifier, efficiency ratios that are worst, response along the occupancy."""
    of = f" ({name})" if name else ""
    several = len(data["species"]) > 1
    out = [_bins(entry, data["conditions"], of), *_areas(entry["bins"], data["conditions"], of)]
    for feature, condition, table in _worst_cuts(entry["efficiencies"], 3 if several else 6):
        title = f"Efficiency ratio of {feature} by {condition}{of}"
        out.append(Drawing(title, markup(_efficiency(feature, condition, table))))
    ranked = sorted((entry["response"] or {}).items(), key=lambda item: -_far(item[1]))
    for feature, both in ranked[: 2 if several else 6]:
        svg = _response(feature, data["occupancy"], both)
        out.append(Drawing(f"{feature} against {data['occupancy']}{of}", markup(svg)))
    return out


def _bins(entry: Mapping[str, Any], conditions: Sequence[str], of: str) -> Drawing:
    bins, lights, title = entry["bins"], entry["lights"], f"Bins that may be used{of}"
    ks, few = np.max(_matrix(bins["ks"]), axis=0), np.min(_matrix(bins["events"]), axis=0)
    words = _words(lambda v, n: (number(v, 2) if np.isfinite(v) else "", f"{n:,.0f}"), ks, few)
    note = (
        f"{lights['green']} green, {lights['amber']} amber, {lights['red']} red, {lights['grey']} grey; truth against "
        f"truth: {entry['floor_lights']['green']} green. Numbers: largest KS distance of a quantity, effective events."
    )
    return Drawing(title, markup(_map(bins, conditions, bins["light"], words, title)), (note,), large=True)


def _areas(bins: Mapping[str, Any], conditions: Sequence[str], of: str) -> list[Drawing]:
    areas, errors, floors = (_matrix(bins[k]) for k in ("auc", "auc_error", "floor"))
    if not np.isfinite(areas).any():
        return []

    def two(v: float, e: float, f: float) -> tuple[str, str]:
        return (f"{v:.2f} ± {e:.2f}", f"floor {f:.2f}" if np.isfinite(f) else "") if np.isfinite(v) else ("", "")

    title = f"Classifier’s AUC in bins{of}"
    svg = _map(bins, conditions, bins["light"], _words(two, areas, errors, floors), title)
    return [Drawing(title, markup(svg), large=True)]


def _words(write: Callable[..., tuple[str, str]], *matrices: Array) -> list[list[tuple[str, str]]]:
    """Two lines for every bin, from its number in each matrix."""
    return [[write(*numbers) for numbers in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]


def draw_pair(pair: Mapping[str, Any], conditions: Sequence[str]) -> Drawing:
    """Difference of the areas of two species, with its error and how many errors it is."""
    delta, error = _matrix(pair["delta"]), _matrix(pair["sigma"])

    def two(d: float, e: float) -> tuple[str, str]:
        if not (np.isfinite(d) and e > 0):
            return "", ""
        digits = 0 if e >= 2e-3 else 1
        words = f"{1e3 * d:+.{digits}f} ± {1e3 * e:.{digits}f}", f"{d / e:+.1f} σ"
        return words[0].replace("-", "−"), words[1].replace("-", "−")

    title = f"ΔAUC of {pair['score']}, {pair['first']} against {pair['second']}"
    note = (
        f"Generated less reference, in thousandths. {pair['within']} of {pair['known']} bins with enough events lie "
        f"within {1e3 * pair['tolerance']:g}; all bins: p = {number(pair['pvalue'], 2)}. Largest difference of "
        f"truth and truth: {1e3 * pair['floor']:.0f}."
    )
    return Drawing(
        title, markup(_map(pair, conditions, pair["light"], _words(two, delta, error), title)), (note,), large=True
    )


def _map(
    data: Mapping[str, Any],
    conditions: Sequence[str],
    light: Any,
    words: Sequence[Sequence[tuple[str, str]]],
    title: str,
) -> str:
    """Bins as equal boxes in the colours of their lights, the first condition to the right, with two lines of words."""
    first, second = data["edges"]
    columns, rows = len(first) - 1, len(second) - 1
    width, height = max(72.0 * columns, 360.0), max(34.0 * rows, 136.0)
    chart = Chart(width + 72, height + 44, title)
    panel = chart.panel(60, 8, width, height, Scale(0, columns), Scale(0, rows))
    for i in range(columns):
        for j in range(rows):
            panel.step_band([i, i + 1], [j], [j + 1], f"cell {light[i][j]}")
            above, below = words[i][j]
            panel.write(i + 0.5, j + (0.52 if below else 0.42), above, "middle")
            if below:
                panel.write(i + 0.5, j + 0.2, below, "middle small")
    x, y = (Ticks(tuple(map(float, range(len(e)))), tuple(number(v) for v in e)) for e in (first, second))
    panel.frame(conditions[0], conditions[1], x_ticks=x, y_ticks=y)
    return chart.svg()


def _worst_cuts(tables: Mapping[str, Any], most: int) -> list[tuple[str, str, Any]]:
    """Features and conditions with the largest deviation in errors, the worst feature of every condition first."""
    found: dict[str, list[tuple[float, str, Any]]] = {}
    for feature, by_condition in tables.items():
        for condition, table in by_condition.items():
            ratio, low, high = (_matrix(table[k]) for k in ("ratio", "low", "high"))
            with np.errstate(divide="ignore", invalid="ignore"):
                pulls = np.abs(np.log(ratio) / (np.log(high / low) / 2))
            found.setdefault(condition, []).append(
                (float(np.max(pulls[np.isfinite(pulls)], initial=0.0)), feature, table)
            )
    out = []
    for condition, entries in found.items():
        entries.sort(key=lambda e: -e[0])
        out += [(rank, feature, condition, table) for rank, (_, feature, table) in enumerate(entries[:2])]
    return [e[1:] for e in sorted(out, key=lambda e: e[0])][:most]


def _axis(name: str, edges: Array) -> tuple[Scale, Array]:
    log = bool(edges[0] > 0 and edges[-1] > 15 * edges[0] and not OCCUPANCY.fullmatch(name))
    return Scale(float(edges[0]), float(edges[-1]), log), np.sqrt(edges[1:] * edges[:-1]) if log else (
        edges[1:] + edges[:-1]
    ) / 2


def _efficiency(feature: str, condition: str, table: Mapping[str, Any]) -> str:
    edges = np.array(table["edges"])
    x, _ = _axis(condition, edges)
    chart = Chart(WIDTH, 244, f"Ratio of the efficiencies of cuts on {feature} in bins of {condition}")
    shares = [i for i, s in enumerate(table["shares"]) if s in SHOWN]
    ratio, low, high = (_matrix(table[k])[:, shares] for k in ("ratio", "low", "high"))
    panel = chart.panel(LEFT, 18, WIDTH - LEFT - RIGHT, 194, x, reach(ratio, (high - low) / 2))
    panel.level(1, "reference")
    for k, i in enumerate(shares):
        beside = 0.5 + 0.18 * (k - (len(shares) - 1) / 2)  # so that all errors are seen
        at = edges[:-1] ** (1 - beside) * edges[1:] ** beside if x.log else edges[:-1] + beside * np.diff(edges)
        panel.bars(at, low[:, k], high[:, k], f"series solid s{k}")
        panel.points(at, ratio[:, k], f"series solid s{k}")
        cut = f"> {number(table['thresholds'][i], 2)}"
        chart.key(LEFT + 76 * k, 11, (("dots", f"series solid dots s{k}", cut),))
    panel.frame(condition, "ε generated / ε reference")
    return chart.svg()


def _far(both: Mapping[str, Any]) -> float:
    """Largest deviation of a mean, in errors."""
    (a, da), (b, db) = ((_matrix(both[r]["mean"]), _matrix(both[r]["mean_error"])) for r in ("reference", "generated"))
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = np.abs(a - b) / np.hypot(da, db)
    return float(np.max(pulls[np.isfinite(pulls)], initial=0.0))


def _response(feature: str, along: str, both: Mapping[str, Any]) -> str:
    truth, copy = ({k: _matrix(v) for k, v in both[r].items()} for r in ("reference", "generated"))
    edges = truth["edges"]
    x, centres = _axis(along, edges)
    chart = Chart(WIDTH, 272, f"Mean, quantiles and width of {feature} in bins of {along}")
    inner = WIDTH - LEFT - RIGHT
    ends = np.concatenate([v["quantiles"][:, [0, -1]].ravel() for v in (truth, copy)] + [truth["mean"], copy["mean"]])
    ends = ends[np.isfinite(ends)]
    low, high = float(ends.min(initial=np.inf)), float(ends.max(initial=-np.inf))
    room = 0.08 * (high - low) if high > low else 1.0
    main = chart.panel(LEFT, 16, inner, 130, x, Scale(low - room, high + room) if np.isfinite(low) else Scale(0, 1))
    main.step_band(edges, truth["quantiles"][:, 0], truth["quantiles"][:, -1], "band")
    main.steps(edges, truth["mean"], "reference")
    for k in (0, -1):
        main.steps(edges, copy["quantiles"][:, k], "generated thin dashed")
    main.points(centres, copy["mean"], "generated", copy["mean_error"])
    main.frame(y_title="mean, central 68 %", x_labels=False, y_ticks=4)
    chart.key(LEFT, 11, BOTH)
    panel = chart.panel(LEFT, 156, inner, 82, x, Scale(0, 2))
    _widths(panel, edges, centres, truth, copy)
    panel.frame(along, "width ratio", y_ticks=4, y_rim=False)
    return chart.svg()


def _widths(panel: Panel, edges: Array, centres: Array, truth: Mapping[str, Array], copy: Mapping[str, Array]) -> None:
    """Ratio of the standard deviations, with the truth's error as a band."""
    band, value = truth["width_error"] / truth["width"], copy["width"] / truth["width"]
    error = copy["width_error"] / truth["width"]
    panel.y = reach(np.concatenate([value, 1 + band]), np.concatenate([error, 0 * band]))
    panel.step_band(edges, 1 - band, 1 + band, "band")
    panel.level(1, "reference")
    panel.points(centres, value, "generated", error)


def _matrix(values: Any) -> Array:
    """Nested lists as an array, None as NaN."""
    return np.array(values, dtype=np.float64)

"""Section on where in the conditions a copy is good: classifier and worst observables bin by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, WeightError
from facsim.metrics import ClassifierResult, auc, effective_size
from facsim.metrics.distances import DISTANCES
from facsim.observables.tables import column_names
from facsim.report.chart import Chart
from facsim.report.drawing import Drawing, markup
from facsim.report.figures import LEFT, RIGHT, WIDTH
from facsim.report.labels import label
from facsim.report.sample import Sample, Wide
from facsim.report.scale import Scale, Ticks
from facsim.report.tails import Tested
from facsim.schema import Block

__all__ = ["bins", "draw", "measure"]

Array = NDArray[np.float64]

MOST_CONDITIONS = 4
MOST_BINS = 8
MAP_BINS = 5
WORST = 3
FEWEST = 50
"""Events of either sample in a bin; with fewer, its AUC has an error of 0.06 and its distance says nothing."""


def bins(values: Array, most: int = MOST_BINS, fewest: int = FEWEST, *, discrete: bool = False) -> Array:
    """Edges of bins with about equal numbers of events; few different values get a bin each.

    Examples
    --------
    >>> bins(np.repeat([1.0, 2.0, 4.0], 100))
    array([0.5, 1.5, 3. , 5. ])
    >>> len(bins(np.linspace(0, 1, 1000)))
    9
    """
    known = np.unique(values)
    if len(known) <= most or (discrete and len(known) <= 2 * most):
        if len(known) == 1:
            return np.array([known[0] - 0.5, known[0] + 0.5])
        middle = (known[1:] + known[:-1]) / 2
        return np.concatenate([[known[0] - (middle[0] - known[0])], middle, [known[-1] + (known[-1] - middle[-1])]])
    count = int(np.clip(len(values) // fewest, 1, most))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return edges


def measure(
    reference: Sample,
    generated: Sample,
    second: Sample,
    metrics: Mapping[str, Any],
    tested: Tested | None,
) -> dict[str, Any]:
    """Measure the quality in bins of every condition.

    Parameters
    ----------
    reference, generated, second : Sample
        For the distances of the observables.
    metrics : dict
        With ``observables``, the worst first.
    tested : Tested or None
        Held-out scores of a classifier test; without, only distances.

    Returns
    -------
    dict
        ``conditions``: name -> ``edges``, ``unit``, ``discrete``, ``auc`` and ``floor`` (lists of ``value``, ``error``
        per bin, None where there are too few events), and ``observables``: name -> ``generated`` and ``second``, W1
        over its expectation for one truth in the bin. ``map``, with two or more conditions: ``names``, ``edges`` (two
        lists), ``auc``, ``error``, ``floor`` (matrices, the second condition down the rows).
    """
    schema = reference.events.schema
    columns = [(n, b) for b in schema.conditions for n in column_names(b)]
    varying = [i for i in range(len(columns)) if np.ptp(reference.conditions[:, i]) > 0][:MOST_CONDITIONS]
    worst = [n for n, e in metrics["observables"].items() if "error" not in e and e["excess"] is not None][:WORST]
    out: dict[str, Any] = {"conditions": {}, "map": None}
    for i in varying:
        name, block = columns[i]
        discrete = _discrete(block)
        edges = bins(reference.conditions[:, i].astype(np.float64), discrete=discrete)
        entry: dict[str, Any] = {"edges": edges.tolist(), "unit": block.unit, "discrete": discrete}
        if tested is not None:
            places = [_place(w.conditions[:, i], edges) for w in (tested.reference, tested.generated, tested.second)]
            entry["auc"], entry["floor"] = _areas(tested, places, len(edges) - 1)
        entry["observables"] = {
            n: {
                role: _excess(reference, sample, n, i, edges)
                for role, sample in (("generated", generated), ("second", second))
            }
            for n in worst
        }
        out["conditions"][name] = entry
    if tested is not None and len(varying) > 1:
        out["map"] = _map(reference, tested, varying[:2], [columns[i][0] for i in varying[:2]])
    return out


def draw(data: Mapping[str, Any]) -> list[Drawing]:
    """Draw the AUC and the distances against each condition, and the map of the first two."""
    out = []
    for name, entry in data["conditions"].items():
        if entry.get("auc"):
            out.append(Drawing(f"AUC by {name}", markup(_draw_auc(name, entry))))
        if entry["observables"]:
            out.append(Drawing(f"Worst observables by {name}", markup(_draw_excess(name, entry))))
    if data["map"]:
        out.append(Drawing(f"AUC by {' and '.join(data['map']['names'])}", markup(_draw_map(data["map"])), large=True))
    return out


def _discrete(block: Block) -> bool:
    return block.kind in {"category", "mask", "count"}


def _place(values: NDArray[np.float32], edges: Array) -> NDArray[np.intp]:
    """Number of the bin of every event; -1 or beyond the last one outside."""
    return np.asarray(np.searchsorted(edges, values.astype(np.float64), "right") - 1)


Areas = list[dict[str, float] | None]


def _areas(tested: Tested, places: Sequence[NDArray[np.intp]], count: int) -> tuple[Areas, Areas]:
    """AUC per bin of generated events and of the floor; None where there are too few events."""
    sides = (tested.result, tested.generated, places[1]), (tested.floor, tested.second, places[2])
    first, second = (
        [_area(result, (tested.reference, places[0] == k), (other, place == k)) for k in range(count)]
        for result, other, place in sides
    )
    return first, second


def _area(
    result: ClassifierResult, first: tuple[Wide, NDArray[np.bool_]], second: tuple[Wide, NDArray[np.bool_]]
) -> dict[str, float] | None:
    given = (result.scores_reference, *first), (result.scores_generated, *second)
    rows = [mask & np.isfinite(scores) for scores, _, mask in given]
    if min(int(r.sum()) for r in rows) < FEWEST:
        return None
    a, b = (scores[r] for (scores, _, _), r in zip(given, rows, strict=True))
    wa, wb = (None if w.weights is None else w.weights[r] for (_, w, _), r in zip(given, rows, strict=True))
    try:
        found = auc(a, b, wr=wa, wg=wb)
    except (DataError, WeightError):
        return None
    return {"value": found.value, "error": found.error}


def _excess(reference: Sample, other: Sample, name: str, column: int, edges: Array) -> list[float | None]:
    """W1 over its expectation for one truth, per bin."""
    distance, out = DISTANCES["w1"], []
    places = [_place(s.conditions[:, column], edges) for s in (reference, other)]
    for k in range(len(edges) - 1):
        rows = [p == k for p in places]
        p, q = (s.observables[name][r] for s, r in zip((reference, other), rows, strict=True))
        w = {
            key: None if s.weights is None else s.weights[r]
            for key, s, r in zip(("wp", "wq"), (reference, other), rows, strict=True)
        }
        value = None
        if min(len(p), len(q), *(effective_size(len(v), u) for v, u in zip((p, q), w.values(), strict=True))) >= FEWEST:
            try:
                null = distance.expected(p, q, **w)
                value = distance(p, q, **w) / null if null > 0 else None
            except (DataError, WeightError):
                value = None
        out.append(value)
    return out


def _map(reference: Sample, tested: Tested, columns: Sequence[int], names: list[str]) -> dict[str, Any] | None:
    first, second = (bins(reference.conditions[:, i].astype(np.float64), MAP_BINS) for i in columns)
    across, down = len(first) - 1, len(second) - 1
    places = []
    for wide in (tested.reference, tested.generated, tested.second):
        x, y = _place(wide.conditions[:, columns[0]], first), _place(wide.conditions[:, columns[1]], second)
        inside = (x >= 0) & (x < across) & (y >= 0) & (y < down)
        places.append(np.where(inside, x + across * y, -1))
    found, floor = _areas(tested, places, across * down)

    def matrix(areas: Areas, key: str) -> list[list[float | None]]:
        flat = [e[key] if e else None for e in areas]
        return [flat[k * across : (k + 1) * across] for k in range(down)]

    matrices = {"auc": matrix(found, "value"), "error": matrix(found, "error"), "floor": matrix(floor, "value")}
    if not any(v is not None for row in matrices["auc"] for v in row):
        return None
    return {"names": names, "edges": [first.tolist(), second.tolist()], **matrices}


def _x(entry: Mapping[str, Any]) -> tuple[Array, Array, Scale, Ticks | int]:
    edges = np.array(entry["edges"])
    log = bool(edges[0] > 0 and edges[-1] > 120 * edges[0])
    centres = np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2
    ticks: Ticks | int = 5
    if entry["discrete"] and len(centres) <= 16:
        centres = np.round(centres)
        ticks = Ticks(tuple(centres), tuple(f"{c:g}" for c in centres))
    return edges, centres, Scale(float(edges[0]), float(edges[-1]), log), ticks


def _title(name: str, entry: Mapping[str, Any]) -> str:
    return f"{name} [{entry['unit']}]" if entry["unit"] else name


def _draw_auc(name: str, entry: Mapping[str, Any]) -> str:
    edges, centres, x, ticks = _x(entry)
    series = {}
    for role in ("auc", "floor"):
        series[role] = np.array([[np.nan, 0.0] if e is None else [e["value"], e["error"]] for e in entry[role]]).T
    ends = np.concatenate([s[0] + sign * s[1] for s in series.values() for sign in (-1, 1)])
    low, high = (float(f(ends, initial=0.5)) for f in (np.nanmin, np.nanmax))
    room = max(0.02, 0.1 * (high - low))
    chart = Chart(WIDTH, 232, f"AUC in bins of {name}, and of truth against truth")
    panel = chart.panel(LEFT, 16, WIDTH - LEFT - RIGHT, 184, x, Scale(low - room, high + room))
    value, error = series["floor"]
    panel.step_band(edges, value - error, value + error, "band")
    panel.level(0.5, "reference")
    panel.points(centres, *_pair(series["auc"], "generated"))
    panel.frame(_title(name, entry), "AUC within the bin", x_ticks=ticks)
    chart.key(LEFT, 11, (("dots", "generated dots", "generated"), ("fill", "band", "floor ± error")))
    return chart.svg()


def _pair(series: Array, css: str) -> tuple[Array, str, Array]:
    return series[0], css, series[1]


def _draw_excess(name: str, entry: Mapping[str, Any]) -> str:
    edges, _, x, ticks = _x(entry)
    lines = {
        n: [np.array([np.nan if v is None else v for v in e[r]]) for r in ("generated", "second")]
        for n, e in entry["observables"].items()
    }
    top = max((float(np.nanmax(v, initial=2.0)) for pair in lines.values() for v in pair), default=2.0)
    chart = Chart(WIDTH, 232 + 12 * len(lines), f"Distance of the worst observables in bins of {name}")
    above = 10 + 12 * len(lines)
    panel = chart.panel(LEFT, above, WIDTH - LEFT - RIGHT, 184, x, Scale(0, 1.1 * top))
    floors = np.array([pair[1] for pair in lines.values()])
    known = np.isfinite(floors).any(axis=0)
    low, high = (
        f(np.where(np.isfinite(floors), floors, fill), axis=0) for f, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    panel.step_band(edges, np.where(known, low, np.nan), np.where(known, high, np.nan), "band")
    panel.level(1, "reference")
    for k, (n, (values, _)) in enumerate(lines.items()):
        panel.steps(edges, values, f"series s{k}")
        chart.key(LEFT, 9 + 12 * k, (("line", f"series s{k}", label(n).words),))
    panel.frame(_title(name, entry), "W₁ / expected for one truth", x_ticks=ticks)
    return chart.svg()


def _draw_map(data: Mapping[str, Any]) -> str:
    from facsim.report.correlations import colours

    values = np.array([[np.nan if v is None else v for v in row] for row in data["auc"]])
    limit = max(0.1, float(np.nanmax(np.abs(values - 0.5), initial=0.0)))
    first, second = (np.array(e) for e in data["edges"])
    columns, rows = len(first) - 1, len(second) - 1
    chart = Chart(400, 300, f"AUC in bins of {data['names'][0]} and {data['names'][1]}")
    panel = chart.panel(62, 10, 328, 252, Scale(0, columns), Scale(0, rows))
    panel.picture(colours(0.75 * (values[::-1] - 0.5) / limit))
    for i in range(rows):
        for j in range(columns):
            if np.isfinite(values[i, j]):
                floor = data["floor"][i][j]
                panel.write(j + 0.5, i + 0.5, f"{values[i, j]:.2f} ± {data['error'][i][j]:.2f}", "middle dark")
                if floor is not None:
                    panel.write(j + 0.5, i + 0.28, f"floor {floor:.2f}", "middle dark small")
    x, y = (Ticks(tuple(map(float, range(len(e)))), tuple(f"{v:.3g}" for v in e)) for e in (first, second))
    panel.frame(data["names"][0], data["names"][1], x_ticks=x, y_ticks=y)
    return chart.svg()

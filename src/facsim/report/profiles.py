"""Section on profiles: where the energy lies in depth and across, event by event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.observables.weights import band
from facsim.report.chart import Chart
from facsim.report.drawing import Drawing, capital, markup
from facsim.report.figures import LEFT, RIGHT, WIDTH, ratio_panel, top_of
from facsim.report.sample import Sample
from facsim.report.scale import Scale, Ticks
from facsim.schema import Block, Grid

__all__ = ["draw", "measure"]

Array = NDArray[np.float64]

MOST_PROFILES = 12
AXES = {"x": "x [mm]", "y": "y [mm]", "r": "distance from the axis r [mm]"}


def measure(reference: Sample, generated: Sample) -> dict[str, Any]:
    """Measure the share of energy per layer, and per row of cells across the shower.

    Returns
    -------
    dict
        ``profiles``: list of ``axis`` (``layer``, ``x``, ``y`` or ``r``), ``title``, ``edges``, and ``reference`` and
        ``generated`` with mean, error, low and high of `facsim.observables.weights.band`. Layers of one grid are added
        up. Shares are of the energy in the layer(s), and of events that have some there.
    """
    layers = reference.events.schema.layers
    out: list[dict[str, Any]] = []
    samples = {"reference": reference, "generated": generated}
    if len(layers) > 1:
        names = [b.name.removeprefix("layer_") for b in layers]
        entry: dict[str, Any] = {"axis": "layer", "title": "energy in depth", "labels": names}
        entry["edges"] = (np.arange(len(layers) + 1) - 0.5).tolist()
        for role, sample in samples.items():
            shares = np.column_stack([_sum(sample.events, b) for b in layers])
            entry[role] = _shares(shares, sample.events.weights)
        out.append(entry)
    for blocks in _groups(layers):
        grid = blocks[0].grid
        if grid is None:
            continue
        for axis in [a for a in grid.axes if a in AXES]:
            title = f"energy along {axis} in {_words(blocks, len(layers))}"
            entry = {"axis": axis, "title": title, "edges": list(grid.edges[grid.axes.index(axis)])}
            for role, sample in samples.items():
                rows = sum(_rows(sample.events, b, grid, axis) for b in blocks)
                entry[role] = _shares(np.asarray(rows), sample.events.weights)
            out.append(entry)
    return {"profiles": [e for e in out if e["reference"] and e["generated"]][:MOST_PROFILES]}


def draw(data: Mapping[str, Any]) -> list[Drawing]:
    """Draw each profile: mean and central 68 % of both samples, and the ratio of the means."""
    return [Drawing(capital(e["title"]), markup(_profile(e))) for e in data["profiles"]]


def _profile(entry: Mapping[str, Any]) -> str:
    edges = np.array(entry["edges"])
    truth, copy = ({k: np.array(v) for k, v in entry[role].items()} for role in ("reference", "generated"))
    chart = Chart(WIDTH, 232, f"Profile of {entry['title']}: reference and generated")
    x, inner = Scale(float(edges[0]), float(edges[-1])), WIDTH - LEFT - RIGHT
    y = _share_scale(truth, copy)
    main = chart.panel(LEFT, 16, inner, 122, x, y)
    main.step_band(edges, np.maximum(truth["low"], y.low), truth["high"], "reference-fill")
    main.steps(edges, truth["mean"], "reference")
    main.steps(edges, copy["mean"], "generated")
    main.steps(edges, np.maximum(copy["low"], y.low), "generated thin dashed")
    main.steps(edges, copy["high"], "generated thin dashed")
    labels = entry.get("labels")
    ticks: Ticks | int = 5
    if labels:
        places = range(0, len(labels), max(1, len(labels) // 9))
        ticks = Ticks(tuple(map(float, places)), tuple(labels[i] for i in places))
    main.frame(y_title="share of energy", x_ticks=ticks, x_labels=False)
    chart.key(LEFT, 11, (("fill", "reference-fill", "reference"), ("line", "generated", "generated")))
    chart.key(LEFT + 152, 11, (("line", "generated thin dashed", "68 %"),))
    ratio = chart.panel(LEFT, 144, inner, 56, x, Scale(0, 2))
    centres = (edges[1:] + edges[:-1]) / 2
    ratio_panel(ratio, centres, (truth["mean"], truth["error"]), (copy["mean"], copy["error"]), edges=edges)
    ratio.frame(AXES.get(entry["axis"], "layer"), "gen. / ref.", x_ticks=ticks, y_ticks=5, y_rim=False)
    return chart.svg()


def _share_scale(truth: Mapping[str, Array], copy: Mapping[str, Array]) -> Scale:
    mean = truth["mean"][truth["mean"] > 0]
    if len(mean) > 3 and mean.max() > 100 * mean.min():
        return Scale(max(float(mean.min()) / 5, float(mean.max()) * 1e-6), 3 * float(mean.max()), log=True)
    return Scale(0, top_of(truth["high"], copy["high"], truth["mean"]))


def _groups(layers: tuple[Block, ...]) -> list[list[Block]]:
    """Layers with equal cells."""
    found: dict[tuple[Any, ...], list[Block]] = {}
    for block in layers:
        if block.grid is not None:
            found.setdefault((block.grid.axes, block.grid.edges), []).append(block)
    return list(found.values())


def _words(blocks: list[Block], layers: int) -> str:
    if len(blocks) == layers:
        return "all layers" if layers > 1 else blocks[0].name.replace("_", " ")
    names = [b.name.removeprefix("layer_") for b in blocks]
    return f"layer{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _sum(events: Events, block: Block) -> Array:
    return np.asarray(events[block.name].reshape(len(events), -1).sum(axis=1, dtype=np.float64))


def _rows(events: Events, block: Block, grid: Grid, axis: str) -> Array:
    """Energy per row of cells along an axis, (n, rows)."""
    other = tuple(i + 1 for i, a in enumerate(grid.axes) if a != axis)
    return np.asarray(events[block.name].sum(axis=other, dtype=np.float64))


def _shares(energies: Array, weights: Array | None) -> dict[str, list[float]] | None:
    """`band` of the shares of each event with energy; None without any."""
    total = energies.sum(axis=1)
    lit = total > 0
    if lit.sum() < 2 or (weights is not None and not weights[lit].sum() > 0):
        return None
    found = band(energies[lit] / total[lit, None], None if weights is None else weights[lit])
    return {key: getattr(found, key).tolist() for key in ("mean", "error", "low", "high")}

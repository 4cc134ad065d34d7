"""Generated events over the course of a training as a small film: one SVG whose frames a script shows in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.observables import compute, kind_of
from facsim.observables.tables import column_names
from facsim.report.chart import Chart
from facsim.report.run import Film
from facsim.report.scale import Scale

__all__ = ["draw_film"]

Array = NDArray[np.float64]

LAYERS = 3  # of a shower that are shown
EVENTS = 8  # pictures side by side
CURVES = 6
LONG = 16  # columns of a block that is a curve
SIDE = 72.0  # px, of a picture
GAP = 6.0  # px
DECADES = 5
LARGEST = 1.4  # px of the screen per px of the figure
CONTRAST = 300  # largest over median lit pixel from which colours are logarithmic


def draw_film(film: Film) -> str:
    """Draw truth once, and the generated events once per frame; the last frame is shown where no script runs.

    Showers and images are pictures, long rows of numbers are curves, one column is a histogram, and of other tables two
    pairs of columns are shown.
    """
    kind = kind_of(film.schema)
    if kind == "showers":
        names = [b.name for b in film.schema.layers]
        if len(names) > LAYERS:
            names = [names[round(i * (len(names) - 1) / (LAYERS - 1))] for i in range(LAYERS)]
        return _pictures(film, names, "showers")
    if kind == "images":
        return _pictures(film, [film.schema.features[0].name], "images")
    blocks = film.schema.features
    if kind == "table" and len(blocks) == 1 and blocks[0].size > LONG:
        return _curves(film)
    return _points(film) if kind == "jets" or film.schema.width > 1 else _histogram(film)


def _with_frames(chart: Chart, film: Film, draw: Callable[[Any, NDArray[np.float32]], None]) -> str:
    """The chart, and on it what `draw(chart of the frame, features)` adds for every frame."""
    frames = []
    for i, features in enumerate(film.features):
        frame = Chart(chart.width, chart.height, "")
        draw(frame, features)
        svg = frame.svg()
        inner = svg[svg.index(">") + 1 : -len("</svg>")]
        shown = " now" if i == len(film.features) - 1 else ""
        frames.append(f'<g class="frame-of{shown}" data-step="{film.steps[i]}">{inner}</g>')
    head = f'<svg style="max-width:{LARGEST * chart.width:.0f}px"'
    return f"{head}{chart.svg()[len('<svg') : -len('</svg>')]}{''.join(frames)}</svg>"


def _pictures(film: Film, names: list[str], what: str) -> str:
    """Events side by side: generated ones above, true ones under the same conditions below."""
    count = min(EVENTS, film.truth.shape[0])
    width = 64 + count * (SIDE + GAP)
    part = len(names) * (SIDE + GAP)
    chart = Chart(width, 26 + 2 * part, f"{count} generated {what} of the same noise over the training, and true ones")
    colours = {name: _colours(_block(film, film.truth, name), always_log=what == "showers") for name in names}

    def row(on: Chart, features: NDArray[np.float32], top: float) -> None:
        for k, name in enumerate(names):
            cells = _block(film, features, name)[:count]
            for i, image in enumerate(cells):
                place = 60 + i * (SIDE + GAP), top + k * (SIDE + GAP), SIDE, SIDE
                on.panel(*place, Scale(0, 1), Scale(0, 1)).picture(colours[name](image))

    for top, words in ((6.0, "generated"), (16 + part, "truth")):
        chart.text(12, top + part / 2, words, "title middle", turn=True)
        for k, name in enumerate(names):
            if len(names) > 1:
                chart.text(28, top + k * (SIDE + GAP) + SIDE / 2 + 3, name.removeprefix("layer_"), "middle")
            for i in range(count):  # the place of every picture, also where nothing is lit
                panel = chart.panel(60 + i * (SIDE + GAP), top + k * (SIDE + GAP), SIDE, SIDE, Scale(0, 1), Scale(0, 1))
                panel.frame(x_ticks=None, y_ticks=None)
    row(chart, film.truth, 16 + part)
    return _with_frames(chart, film, lambda on, features: row(on, features, 6.0))


def _block(film: Film, features: NDArray[np.float32], name: str) -> Array:
    """Cells (events, rows, columns) of a block."""
    block = film.schema.block(name)
    cells = features[:, film.schema.columns(name)].reshape(len(features), *block.shape).astype(np.float64)
    return np.asarray(cells.reshape(len(features), block.shape[0], -1))


def _colours(truth: Array, *, always_log: bool) -> Callable[[Array], NDArray[np.uint8]]:
    """Colours by the truth's range, logarithmic where it is wide; empty cells stay empty."""
    from matplotlib import colormaps

    lit = truth[truth > 0]
    high = float(lit.max()) if len(lit) else 1.0
    wide = always_log or (len(lit) > 0 and high > CONTRAST * float(np.median(lit)))
    logarithmic = bool(wide and len(lit) > 1 and (truth >= 0).all() and lit.min() < high)
    floor = max(float(lit.min()), high / 10**DECADES) if logarithmic else min(0.0, float(truth.min(initial=0.0)))
    map_ = colormaps["viridis"]

    def paint(image: Array) -> NDArray[np.uint8]:
        known = np.isfinite(image)
        values = np.where(known, image, floor)
        if logarithmic:
            place = np.log(np.maximum(values, floor) / floor) / np.log(high / floor)
        else:
            place = (values - floor) / (high - floor)
        out = np.asarray(map_(np.clip(place, 0.0, 1.0), bytes=True), np.uint8)
        out[~known | ((image <= 0) & logarithmic), 3] = 0
        return out

    return paint


def _curves(film: Film) -> str:
    count = min(CURVES, film.truth.shape[0])
    low, high = (float(v) for v in (film.truth.min(), film.truth.max()))
    room = 0.1 * (high - low) or 1.0
    x, y = Scale(0, film.truth.shape[1] - 1), Scale(low - room, high + room)
    chart = Chart(640, 330, f"{count} generated curves of the same noise over the training, and true ones")
    places = [(44 + 200 * (i % 3), 20 + 150 * (i // 3), 190.0, 130.0) for i in range(count)]
    for i, place in enumerate(places):
        panel = chart.panel(*place, x, y)
        panel.line(np.arange(film.truth.shape[1]), film.truth[i], "reference")
        panel.frame(x_labels=i // 3 == (count - 1) // 3, y_labels=i % 3 == 0, x_ticks=4, y_ticks=4)
    chart.key(44, 12, (("line", "reference", "truth"), ("line", "generated", "generated")))

    def draw(on: Chart, features: NDArray[np.float32]) -> None:
        for place, curve in zip(places, features, strict=False):
            on.panel(*place, x, y).line(np.arange(len(curve)), curve, "generated")

    return _with_frames(chart, film, draw)


def _points(film: Film) -> str:
    """Two pairs of columns at most, truth and generated events as points."""
    truth, names = _table(film, film.truth)
    pairs = [(0, 1), (2, 3)][: 2 if truth.shape[1] > 3 else 1]
    scales = [_range(column) for column in truth.T]
    chart = Chart(20 + 310 * len(pairs), 320, "Generated events of the same noise over the training, and true ones")
    places = [(48 + 310 * i, 20.0, 250.0, 250.0) for i in range(len(pairs))]
    for place, (a, b) in zip(places, pairs, strict=True):
        panel = chart.panel(*place, scales[a], scales[b])
        panel.points(truth[:, a], truth[:, b], "reference small-dots")
        panel.frame(names[a], names[b], y_place=place[0] - 38)
    chart.key(48, 12, (("dots", "reference dots", "truth"), ("dots", "generated dots", "generated")))

    def draw(on: Chart, features: NDArray[np.float32]) -> None:
        table, _ = _table(film, features)
        for place, (a, b) in zip(places, pairs, strict=True):
            on.panel(*place, scales[a], scales[b]).points(table[:, a], table[:, b], "generated small-dots")

    return _with_frames(chart, film, draw)


def _histogram(film: Film) -> str:
    scale = _range(film.truth[:, 0].astype(np.float64))
    edges = np.linspace(scale.low, scale.high, 31)

    def counts(features: NDArray[np.float32]) -> Array:
        return np.histogram(np.clip(features[:, 0], scale.low, scale.high), edges)[0] / len(features)

    chart = Chart(340, 260, "Generated events of the same noise over the training, and true ones")
    place = (48.0, 20.0, 280.0, 200.0)
    y = Scale(0.0, 1.6 * float(counts(film.truth).max()))
    panel = chart.panel(*place, scale, y)
    panel.steps(edges, counts(film.truth), "reference-fill", fill=True)
    panel.frame(film.schema.features[0].name, "share of events")
    chart.key(48, 12, (("fill", "reference-fill", "truth"), ("line", "generated", "generated")))
    return _with_frames(
        chart, film, lambda on, features: on.panel(*place, scale, y).steps(edges, counts(features), "generated")
    )


def _table(film: Film, features: NDArray[np.float32]) -> tuple[Array, list[str]]:
    """Columns that are drawn, with their names: of jets their observables."""
    if kind_of(film.schema) == "jets":
        found = compute(Events(features, film.conditions, film.schema))
        return np.column_stack(list(found.values())), list(found)
    names = [name for block in film.schema.features for name in column_names(block)]
    return features.astype(np.float64), names


def _range(column: Array) -> Scale:
    low, high = (float(v) for v in np.quantile(column, [0.002, 0.998]))
    room = 0.15 * (high - low) or 1.0
    return Scale(low - room, high + room)

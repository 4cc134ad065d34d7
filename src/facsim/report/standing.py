"""Quality against speed: a model among the published submissions of CaloChallenge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facsim.errors import DataError, nearest
from facsim.metrics.calochallenge import data_set, geant4, pareto_front, published
from facsim.metrics.calochallenge.published import SPEEDS
from facsim.report.chart import LETTER, Chart, Panel
from facsim.report.scale import Scale

__all__ = ["draw_standing"]

WIDTH, HEIGHT, LEFT, TOP = 660.0, 400.0, 56.0, 20.0  # px
QUALITIES = {
    "fpd": "Fréchet physics distance",
    "kpd": "kernel physics distance",
    "auc_low": "AUC of the low-level classifier",
    "auc_high": "AUC of the high-level classifier",
    "auc_cnn": "AUC of the CNN",
}
LINE, GAP = 9.0, 5.0  # px: height of a label and its distance from the point

ROOM = 0.15  # share of a label that may be covered

Box = tuple[float, float, float, float]
Point = tuple[str, float, float, str]


def draw_standing(
    which: str | int,
    results: Mapping[str, float | None] | None = None,
    *,
    name: str = "this model",
    quality: str = "fpd",
    speed: str = "gpu_100",
) -> str:
    """Draw all submissions to a data set, the front that none beats in both, the floor, and one's own model.

    Parameters
    ----------
    which : str
        Data set, as in `facsim.metrics.calochallenge.data_set`.
    results : mapping, optional
        Of one's own model, as for `facsim.metrics.calochallenge.standing`. Without its time (milliseconds per shower,
        under the name of `speed`) it is a line across.
    name : str
        Of one's own model.
    quality : str
        ``fpd``, ``kpd``, ``auc_low``, ``auc_high`` or ``auc_cnn``; smaller is better.
    speed : str
        ``gpu_1``, ``gpu_100``, ``gpu_10000``, ``cpu_1``, ``cpu_100`` or ``cpu_10000``: device and batch size.

    Returns
    -------
    str
        One ``<svg>`` element; colours are those of the page.

    Raises
    ------
    DataError
        For an unknown data set, quality or speed, or if nothing was published of the two.
    """
    for value, known, argument in ((quality, tuple(QUALITIES), "quality"), (speed, SPEEDS, "speed")):
        if value not in known:
            msg = f"{argument}='{value}': must be one of {list(known)}.{nearest(value, known)}"
            raise DataError(msg)
    chosen, mine = data_set(which), results or {}
    points = [(s.model, s.value(speed), s.value(quality)) for s in published(chosen)]
    shown = [(model, t, q) for model, t, q in points if t and q and q > 0]
    if not shown:
        msg = (
            f"no {quality} with a time at {speed} was published for data set {chosen.name}: choose another of {SPEEDS}"
        )
        raise DataError(msg)
    floor, own, time = geant4(chosen).value(quality), mine.get(quality), mine.get(speed)
    log = not quality.startswith("auc")
    x = _spanning([t for _, t, _ in shown] + ([time] if time else []))
    values = [q for _, _, q in shown] + [v for v in (floor, own) if v and v > 0]
    y = _spanning(values) if log else Scale(min(0.48, *values), 1.02)
    device, _, batch = speed.partition("_")
    chart = Chart(WIDTH, HEIGHT, f"{QUALITIES[quality]} against time per shower for data set {chosen.name}")
    panel = chart.panel(LEFT, TOP, WIDTH - LEFT - 12, HEIGHT - TOP - 34, x, y)
    taken: list[Box] = []
    if floor and floor > 0:
        panel.level(floor, "reference dashed")
        taken.append(_level(chart, panel, floor, f"Geant4 {floor:.3g}", "small"))
    front = [p for p in shown if p[0] in pareto_front(chosen, quality, speed)]
    front.sort(key=lambda p: p[1])
    stairs = [t for _, t, _ in front for _ in (0, 1)][1:], [q for _, _, q in front for _ in (0, 1)][:-1]
    panel.line(*stairs, "reference")
    rest = [p for p in shown if p not in front]
    panel.points([t for _, t, _ in rest], [q for _, _, q in rest], "muted")
    panel.points([t for _, t, _ in front], [q for _, _, q in front], "reference square")
    labelled = [(model, t, q, "small") for model, t, q in shown]
    if own and own > 0:
        if time:
            panel.points([time], [own], "generated large")
            labelled.insert(0, (name, time, own, "strong"))
        else:
            panel.level(own, "generated dashed")
            taken.append(_level(chart, panel, own, f"{name} {own:.3g}", "strong"))
    panel.frame(f"time per shower [ms], {device.upper()}, batch of {batch}", QUALITIES[quality])
    _label(chart, panel, labelled, _thick(panel, *stairs), taken)
    entries = [("dots", "reference dots square", "front"), ("dots", "muted dots", "other submissions")]
    if own:
        entries.insert(0, ("dots", "generated dots large", name) if time else ("line", "generated dashed", name))
    chart.key(LEFT, 12, entries)
    return chart.svg()


def _spanning(values: Sequence[float | None]) -> Scale:
    known = np.array([v for v in values if v], float)
    low, high = np.log10(known.min()), np.log10(known.max())
    room = max(0.12, 0.06 * (high - low))
    return Scale(float(10 ** (low - room)), float(10 ** (high + room)), log=True)


def _py(panel: Panel, value: float) -> float:
    return float((1 - panel.y([value])[0]) * panel.height)


def _level(chart: Chart, panel: Panel, value: float, words: str, css: str) -> Box:
    """Name a line across, at its left end."""
    left, bottom = panel.left + 5, panel.top + _py(panel, value) - 4
    chart.text(left, bottom, words, css)
    return left, bottom - LINE, left + LETTER * len(words), bottom + 5


def _thick(panel: Panel, times: Sequence[float], values: Sequence[float]) -> list[Box]:
    """Boxes around the steps of a line."""
    x = panel.left + panel.x(list(times)) * panel.width
    y = [panel.top + _py(panel, v) for v in values]
    ends = zip(x, y, x[1:], y[1:], strict=False)
    return [(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1) for a, b, c, d in ends]


def _label(chart: Chart, panel: Panel, points: Sequence[Point], lines: Sequence[Box], taken: list[Box]) -> None:
    """Write each name where it covers no point, line or other name; a name that finds no room is left out."""
    left, top, right, bottom = panel.left, panel.top, panel.left + panel.width, panel.top + panel.height
    spots = [(left + float(panel.x([t])[0]) * panel.width, top + _py(panel, q)) for _, t, q, _ in points]
    dots = [(a - 3, b - 3, a + 3, b + 3) for a, b in spots]
    for (words, _, _, css), (a, b) in zip(points, spots, strict=True):
        size = LETTER * len(words)
        places = [(a + GAP, b - 4), (a - GAP - size, b - 4), (a + GAP, b - LINE - 2), (a + GAP, b + 2)]
        places += [(a - size / 2, b - GAP - LINE), (a - size / 2, b + GAP)]
        places += [(a - GAP - size, b - LINE - 2), (a - GAP - size, b + 2)]
        boxes = [(u, v, u + size, v + LINE) for u, v in places]
        boxes = [box for box in boxes if left < box[0] and box[2] < right and top < box[1] and box[3] < bottom]
        covered = [sum(_overlap(box, other) for other in (*taken, *dots, *lines)) for box in boxes]
        if boxes and (min(covered) < ROOM * size * LINE or css == "strong"):
            best = boxes[int(np.argmin(covered))]
            taken.append(best)
            before = best[2] < a  # anchored at its point, however wide the letters are
            chart.text(best[2] if before else best[0], best[3] - 1.5, words, f"{css} end" if before else css)


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))

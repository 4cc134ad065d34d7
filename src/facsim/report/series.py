"""Figures of a training over its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.report.chart import Chart
from facsim.report.drawing import Drawing, markup
from facsim.report.history import errors_of
from facsim.report.labels import number
from facsim.report.run import Run
from facsim.report.scale import Scale

__all__ = ["draw_scores", "draw_series", "drawings"]

Array = NDArray[np.float64]
Lines = Mapping[str, tuple[Array, Array]]

WIDTH, HEIGHT = 320.0, 196.0  # px
LEFT, RIGHT, TOP, BOTTOM = 48.0, 8.0, 20.0, 32.0  # px
MOST_POINTS = 300
LETTER = 5.4  # px
HISTOGRAMS = 4


def drawings(run: Run) -> dict[str, list[Drawing]]:
    """All figures by section, those left out of which nothing is known."""
    best = _best(run)
    watched = {
        "game": (
            (
                "Right answers of the critic",
                {"true_positive": "real taken for real", "true_negative": "generated found"},
            ),
            ("How well the critic tells them", {"auc": "AUC"}),
            ("Distance of the scores", {"gap": "gap [standard deviations]"}),
        ),
        "variety": (
            ("Precision and coverage", {"precision": "precision", "coverage": "coverage", "kinds": "kinds"}),
            ("Spread over the truth's", {"spread": "median column", "narrowest": "narrowest column"}),
            ("Support over the truth's", {"support": "support"}),
            ("Movement of the same noise", {"moved": "moved [standard deviations]"}),
        ),
        "copies": (
            ("Distance to the nearest training event", {"nearest": "generated / held-out"}),
            ("Copies of training events", {"memorised": "share"}),
        ),
        "response": (("Energy response", {"response": "mean / truth", "resolution": "width / truth"}),),
    }
    levels = {
        "Spread over the truth's": 1.0,
        "Support over the truth's": 1.0,
        "Distance to the nearest training event": 1.0,
        "Energy response": 1.0,
    }
    levels |= {"How well the critic tells them": 0.5, "Copies of training events": 0.0}
    out: dict[str, list[Drawing]] = {"training": _training(run, best), "history": []}
    for title, errors in errors_of(run.history).items():
        out["history"].append(Drawing(title, markup(draw_series(errors, title, best=best))))
    for section, figures in watched.items():
        out[section] = []
        for title, names in figures:
            lines = {words: run.figure(name) for name, words in names.items()}
            lines = {words: line for words, line in lines.items() if len(line[0])}
            if lines:
                drawn = draw_series(lines, title, best=best, level=levels.get(title))
                out[section].append(Drawing(title, markup(drawn)))
    shown = [row for row in run.rows if row.get("scores")]
    places = sorted({round(i * (len(shown) - 1) / (HISTOGRAMS - 1)) for i in range(HISTOGRAMS)}) if shown else []
    out["scores"] = [
        Drawing(f"Scores at step {shown[i]['step']:,}", markup(draw_scores(shown[i]["scores"], shown[i]["step"])))
        for i in places
    ]
    return out


def draw_series(lines: Lines, title: str, *, best: float | None = None, level: float | None = None) -> str:
    """Lines over the steps; a logarithmic axis where values are positive and spread over more than two decades.

    Parameters
    ----------
    lines : mapping of str to (array, array)
        Steps and values by name; values that are not finite are gaps.
    title : str
        What a screen reader says.
    best : float, optional
        Step of the best checkpoint, marked.
    level : float, optional
        Value to compare with, marked.
    """
    lines = {name: _thinned(steps, values) for name, (steps, values) in lines.items()}
    every = np.concatenate([values[np.isfinite(values)] for _, values in lines.values()] or [np.zeros(1)])
    if level is not None:
        every = np.append(every, level)
    steps = np.concatenate([steps for steps, _ in lines.values()])
    chart = Chart(WIDTH, HEIGHT, f"{title} over the steps of the training")
    right = max(float(steps.max(initial=1.0)), 1.0)
    x = Scale(0.0, right * 1.02)
    panel = chart.panel(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, x, _axis(every))
    if best is not None:
        panel.upright(best, "muted dashed")
    if level is not None:
        panel.level(level, "reference")
    key, left = [], LEFT
    for i, (name, (at, values)) in enumerate(lines.items()):
        if np.isfinite(values).sum() == 1:
            panel.points(at, values, f"series solid s{i % 8}")
        panel.line(at, values, f"series s{i % 8}")
        key.append((left, i, name))
        left += 30 + LETTER * len(name)
    panel.frame("step", x_ticks=4, y_ticks=4)
    if len(lines) > 1 or "[" in next(iter(lines)):
        for left, i, name in key:
            chart.key(left, 12, (("line", f"series s{i % 8}", name),))
    return chart.svg()


def draw_scores(scores: Mapping[str, Any], step: int) -> str:
    """Histogram of the critic's scores: real events filled, generated ones a line, and where it is undecided."""
    real, fake = (np.maximum(np.array(scores[name], float), 0.0) for name in ("real", "fake"))
    edges = np.linspace(scores["low"], scores["high"], len(real) + 1)
    chart = Chart(WIDTH, HEIGHT, f"Scores of real and generated events at step {step}")
    top = 1.15 * max(float(real.max()), float(fake.max()), 1e-9)
    x = Scale(float(edges[0]), float(edges[-1]))
    panel = chart.panel(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, x, Scale(0.0, top))
    panel.steps(edges, real, "reference-fill", fill=True)
    panel.steps(edges, fake, "generated")
    if scores.get("threshold") is not None:
        panel.upright(float(scores["threshold"]), "muted dashed")
    panel.frame("score (to the right: more real)", "share of events", x_ticks=4, y_ticks=4)
    chart.key(LEFT, 12, (("fill", "reference-fill", "real"), ("line", "generated", "generated")))
    return chart.svg()


def _training(run: Run, best: float | None) -> list[Drawing]:
    """What the loop logged: distance of the validation, losses by player, gradients."""
    out = []
    groups: dict[str, dict[str, tuple[Array, Array]]] = {}
    for name, line in run.log.items():
        group, _, figure = name.partition("/")
        if figure == "gradient":
            groups.setdefault("Gradient norms", {})[group] = line
        elif group == "validation" and figure != "best":
            groups.setdefault("Validation", {})[figure] = line
        elif figure and group not in {"validation", "watch"}:
            groups.setdefault(group.capitalize(), {})[figure] = line
    order = sorted(groups, key=lambda g: (g != "Validation", g.startswith("Gradient"), g))
    for title in order:
        lines = groups[title]
        names = sorted(lines, key=lambda n: (n not in {"distance", "loss"}, n))
        together = title in {"Validation", "Gradient norms"}
        ordered = {n: lines[n] for n in names}
        for chosen in [ordered] if together else _alike(ordered):
            words = title if together else f"{title}: {', '.join(chosen)}"
            mark = best if title == "Validation" else None
            out.append(Drawing(words, markup(draw_series(chosen, words, best=mark))))
    return out


def _alike(lines: Lines) -> list[dict[str, tuple[Array, Array]]]:
    """Lines that fit one axis together, at most four: those of about one size."""
    out: list[tuple[float, dict[str, tuple[Array, Array]]]] = []
    for name, (steps, values) in lines.items():
        finite = values[np.isfinite(values)]
        size = float(np.median(np.abs(finite))) if len(finite) else 0.0
        for known, group in out:
            if len(group) < 4 and max(size, known) <= 8 * max(min(size, known), 1e-300):
                group[name] = steps, values
                break
        else:
            out.append((size, {name: (steps, values)}))
    return [group for _, group in out]


def _axis(values: Array) -> Scale:
    low, high = (
        float(v) for v in (values.min(initial=0.0 if not len(values) else np.inf), values.max(initial=-np.inf))
    )
    if not (math.isfinite(low) and math.isfinite(high)):
        return Scale(0.0, 1.0)
    if low > 0 and high > 100 * low:
        return Scale(low / 1.5, high * 1.5, log=True)
    if low >= 0 and high <= 1:
        return Scale(-0.02, 1.02) if high > 0.3 else Scale(0.0, 1.1 * high or 1.0)
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(0.0 if 0 <= low < 0.3 * high else low - room, high + room)


def _thinned(steps: Array, values: Array) -> tuple[Array, Array]:
    """Means of neighbouring points, where there are more than a figure can show."""
    if len(steps) <= MOST_POINTS:
        return steps, values
    parts = np.array_split(np.arange(len(steps)), MOST_POINTS)
    return np.array([steps[p].mean() for p in parts]), np.array([values[p].mean() for p in parts])


def _best(run: Run) -> float | None:
    """Step of the checkpoint that was kept."""
    steps, values = run.log.get("validation/distance", (np.empty(0), np.empty(0)))
    known = np.isfinite(values)
    return float(steps[known][np.argmin(values[known])]) if known.any() else None


def summary(run: Run) -> Sequence[tuple[str, str, str]]:
    """Key figures: what, value, remark."""
    out = []
    _, values = run.log.get("validation/distance", (np.empty(0), np.empty(0)))
    best = _best(run)
    if best is not None:
        out.append(("best validation distance", number(float(np.nanmin(values))), f"at step {best:,.0f}"))
    last = run.rows[-1].get("figures", {}) if run.rows else {}
    for name, words, remark in (
        ("coverage", "coverage", "0.97 for a perfect copy"),
        ("precision", "precision", "events that lie where truth is"),
        ("kinds", "kinds of events", "overlap with the truth's, at most about 0.9"),
        ("auc", "the critic's AUC", "0.5: it cannot tell them apart"),
    ):
        if last.get(name) is not None:
            out.append((words, number(last[name], 2), remark))
    return out

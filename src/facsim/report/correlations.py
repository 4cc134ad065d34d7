"""Section on correlations: which pairs of observables go together differently in generated events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.metrics.samples import as_weights
from facsim.observables.correlations import correlations
from facsim.observables.tables import column_names
from facsim.report.chart import LETTER, Chart
from facsim.report.drawing import Drawing, markup
from facsim.report.labels import label
from facsim.report.sample import Sample
from facsim.report.scale import Scale, Ticks

__all__ = ["draw", "measure"]

Array = NDArray[np.float64]

MOST_COLUMNS = 26
MOST_PAIRS = 8
LONGEST = 26
"""Letters of a name beside the matrix."""
FALSE_ALARMS = 0.01
"""Chance that any of the pairs of a perfect copy is called different."""


def measure(reference: Sample, generated: Sample, second: Sample, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the correlations of the main observables and the conditions.

    Returns
    -------
    dict
        ``names`` and the matrices ``reference``, ``generated`` and ``error`` (of their difference); ``pairs``, the most
        different ones first, with ``sigmas``, the difference in errors, and ``floor``, the difference between two truth
        samples; ``rms`` and ``floor_rms``, the root mean square difference over all pairs; ``differing``, how many
        pairs lie beyond ``limit`` errors, which the pairs of a perfect copy do in one evaluation of a hundred.
    """
    from scipy import stats

    columns = [_columns(sample, metrics) for sample in (reference, generated, second)]
    samples = (reference, generated, second)
    names = [n for n in columns[0] if all(_varies(c[n], s) for c, s in zip(columns, samples, strict=True))]
    if len(names) < 2:
        return {"names": names, "pairs": []}
    found = [correlations({n: c[n] for n in names}, s.weights) for c, s in zip(columns, samples, strict=True)]
    (truth, truth_error), (copy, copy_error), (other, other_error) = ((f.values, f.errors) for f in found)
    error = np.hypot(truth_error, copy_error)
    upper = np.triu_indices(len(names), 1)
    difference, floor = (copy - truth)[upper], (other - truth)[upper]
    sigmas = _in_errors(difference, error[upper])
    floor_sigmas = _in_errors(floor, np.hypot(truth_error, other_error)[upper])
    limit = float(stats.norm.isf(FALSE_ALARMS / 2 / len(difference)))
    order = np.argsort(-np.abs(sigmas), kind="stable")[:MOST_PAIRS]
    pairs = [
        {
            "first": names[upper[0][k]],
            "second": names[upper[1][k]],
            "reference": float(truth[upper][k]),
            "generated": float(copy[upper][k]),
            "difference": float(difference[k]),
            "error": float(error[upper][k]),
            "sigmas": float(sigmas[k]),
            "floor": float(floor[k]),
        }
        for k in order
    ]
    return {
        "names": names,
        "reference": np.round(truth, 5).tolist(),
        "generated": np.round(copy, 5).tolist(),
        "error": np.round(error, 6).tolist(),
        "pairs": pairs,
        "rms": float(np.sqrt(np.mean(difference**2))),
        "floor_rms": float(np.sqrt(np.mean(floor**2))),
        "differing": int(np.count_nonzero(np.abs(sigmas) > limit)),
        "floor_differing": int(np.count_nonzero(np.abs(floor_sigmas) > limit)),
        "compared": len(difference),
        "limit": limit,
    }


def draw(data: Mapping[str, Any]) -> list[Drawing]:
    """Draw the matrices of reference and generated events and their difference."""
    names = data["names"]
    if len(names) < 2:
        return []
    truth, copy = np.array(data["reference"]), np.array(data["generated"])
    largest = float(np.abs(copy - truth).max())
    limit = next((v for v in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0) if largest <= v), 2.0)
    words = [w if len(w) <= LONGEST else f"{w[: LONGEST - 1]}…" for w in map(short, names)]
    step = max(11.0, 120.0 / len(names))
    side, room = step * len(names), 12 + 0.95 * LETTER * max(len(w) for w in words)
    width = max(700.0, room + 3 * (side + 14))
    chart = Chart(width, 60 + side + room, "Correlation matrices: reference, generated, difference")
    panels = (("reference", truth, 1.0), ("generated", copy, 1.0), ("generated − reference", copy - truth, limit))
    for k, (title, values, top) in enumerate(panels):
        left = room + k * (side + 14)
        chart.text(left, 12, title, "strong")
        panel = chart.panel(left, 40, side, side, Scale(0, len(names)), Scale(len(names), 0))
        panel.picture(colours(values / top))
        panel.frame(x_ticks=None, y_ticks=None)
        bar = chart.panel(left, 19, min(side, 120.0), 6, Scale(-top, top), Scale(0, 1))
        bar.picture(colours(np.linspace(-1, 1, 41)[None, :]))
        marks = Ticks((-top, 0.0, top), (f"−{top:g}", "0", f"{top:g}"))
        bar.frame(x_ticks=marks, y_ticks=None)
        for i, word in enumerate(words):
            chart.text(left + step * (i + 0.5) + 3, 46 + side, word, "end small", turn=True)
            if k == 0:
                chart.text(left - 5, 40 + step * (i + 0.5) + 3, word, "end small")
    note = (
        f"Root mean square difference {data['rms']:.4f}, two truth samples {data['floor_rms']:.4f}; "
        f"{data['differing']} of {data['compared']} pairs differ by more than {data['limit']:.1f} standard errors."
    )
    return [Drawing("Correlations", markup(chart.svg()), (note,), data["differing"] > 0)]


def short(name: str) -> str:
    """Symbol of an observable where it is short, else its words."""
    info = label(name)
    symbol = re.split(r" = | \[", info.symbol)[0]
    return symbol if len(symbol) <= len(info.words) else info.words


def colours(values: Array) -> NDArray[np.uint8]:
    """Pixels of a blue to red map for -1 to 1; transparent where not finite."""
    from matplotlib import colormaps

    pixels = colormaps["RdBu_r"](np.clip((np.nan_to_num(values) + 1) / 2, 0, 1), bytes=True)
    pixels[~np.isfinite(values), 3] = 0
    return np.asarray(pixels, np.uint8)


def _in_errors(difference: Array, error: Array) -> Array:
    """Difference over its error; pairs that are functions of each other have none, and differ by rounding."""
    return np.asarray(np.divide(difference, error, out=np.zeros(len(difference)), where=error > 1e-9))


def _columns(sample: Sample, metrics: Mapping[str, Any]) -> dict[str, Array]:
    """Observables of whole events, those farthest from their floor, and conditions, in the order of physics."""
    names = [n for block in sample.events.schema.conditions for n in column_names(block)]
    sound = [n for n, entry in metrics["observables"].items() if "error" not in entry]
    whole = [n for n in metrics["order"] if n in sound and not re.search(r"_\d+$", n)]
    first = set(list(dict.fromkeys([*whole, *sound]))[: max(2, MOST_COLUMNS - len(names))])
    out = {n: sample.observables[n] for n in metrics["order"] if n in first}
    return out | {n: sample.conditions[:, i].astype(np.float64) for i, n in enumerate(names[: MOST_COLUMNS // 2])}


def _varies(values: Array, sample: Sample) -> bool:
    w = as_weights(sample.weights, len(values), "weights")
    spread = w @ (values - w @ values) ** 2
    return bool(spread > 1e-18 * np.max(values**2, initial=0) and spread > 0)

"""Data against the simulation as it is and as it was tuned, observable by observable."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FacsimError
from facsim.events import Events
from facsim.metrics import DISTANCES
from facsim.observables import compute
from facsim.report.binning import histogram
from facsim.report.chart import Chart
from facsim.report.labels import Label, label
from facsim.report.scale import Scale

__all__ = ["compare_simulations", "draw_simulations", "observables_of"]

Array = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 300.0, 210.0, 50.0, 34.0, 34.0  # px
MOST = 24
FEW = 30
"""Events of data below which their own spread and range say too little."""


def observables_of(events: Events) -> dict[str, Array]:
    """Observables that vary, by name."""
    found = {name: np.asarray(values, np.float64) for name, values in compute(events).items()}
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def compare_simulations(data: Events, samples: dict[str, Events]) -> dict[str, dict[str, Any]]:
    r"""Wasserstein distance of every simulation to the data, by observable.

    Parameters
    ----------
    data : Events
    samples : dict of str to Events
        Simulations by name: ``default``, ``tuned``.

    Returns
    -------
    dict
        By observable: ``label``, the values of ``data`` and of every sample, and by sample ``w1`` and ``chance``, the
        distance and what two samples of one truth and of these sizes give on average, in standard deviations of the
        data (of the last simulation, for fewer than 30 events of data: ``unit`` says it). The observable with the
        largest distance of the first sample comes first.

    Notes
    -----
    By chance :math:`E[W_1] = \sqrt{2/\pi} \sqrt{1/n + 1/m} \int \sqrt{F (1 - F)} dx`, from the variance of the
    difference of two empirical distribution functions.
    """
    truth = observables_of(data)
    others = {name: observables_of(events) for name, events in samples.items()}
    out: dict[str, dict[str, Any]] = {}
    few, last = len(data) < FEW, list(samples)[-1]
    size = _size(data)
    for name, values in truth.items():
        if any(name not in found for found in others.values()):
            continue
        spread = float((others[last][name] if few else values).std()) or 1.0
        try:
            distances = {
                k: float(DISTANCES["w1"](values, found[name], wp=data.weights, wq=None)) / spread
                for k, found in others.items()
            }
        except FacsimError:  # an observable of weighted data without a positive sum
            continue
        values_of = {"data": values} | {k: found[name] for k, found in others.items()}
        if any(float(np.ptp(v)) > 0 for v in values_of.values()):
            chance = {k: _chance(values, found[name], size) / spread for k, found in others.items()}
            unit = f"the {last} simulation" if few else "the data"
            words = label(name, data.schema)
            out[name] = {"label": words, "values": values_of, "w1": distances, "chance": chance, "unit": unit}
    first = next(iter(samples))
    ordered = sorted(out, key=lambda n: -out[n]["w1"][first])
    return {name: out[name] for name in ordered[:MOST]}


def _size(events: Events) -> float:
    """Events without weights that would scatter as much."""
    if events.weights is None:
        return float(len(events))
    return float(events.weights.sum() ** 2 / max((events.weights**2).sum(), 1e-300))


def _chance(one: Array, other: Array, size: float) -> float:
    """Mean Wasserstein distance of two samples of one truth: that of `one` is worth `size` events."""
    pooled = np.sort(np.concatenate([one, other]))
    below = np.arange(1, len(pooled)) / len(pooled)
    area = float((np.diff(pooled) * np.sqrt(below * (1 - below))).sum())
    return float(np.sqrt(2 / np.pi * (1 / max(size, 1.0) + 1 / len(other)))) * area


def draw_simulations(entry: dict[str, Any], weights: Array | None = None) -> str:
    """One observable: data as points with errors, simulations as steps.

    Parameters
    ----------
    entry : dict
        Of `compare_simulations`.
    weights : array, optional
        Of the data.
    """
    words: Label = entry["label"]
    values = dict(entry["values"])
    data = values.pop("data")
    pooled = np.concatenate(list(values.values()))
    # Few data have no range of their own: theirs is that of everything.
    edges_of = np.concatenate([data, pooled]) if len(data) < FEW else data
    binned = histogram(edges_of, pooled, words)
    edges, unit = binned.edges, f" [{binned.unit}]" if binned.unit else ""
    scale = 1e-3 if binned.unit == "GeV" and words.unit == "MeV" else 1.0
    widths, x = np.diff(edges), Scale(float(edges[0]), float(edges[-1]), binned.log)
    weight = np.ones(len(data)) if weights is None else weights
    sums, squares = (np.histogram(data * scale, edges, weights=weight**k)[0] for k in (1, 2))
    total = max(float(weight.sum()), 1e-300)
    share, error = sums / total / widths, np.sqrt(squares) / total / widths
    steps = {k: np.histogram(v * scale, edges)[0] / max(len(v), 1) / widths for k, v in values.items()}
    top = max(float((share + error).max(initial=0)), *(float(s.max(initial=0)) for s in steps.values()), 1e-300)
    chart = Chart(WIDTH, HEIGHT, f"{words.words}: data and simulations")
    panel = chart.panel(LEFT, TOP, WIDTH - LEFT - 10, HEIGHT - TOP - BOTTOM, x, Scale(0, 1.1 * top))
    styles = {"default": "series s1", "tuned": "generated"}
    for k, s in steps.items():
        panel.steps(edges, s, styles.get(k, "series s3"))
    centres = np.sqrt(edges[1:] * edges[:-1]) if binned.log else (edges[1:] + edges[:-1]) / 2
    panel.points(centres, share, "series solid s7", error)
    panel.frame(f"{words.symbol}{unit}", "density", x_ticks=4, y_ticks=4)
    keys = [("dots", "series solid s7 dots", "data"), *(("line", styles.get(k, "series s3"), k) for k in steps)]
    chart.key(LEFT, 14, keys)
    return chart.svg()

"""How good an emulator is: the copy against the simulator at held-out parameters, each figure beside its floor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics import chi2, wasserstein
from facsim.observables import compute
from facsim.observables.kinds import image_block
from facsim.observables.streaks import streaks
from facsim.sampler import Sampler
from facsim.simulators.parametric import ParametricSimulator
from facsim.tuning.emulator.gradient import gradient_check
from facsim.tuning.emulator.judges import Reader, conditional_auc
from facsim.tuning.emulator.train import points_of

__all__ = ["evaluate_emulator", "observables_of"]

Array = NDArray[np.float64]

LEAST = 200  # events
BATCHES = (1, 4096)
TIMED = 0.2  # seconds that a speed is measured for, at least


def evaluate_emulator(
    emulator: Sampler,
    simulator: ParametricSimulator,
    *,
    n: int = 5000,
    seed: int = 0,
    reader_events: int | None = None,
    reader_steps: int = 1500,
    epochs: int = 30,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compare an emulator with its simulator at points that neither has been asked about.

    Parameters
    ----------
    emulator : Sampler
        Whose conditions are the simulator's.
    simulator : ParametricSimulator
    n : int, optional
        Events of each comparison, at least 200; three times as many calls are made (and some for the gradients).
    seed : int, optional
        Must not be the seed that the emulator was trained with: its points would be those of the training.
    reader_events, reader_steps : int, optional
        Calls and steps for the network that reads parameters back; by default 2 n calls.
    epochs : int, optional
        Longest training of the classifier.
    progress : callable, optional
        Told what is measured.

    Returns
    -------
    dict
        ``pixels``: mean absolute difference ``mae`` of emulator and simulator at the same points; for images ``iou``,
        intersection over union of the pixels above half of the image's brightest; ``exact``, the share of events that
        are equal; each with ``_floor``, the simulator called again at the same points.
        ``histograms``: by observable ``w1`` in units of the truth's spread and ``chi2_ndf`` against the simulator at
        other points, with floors.
        ``auc``: ``value``, ``error``, ``floor`` of a classifier that is shown the event and its parameters.
        ``round_trip``: by parameter, of what a network reads from emulated events minus what it reads from true ones
        at the same points: ``bias`` with ``error``, ``resolution`` (how well it reads true events, root mean square)
        and ``spread`` (of the parameter) all from 0 to 1; ``bias_share`` is bias over resolution, ``bias_of_spread``
        over spread; ``width`` is the resolution of emulated over that of true events.
        ``gradient``: see `facsim.tuning.emulator.gradient.gradient_check`; for a torch module only.
        ``speed``: events per second of both, by batch.
        ``events``, ``calls``.

    Raises
    ------
    DataError
        If n is too small.
    SchemaMismatch
        If emulator and simulator do not give the same events.
    """
    if n < LEAST:
        msg = f"n={n}: at least {LEAST} events are needed"
        raise DataError(msg)
    emulator.schema.require_same(simulator.schema, f"emulator and simulator {simulator.name} differ")
    tell = progress or (lambda _: None)
    points, others = points_of(simulator, n, seed, stream=1), points_of(simulator, n, seed, stream=2)
    tell("events")
    truth, again = simulator.sample(points, seed=seed), simulator.sample(points, seed=seed + 1)
    other, copy = simulator.sample(others, seed=seed + 2), emulator.sample(points, seed=seed + 4)
    elsewhere = emulator.sample(others, seed=seed + 5)
    out: dict[str, Any] = {
        "events": n,
        "pixels": _pixels(truth, copy, again),
        "histograms": _histograms(truth, elsewhere, other),
    }
    tell("classifier")
    found, null = (conditional_auc(truth, e, epochs=epochs, seed=seed) for e in (copy, other))
    out["auc"] = {"value": found.auc, "error": found.auc_error, "floor": null.auc, "floor_error": null.auc_error}
    tell("round trip")
    known = 2 * n if reader_events is None else reader_events
    where = points_of(simulator, known, seed, stream=4)
    p = len(simulator.space)
    learn = simulator.sample(where, seed=seed + 3)
    reader = Reader(learn, simulator.space.to_unit(where[:, :p]), steps=reader_steps, seed=seed)
    out["round_trip"] = _round_trip(reader, simulator, points, truth, copy)
    calls = 3 * n + known
    if isinstance(emulator, nn.Module):
        tell("gradient")
        out["gradient"] = gradient_check(emulator, simulator, reader, seed=seed)
        calls += int(out["gradient"]["calls"])
    tell("speed")
    out["speed"] = {str(size): _speeds(emulator, simulator, points, size) for size in BATCHES}
    return out | {"calls": calls}


def observables_of(events: Events, like: Events | None = None) -> dict[str, Array]:
    """What histograms show: of images streaks and moments, else what `facsim.observables.compute` gives.

    A pixel is hit above half of the median brightest pixel of the events, or of those that they shall be compared with
    (`like`).
    """
    name = image_block(events.schema)
    found = compute(events)
    if name is None:
        return found
    bright = float(np.median((like or events).features.max(axis=1))) / 2
    return streaks(events[name], bright) | {k: v for k, v in found.items() if k not in {"intensity", "brightest"}}


def _pixels(truth: Events, copy: Events, again: Events) -> dict[str, float]:
    out = {}
    for name, events in (("", copy), ("_floor", again)):
        a, b = truth.features.astype(np.float64), events.features.astype(np.float64)
        out[f"mae{name}"] = float(np.abs(a - b).mean())
        out[f"exact{name}"] = float((a == b).all(axis=1).mean())
        if image_block(truth.schema):
            half = a.max(axis=1, keepdims=True) / 2
            both, either = ((a > half) & (b > half)).sum(1), ((a > half) | (b > half)).sum(1)
            out[f"iou{name}"] = float(np.mean(both / np.maximum(either, 1)))
    return out


def _histograms(truth: Events, copy: Events, other: Events) -> dict[str, dict[str, float]]:
    out = {}
    a, b, c = (observables_of(e, truth) for e in (truth, copy, other))
    for name, values in a.items():
        spread = float(values.std())
        if spread == 0:
            continue
        tests = chi2(values, b[name]), chi2(values, c[name])
        out[name] = {
            "w1": wasserstein(values, b[name]) / spread,
            "w1_floor": wasserstein(values, c[name]) / spread,
            "chi2_ndf": tests[0].statistic / max(tests[0].ndf, 1),
            "chi2_ndf_floor": tests[1].statistic / max(tests[1].ndf, 1),
        }
    return out


def _round_trip(
    reader: Reader, simulator: ParametricSimulator, points: Array, truth: Events, copy: Events
) -> dict[str, dict[str, float]]:
    unit = simulator.space.to_unit(points[:, : len(simulator.space)])
    true, made = reader(truth), reader(copy)
    off, resolution = made - true, np.sqrt(((true - unit) ** 2).mean(axis=0))
    width = np.sqrt(((made - unit) ** 2).mean(axis=0))
    out = {}
    for j, name in enumerate(simulator.space.names):
        bias, error, spread = (
            float(v) for v in (off[:, j].mean(), off[:, j].std() / len(off) ** 0.5, unit[:, j].std())
        )
        out[name] = {
            "bias": bias,
            "error": error,
            "resolution": float(resolution[j]),
            "spread": spread,
            "bias_share": bias / max(float(resolution[j]), 1e-12),
            "bias_of_spread": bias / max(spread, 1e-12),
            "width": float(width[j] / max(resolution[j], 1e-12)),
        }
    return out


def _speeds(emulator: Sampler, simulator: ParametricSimulator, points: Array, size: int) -> dict[str, float]:
    rows = np.resize(points, (size, points.shape[1]))
    found = {"emulator": _rate(emulator, rows), "simulator": _rate(simulator, rows)}
    return found | {"ratio": found["emulator"] / found["simulator"]}


def _rate(sampler: Sampler, rows: Array) -> float:
    """Events per second."""
    sampler.sample(rows, seed=0)
    begun, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < TIMED or done == 0:
        sampler.sample(rows, seed=done)
        done += 1
    return done * len(rows) / spent

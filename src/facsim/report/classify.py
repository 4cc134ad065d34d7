"""Classifier tests, each with the same test between two truth samples."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FacsimError
from facsim.events import Events
from facsim.metrics import ClassifierResult, high_level_auc, low_level_auc
from facsim.metrics.protocols import protocol_auc
from facsim.report.progress import silent
from facsim.report.sample import Sample

__all__ = ["Classified", "classify"]

logger = logging.getLogger(__name__)

MOST_LOW_LEVEL = 20_000
"""Events per sample for the neural network: two to three minutes on one core, with its floor."""

MOST_VALUES = 15_000_000
"""Events times observables per sample for the boosting: three minutes with its floor. 100,000 events of three layers
fit, 22,000 of 45 layers."""

MANY_CELLS = 15_000_000
"""Events times cells per sample above which the network is trained once and not five times."""

SIGMAS = 3.0
"""A classifier sees a difference if its AUC lies that many errors from 0.5 and from the floor."""

Progress = Callable[[int, int], None]
Test = Callable[[Sample, Sample, Progress], tuple[ClassifierResult, int]]


@dataclass(frozen=True)
class Classified:
    """Outcome of all classifier tests.

    Parameters
    ----------
    entries : dict
        By test: ``auc``, ``auc_error``, ``jsd``, ``floor``, ``floor_error``, ``floor_jsd``, ``events`` (per sample) and
        ``differs``; or ``skipped``, the reason.
    high_level, floor : ClassifierResult or None
        Scores of the whole events (`Sample.events`) of generated against reference, and of second against first truth.
    """

    entries: dict[str, dict[str, Any]]
    high_level: ClassifierResult | None = None
    floor: ClassifierResult | None = None


def classify(
    reference: Sample,
    generated: Sample,
    second: Sample,
    *,
    low_level: bool,
    protocol: str | None = None,
    seed: int,
    progress: Progress = silent,
) -> Classified:
    """Train the classifiers on generated against reference, and on truth against truth, with equally many events.

    Parameters
    ----------
    reference, generated, second : Sample
    low_level : bool
        Also train a network on the cells of at most `MOST_LOW_LEVEL` events.
    protocol : str, optional
        Also run both networks of a published protocol on all whole events (`facsim.metrics.PROTOCOLS`): hours on a CPU.
    seed : int
    progress : callable
        Told (done, total).
    """
    most = MOST_VALUES // len(reference.wide.names)
    size = min(most, *(len(s.wide) for s in (reference, generated, second)))
    rows = {id(s): _choose(len(s.wide), size, [seed, i]) for i, s in enumerate((reference, generated, second))}

    def high(a: Sample, b: Sample, tick: Progress) -> tuple[ClassifierResult, int]:
        return high_level_auc(a.wide[rows[id(a)]], b.wide[rows[id(b)]], seed=seed, progress=tick), size

    tests: dict[str, Test] = {"high_level": high}
    out: dict[str, dict[str, Any]] = {}
    if low_level:
        tests["low_level"] = _on_events(_cells_test, MOST_LOW_LEVEL, seed)
    else:
        out["low_level"] = {"skipped": "not asked for (low_level=False)"}
    if protocol is not None:
        for inputs in ("low", "high"):
            published = partial(protocol_auc, protocol=protocol, inputs=inputs)
            tests[f"{protocol}/{inputs}"] = _on_events(published, None, seed)
    scored: list[ClassifierResult] = []
    for i, (name, test) in enumerate(tests.items()):

        def tick(before: int, done: int, total: int) -> None:
            progress(100 * before + 100 * done // max(1, total), 200 * len(tests))

        try:
            found, events = test(reference, generated, partial(tick, 2 * i))
            floor, _ = test(reference, second, partial(tick, 2 * i + 1))
        except FacsimError as error:  # no torch, no cells to look at, negative weights, another detector's protocol
            logger.info("%s", error)
            out[name] = {"skipped": str(error)}
            continue
        out[name] = _entry(found, floor, events)
        if name == "high_level":
            scored = [
                _of_whole_events(result, reference, other, rows[id(reference)], rows[id(other)])
                for result, other in ((found, generated), (floor, second))
            ]
    return Classified({name: out[name] for name in dict.fromkeys(["high_level", "low_level", *out])}, *scored)


def _cells_test(a: Events, b: Events, *, seed: int, progress: Progress) -> ClassifierResult:
    rotations = 1 if len(a) * a.schema.width > MANY_CELLS else None
    return low_level_auc(a, b, rotations=rotations, seed=seed, progress=progress)


def _on_events(test: Callable[..., ClassifierResult], most: int | None, seed: int) -> Test:
    """A test of whole events, equally many of both samples."""

    def run(a: Sample, b: Sample, tick: Progress) -> tuple[ClassifierResult, int]:
        size = min(len(a.events), len(b.events), most or len(a.events))
        first, other = (_some(s.events, size, [seed, i]) for i, s in enumerate((a, b)))
        return test(first, other, seed=seed, progress=tick), size

    return run


def _some(events: Events, size: int, seed: list[int]) -> Events:
    return events[_choose(len(events), size, seed)]


def _choose(n: int, size: int, seed: list[int]) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng([*seed, 0xC1A55]).permutation(n)[:size])


def _of_whole_events(
    result: ClassifierResult, a: Sample, b: Sample, rows_a: NDArray[np.intp], rows_b: NDArray[np.intp]
) -> ClassifierResult:
    """Scores in the order of `Sample.events`; NaN for an event that the classifier has not scored."""

    def aligned(values: NDArray[np.float64], sample: Sample, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        full = np.full(len(sample.wide), np.nan)
        full[rows] = values
        return full[sample.whole]

    return replace(
        result,
        scores_reference=aligned(result.scores_reference, a, rows_a),
        scores_generated=aligned(result.scores_generated, b, rows_b),
        fake_reference=aligned(result.fake_reference, a, rows_a),
        fake_generated=aligned(result.fake_generated, b, rows_b),
    )


def _entry(found: ClassifierResult, floor: ClassifierResult, size: int) -> dict[str, Any]:
    from_half = abs(found.auc - 0.5) > SIGMAS * found.auc_error
    from_floor = abs(found.auc - floor.auc) > SIGMAS * float(np.hypot(found.auc_error, floor.auc_error))
    return {
        "auc": found.auc,
        "auc_error": found.auc_error,
        "jsd": found.jsd,
        "floor": floor.auc,
        "floor_error": floor.auc_error,
        "floor_jsd": floor.jsd,
        "events": size,
        "differs": bool(from_half and from_floor),
    }

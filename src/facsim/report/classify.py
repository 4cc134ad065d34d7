"""Classifier tests, each with the same test between two truth samples."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from facsim.errors import MissingExtra, SchemaMismatch, WeightError
from facsim.events import Events
from facsim.metrics import ClassifierResult, high_level_auc, low_level_auc
from facsim.report.progress import silent

__all__ = ["classify"]

logger = logging.getLogger(__name__)

SIGMAS = 3.0
"""A classifier sees a difference if its AUC lies that many errors from 0.5 and from the floor."""


def classify(
    reference: Events,
    generated: Events,
    second: Events,
    *,
    low_level: bool,
    seed: int,
    progress: Callable[[int, int], None] = silent,
) -> dict[str, dict[str, Any]]:
    """Train the classifiers on generated against reference, and on truth against truth, with equally many events.

    Returns
    -------
    dict
        ``high_level`` and ``low_level``, each with ``auc``, ``auc_error``, ``jsd``, ``floor``, ``floor_error``,
        ``floor_jsd``, ``events`` (per sample) and ``differs``; or with ``skipped``, the reason.
    """
    size = min(len(reference), len(generated), len(second))
    rng = np.random.default_rng([seed, 0xC1A55])
    truth, copy, other = (e[np.sort(rng.permutation(len(e))[:size])] for e in (reference, generated, second))
    tests: dict[str, Callable[..., ClassifierResult]] = {"high_level": high_level_auc}
    out: dict[str, dict[str, Any]] = {}
    if low_level:
        tests["low_level"] = low_level_auc
    else:
        out["low_level"] = {"skipped": "not asked for (low_level=False)"}
    for i, (name, test) in enumerate(tests.items()):

        def tick(done: int, total: int, before: int = 2 * i, shift: int = 0) -> None:
            progress(100 * (before + shift) + 100 * done // max(1, total), 200 * len(tests))

        try:
            found = test(truth, copy, seed=seed, progress=tick)
            floor = test(truth, other, seed=seed, progress=lambda done, total, t=tick: t(done, total, shift=1))
        except (MissingExtra, SchemaMismatch, WeightError) as error:  # no torch, no cells, negative weights
            logger.info("%s", error)
            out[name] = {"skipped": str(error)}
            continue
        out[name] = _entry(found, floor, size)
    return {name: out[name] for name in ("high_level", "low_level")}


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

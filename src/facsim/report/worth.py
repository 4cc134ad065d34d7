"""What the generated sample is worth: in events of the truth, in modes that are there, in events that are its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from facsim.errors import FacsimError
from facsim.metrics import DISTANCES
from facsim.metrics.copies import memorisation
from facsim.metrics.modes import mode_coverage
from facsim.metrics.worth import equivalent_events
from facsim.report.gather import Gathered
from facsim.report.sample import Sample

__all__ = ["measure"]

logger = logging.getLogger(__name__)

WORST = 3
"""Observables, those farthest from their floor, whose equivalent events get an interval."""
MODES, PER_MODE = 20, 50
"""Most modes, and truth events of each; with fewer the clusters follow chance."""


def measure(samples: Gathered, metrics: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """Measure what the sample is worth.

    Parameters
    ----------
    samples : Gathered
    metrics : dict
        With ``observables``, the worst first.
    seed : int

    Returns
    -------
    dict
        ``equivalent_events``: by observable, `facsim.metrics.worth.EquivalentEvents.to_json` (W1), and where the
        training sample is known the ``amplification``, equivalent events of the generator over training events;
        ``modes``: `facsim.metrics.modes.ModeCoverage.to_json` without centres, fewer modes for small samples, with
        ``floor_pvalue`` and ``floor_coverage``; with a training sample ``memorisation``:
        `facsim.metrics.copies.Memorisation.to_json`. Each may be ``error`` alone, why it could not be measured.
    """
    # where the truth never varies, no number of its events is as far off as the copy
    worst = [n for n, e in metrics["observables"].items() if "error" not in e and e["floor"]["w1"] > 0][:WORST]
    out = {
        "equivalent_events": {
            n: _guarded(f"equivalent events in '{n}'", partial(_equivalent, samples, n, seed)) for n in worst
        },
        "modes": _guarded("modes", lambda: _modes(samples.reference, samples.generated, samples.second, seed)),
    }
    if samples.training is not None:
        out["memorisation"] = _guarded("memorisation", lambda: _memorisation(samples, seed))
    return out


def _guarded(what: str, measurement: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return measurement()
    except FacsimError as error:
        logger.info("%s: %s", what, error)
        return {"error": str(error)}


def _equivalent(samples: Gathered, name: str, seed: int) -> dict[str, Any]:
    truth, copy = samples.reference, samples.generated
    found = equivalent_events(
        DISTANCES["w1"],
        truth.observables[name],
        copy.observables[name],
        wt=truth.weights,
        wg=copy.weights,
        seed=seed,
    )
    out = found.to_json()
    if "training" in samples.available and np.isfinite(found.model):
        out["amplification"] = found.model / samples.available["training"]
    return out


def _modes(reference: Sample, generated: Sample, second: Sample, seed: int) -> dict[str, Any]:
    count = max(2, min(MODES, len(reference.wide) // PER_MODE))

    def against(other: Sample) -> Any:
        a, b = reference.wide, other.wide
        return mode_coverage(a.values, b.values, wr=a.weights, wg=b.weights, modes=count, seed=seed)

    found, floor = against(generated), against(second)
    out = found.to_json()
    del out["centres"]
    return {**out, "floor_pvalue": floor.pvalue, "floor_coverage": floor.coverage}


def _memorisation(samples: Gathered, seed: int) -> dict[str, Any]:
    assert samples.training is not None  # noqa: S101 - asked for only then
    generated, known, unknown = (s.events for s in (samples.generated, samples.training, samples.reference))
    return memorisation(generated, known, unknown, seed=seed).to_json()

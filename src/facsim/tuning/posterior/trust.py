"""Trust in a posterior, from simulations that it was not shown: calibration, and whether the data are within reach."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from facsim.events import Events
from facsim.metrics.calibration import coverage, positions, sbc, tarp
from facsim.simulators.parametric import Space
from facsim.tuning.misspecified import LEAST_SETS, View, misspecification, views_of
from facsim.tuning.posterior.density import Density
from facsim.tuning.posterior.pairs import Pairs, rows_of
from facsim.tuning.posterior.posterior import Posterior
from facsim.tuning.posterior.response import Response

__all__ = ["calibration", "closeness"]

log = logging.getLogger(__name__)

LEAST_TESTS = 20
DRAWS = 200
LEVELS = np.sort([*np.round(np.arange(0.05, 1.0, 0.05), 2), 0.68])
MOST_SLOW = 50  # tests of an engine that needs a sampler for each


def calibration(
    posterior: Posterior | Density | Response, held: Pairs | None, space: Space, events: int, seed: int = 0
) -> dict[str, Any] | None:
    """Ranks, coverage and TARP over points that were held out; None if there are too few, or no sets of their own.

    Returns
    -------
    dict
        ``tests``, ``events`` of each, ``levels``, ``coverage`` by parameter, ``pvalue`` (of ranks and TARP together),
        ``ranks`` by parameter (0 to 1), ``tarp`` at the levels.
    """
    if held is None:
        log.warning("too few calls to test the errors of %d events with: raise --calls to %d", events, 70 * events)
        return None
    # a response weighs events, and has drawn for these very sets
    full = held if isinstance(posterior, Response) else held[(held.weights != 0).all(axis=1)]
    if isinstance(posterior, Density):
        full = full[:MOST_SLOW]
    if len(full) < LEAST_TESTS:
        log.warning("%d points are too few to test the calibration with: raise --calls", len(full))
        return None
    if isinstance(posterior, Response):
        samples = posterior.sample_tests()
    else:
        samples = posterior.sample_each(full.x, DRAWS, seed)
    shares = coverage(full.theta, samples, LEVELS.tolist(), seed=seed).shares
    places = positions(full.theta, samples, seed=seed)
    balls = tarp(full.theta, samples, seed=seed)
    return {
        "tests": len(full),
        "events": full.events,
        "levels": LEVELS,
        "coverage": dict(zip(space.names, shares.T, strict=True)),
        "pvalue": min(1.0, 2 * min(sbc(full.theta, samples, seed=seed).pvalue, balls.pvalue)),
        "ranks": dict(zip(space.names, places.T, strict=True)),
        "tarp": np.interp(LEVELS, balls.levels, balls.coverage),
    }


def closeness(
    posterior: Posterior | Density | Response, data: Events, shown: Pairs, held: Pairs | None, seed: int = 0
) -> dict[str, Any] | None:
    """Whether the data are within the simulator's reach: ``pvalue`` and ``words``; None if it could not be tested."""
    rows = rows_of(data, posterior.blocks)
    if isinstance(posterior, Response):
        return {"pvalue": posterior.goodness(data, seed=seed), "words": "mean summary and mean columns of the events"}
    if held is None:
        return None
    null, reference = (part.x[(part.weights != 0).all(axis=1)] for part in (held, shown))
    if null.shape[1] != len(rows) or len(null) < LEAST_SETS or data.weights is not None:
        return None
    views: dict[str, View] = views_of(posterior.blocks)
    if isinstance(posterior, Posterior):
        views["learned summaries"] = posterior.summaries
    found = misspecification(rows, null, views, reference=reference, seed=seed)
    return {"pvalue": found.pvalue, "words": found.words}

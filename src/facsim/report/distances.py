"""Distances in many observables at once, each beside the same distance for truth against truth."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FacsimError
from facsim.metrics.multivariate import MULTIVARIATE
from facsim.metrics.precision_recall import precision_recall
from facsim.metrics.quadratic import Estimate
from facsim.report.progress import silent
from facsim.report.sample import Wide

__all__ = ["measure"]

logger = logging.getLogger(__name__)

TAIL = 0.001

FALSE_ALARMS = 0.01
"""Chance that any of the distances of a perfect copy is called different."""


def measure(
    reference: Wide,
    generated: Wide,
    second: Wide,
    *,
    definition: str,
    seed: int,
    progress: Callable[[int, int], None] = silent,
) -> dict[str, Any]:
    """Compute every multivariate distance on the extended observables and conditions.

    Parameters
    ----------
    reference, generated, second : Wide
        Of equal columns; all are cut to the size of the smallest, so that value and floor can be compared.
    definition : str
        ``"facsim"``, or ``"jetnet"`` for FPD and KPD as the standard package computes them.
    seed : int
    progress : callable
        Told (done, total).

    Returns
    -------
    dict
        By name: ``value``, ``error``, ``pvalue``, ``floor``, ``floor_error``, ``differs`` (Bonferroni: `FALSE_ALARMS`
        over all), or ``error`` alone, why it could not be computed; ``prdc`` with precision, recall, density,
        coverage and their ``floor``, or ``skipped``; ``columns``, how many were compared, and ``left_out``, the names
        of those that never vary in the truth. ``error`` alone if none varies.

    Notes
    -----
    Columns are clipped to the central 99.8 % of the truth, except for the definition of jetnet. The correlation
    distance is of the columns that vary in all samples.
    """
    size = min(len(reference), len(generated), len(second))
    rng = np.random.default_rng([seed, 0xD157])
    truth, copy, other = (w[np.sort(rng.permutation(len(w))[:size])] for w in (reference, generated, second))
    varying = np.ptp(truth.values, axis=0) > 0
    if not varying.any():
        return {"error": "no observable and no condition varies in the truth: there is nothing to compare"}
    tables = [w.values[:, varying] for w in (truth, copy, other)]
    if definition == "facsim":
        tables = _clipped(tables)
    out: dict[str, Any] = {
        "columns": int(varying.sum()),
        "left_out": [name for name, kept in zip(truth.names, varying, strict=True) if not kept],
        "events": size,
        "definition": definition,
    }
    # a column that is one value in a sample has no correlations there; the other distances see it
    alive = np.all([np.ptp(t, axis=0) > 0 for t in tables], axis=0)
    for i, (name, distance) in enumerate(MULTIVARIATE.items()):
        compared = [t[:, alive] for t in tables] if name == "correlation" else tables
        options = {"definition": definition} if definition in distance.definitions else {}
        try:
            found, floor = (
                distance(compared[0], table, wx=truth.weights, wy=weights, seed=seed, **options)
                for table, weights in ((compared[1], copy.weights), (compared[2], other.weights))
            )
            out[name] = _entry(found, floor)
        except FacsimError as error:
            logger.info("%s: %s", name, error)
            out[name] = {"error": str(error)}
        progress(i + 1, len(MULTIVARIATE) + 1)
    out["prdc"] = _prdc(tables, [truth.weights, copy.weights, other.weights], seed)
    progress(1, 1)
    return out


def _clipped(tables: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Pull what lies beyond the truth's central 99.8 % of a column to its rim.

    Kernels of the fourth degree feel the eighth moments: a single far shower would decide about all. Its column's own
    distances still see it.
    """
    low, high = np.quantile(tables[0], [TAIL, 1 - TAIL], axis=0)
    # a column that is one value but for its tails keeps them: nothing would be left to compare
    narrow = high <= low
    low[narrow], high[narrow] = -np.inf, np.inf
    return [np.clip(t, low, high).astype(np.float32) for t in tables]


def _entry(found: Estimate, floor: Estimate) -> dict[str, Any]:
    return {
        "value": found.value,
        "error": found.error,
        "pvalue": found.pvalue if np.isfinite(found.pvalue) else None,  # jetnet's definition has none
        "floor": floor.value,
        "floor_error": floor.error,
        "differs": bool(found.pvalue < FALSE_ALARMS / len(MULTIVARIATE)),
    }


def _prdc(tables: list[NDArray[np.float32]], weights: list[NDArray[np.float64] | None], seed: int) -> dict[str, Any]:
    try:
        found, floor = (
            precision_recall(tables[0], tables[i], wx=weights[0], wy=weights[i], seed=seed).to_json() for i in (1, 2)
        )
    except FacsimError as error:
        return {"skipped": str(error)}
    return {**found, "floor": floor}

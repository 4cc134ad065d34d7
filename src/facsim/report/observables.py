"""Distances of every observable, each beside its floor, and whether they matter."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, FacsimError, WeightError
from facsim.metrics import DISTANCES, chi2, ks
from facsim.metrics.needed import events_needed
from facsim.metrics.permutation import Null, null_distribution
from facsim.report.physics import mean_and_spread
from facsim.report.progress import silent
from facsim.report.sample import Sample

__all__ = ["FALSE_ALARMS", "compare_conditions", "compare_observables", "require_overlap", "worst"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

FALSE_ALARMS = 0.01
"""Chance that any of the observables of a perfect copy is called different."""

FEWEST_REPLICAS, MOST_REPLICAS = 49, 199
BUDGET = 1e9  # replicas times events times observables: about 40 seconds


def compare_observables(
    reference: Sample,
    generated: Sample,
    second: Sample,
    *,
    tolerance: float,
    seed: int,
    progress: Callable[[int, int], None] = silent,
) -> dict[str, dict[str, Any]]:
    """Compare every observable of generated with reference events, and truth with truth.

    Returns
    -------
    dict
        By observable, the one that is worst relative to its floor first: ``w1`` (in the observable's unit), ``ks``,
        ``separation``, ``cvm`` (None where signed weights do not allow one); ``pvalue`` of W1 against its floor's
        distribution, ``ks_pvalue``, and ``chi2`` with its ``ndf`` and ``pvalue`` in 20 bins; ``excess``, W1 over its
        floor (None if the floor is 0); ``relative``, W1 in standard deviations of the truth; ``differs``, whether the
        Kolmogorov-Smirnov test sees a difference (Bonferroni: `FALSE_ALARMS` over all observables together);
        ``light``: ``green`` if it sees none, ``amber`` if it sees one of less than `tolerance` standard deviations,
        else ``red``; ``events_needed`` per sample to see a W1 of this size, and ``equivalent_events``, the size of a
        truth sample whose W1 would on average be as large (both None if no difference is resolved); and ``floor``
        with the mean distances for truth against truth, ``w1_low`` and ``w1_high`` the range of W1 over the
        ``partitions``, and ``ks_pvalue`` of the two truth samples as they were given. An observable that cannot be
        compared has ``error`` alone, and comes last.

    Notes
    -----
    One pair of truth samples gives a floor that scatters by about a third. All truth events are therefore dealt at
    random again and again into two samples of the same sizes. With weights on either side their statistical scatter is
    simulated instead, that of the generated events with their own weights (`facsim.metrics.null_distribution`).
    """
    events = max(1, (len(reference) + len(second)) * len(reference.observables))
    replicas = int(np.clip(BUDGET // events, FEWEST_REPLICAS, MOST_REPLICAS))
    out: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(reference.observables):
        progress(i, len(reference.observables))
        try:
            out[name] = _entry(reference, generated, second, name, tolerance, replicas, seed)
        except FacsimError as error:  # one broken observable must not sink the report
            logger.warning("observable '%s': %s", name, error)
            out[name] = {"error": str(error)}
    return {name: out[name] for name in worst(out)}


def _entry(
    reference: Sample, generated: Sample, second: Sample, name: str, tolerance: float, replicas: int, seed: int
) -> dict[str, Any]:
    truth, copy, other = (s.observables[name] for s in (reference, generated, second))
    distances = _distances(truth, copy, reference.weights, generated.weights)
    # weights of the copy scatter more than as many unweighted events of the truth would
    opposite, weights = (other, second.weights) if generated.weights is None else (copy, generated.weights)
    nulls = null_distribution(truth, opposite, wp=reference.weights, wq=weights, replicas=replicas, seed=seed)
    w1, null = distances["w1"], nulls["w1"]
    pvalue = ks(truth, copy, wp=reference.weights, wq=generated.weights).pvalue
    differs = bool(pvalue < FALSE_ALARMS / len(reference.observables))
    spread = mean_and_spread(truth, reference.weights)["spread"]
    relative = w1 / spread if spread else None
    small = relative is not None and relative < tolerance
    return {
        **distances,
        "pvalue": null.pvalue(w1),
        "ks_pvalue": pvalue,
        "chi2": _chi2(truth, copy, reference.weights, generated.weights),
        "excess": w1 / null.mean if null.mean > 0 else (None if w1 > 0 else 1.0),
        "relative": relative,
        "differs": differs,
        "light": ("amber" if small else "red") if differs else "green",
        "events_needed": _whole(events_needed(w1, null).events),
        "equivalent_events": _equivalent(w1, null),
        "floor": {
            **{key: found.mean for key, found in nulls.items()},
            "w1_low": min(null.values),
            "w1_high": max(null.values),
            "ks_pvalue": ks(truth, other, wp=reference.weights, wq=second.weights).pvalue,
            "partitions": replicas,
        },
    }


def _equivalent(observed: float, null: Null) -> float | None:
    """Events n at which the null, c sqrt(1/n + 1/N), reaches the observed value; None where that is not resolved."""
    n, m = null.events
    wanted = (1 / n + 1 / m) * (observed / null.mean) ** 2 - 1 / n if null.mean > 0 else 0.0
    return 1 / wanted if wanted > 1 / m else None


def _whole(events: float) -> int | None:
    return int(np.ceil(events)) if np.isfinite(events) else None


def worst(observables: dict[str, dict[str, Any]]) -> list[str]:
    """Names by falling excess over the floor; one whose truth never varies but whose copy does comes first."""

    def rank(name: str) -> float:
        if "error" in observables[name]:
            return -np.inf
        excess = observables[name]["excess"]
        return np.inf if excess is None else float(excess)

    return sorted(observables, key=rank, reverse=True)


def compare_conditions(reference: Sample, other: Sample) -> dict[str, dict[str, Any]]:
    """Test by Kolmogorov-Smirnov, column by column, whether both samples were asked for the same."""
    names = _condition_names(reference)
    tests = [
        ks(a, b, wp=reference.weights, wq=other.weights)
        for a, b in zip(reference.conditions.T, other.conditions.T, strict=True)
    ]
    return {
        name: {
            "ks": test.statistic,
            "ks_pvalue": test.pvalue,
            "differs": bool(test.pvalue < FALSE_ALARMS / len(names)),
            "reference_range": [float(a.min()), float(a.max())],
            "generated_range": [float(b.min()), float(b.max())],
        }
        for name, test, a, b in zip(names, tests, reference.conditions.T, other.conditions.T, strict=True)
    }


def require_overlap(reference: Sample, generated: Sample) -> None:
    """Refuse to compare events that were asked for entirely different things.

    Raises
    ------
    DataError
        If the ranges of a condition do not touch.
    """
    for name, a, b in zip(_condition_names(reference), reference.conditions.T, generated.conditions.T, strict=True):
        if a.min() > b.max() or b.min() > a.max():
            msg = (
                f"condition '{name}': {reference.name} has {a.min():g} to {a.max():g}, {generated.name} has "
                f"{b.min():g} to {b.max():g}. They do not overlap, so nothing can be compared. Draw the events at the "
                "reference's conditions: facsim sample MODEL --like REFERENCE"
            )
            raise DataError(msg)


def _condition_names(sample: Sample) -> list[str]:
    from facsim.observables.tables import column_names

    return [name for block in sample.events.schema.conditions for name in column_names(block)]


def _chi2(p: Array, q: Array, wp: Array | None, wq: Array | None) -> dict[str, float] | None:
    """Chi-square test in twenty bins; None where too few events or their weights do not allow one."""
    try:
        return chi2(p, q, wp=wp, wq=wq).to_json()
    except FacsimError:
        return None


def _distances(p: Array, q: Array, wp: Array | None, wq: Array | None) -> dict[str, Any]:
    """Every distance; None for one that cannot take these weights."""
    out: dict[str, Any] = {}
    for key, distance in DISTANCES.items():
        try:
            out[key] = distance(p, q, wp=wp, wq=wq)
        except WeightError:
            if key == "w1":  # without it there is no comparison at all
                raise
            out[key] = None
    return out

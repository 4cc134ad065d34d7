"""Distances of every observable, each beside its floor, and whether they matter."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, FacsimError, WeightError
from facsim.metrics import DISTANCES, Distance, floor, ks
from facsim.report.physics import mean_and_spread
from facsim.report.sample import Sample

__all__ = ["FALSE_ALARMS", "compare_conditions", "compare_observables", "require_overlap", "worst"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

FALSE_ALARMS = 0.01
"""Chance that any of the observables of a perfect copy is called different."""

MOST_PARTITIONS = 20
PARTITION_EVENTS = 400_000  # more partitions than that many events in all add time and no insight


def compare_observables(
    reference: Sample, generated: Sample, second: Sample, *, tolerance: float, seed: int
) -> dict[str, dict[str, Any]]:
    """Compare every observable of generated with reference events, and truth with truth.

    Returns
    -------
    dict
        By observable, the one that is worst relative to its floor first: ``w1`` (in the observable's unit), ``ks``,
        ``separation`` (None where signed weights do not allow it); ``ks_pvalue``; ``excess``, W1 over its floor (None
        if the floor is 0); ``relative``, W1 in standard deviations of the truth; ``differs``, whether the
        Kolmogorov-Smirnov test sees a difference (Bonferroni: `FALSE_ALARMS` over all observables together);
        ``light``: ``green`` if it sees none, ``amber`` if it sees one of less than `tolerance` standard deviations,
        else ``red``; and ``floor`` with the same distances for truth against truth, ``w1_low`` and ``w1_high`` the
        range of W1 over the ``partitions``, and ``ks_pvalue`` of the two truth samples as they were given. An
        observable that cannot be compared has ``error`` alone, and comes last.

    Notes
    -----
    One pair of truth samples gives a floor that scatters by about a third. All truth events are therefore dealt at
    random again and again into two samples of the same sizes; the floor is the mean.
    """
    out: dict[str, dict[str, Any]] = {}
    for name in reference.observables:
        try:
            out[name] = _entry(reference, generated, second, name, tolerance, seed)
        except FacsimError as error:  # one broken observable must not sink the report
            logger.warning("observable '%s': %s", name, error)
            out[name] = {"error": str(error)}
    return {name: out[name] for name in worst(out)}


def _entry(
    reference: Sample, generated: Sample, second: Sample, name: str, tolerance: float, seed: int
) -> dict[str, Any]:
    truth, copy, other = (s.observables[name] for s in (reference, generated, second))
    distances = _distances(truth, copy, reference.weights, generated.weights)
    pvalue = ks(truth, copy, wp=reference.weights, wq=generated.weights).pvalue
    null = _floor(truth, other, reference.weights, second.weights, seed)
    differs = bool(pvalue < FALSE_ALARMS / len(reference.observables))
    spread = mean_and_spread(truth, reference.weights)["spread"]
    relative = distances["w1"] / spread if spread else None
    small = relative is not None and relative < tolerance
    return {
        **distances,
        "ks_pvalue": pvalue,
        "excess": distances["w1"] / null["w1"] if null["w1"] > 0 else (None if distances["w1"] > 0 else 1.0),
        "relative": relative,
        "differs": differs,
        "light": ("amber" if small else "red") if differs else "green",
        "floor": null,
    }


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


def _floor(p: Array, q: Array, wp: Array | None, wq: Array | None, seed: int) -> dict[str, Any]:
    count = int(np.clip(PARTITION_EVENTS // (len(p) + len(q)), 4, MOST_PARTITIONS))
    # values and weights are dealt together
    first, second = (np.column_stack([v, np.ones(len(v)) if w is None else w]) for v, w in ((p, wp), (q, wq)))
    signed = wp is not None or wq is not None
    out: dict[str, Any] = {}
    for key, distance in DISTANCES.items():

        def metric(a: Array, b: Array, distance: Distance = distance) -> float:
            weights = {"wp": a[:, 1], "wq": b[:, 1]} if signed else {}
            return distance(a[:, 0], b[:, 0], **weights)

        try:
            found = floor(metric, first, second, repeats=count, seed=seed)
        except WeightError:
            out[key] = None
            continue
        out[key] = found.mean
        if key == "w1":
            out |= {"w1_low": min(found.values), "w1_high": max(found.values)}
    return {**out, "ks_pvalue": ks(p, q, wp=wp, wq=wq).pvalue, "partitions": count}

"""Distances of every observable, each beside its floor, and whether they matter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.metrics import DISTANCES, compare, floor, ks
from facsim.report.sample import Sample

__all__ = ["FALSE_ALARMS", "compare_conditions", "compare_observables", "worst"]

FALSE_ALARMS = 0.01
"""Chance that any of the observables of a perfect copy is called different."""

MOST_PARTITIONS = 20
PARTITION_EVENTS = 400_000  # more partitions than that many events in all add time and no insight


def compare_observables(
    reference: Sample, generated: Sample, second: Sample, *, seed: int
) -> dict[str, dict[str, Any]]:
    """Compare every observable of generated with reference events, and truth with truth.

    Returns
    -------
    dict
        By observable, the one that is worst relative to its floor first: ``w1`` (in the observable's unit), ``ks``,
        ``separation``; ``ks_pvalue``; ``excess``, W1 over its floor (None if the floor is 0); ``differs``, whether the
        Kolmogorov-Smirnov test sees a difference (Bonferroni: `FALSE_ALARMS` over all observables together); and
        ``floor`` with the same distances for truth against truth, ``w1_low`` and ``w1_high`` the range of W1 over
        the ``partitions``, and ``ks_pvalue`` of the two truth samples as they were given.

    Notes
    -----
    One pair of truth samples gives a floor that scatters by about a third. All truth events are therefore dealt at
    random again and again into two samples of the same sizes; the floor is the mean.
    """
    out: dict[str, dict[str, Any]] = {}
    for name, truth in reference.observables.items():
        copy = generated.observables[name]
        distances, pvalue = compare(truth, copy), ks(truth, copy).pvalue
        null = _floor(truth, second.observables[name], seed)
        out[name] = {
            **distances,
            "ks_pvalue": pvalue,
            "excess": distances["w1"] / null["w1"] if null["w1"] > 0 else (None if distances["w1"] > 0 else 1.0),
            "differs": bool(pvalue < FALSE_ALARMS / len(reference.observables)),
            "floor": null,
        }
    return {name: out[name] for name in worst(out)}


def worst(observables: dict[str, dict[str, Any]]) -> list[str]:
    """Names by falling excess over the floor; one whose truth never varies but whose copy does comes first."""

    def rank(name: str) -> float:
        excess = observables[name]["excess"]
        return np.inf if excess is None else float(excess)

    return sorted(observables, key=rank, reverse=True)


def compare_conditions(reference: Sample, other: Sample) -> dict[str, dict[str, Any]]:
    """Test by Kolmogorov-Smirnov, column by column, whether both samples were asked for the same."""
    from facsim.observables.tables import column_names

    names = [name for block in reference.events.schema.conditions for name in column_names(block)]
    tests = [ks(a, b) for a, b in zip(reference.conditions.T, other.conditions.T, strict=True)]
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


def _floor(first: NDArray[np.float64], second: NDArray[np.float64], seed: int) -> dict[str, Any]:
    count = int(np.clip(PARTITION_EVENTS // (len(first) + len(second)), 4, MOST_PARTITIONS))
    floors = {key: floor(distance, first, second, repeats=count, seed=seed) for key, distance in DISTANCES.items()}
    return {
        **{key: found.mean for key, found in floors.items()},
        "w1_low": min(floors["w1"].values),
        "w1_high": max(floors["w1"].values),
        "ks_pvalue": ks(first, second).pvalue,
        "partitions": count,
    }

"""Section on particle identification: in which bins of momentum and pseudorapidity a copy may be used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FacsimError, WeightError
from facsim.metrics import (
    ClassifierResult,
    Scored,
    UsableBins,
    chi2_2d,
    condition_edges,
    effective_size,
    efficiency_ratios,
    high_level_auc,
    ks,
    random_slice_ks,
    response_along,
    usable_bins,
)
from facsim.metrics.quantiles import quantile_edges
from facsim.report.gather import Gathered
from facsim.report.pid_pairs import Pair, is_species, measure_pair, pairs_of
from facsim.report.pid_samples import Binning, Side, Species
from facsim.report.pid_tables import LIGHTS, sentence
from facsim.report.sample import Sample
from facsim.report.tails import Tested

__all__ = ["measure", "measure_all", "measure_species"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

FEWEST = 200.0
ALPHA = 0.01
TOLERANCE, AUC_TOLERANCE = 0.05, 0.60
MOST_SCORED = 20_000
MOST_GLOBAL = 20_000
"""Events per sample for random slices over all bins."""
EFFICIENCY_BINS = 10


def measure(
    samples: Gathered, tested: Tested | None, binning: Binning | None, *, seed: int = 0
) -> dict[str, Any] | None:
    """Measure the section of a report.

    Parameters
    ----------
    samples : Gathered
        Where a condition is a category with names of species, every species is measured on its own.
    tested : Tested or None
        Held-out scores; without (weights are negative) a classifier is trained here.
    binning : Binning or None
        None: nothing is measured.
    seed : int, optional

    Returns
    -------
    dict or None
        See `measure_all`.
    """
    if binning is None:
        return None
    return measure_all(_by_species(samples, tested, binning, seed), binning, seed=seed)


def measure_all(
    species: Mapping[str, Species],
    binning: Binning,
    *,
    pairs: list[Pair] | None = None,
    bootstraps: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure every species and every pair that a score separates.

    Parameters
    ----------
    species : mapping of Species
        By name; one of the name "" for all tracks together.
    binning : Binning
    pairs : list of Pair, optional
        Default: by the names of the scores and species, `pairs_of`.
    bootstraps, seed : int, optional

    Returns
    -------
    dict
        ``conditions``, ``occupancy``; ``species``: by name as `measure_species` says, or with ``error``; ``pairs``:
        as `facsim.report.pid_pairs.measure_pair` says; ``bins``, ``usable``: how many there are and how many may be
        used; ``lights``: how many of each; ``differs``; ``sentence``.
    """
    out: dict[str, Any] = {
        "conditions": list(binning.names),
        "occupancy": binning.occupancy,
        "species": {name: _or_error(measure_species, s, binning, seed=seed) for name, s in species.items()},
    }
    if pairs is None:
        features = list(next(iter(species.values())).reference.features)
        pairs = pairs_of(features, species)
    out["pairs"] = [
        _or_error(measure_pair, p, species, binning, fewest=FEWEST, alpha=ALPHA, bootstraps=bootstraps, seed=seed)
        for p in pairs
    ]
    sound = [e for e in out["species"].values() if "error" not in e]
    lights = [light for e in sound for row in e["bins"]["light"] for light in row]
    out["bins"], out["usable"] = len(lights), sum(light in {"green", "amber"} for light in lights)
    out["lights"] = {light: lights.count(light) for light in LIGHTS}
    out["differs"] = any(light in {"amber", "red"} for light in lights)
    out["sentence"] = sentence(out)
    return out


def measure_species(species: Species, binning: Binning, *, seed: int = 0) -> dict[str, Any]:
    """Measure one species.

    Returns
    -------
    dict
        ``bins``: `UsableBins.to_json`; ``rows``: `UsableBins.rows`; ``floor_lights``: how many bins of each light truth
        against truth has; ``whole``: over all bins, ``ks`` (feature -> ``value``, ``pvalue``, ``floor``), ``slices``,
        and ``chi2``, the pairs of features with the smallest p-value first; ``efficiencies``: feature -> condition ->
        `EfficiencyTable.to_json`; ``response``: feature -> role -> `Response.to_json`, None without an occupancy.
    """
    first, copy, second = species.reference, species.generated, species.second
    names = list(first.features)
    edges = condition_edges(first.places(binning), binning.bins, first.weights)
    options: dict[str, Any] = {
        "names": names, "edges": edges, "tolerance": TOLERANCE, "auc_tolerance": AUC_TOLERANCE, "fewest": FEWEST,
        "alpha": ALPHA, "seed": seed,
    }  # fmt: skip
    found = usable_bins(
        first.tracks(binning), copy.tracks(binning), scored=species.result, floor=species.floor, **options
    )
    floor = usable_bins(first.tracks(binning), second.tracks(binning), **options)
    conditions = [n for n in dict.fromkeys([*binning.names, binning.occupancy]) if n is not None]
    return {
        "events": [len(first), len(copy)],
        "effective": [effective_size(len(s), s.weights) for s in (first, copy)],
        "bins": found.to_json(),
        "rows": found.rows(),
        "floor_lights": _counts(floor),
        "lights": _counts(found),
        "whole": _whole(first, copy, second, seed),
        "efficiencies": _efficiencies(first, copy, conditions),
        "response": _response(first, copy, binning),
    }


def _counts(found: UsableBins) -> dict[str, int]:
    return {light: found.count(light) for light in LIGHTS}


def _whole(first: Side, copy: Side, second: Side, seed: int) -> dict[str, Any]:
    """Distances over all bins together."""
    out: dict[str, Any] = {"ks": {}}
    for name, x in first.features.items():
        value = ks(x, copy.features[name], wp=first.weights, wq=copy.weights, seed=seed, replicas=200)
        base = ks(x, second.features[name], wp=first.weights, wq=second.weights, seed=seed, replicas=200)
        out["ks"][name] = {"value": value.statistic, "pvalue": value.pvalue, "floor": base.statistic}
    varying = [n for n, x in first.features.items() if np.ptp(x) > 0]
    some = [s if len(s) <= MOST_GLOBAL else s.take(_choose(len(s), seed)) for s in (first, copy, second)]
    matrices = [np.column_stack([s.features[n] for n in varying]) for s in some] if varying else []
    if len(varying) > 1:
        scale = np.std(matrices[0], axis=0)
        value, base = (
            random_slice_ks(matrices[0], m, wx=some[0].weights, wy=s.weights, scale=scale, seed=seed)
            for m, s in zip(matrices[1:], some[1:], strict=True)
        )
        out["slices"] = {"value": value.statistic, "pvalue": value.pvalue, "floor": base.statistic}
    tests = []
    for i, j in combinations(range(len(varying)), 2):
        entry = chi2_2d(matrices[0][:, [i, j]], matrices[1][:, [i, j]], wx=some[0].weights, wy=some[1].weights)
        tests.append({"first": varying[i], "second": varying[j], **entry.to_json()})
    out["chi2"] = sorted(tests, key=lambda e: e["pvalue"])
    return out


def _efficiencies(first: Side, copy: Side, conditions: list[str]) -> dict[str, Any]:
    both = {n: (first.conditions[n], copy.conditions[n]) for n in conditions if np.ptp(first.conditions[n]) > 0}
    out = {}
    for name, x in first.features.items():
        if np.ptp(x) == 0:
            continue
        tables = efficiency_ratios(
            x, copy.features[name], both, wr=first.weights, wg=copy.weights, bins=EFFICIENCY_BINS
        )
        out[name] = {n: table.to_json() for n, table in tables.items()}
    return out


def _response(first: Side, copy: Side, binning: Binning) -> dict[str, Any] | None:
    along = binning.occupancy
    if along is None or np.ptp(first.conditions[along]) == 0:
        return None
    edges = quantile_edges(first.conditions[along], 8, first.weights)
    out: dict[str, Any] = {}
    for name in first.features:
        out[name] = {
            role: response_along(s.features[name], s.conditions[along], edges, weights=s.weights).to_json()
            for role, s in (("reference", first), ("generated", copy))
        }
    return out


def _choose(n: int, seed: int) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng([seed, 0x91D]).permutation(n)[:MOST_GLOBAL])


def _side(sample: Sample) -> Side:
    whole = Side.of(sample.events[:0])  # for the names of the conditions
    conditions = {n: c.astype(np.float64) for n, c in zip(whole.conditions, sample.conditions.T, strict=True)}
    return Side({n: sample.observables[n] for n in whole.features}, conditions, sample.weights)


Held = tuple[Array, Side]  # scores of tracks that the classifier had not seen


def _held(samples: Gathered, tested: Tested | None, seed: int) -> list[tuple[Held, Held]]:
    """Scores of reference and generated tracks, and of reference and second."""
    results: tuple[ClassifierResult, ClassifierResult]
    if tested is not None:
        results = tested.result, tested.floor
        names = list(Side.of(samples.reference.events[:0]).conditions)
        sides = []
        for wide in (tested.reference, tested.generated, tested.second):
            columns = {n: c.astype(np.float64) for n, c in zip(names, wide.conditions.T, strict=True)}
            sides.append(Side({}, columns, wide.weights))
    else:
        size = min(MOST_SCORED, *(len(s.events) for s in (samples.reference, samples.generated, samples.second)))
        first, copy, second = (s.events[:size] for s in (samples.reference, samples.generated, samples.second))
        results = (
            high_level_auc(first, copy, signed=True, folds=3, seed=seed),
            high_level_auc(first, second, signed=True, folds=3, seed=seed),
        )
        sides = [Side.of(e) for e in (first, copy, second)]
    return [
        ((r.scores_reference, sides[0]), (r.scores_generated, side)) for r, side in zip(results, sides[1:], strict=True)
    ]


def _by_species(samples: Gathered, tested: Tested | None, binning: Binning, seed: int) -> dict[str, Species]:
    """Tracks of each species, if a condition is a category with such names; else all together."""
    sides = [_side(s) for s in (samples.reference, samples.generated, samples.second)]
    try:
        held = _held(samples, tested, seed)
    except WeightError as error:
        logger.warning("no classifier in bins: %s", error)
        held = []
    categories = [b for b in samples.reference.events.schema.conditions if b.kind == "category" and b.size == 1]
    block = next((b for b in categories if sum(map(is_species, b.names)) > 1), None)
    if block is None:
        return {"": _species(sides, held, binning, None)}
    out = {}
    for value, name in enumerate(block.names):
        if min(int((s.conditions[block.name] == value).sum()) for s in sides) > 0:
            out[name] = _species(sides, held, binning, (block.name, value))
    return out


def _species(
    sides: list[Side], held: list[tuple[Held, Held]], binning: Binning, which: tuple[str, int] | None
) -> Species:
    def chosen(side: Side) -> NDArray[np.bool_]:
        return np.ones(len(side), bool) if which is None else side.conditions[which[0]] == which[1]

    def scored(pair: tuple[Held, Held]) -> tuple[Scored, Scored]:
        (a, first), (b, second) = pair
        rows, others = chosen(first), chosen(second)
        one, other = first.take(rows), second.take(others)
        return (
            Scored(a[rows], one.places(binning), one.weights),
            Scored(b[others], other.places(binning), other.weights),
        )

    first, copy, second = (s.take(chosen(s)) for s in sides)
    result, floor = map(scored, held) if held else (None, None)
    return Species(first, copy, second, result, floor)


def _or_error(measure: Callable[..., dict[str, Any]], *given: Any, **options: Any) -> dict[str, Any]:
    try:
        return measure(*given, **options)
    except FacsimError as error:  # one species with too few tracks must not sink the others
        logger.warning("%s", error)
        return {"error": str(error)}

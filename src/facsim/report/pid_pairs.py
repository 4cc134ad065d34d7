"""How well a copy keeps the separation of two species: maps of the difference of the areas under the ROC curve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.metrics import Scored, condition_edges, delta_auc_map, effective_in_bins
from facsim.report.pid_samples import Binning, Side, Species

__all__ = ["Pair", "is_species", "measure_pair", "pairs_of"]

SPECIES = {"e": "e|electron", "mu": "mu|muon", "pi": "pi|pion", "K": "k|kaon", "p": "p|proton"}
SCORE = re.compile(r"(?:(?:rich)?dll_?|pid|probnn)([a-z]+)", re.IGNORECASE)
OTHERS = {"MuonMuLL": "mu"}
TOLERANCE = 0.01
"""Difference of areas that analyses do not mind, and that the published maps keep to in nearly all bins."""


@dataclass(frozen=True)
class Pair:
    """A score that is larger for the first of two species."""

    score: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.score}, {self.first} against {self.second}"


def pairs_of(features: Iterable[str], species: Iterable[str]) -> list[Pair]:
    """Find what the scores separate by their names: each its species from the pion.

    Examples
    --------
    >>> [str(p) for p in pairs_of(["RichDLLk", "PIDmu", "dll_proton", "RichDLLbt"], ["pion", "kaon", "p"])]
    ['RichDLLk, kaon against pion', 'dll_proton, p against pion']
    """
    given = list(species)
    known = {kind: next((s for s in given if re.fullmatch(w, s, re.IGNORECASE)), None) for kind, w in SPECIES.items()}
    out = []
    for score in features:
        match = SCORE.fullmatch(score)
        called = match[1] if match else ""
        kind = OTHERS.get(score) or next((k for k, w in SPECIES.items() if re.fullmatch(w, called, re.IGNORECASE)), "")
        first, pion = known.get(kind), known["pi"]
        if kind != "pi" and first is not None and pion is not None:
            out.append(Pair(score, first, pion))
    return out


def is_species(name: str) -> bool:
    """Whether a category is called like a species of charged particles."""
    return any(re.fullmatch(words, name, re.IGNORECASE) for words in SPECIES.values())


def measure_pair(
    pair: Pair,
    species: Mapping[str, Species],
    binning: Binning,
    *,
    fewest: float,
    alpha: float,
    tolerance: float = TOLERANCE,
    bootstraps: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the separation of two species in bins.

    Parameters
    ----------
    pair : Pair
    species : mapping of Species
        By name.
    binning : Binning
    fewest : float
        Effective events that all four samples need in a bin.
    alpha : float
        Chance that any bin of a perfect copy is not green.
    tolerance : float, optional
        Difference of areas below which one that is seen is amber.
    bootstraps, seed : int, optional
        See `facsim.metrics.delta_auc_map`.

    Returns
    -------
    dict
        ``score``, ``first``, ``second``, those of `AUCMap.to_json` (its errors as ``sigma``), ``light``,
        ``events`` (the fewest of the four samples), ``within`` and ``known``: how many bins with enough events lie
        within the tolerance, and how many there are; ``floor``: the largest difference of truth and second truth in
        such bins.

    Raises
    ------
    DataError
        If a species or the score is missing.
    """
    from scipy import stats

    for name in (pair.first, pair.second):
        if name not in species or pair.score not in species[name].reference.features:
            msg = f"{pair}: no '{pair.score}' of '{name}'; species are {list(species)}"
            raise DataError(msg)
    both = species[pair.first], species[pair.second]
    sides = {role: [getattr(s, role) for s in both] for role in ("reference", "generated", "second")}
    places = [s.places(binning) for s in sides["reference"]]
    parts = [np.ones(len(s)) if s.weights is None else s.weights for s in sides["reference"]]
    weights = np.concatenate([w / w.sum() for w in parts])
    edges = condition_edges(np.concatenate(places), binning.bins, weights)

    def scored(role: str) -> tuple[Scored, Scored]:
        first, second = (Scored(s.features[pair.score], s.places(binning), s.weights) for s in sides[role])
        return first, second

    found = delta_auc_map(scored("reference"), scored("generated"), edges=edges, bootstraps=bootstraps, seed=seed)
    floor = delta_auc_map(scored("reference"), scored("second"), edges=edges)
    events = np.min([_events(s, binning, edges) for r in ("reference", "generated") for s in sides[r]], axis=0)
    known = (events >= fewest) & np.isfinite(found.delta)
    with np.errstate(invalid="ignore"):
        seen = 2 * stats.norm.sf(np.abs(found.significance)) < alpha / max(1, int(known.sum()))
        small = np.abs(found.delta) <= tolerance
    light = np.where(known, np.where(seen, np.where(small, "amber", "red"), "green"), "grey")
    plain = found.to_json()
    plain["sigma"] = plain.pop("error")  # an "error" of a section is why it could not be measured
    return {
        "score": pair.score,
        "first": pair.first,
        "second": pair.second,
        **plain,
        "light": light.tolist(),
        "events": events.tolist(),
        "tolerance": tolerance,
        "known": int(known.sum()),
        "within": int((small & known).sum()),
        "floor": float(np.max(np.abs(floor.delta[known & np.isfinite(floor.delta)]), initial=0.0)),
    }


def _events(side: Side, binning: Binning, edges: tuple[Any, Any]) -> NDArray[np.float64]:
    return effective_in_bins(side.places(binning), edges, side.weights)

"""Recipes that are made of others: chains of stages, ensembles of members."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facsim.errors import RecipeError, nearest
from facsim.events import Events
from facsim.models import Surrogate
from facsim.models.composite import ChainConfig, EnsembleConfig, StageConfig, in_order
from facsim.recipes.recipe import Recipe, checked, made, read
from facsim.recipes.values import merged
from facsim.training import TrainingSettings
from facsim.training.composite import fit_parts

__all__ = ["COMPOSITE", "CompositeRecipe"]

WORDS = ("family", "summary", "reference", "training")
LINK = ("features", "given", "when", "fill")
SEEDS = 1000
"""Member k of an ensemble with the seed s has the seed 1000 s + k: member 0 of seed 0 is the recipe as it is."""


@dataclass(frozen=True)
class CompositeRecipe(Recipe):
    """A recipe with parts.

    Attributes
    ----------
    parts : dict of str to Recipe
        Of stages or members, by name, in the order in which they are fitted. The settings of the composed model hold
        theirs.
    """

    parts: Mapping[str, Recipe] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values, complete with defaults."""
        return super().to_json() | {"parts": {name: part.to_json() for name, part in self.parts.items()}}

    def fit(
        self,
        data: str | os.PathLike[str] | Events,
        folder: Path,
        *,
        resume: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Surrogate:
        """Fit part by part; see `facsim.training.composite.fit_parts`."""
        return fit_parts(data, self, folder, resume=resume, progress=progress)


def _chain(values: Mapping[str, Any], name: str, origin: str, beside: Path | None) -> CompositeRecipe:
    """A chain: ``stages`` by name, each a recipe with what it makes, what it is given, and where it applies."""
    _require_known(values, (*WORDS, "stages"), origin)
    stages = values.get("stages")
    if not isinstance(stages, Mapping) or not stages or not all(isinstance(s, Mapping) for s in stages.values()):
        msg = (
            f"{origin}: 'stages' must be a mapping of names to stages, such as "
            "stages: {rich: {recipe: rich-cramer, features: [RichDLLk], given: [P, ETA]}}"
        )
        raise RecipeError(msg)
    parts, links = {}, []
    for stage, spec in stages.items():
        where = f"{origin}, stage '{stage}'"
        own = {k: v for k, v in spec.items() if k not in LINK}
        part = _part(merged({"training": dict(values.get("training") or {})}, own), str(stage), where, beside)
        link = {"name": str(stage), "family": part.family, "model": part.config.model_dump()}
        link |= {k: spec[k] for k in LINK if k in spec}
        links.append(checked(StageConfig, {where: link}, where, origin))
        parts[str(stage)] = part
    ordered = in_order(links)
    return _composed(values, name, origin, {s.name: parts[s.name] for s in ordered}, ChainConfig(stages=tuple(ordered)))


def _ensemble(values: Mapping[str, Any], name: str, origin: str, beside: Path | None) -> CompositeRecipe:
    """An ensemble: ``members`` times the recipe ``of``, each with a seed of its own."""
    _require_known(values, (*WORDS, "of", "members", "bootstrap", "model"), origin)
    of, members = values.get("of"), values.get("members", 5)
    spec = {"recipe": of} if isinstance(of, str) else of
    if not isinstance(spec, Mapping):
        msg = f"{origin}: 'of' must be the name of a recipe or a mapping, such as of: rich-cramer; got {of!r}"
        raise RecipeError(msg)
    if not isinstance(members, int) or members < 2:
        msg = f"{origin}: members = {members!r} must be 2 or more: a spread needs that many"
        raise RecipeError(msg)
    spec = merged(dict(spec), {k: values[k] for k in ("model", "training") if values.get(k)})
    parts = {}
    for k in range(members):
        part = _part(spec, name, f"{origin}, of", beside)
        seed = SEEDS * part.training.seed + k
        parts[str(k)] = part if seed == part.training.seed else _part(_seeded(spec, seed), name, origin, beside)
    kept = {
        "parts": [{"family": p.family, "model": p.config.model_dump()} for p in parts.values()],
        "bootstrap": values.get("bootstrap", False),
    }
    return _composed(values, name, origin, parts, checked(EnsembleConfig, {"members": kept}, "members", origin))


def _seeded(spec: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return merged(dict(spec), {"training": {"seed": seed}})


def _part(spec: Mapping[str, Any], name: str, origin: str, beside: Path | None) -> Recipe:
    """The recipe of a part: that which it names, changed by its own values."""
    base = spec.get("recipe", spec.get("kind"))  # a name that was changed from the command line became a kind
    below: dict[str, Any] = {}
    if base is not None:
        below = read(str(base), beside)[0]
    own = {k: v for k, v in spec.items() if k not in {"recipe", "kind"}}
    return made(merged(below, own), name if base is None else str(base), origin, beside=beside)


def _composed(
    values: Mapping[str, Any], name: str, origin: str, parts: Mapping[str, Recipe], config: Any
) -> CompositeRecipe:
    training = checked(TrainingSettings, values, "training", origin)
    training = training.model_copy(update={"steps": sum(part.training.steps for part in parts.values())})
    words = {k: str(values.get(k, "")).strip() for k in ("summary", "reference")}
    family = str(values["family"])
    return CompositeRecipe(name, family, words["summary"], words["reference"], config, training, parts)


def _require_known(values: Mapping[str, Any], allowed: tuple[str, ...], origin: str) -> None:
    for key in values:
        if key not in allowed:
            msg = f"unknown key '{key}' in {origin}; there are {list(allowed)}.{nearest(key, allowed)}"
            raise RecipeError(msg)


COMPOSITE: dict[str, Callable[[Mapping[str, Any], str, str, Path | None], CompositeRecipe]] = {
    "chain": _chain,
    "ensemble": _ensemble,
}
"""How the recipe of a composite family is read."""

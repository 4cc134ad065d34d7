"""What a file holds, and what of it the caller wants."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facsim.errors import DataError, FileFormatError, SchemaMismatch, nearest
from facsim.schema import Block, Schema

__all__ = [
    "ATTRS",
    "FORM",
    "LAYOUT",
    "RESERVED",
    "SCHEMA",
    "WEIGHTS",
    "Contents",
    "Pick",
    "block_difference",
    "listed",
    "same_columns",
]

SCHEMA = "facsim_schema"  # JSON of the schema
ATTRS = "facsim_attrs"  # JSON of the attributes, where the format has no attributes of its own
LAYOUT = "facsim_layout"  # name of the layout, where keys alone cannot tell
FORM = "facsim_form"  # JSON of how a ROOT file lays its branches out
WEIGHTS = "weights"
RESERVED = frozenset({SCHEMA, ATTRS, LAYOUT, FORM, WEIGHTS})


@dataclass(frozen=True)
class Pick:
    """The caller's choice of blocks by name; None leaves it to the file.

    Parameters
    ----------
    features : sequence of str or "all", optional
        Feature blocks, in this order. ``"all"`` takes every feature block of the file.
    conditions : sequence of str, optional
        Condition blocks, in this order.
    weights : str, optional
        Block with one number per event to use as weight.
    tree : str, optional
        Which tree of a ROOT file.
    cut : str, optional
        Expression (see `facsim.io.expression`): events for which it is zero, false or NaN are left out.
    define : mapping of str to str, optional
        Further columns by name, as expressions; they are read only if they are named.
    friends : sequence of path, optional
        Files with further columns of the same events; these too are read only if they are named.
    describe : mapping of str to str or Block, optional
        Shape, kind and unit of blocks, in any order: ``{"x": "28x28 energy MeV"}``.
    length : int, optional
        Length to which jagged branches are padded or cut; the longest of the file by default.
    """

    features: Sequence[str] | None = None
    conditions: Sequence[str] | None = None
    weights: str | None = None
    tree: str | None = None
    cut: str | None = None
    define: Mapping[str, str] = field(default_factory=dict)
    friends: Sequence[str | os.PathLike[str]] = ()
    describe: Mapping[str, str | Block] = field(default_factory=dict)
    length: int | None = None

    def __post_init__(self) -> None:
        for argument in ("features", "conditions"):
            value = getattr(self, argument)
            if isinstance(value, str) and (argument, value) != ("features", "all"):
                msg = f"{argument}='{value}': give a list of names, ['{value}']"
                raise DataError(msg)
        if isinstance(self.friends, (str, os.PathLike)):
            object.__setattr__(self, "friends", (self.friends,))
        if self.length is not None and self.length < 1:
            msg = f"length={self.length}: a jagged branch is padded to at least 1"
            raise DataError(msg)


@dataclass(frozen=True)
class Contents:
    """Everything in a file that can become a block of events.

    Parameters
    ----------
    events : int
        Number of events.
    blocks : tuple of Block
        Everything that can be picked, features and conditions alike.
    features : tuple of str
        Names of the feature blocks.
    conditions : tuple of str
        Names of the condition blocks.
    default : tuple of str, optional
        Feature blocks that are read if the caller does not choose; all features by default.
    weights : str, optional
        Key of the weights, if the file has any.
    detector : str
        Label of the schema.
    attrs : mapping
        Free attributes, such as the provenance.
    unusable : mapping of str to str
        What the file holds besides, and why it can be no block.
    form : mapping
        How a ROOT file lays its branches out; see `facsim.io.root_sink`.
    chunk : int
        Number of events that the file keeps together, 1 if any number is as good.
    longest : int
        Length of the longest jagged entry, if there are any.
    """

    events: int
    blocks: tuple[Block, ...]
    features: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    default: tuple[str, ...] | None = None
    weights: str | None = None
    detector: str = ""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    chunk: int = 1
    longest: int = 0

    @classmethod
    def of(cls, schema: Schema, events: int, **rest: Any) -> Contents:
        """Contents of a file with a known schema."""
        return cls(
            events,
            schema.features + schema.conditions,
            tuple(b.name for b in schema.features),
            tuple(b.name for b in schema.conditions),
            detector=schema.detector,
            **rest,
        )

    @classmethod
    def plain(cls, events: int, shapes: Mapping[str, tuple[int, ...]], pick: Pick, **rest: Any) -> Contents:
        """Contents of a file without a schema: every numeric column is a feature of kind real, unless picked."""
        blocks = tuple(Block(name, shape) for name, shape in shapes.items())
        taken = {*(pick.conditions or ()), pick.weights}
        return cls(events, blocks, tuple(n for n in shapes if n not in taken), tuple(pick.conditions or ()), **rest)

    def choose(self, pick: Pick, origin: str) -> tuple[Schema, str | None]:
        """Schema of the chosen blocks, and the key of the weights.

        Raises
        ------
        SchemaMismatch
            For an unknown name, with the nearest known one.
        DataError
            If a block is asked for twice, or the weights are not one number per event.
        FileFormatError
            If nothing is left to read.
        """
        by_name = {b.name: b for b in self.blocks}
        conditions = self.conditions if pick.conditions is None else tuple(pick.conditions)
        if pick.features is None:
            features = self.features if self.default is None else self.default
        else:
            features = self.features if pick.features == "all" else tuple(pick.features)
        if pick.features is None or pick.features == "all":
            features = tuple(n for n in features if n not in {*conditions, pick.weights})
        weights = self.weights if pick.weights is None else pick.weights
        for name in (*features, *conditions, *((pick.weights,) if pick.weights else ())):
            if name not in by_name and not (name == pick.weights == self.weights):
                if name in self.unusable:
                    msg = f"{origin}: '{name}' can be no block: {self.unusable[name]}"
                    raise FileFormatError(msg)
                tree = f" in tree '{self.form['tree']}'" if "tree" in self.form else ""
                msg = f"{origin}: no block '{name}'{tree}; there are {listed(by_name)}.{nearest(name, by_name)}"
                raise SchemaMismatch(msg)
        if len({*features, *conditions}) < len(features) + len(conditions):
            msg = f"{origin}: each block can be read once, asked for features {features} and conditions {conditions}"
            raise DataError(msg)
        if weights in by_name and by_name[weights].size != 1:
            msg = f"{origin}: weights='{weights}' has shape {by_name[weights].shape}; weights are one number per event"
            raise DataError(msg)
        if not features and self.features:
            msg = f"{origin}: no feature is left beside conditions {conditions} and weights {weights}; choose fewer"
            raise DataError(msg)
        if not features and not conditions:
            why = "".join(f"\n  {name}: {reason}" for name, reason in list(self.unusable.items())[:5])
            msg = f"{origin}: holds no numeric column that could be an event's feature{why}"
            raise FileFormatError(msg)
        chosen = tuple(by_name[n] for n in features), tuple(by_name[n] for n in conditions)
        return Schema(*chosen, self.detector), weights


def block_difference(given: Block, fixed: Block) -> str:
    """Why a block is not the one that a layout fixes, or an empty string; thresholds do not matter."""
    if str(given) != str(fixed) or given.kind != fixed.kind:
        return f"block {given} of kind {given.kind} instead of {fixed} of kind {fixed.kind}"
    return f"block {given} has another geometry" if given.grid != fixed.grid else ""


def same_columns(given: Schema, fixed: Schema) -> str:
    """Why a schema does not have exactly the blocks that a layout fixes, or an empty string."""
    for role in ("features", "conditions"):
        mine, theirs = getattr(given, role), getattr(fixed, role)
        if len(mine) != len(theirs):
            return f"{len(mine)} {role} blocks instead of {len(theirs)}"
        for a, b in zip(mine, theirs, strict=True):
            if reason := block_difference(a, b):
                return reason
    return ""


def listed(names: Iterable[str]) -> str:
    """Names for a message, shortened if there are many."""
    names = sorted(names)
    return ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")

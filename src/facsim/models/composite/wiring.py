"""Which stage makes what of what: order, and what does not fit together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facsim import io
from facsim.errors import RecipeError, SchemaMismatch, nearest
from facsim.events import Events
from facsim.schema import Block, Schema

if TYPE_CHECKING:
    from facsim.models.composite.chain import StageConfig
    from facsim.models.composite.when import When

__all__ = ["holds", "in_order", "part", "regroup", "require_fill", "stage_schema", "value_of"]

WHOLE = ("category", "count", "mask")


def in_order(stages: Iterable[StageConfig]) -> tuple[StageConfig, ...]:
    """Stages so that each comes after those that make its conditions; else as they were given.

    Raises
    ------
    RecipeError
        If two stages make a block for the same events, a stage makes what it is given, or stages wait for each other.
    """
    left = list(stages)
    _require_unique(left)
    done: list[StageConfig] = []
    while left:
        # a block that several stages make, each for some events, is there when all of them are done
        late = {block for stage in left for block in stage.features}
        ready = [s for s in left if not set(s.needs) & late]
        if not ready:
            waits = "; ".join(f"'{s.name}' for {sorted(set(s.needs) & late)}" for s in left)
            msg = f"stages wait for each other: {waits}. Take one of these blocks out of its stage's 'given'"
            raise RecipeError(msg)
        done.append(ready[0])
        left.remove(ready[0])
    return tuple(done)


def _require_unique(stages: Sequence[StageConfig]) -> None:
    for one in stages:
        if own := sorted(set(one.needs) & set(one.features)):
            msg = f"stage '{one.name}' makes '{own[0]}' and is given it: take it out of 'given' or out of 'features'"
            raise RecipeError(msg)
    for one, two in combinations(stages, 2):
        if one.name == two.name:
            msg = f"two stages are called '{one.name}': give each a name of its own"
            raise RecipeError(msg)
        both = sorted(set(one.features) & set(two.features))
        apart = one.when and two.when and one.when.block == two.when.block and one.when.value != two.when.value
        if both and not apart:
            msg = (
                f"stages '{one.name}' and '{two.name}' both make '{both[0]}': take it out of one of them, or let each "
                "apply to events of its own with 'when', as in {block: isMuon, is: 1} and {block: isMuon, is: 0}"
            )
            raise RecipeError(msg)


def stage_schema(stage: StageConfig, schema: Schema) -> Schema:
    """Schema of a stage within that of the chain, or of the data.

    Raises
    ------
    SchemaMismatch
        If it names a block that is not there; says which stage and what there is.
    """
    known = [b.name for b in (*schema.features, *schema.conditions)]
    for role, names in (("makes", stage.features), ("is given", stage.needs)):
        for name in names:
            if name not in known:
                lack = "which the data lack" if role == "makes" else "which is neither in the data nor made by a stage"
                cure = nearest(name, known) or " Take a file that has it, or leave it out of the stage"
                msg = f"stage '{stage.name}' {role} block '{name}', {lack}; there are {known}.{cure}"
                raise SchemaMismatch(msg)
    features, given = ([schema.block(name) for name in names] for names in (stage.features, stage.given))
    return Schema(tuple(features), tuple(given), schema.detector)


def value_of(when: When, block: Block) -> float:
    """Number that a stage's flag must have: of a category, the place of the name.

    Raises
    ------
    RecipeError
        If the block is not one whole number per event, or has no such value.
    """
    if block.shape or block.kind not in WHOLE:
        msg = f"when: {block} is of kind {block.kind}; a stage can depend on one mask, category or count"
        raise RecipeError(msg)
    if isinstance(when.value, str):
        if when.value not in block.names:
            msg = (
                f"when: {block.name} is never '{when.value}'; it has the names {list(block.names)}."
                f"{nearest(when.value, block.names)}"
            )
            raise RecipeError(msg)
        return float(block.names.index(when.value))
    return float(when.value)


def require_fill(stages: Sequence[StageConfig], schema: Schema) -> None:
    """Raise `RecipeError` where events are left for which no stage makes a block, and no value is stated for them."""
    for stage in stages:
        if stage.when is None:
            continue
        flag = schema.block(stage.when.block)
        domain = {0.0, 1.0} if flag.kind == "mask" else {float(i) for i in range(len(flag.names))}
        for name in stage.features:
            makers = [s for s in stages if name in s.features]
            covered = {value_of(s.when, flag) for s in makers if s.when}
            stated = any(name in s.fill for s in makers)
            if not stated and not (domain and domain <= covered):
                msg = (
                    f"stage '{stage.name}' makes '{name}' only where {flag.name} is {stage.when.value}: say what it is "
                    f"elsewhere, with fill: {{{name}: -1}} in that stage"
                )
                raise RecipeError(msg)
    for stage in stages:
        for name in stage.fill:
            if name not in stage.features or stage.when is None:
                msg = (
                    f"stage '{stage.name}': fill names '{name}', which is for blocks of a stage with 'when'; "
                    f"it makes {list(stage.features)}.{nearest(name, stage.features)}"
                )
                raise RecipeError(msg)


def regroup(events: Events, features: Sequence[str], conditions: Sequence[str]) -> Events:
    """Events with other roles of their blocks: any of them as features, any as conditions.

    Examples
    --------
    >>> schema = Schema((Block("isMuon", (), "mask"), Block("DLL")), (Block("P"),))
    >>> other = regroup(Events([[1, 3.5]], [[20]], schema), ["DLL"], ["P", "isMuon"])
    >>> other.conditions.tolist(), other.schema.features[0].name
    ([[20.0, 1.0]], 'DLL')
    """
    schema = events.schema
    chosen = Schema(tuple(map(schema.block, features)), tuple(map(schema.block, conditions)), schema.detector)

    def matrix(names: Sequence[str]) -> NDArray[np.float32]:
        columns = [events[name].reshape(len(events), -1) for name in names]
        return np.concatenate([np.empty((len(events), 0), np.float32), *columns], axis=1)

    return Events(matrix(features), matrix(conditions), chosen, events.weights)


def holds(events: Events, when: When | None) -> NDArray[np.bool_]:
    """Mask (n,) of the events to which a stage applies."""
    if when is None:
        return np.ones(len(events), bool)
    wanted = value_of(when, events.schema.block(when.block))
    return np.asarray(np.round(events[when.block]) == wanted, bool)


def part(
    data: str | os.PathLike[str] | Events, stage: StageConfig, blocks: Mapping[str, Block]
) -> Events | io.Selection:
    """What a stage learns from: its own blocks, of the events to which it applies. A file is not read."""
    if isinstance(data, Events):
        return regroup(data[holds(data, stage.when)], stage.features, stage.given)
    chosen = data if isinstance(data, io.Selection) else io.Selection(data)
    cut = chosen.pick.cut
    if stage.when is not None:
        flag = f"{stage.when.block} == {value_of(stage.when, blocks[stage.when.block]):g}"
        cut = flag if cut is None else f"({cut}) && {flag}"
    return replace(chosen, pick=replace(chosen.pick, features=stage.features, conditions=stage.given, cut=cut))

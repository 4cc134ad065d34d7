"""Surrogates one after the other: what one makes is a condition of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim import io
from facsim.errors import SchemaMismatch
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.composite.base import Composite, Data, PartConfig
from facsim.models.composite.when import When
from facsim.models.composite.wiring import holds, in_order, part, regroup, require_fill, stage_schema, value_of
from facsim.schema import Block, Schema

__all__ = ["Chain", "ChainConfig", "StageConfig"]


class StageConfig(PartConfig):
    """One surrogate of a chain.

    Examples
    --------
    >>> stage = StageConfig(name="muon", features=["MuonMuLL"], given=["P"], when={"block": "isMuon", "is": 1},
    ...     fill={"MuonMuLL": -10}, family="cfm")
    >>> stage.needs
    ('P', 'isMuon')
    """

    name: str
    features: tuple[str, ...] = Field(min_length=1)
    """Blocks that it makes, in the order of its own schema."""
    given: tuple[str, ...] = ()
    """Blocks that are its conditions: conditions of the data, or features of other stages."""
    when: When | None = None
    """Where it applies; it is trained on such events alone."""
    fill: dict[str, float] = Field(default_factory=dict)
    """What its features are elsewhere, where no other stage makes them."""

    @property
    def needs(self) -> tuple[str, ...]:
        """All blocks that must be known before: conditions, and the flag."""
        flag = () if self.when is None or self.when.block in self.given else (self.when.block,)
        return (*self.given, *flag)


class ChainConfig(ModelConfig):
    """Stages of a `Chain`, each with its family and settings as plain values."""

    stages: tuple[StageConfig, ...] = Field(min_length=1)


@register("chain")
class Chain(Composite):
    r"""A surrogate made of stages: :math:`p(y_1, y_2, ... | x) = p(y_1 | x)\, p(y_2 | x, y_1) \cdots`.

    `forward` runs all stages in one graph, so that the chain is sampled and exported as one model. A stage may apply
    to some events only (`When`): it is computed for all, and taken where its flag says so.

    Examples
    --------
    >>> schema = Schema((Block("isMuon", (), "mask"), Block("DLL")), (Block("P"),))
    >>> flag = StageConfig(name="flag", features=["isMuon"], given=["P"], family="classifier")
    >>> rest = StageConfig(name="rest", features=["DLL"], given=["P", "isMuon"], family="gan")
    >>> Chain(schema, ChainConfig(stages=[rest, flag])).sample([[10.0], [20.0]], seed=1).features.shape
    (2, 2)
    """

    summary = "a chain of surrogates: what one makes is a condition of the next"
    capabilities = frozenset({"sample"})
    config_type = ChainConfig
    config: ChainConfig
    folder = "stages"

    def __init__(self, schema: Schema, config: ChainConfig) -> None:
        super().__init__(schema, config)
        self.order = in_order(config.stages)
        schemas = [stage_schema(stage, schema) for stage in self.order]
        _require_all_used(schema, self.order)
        require_fill(self.order, schema)
        self.stages = nn.ModuleList(stage.build(own) for stage, own in zip(self.order, schemas, strict=True))
        self.flags = [0.0 if s.when is None else value_of(s.when, schema.block(s.when.block)) for s in self.order]

    @classmethod
    def of(
        cls,
        stages: Mapping[str, Surrogate] | Sequence[Surrogate],
        *,
        when: Mapping[str, tuple[str, float | str]] | None = None,
        fill: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Chain:
        """Chain surrogates that are fitted already, in the order in which they need each other.

        Parameters
        ----------
        stages : mapping of str to Surrogate, or sequence of Surrogate
            By name; names of a sequence are ``"0"``, ``"1"``, ...
        when : mapping, optional
            Stages that apply to some events only: ``{"muon": ("isMuon", 1)}``.
        fill : mapping, optional
            What their features are elsewhere: ``{"muon": {"MuonMuLL": -10}}``.

        Raises
        ------
        SchemaMismatch
            If two stages mean different things by one block: names the stages, the block and what differs.
        RecipeError
            If two stages make the same block for the same events, or stages wait for each other.
        """
        named = stages if isinstance(stages, Mapping) else {str(i): stage for i, stage in enumerate(stages)}
        when, fill = when or {}, fill or {}
        links = tuple(
            StageConfig(
                name=name,
                features=tuple(b.name for b in stage.schema.features),
                given=tuple(b.name for b in stage.schema.conditions),
                when=When.model_validate(dict(zip(("block", "is"), when[name], strict=True))) if name in when else None,
                fill=dict(fill.get(name, {})),
                **PartConfig.of(stage),
            )
            for name, stage in named.items()
        )
        return cls.compose(ChainConfig(stages=links), named)

    @classmethod
    def compose(cls, config: ChainConfig, parts: Mapping[str, Surrogate], like: Data | None = None) -> Chain:
        """The chain of fitted stages; see `of`."""
        schema = _joined(in_order(config.stages), {name: part.schema for name, part in parts.items()})
        if like is not None:
            schema = _as_in(_blocks(like), schema)
        chain = cls(schema, config).adopt(parts)
        for block in schema.conditions:
            columns = schema.columns(block.name)
            takers = [s for s in chain.parts.values() if block in s.schema.conditions]
            edges = [(s.low[s.schema.columns(block.name)], s.high[s.schema.columns(block.name)]) for s in takers]
            if edges:
                chain.low[columns] = torch.stack([low for low, _ in edges]).amin(0)
                chain.high[columns] = torch.stack([high for _, high in edges]).amax(0)
        return chain

    @classmethod
    def share(cls, config: ChainConfig, data: Data, name: str, seed: int) -> Data | io.Selection:  # noqa: ARG003
        """The blocks of a stage, of the events to which it applies.

        Raises
        ------
        SchemaMismatch
            If the data lack a block that a stage asks for; names stage, block and what there is.
        """
        schema = _blocks(data)
        for stage in in_order(config.stages):
            stage_schema(stage, schema)
        require_fill(config.stages, schema)
        stage = next(s for s in config.stages if s.name == name)
        return part(data, stage, {b.name: b for b in (*schema.features, *schema.conditions)})

    @classmethod
    def unused(cls, config: ChainConfig, data: Data) -> list[str]:
        """Features that no stage makes nor takes."""
        used = {block for stage in config.stages for block in (*stage.features, *stage.needs)}
        return [b.name for b in _blocks(data).features if b.name not in used]

    @property
    def parts(self) -> dict[str, Surrogate]:
        """Stages by name, in the order in which they run."""
        return {stage.name: model for stage, model in zip(self.order, self.stages, strict=True)}  # type: ignore[misc]

    @property
    def latent(self) -> int:
        """Columns of noise per event: those of all stages."""
        return sum(stage.latent for stage in self.parts.values())

    def prepare(self, events: Events) -> None:
        """Prepare every stage with its part of the events."""
        super().prepare(events)
        for link, stage in zip(self.order, self.parts.values(), strict=True):
            stage.prepare(regroup(events[holds(events, link.when)], link.features, link.given))

    def batch_of(self, name: str, features: Tensor, batch: Batch) -> Batch:
        """The columns of a stage, of the rows to which it applies."""
        known = self._split(features, self.schema.features) | self._split(batch.conditions, self.schema.conditions)
        place = next(i for i, link in enumerate(self.order) if link.name == name)
        link, weights = self.order[place], batch.weights
        made, given = (_columns(known, names, features) for names in (link.features, link.given))
        if link.when is not None:
            rows = known[link.when.block][:, 0].eq(self.flags[place])
            made, given, weights = made[rows], given[rows], weights[rows]
        return self.encoded(self.parts[name], made, given, weights)

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """All stages in one graph: features (n, d) for conditions (n, k) and noise (n, latent)."""
        known = self._split(conditions, self.schema.conditions)
        start = 0
        for link, stage, flag in zip(self.order, self.parts.values(), self.flags, strict=True):
            z = noise[:, start : start + stage.latent]
            start += stage.latent
            made = self._split(stage(_columns(known, link.given, conditions), z), stage.schema.features)
            if link.when is not None:
                applies: Tensor = known[link.when.block].round().eq(flag)
                for name, values in made.items():
                    other = known.get(name, torch.full_like(values, link.fill.get(name, 0.0)))
                    made[name] = torch.where(applies, values, other)
            known |= made
        return _columns(known, [b.name for b in self.schema.features], conditions)

    @staticmethod
    def _split(matrix: Tensor, blocks: Sequence[Block]) -> dict[str, Tensor]:
        parts = torch.split(matrix, [b.size for b in blocks], 1) if blocks else ()
        return {block.name: values for block, values in zip(blocks, parts, strict=True)}


def _columns(known: Mapping[str, Tensor], names: Sequence[str], like: Tensor) -> Tensor:
    return torch.cat([known[name] for name in names], 1) if names else like[:, :0]


def _require_all_used(schema: Schema, stages: Sequence[StageConfig]) -> None:
    """Every feature must be made, and every condition taken."""
    made, taken = ({b for s in stages for b in getattr(s, role)} for role in ("features", "needs"))
    for block in schema.features:
        if block.name not in made:
            msg = f"no stage makes block '{block.name}': add it to the 'features' of one, or leave it out of the data"
            raise SchemaMismatch(msg)
    for block in schema.conditions:
        if block.name in made or block.name not in taken:
            what = "a stage makes it" if block.name in made else "no stage takes it"
            msg = (
                f"block '{block.name}' is a condition of the events, but {what}: make it a feature, or give it to a "
                "stage that needs it"
            )
            raise SchemaMismatch(msg)


def _joined(stages: Sequence[StageConfig], schemas: Mapping[str, Schema]) -> Schema:
    """Schema of a chain of fitted stages, in running order, which agree about every block."""
    first: dict[str, tuple[str, Block]] = {}
    made = {name for stage in stages for name in stage.features}
    for stage in stages:
        own = schemas[stage.name]
        for block in (*own.conditions, *own.features):
            other, known = first.setdefault(block.name, (stage.name, block))
            if known != block:
                difference = Schema((known,)).first_difference(Schema((block,)))
                msg = (
                    f"stages '{other}' and '{stage.name}' mean different things by block '{block.name}' "
                    f"({difference}): fit both to files that describe it in the same way"
                )
                raise SchemaMismatch(msg)
    for stage in stages:
        for name in stage.needs:
            if name not in first:
                msg = f"stage '{stage.name}' asks for block '{name}', which no stage makes nor takes as a condition"
                raise SchemaMismatch(msg)
    blocks = [block for _, block in first.values()]
    features = tuple(b for b in blocks if b.name in made)
    detector = schemas[stages[0].name].detector
    return Schema(features, tuple(b for b in blocks if b.name not in made), detector)


def _as_in(data: Schema, schema: Schema) -> Schema:
    """The schema with its blocks in the order of the data's."""
    place = {b.name: i for i, b in enumerate((*data.features, *data.conditions))}
    features, conditions = (sorted(bs, key=lambda b: place[b.name]) for bs in (schema.features, schema.conditions))
    return Schema(tuple(features), tuple(conditions), schema.detector)


def _blocks(data: Any) -> Schema:
    """Everything that data hold."""
    if isinstance(data, Events):
        return data.schema
    features: Any = "all"
    chosen = data if isinstance(data, io.Selection) else io.Selection(data)
    if chosen.pick.define:  # a derived block is there where it is named
        with io.open(data, features="all", conditions=[]) as reader:
            features = [b.name for b in reader.schema.features if b.name not in (chosen.pick.conditions or ())]
        features += [name for name in chosen.pick.define if name not in features]
    with io.open(data, features=features) as reader:
        return reader.schema

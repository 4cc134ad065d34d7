"""Several surrogates of the same events: their differences are the model's uncertainty."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from facsim import io
from facsim.errors import RecipeError
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.composite.base import Composite, Data, PartConfig
from facsim.models.composite.members import Members
from facsim.schema import Schema

__all__ = ["Ensemble", "EnsembleConfig"]

BOOTSTRAP = 0xB007  # purpose of a random stream


class EnsembleConfig(ModelConfig):
    """Members of an `Ensemble`, each with its family and settings as plain values."""

    parts: tuple[PartConfig, ...] = Field(min_length=2)
    bootstrap: bool = False
    """Members are fitted to bootstrap samples: every event counts Poisson(1) times, by its weight."""


@register("ensemble")
class Ensemble(Members, Composite):
    """K surrogates that were fitted to the same events with other seeds (a deep ensemble, arXiv:1612.01474).

    Sampling draws every event from one of them; ``sample(..., member=k)`` draws all from one, with the same noise. How
    much an observable differs between members says how well the data determine it: see
    `facsim.models.composite.spread`.

    Examples
    --------
    >>> from facsim import Block
    >>> schema = Schema((Block("DLL"),), (Block("P"),))
    >>> ensemble = Ensemble(schema, EnsembleConfig(parts=[{"family": "regression"}] * 2))
    >>> a, b = (ensemble.sample([[10.0], [20.0]], seed=1, member=k) for k in range(ensemble.members))
    >>> a.features.shape, bool((a.features == b.features).any())
    ((2, 1), False)
    """

    summary = "several surrogates with other seeds; what they disagree about is uncertain"
    capabilities = frozenset({"sample", "members"})
    config_type = EnsembleConfig
    config: EnsembleConfig
    folder = "members"

    def __init__(self, schema: Schema, config: EnsembleConfig) -> None:
        super().__init__(schema, config)
        self.models = nn.ModuleList(part.build(schema) for part in config.parts)
        self.provenance = {"members": self.members}

    @classmethod
    def of(cls, members: Sequence[Surrogate]) -> Ensemble:
        """An ensemble of fitted surrogates.

        Raises
        ------
        SchemaMismatch
            If they do not draw the same events; names the first difference.
        """
        named = {str(k): member for k, member in enumerate(members)}
        if len(named) < 2:
            msg = f"an ensemble of {len(named)}: two members or more are needed for a spread"
            raise RecipeError(msg)
        config = EnsembleConfig(parts=tuple(PartConfig(**PartConfig.of(member)) for member in members))
        return cls.compose(config, named)

    @classmethod
    def compose(
        cls,
        config: EnsembleConfig,
        parts: Mapping[str, Surrogate],
        like: Data | None = None,  # noqa: ARG003 - all members have the same order
    ) -> Ensemble:
        """The ensemble of fitted members; see `of`."""
        first, *others = parts.values()
        for k, other in enumerate(others, 1):
            first.schema.require_same(other.schema, f"members 0 and {k} differ", "Fit all members to the same events")
        ensemble = cls(first.schema, config).adopt(parts)
        ensemble.provenance["members"] = ensemble.members
        if first.schema.conditions:
            ensemble.low.copy_(torch.stack([part.low for part in parts.values()]).amin(0))
            ensemble.high.copy_(torch.stack([part.high for part in parts.values()]).amax(0))
        return ensemble

    @classmethod
    def share(cls, config: EnsembleConfig, data: Data, name: str, seed: int) -> Data | io.Selection:
        """All events; for a bootstrap sample held in memory, with weights of its own."""
        return bootstrapped(data, int(name), seed) if config.bootstrap else data

    @property
    def parts(self) -> dict[str, Surrogate]:
        """Members by number."""
        return {str(k): model for k, model in enumerate(self.models)}  # type: ignore[misc]

    @property
    def members(self) -> int:
        """How many."""
        return len(self.models)

    @property
    def widest(self) -> int:
        """Columns of noise that the greediest member takes."""
        return max(member.latent for member in self.parts.values())

    def of_member(self, member: int, conditions: Tensor, noise: Tensor) -> Tensor:
        """Features (n, d) of a member."""
        part = self.parts[str(member)]
        made: Tensor = part(conditions, noise[:, : part.latent])
        return made

    def prepare(self, events: Events) -> None:
        """Prepare every member."""
        super().prepare(events)
        for member in self.parts.values():
            member.prepare(events)

    def batch_of(self, name: str, features: Tensor, batch: Batch) -> Batch:
        """The whole batch."""
        return self.encoded(self.parts[name], features, batch.conditions, batch.weights)


def bootstrapped(data: Data, member: int, seed: int) -> Events:
    """Events of which each counts Poisson(1) times: the bootstrap of a sample whose size is itself random.

    Examples
    --------
    >>> from facsim import Block
    >>> events = Events(np.ones((4000, 1)), np.empty((4000, 0)), Schema((Block("x"),)))
    >>> weights = bootstrapped(events, member=0, seed=1).weights
    >>> round(float(weights.mean()), 1), round(float(weights.var()), 1)
    (1.0, 1.0)
    """
    events = data if isinstance(data, Events) else _read(data)
    counts = np.random.default_rng([seed, BOOTSTRAP, member]).poisson(1.0, len(events))
    return events.with_weights(counts * (np.ones(len(events)) if events.weights is None else events.weights))


def _read(data: str | os.PathLike[str]) -> Events:
    with io.open(data) as reader:
        return reader.read(0, len(reader))

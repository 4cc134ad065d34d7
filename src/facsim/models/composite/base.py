"""What surrogates that are made of surrogates have in common."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator
from torch import Tensor, nn

from facsim import io
from facsim.events import Events
from facsim.models.base import Batch, Surrogate, family
from facsim.models.draw import Draw
from facsim.schema import Schema
from facsim.transforms import PhysicalTransform, Transform

__all__ = ["Composite", "PartConfig", "Plain"]

Data = str | os.PathLike[str] | Events
Turn = tuple[str, Tensor, dict[str, Tensor]]

Plain = Annotated[dict[str, Any], BeforeValidator(lambda values: json.loads(json.dumps(values)))]
"""Settings as they are in a file: a tuple and the list that it is read back as are equal."""


class PartConfig(BaseModel):
    """A surrogate within another: its family and all its settings, as plain values."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    family: str
    """See `facsim.models.families`."""
    model: Plain = {}
    """Its hyper-parameters; those that are left out get their defaults."""

    @field_validator("model", mode="after")
    @classmethod
    def _complete(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "family" not in info.data:
            return values
        found: dict[str, Any] = json.loads(json.dumps(family(info.data["family"]).config_type(**values).model_dump()))
        return found

    def build(self, schema: Schema) -> Surrogate:
        """The surrogate, with new weights."""
        cls = family(self.family)
        return cls(schema, cls.config_type(**self.model))

    @classmethod
    def of(cls, surrogate: Surrogate) -> dict[str, Any]:
        """Family and settings of a surrogate, by name."""
        return {"family": surrogate.name, "model": surrogate.config.model_dump()}


class Composite(Surrogate):
    """A surrogate made of others, each with a transform of its own.

    A fit fits the parts one by one and composes them; `turns` trains them side by side, all on the same batches.

    Attributes
    ----------
    folder : str
        Where in a run folder the parts' own run folders are.
    parts : dict of str to Surrogate
    """

    folder: ClassVar[str]

    def make_transform(self, schema: Schema) -> Transform:
        """Events as they are."""
        return PhysicalTransform(schema)

    @property
    @abstractmethod
    def parts(self) -> dict[str, Surrogate]:
        """The surrogates by name."""

    @classmethod
    @abstractmethod
    def share(cls, config: Any, data: Data, name: str, seed: int) -> Data | io.Selection:
        """What part `name` is fitted to."""

    @classmethod
    def unused(cls, config: Any, data: Data) -> list[str]:  # noqa: ARG003
        """Features of the data that no part makes nor takes; by default there are none."""
        return []

    @classmethod
    @abstractmethod
    def compose(cls, config: Any, parts: Mapping[str, Surrogate], like: Data | None = None) -> Self:
        """The composed model of fitted parts, its blocks in the order of the data that they were fitted to."""

    @abstractmethod
    def batch_of(self, name: str, features: Tensor, batch: Batch) -> Batch:
        """What part `name` sees of a batch of events."""

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Those of all parts: ``part/player``."""
        return {f"{name}/{player}": p for name, part in self.parts.items() for player, p in part.players().items()}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[Turn]:
        """The turns of one part after the other."""
        features = batch.code.high
        for name, part in self.parts.items():
            own = self.batch_of(name, features, batch)
            if len(own.conditions) > 1:
                for player, loss, figures in part.turns(own, step, draw):
                    yield f"{name}/{player}", loss, figures

    @staticmethod
    def encoded(part: Surrogate, features: Tensor, conditions: Tensor, weights: Tensor) -> Batch:
        """Events as a part is trained with them."""
        with torch.no_grad():
            return Batch(part.transform.encode(features, conditions), conditions, weights)

    def adopt(self, parts: Mapping[str, Surrogate]) -> Self:
        """Take over the weights of fitted parts, and what is known about them."""
        for name, part in self.parts.items():
            part.load_state_dict(parts[name].state_dict())
        known = {name: part.provenance for name, part in parts.items()}
        self.provenance = {
            "family": self.name,
            "parts": known,
            "step": sum(int(p.get("step", 0)) for p in known.values()),
            "validation": {f"{n}/{k}": v for n, p in known.items() for k, v in p.get("validation", {}).items()},
        }
        first: dict[str, Any] = next(iter(known.values()), {})
        self.provenance |= {key: first[key] for key in ("licence", "particle") if key in first}
        return self.eval()

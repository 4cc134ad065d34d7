"""Photon detectors: visibility by regression, counts by Poisson's law on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from facsim.errors import RecipeError, SchemaMismatch, nearest
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.draw import Draw
from facsim.nets import ConditionedMLP
from facsim.nets.outer_product import OuterProductNet
from facsim.nets.poisson import poisson
from facsim.sampler import as_conditions
from facsim.schema import Schema
from facsim.transforms import TransformKind

__all__ = ["Branch", "Visibility", "VisibilityConfig"]

PHOTONS = "photons"
LEAST = 1e-7  # visibility at which the published loss is cut
ROWS = 8192  # of a batch of `expected`
COORDINATES = ("x", "y", "z")


class Branch(BaseModel):
    """One outer product of `facsim.nets.outer_product.OuterProductNet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    axes: tuple[int, int, int] = (0, 1, 2)
    """Which coordinate gives the intensity, the rows, the columns."""
    rows: int = Field(default=10, ge=1)
    columns: int = Field(default=12, ge=1)
    hidden: int = Field(default=240, ge=1)


class VisibilityConfig(ModelConfig):
    """Hyper-parameters of `Visibility`."""

    transform: TransformKind = "standard"
    net: Literal["outer-product", "residual"] = "residual"
    """``outer-product``: the published network (arXiv:2109.07277). ``residual``: a residual perceptron."""
    branches: tuple[Branch, ...] = Field((Branch(),), min_length=1)
    """Of the outer-product network."""
    tiers: int = Field(0, ge=0)
    """Extra layers of that network."""
    hidden: int = Field(128, ge=1)
    """Width of the residual network."""
    blocks: int = Field(3, ge=1)
    """Blocks of the residual network."""
    embedding: int = Field(64, ge=1)
    """Width of the perceptron of further conditions."""
    coordinates: tuple[str, ...] = ()
    """Conditions that are coordinates; by default x, y, z where there are all three, else the first three columns."""
    loss: Literal["poisson", "symmetric-kl"] = "poisson"
    """Negative log-likelihood of the counts, or the published loss (see `symmetric_kl`)."""
    photons: float | None = Field(None, gt=0)
    """Photons per event, where all have as many and no condition ``photons`` says so."""


@register("visibility")
class Visibility(Surrogate):
    r"""Expected counts :math:`N \, \sigma(f(c))` of photon detectors, and Poisson counts around them.

    N is the number of photons: the condition ``photons`` where the events have it (then any number can be asked for),
    else `VisibilityConfig.photons`, else twice each detector's largest count. f is a network of the vertex and of
    all further conditions, such as a simulator's parameters.

    Columns that are no counts scatter about their regression by a normal law of constant width. All columns are
    independent, given the conditions: that is what photons do that start at one point.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("counts", (4, 6), "count"),), tuple(Block(k, (), "real", "m") for k in "xyz"))
    >>> model = Visibility(schema, VisibilityConfig(photons=1000))
    >>> model.visibility([[1.0, 0.0, 0.0]]).shape, model.sample([[1.0, 0.0, 0.0]]).features.shape
    ((1, 24), (1, 24))
    """

    summary = "visibility of photon detectors by regression, with Poisson counts; other columns with normal errors"
    capabilities = frozenset({"sample", "expected"})
    config_type = VisibilityConfig
    config: VisibilityConfig

    counting: Tensor
    full: Tensor
    unit: Tensor

    def __init__(self, schema: Schema, config: VisibilityConfig) -> None:
        if config.transform == "marginals":
            msg = "model.transform = 'marginals': family 'visibility' works on values themselves; choose standard"
            raise RecipeError(msg)
        for block in schema.features:
            if block.kind in {"category", "mask"}:
                msg = f"{block} is of kind {block.kind}, family 'visibility' takes counts and numbers: choose cfm"
                raise SchemaMismatch(msg)
        super().__init__(schema, config)
        counting = [b.kind == "count" for b in schema.features for _ in range(b.size)]
        self.register_buffer("counting", torch.tensor(counting), persistent=False)
        self.register_buffer("full", torch.ones(schema.width))
        self.register_buffer("unit", torch.ones(()))  # of the counts' likelihood: it keeps gradients of order one
        self.exposure = schema.columns(PHOTONS) if PHOTONS in _spans(schema) else None
        self.points, self.further = _roles(schema, config.coordinates)
        self.log_width = nn.Parameter(torch.zeros(schema.width))
        width = len(self.further)
        if config.net == "outer-product":
            branches = [branch.model_dump() for branch in config.branches]
            self.net: nn.Module = OuterProductNet(branches, schema.width, config.tiers, width, config.embedding)
        else:
            self.net = ConditionedMLP(3, schema.width, 3 + width, config.hidden, config.blocks, config.embedding)

    @property
    def latent(self) -> int:
        """Columns of noise per event."""
        return self.schema.width

    def prepare(self, events: Events) -> None:
        """Fit the scales; the network begins at the mean visibility."""
        super().prepare(events)
        share = np.maximum(np.ones(len(events)) if events.weights is None else events.weights, 0)
        photons = self._photons(torch.from_numpy(events.conditions))
        if self.exposure is None:
            largest = torch.from_numpy(2 * events.features.max(axis=0)).clamp(min=1.0)
            self.full.copy_(torch.full_like(largest, self.config.photons) if self.config.photons else largest)
            photons = self.full[None]
        ratio = np.where(self.counting, events.features / np.maximum(photons.numpy(), LEAST), 0.0)
        seen = torch.from_numpy(np.average(ratio, axis=0, weights=share)).float()
        self.unit.fill_(1 + float((seen * photons).sum(1).mean()) ** 0.5)
        start = torch.logit(seen.clamp(min=LEAST), eps=1e-7)
        with torch.no_grad():
            self._leave.bias.copy_(torch.where(self.counting, start, 0.0))

    @property
    def _leave(self) -> nn.Linear:
        leave = self.net.leave
        assert isinstance(leave, nn.Linear)  # noqa: S101 - both networks end like that
        return leave

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One."""
        return {"visibility": [*self.net.parameters(), self.log_width]}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:  # noqa: ARG002
        """One step of regression."""
        latent = (batch.code.low + batch.code.high) / 2
        features = self.transform.decode(latent, batch.conditions)
        said, photons = self._said(batch.conditions), self._photons(batch.conditions)
        width = self.log_width.clamp(-6, 6)
        normal = 0.5 * ((latent - said) * torch.exp(-width)) ** 2 + width
        share = torch.sigmoid(said)
        if self.config.loss == "poisson":
            counts = photons * share - features * torch.nn.functional.logsigmoid(said)
            loss = torch.where(self.counting, counts / self.unit, normal).mean(1)
        else:
            counts = symmetric_kl(features / photons.clamp(min=1e-9), share, self.counting)
            loss = counts + torch.where(self.counting, 0.0, normal).mean(1)
        loss = (batch.weights * loss).mean()
        yield "visibility", loss, {"loss": loss}

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Counts (and numbers) for conditions (n, k) and noise (n, latent)."""
        said = self._said(conditions)
        others = self.transform.decode(said + torch.exp(self.log_width.clamp(-6, 6)) * noise, conditions)
        return torch.where(self.counting, poisson(self._photons(conditions) * torch.sigmoid(said), noise), others)

    def expected(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike]) -> NDArray[np.float32]:
        """Mean events (n, d), without scatter: expected counts."""
        return self._evaluate(conditions, exposed=True)

    def visibility(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike]) -> NDArray[np.float32]:
        """Share (n, d) of the photons that each detector counts."""
        return self._evaluate(conditions, exposed=False)

    def _evaluate(
        self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, exposed: bool
    ) -> NDArray[np.float32]:
        rows = torch.from_numpy(as_conditions(conditions, self.schema)).to(self.low.device)
        out = [np.empty((0, self.schema.width), np.float32)]
        with self.at_rest(), torch.inference_mode():
            for part in torch.split(rows, ROWS):
                said = self._said(part)
                counts = torch.sigmoid(said) * (self._photons(part) if exposed else 1.0)
                out.append(torch.where(self.counting, counts, self.transform.decode(said, part)).cpu().numpy())
        return np.concatenate(out)

    def _said(self, conditions: Tensor) -> Tensor:
        """What the network says of every column: logit of the visibility, or the value in units of its spread."""
        context = self.transform.context(0, conditions, conditions)
        points = context[:, self.points] if self.points else context.new_zeros(context.shape[0], 3)
        further = context[:, self.further]
        if self.config.net == "residual":
            further = torch.cat([points, further], 1)
        out: Tensor = self.net(points, further)
        return out

    def _photons(self, conditions: Tensor) -> Tensor:
        """Photons of events (n, 1), or of all (1, d)."""
        return self.full[None] if self.exposure is None else conditions[:, self.exposure]


def symmetric_kl(seen: Tensor, share: Tensor, columns: Tensor) -> Tensor:
    r"""Published loss (n,): :math:`|\sum_i (t_i - p_i) \log (p_i / t_i)|` over detectors, both cut from below.

    Parameters
    ----------
    seen, share : Tensor (n, d)
        True and predicted visibilities t and p.
    columns : Tensor (d,)
        Which of them count.
    """
    seen, share = seen.clamp(LEAST, 1), share.clamp(LEAST, 1)
    return torch.where(columns, (seen - share) * torch.log(share / seen), 0.0).sum(1).abs()


def _roles(schema: Schema, chosen: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Columns of the scaled conditions that are coordinates (three, or none at all), and all others."""
    spans = _spans(schema)
    photons = spans.pop(PHOTONS, [])
    chosen = chosen or (COORDINATES if spans.keys() >= set(COORDINATES) else ())
    for name in chosen:
        if name not in spans:
            msg = f"model.coordinates names '{name}'; the conditions are {list(spans)}.{nearest(name, spans)}"
            raise RecipeError(msg)
    every = [c for columns in spans.values() for c in columns]
    points = [c for name in chosen for c in spans[name]][:3] or every[:3]
    further = [c for c in every if c not in {*points, *photons}]
    return points + points[-1:] * (3 - len(points)) if points else [], further


def _spans(schema: Schema) -> dict[str, list[int]]:
    """Columns of the scaled conditions by block: a category has one per name."""
    out, start = {}, 0
    for block in schema.conditions:
        width = block.size * (len(block.names) or 1 if block.kind == "category" else 1)
        out[block.name] = list(range(start, start + width))
        start += width
    return out

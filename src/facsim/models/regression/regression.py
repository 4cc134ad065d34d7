"""Regression of events on their conditions: exact where columns scatter independently, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import DataError
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.draw import Draw
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks import GENERATORS
from facsim.models.regression.laws import LAWS
from facsim.schema import Schema
from facsim.transforms import fill

__all__ = ["Regression", "RegressionConfig"]


class RegressionConfig(ModelConfig):
    """Hyper-parameters of `Regression`.

    Examples
    --------
    >>> RegressionConfig(law="mean", net={"kind": "mlp", "hidden": 32}).net.hidden
    32
    """

    net: GENERATORS.field() = Field({"kind": "mlp"}, validate_default=True)  # type: ignore[valid-type]
    """Network of the mean: a generator of the family gan (`facsim.models.gan.networks`), without noise."""
    spread: GENERATORS.field() = Field({"kind": "mlp", "hidden": 64, "layers": 2}, validate_default=True)  # type: ignore[valid-type]
    """Network of the scatter around it."""
    law: Literal["mean", "binary", "normal"] = "normal"
    """``normal``: every column scatters on its own, by a width that depends on the conditions. ``mean``: nothing does.
    ``binary``: neither, and columns are 0 or one other value, such as pixels that are on or off."""


@register("regression")
class Regression(Surrogate):
    """Mean event under its conditions, and independent scatter of the columns of its latent space.

    The right model of a deterministic simulator, and of one whose only randomness is noise of every channel on its own
    (electronics). Blind to all correlations but those that conditions make: other families learn them.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("a", (2,)),), (Block("energy", (), "energy", "GeV"),))
    >>> Regression(schema, RegressionConfig()).sample([10.0, 20.0], seed=1).features.shape
    (2, 2)
    """

    summary = "regression of the mean event, and independent scatter around it; for simulators with little randomness"
    config_type = RegressionConfig
    config: RegressionConfig

    def __init__(self, schema: Schema, config: RegressionConfig) -> None:
        super().__init__(schema, config)
        context = self.transform.conditions
        layout = Layout(schema, self.transform.width, context.width, context.categories)
        self.law = LAWS[config.law]
        config.net.check(layout)
        self.net: nn.Module = config.net.build(layout)
        self.quiet = config.net.latent(layout), config.spread.latent(layout)
        self.spread: nn.Module | None = None
        if self.law.scatters:
            config.spread.check(layout)
            self.spread = config.spread.build(layout)

    @property
    def latent(self) -> int:
        """Columns of noise per event; one that is not looked at where nothing scatters."""
        return self.transform.width if self.law.scatters else 1

    def prepare(self, events: Events) -> None:
        """Fit the transform; columns of a binary law must be 0 or one other value."""
        super().prepare(events)
        if self.law.binary:
            found = self.transform.encode(torch.from_numpy(events.features), torch.from_numpy(events.conditions)).high
            if not bool(((found.abs() < 1e-4) | ((found - 1).abs() < 1e-4)).all()):
                msg = (
                    "law 'binary' is for features that are 0 or one other value, seen as 0 and 1: set model.transform "
                    "to scale, or model.law to normal"
                )
                raise DataError(msg)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One."""
        return {"regression": [*self.net.parameters(), *(self.spread.parameters() if self.spread else ())]}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:  # noqa: ARG002
        """One step of maximum likelihood."""
        rows = len(batch.conditions)
        x = batch.code.high if self.transform.exact else fill(batch.code, draw.uniform(rows, self.transform.width))
        loss = (batch.weights * self.law.loss(x, *self._said(batch.conditions))).mean()
        yield "regression", loss, {"loss": loss}

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The whole sampler: networks, scatter, inverse transform."""
        return self.transform.decode(self.law.draw(*self._said(conditions), noise), conditions)

    def _said(self, conditions: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and spread (n, width)."""
        context = self.transform.context(0, conditions, conditions)
        still = [context.new_zeros(context.shape[0], columns) for columns in self.quiet]
        return self.net(still[0], context), None if self.spread is None else self.spread(still[1], context)

"""Conditional flow matching: a velocity field that carries noise to events (Lipman et al., arXiv:2210.02747)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.draw import Draw
from facsim.nets import ConditionedMLP, TimeEmbedding
from facsim.schema import Schema
from facsim.transforms import fill

__all__ = ["FlowMatching", "FlowMatchingConfig"]


class FlowMatchingConfig(ModelConfig):
    """Hyper-parameters of `FlowMatching`."""

    hidden: int = 512
    """Width of the network of the last stage (cells, or all columns of a table)."""
    blocks: int = 3
    """Residual blocks of that network."""
    first_hidden: int = 64
    """Width of the networks of the stages before it (layer energies)."""
    embedding: int = 128
    """Width of the conditions' perceptron."""
    solver_steps: int = 4
    """Midpoint steps of the sampler; each costs two evaluations of the network."""


class Velocity(nn.Module):
    r"""Velocity at (x, t) between noise (t = 0) and data (t = 1), as a correction to that of independent columns.

    Latent data columns have zero mean and unit variance, and so has the noise. Were the columns independent
    and normal, the best velocity on the straight path :math:`x_t = (1-t) x_0 + t x_1` would be
    :math:`(2t - 1) x / s^2` with :math:`s^2 = t^2 + (1-t)^2`, and its error would have the variance :math:`1/s^2`. The
    network adds what is missing in units of that error, so that it starts from the independent-cell model and spends
    itself on correlations alone (the preconditioning of Karras et al., arXiv:2206.00364, for straight paths).
    """

    def __init__(self, width: int, context: int, hidden: int, blocks: int, embedding: int) -> None:
        super().__init__()
        self.time = TimeEmbedding()
        self.net = ConditionedMLP(width, width, context + self.time.width, hidden, blocks, embedding)

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Velocity (n, width) at x (n, width), time (n, 1), context (n, c)."""
        variance = time**2 + (1 - time) ** 2
        spread = variance.sqrt()
        correction: Tensor = self.net(x / spread, torch.cat([context, self.time(time)], 1))
        return (2 * time - 1) / variance * x + correction / spread


@register("cfm")
class FlowMatching(Surrogate):
    """Conditional flow matching in stages: layer energies first, then cells given them.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("a", (2,)),), (Block("energy", (), "energy", "GeV"),))
    >>> model = FlowMatching(schema, FlowMatchingConfig(hidden=16, blocks=1))
    >>> model.sample([10.0, 20.0], seed=1).features.shape
    (2, 2)
    """

    summary = "conditional flow matching; a few network passes per event; the default"
    config_type = FlowMatchingConfig
    config: FlowMatchingConfig

    def __init__(self, schema: Schema, config: FlowMatchingConfig) -> None:
        super().__init__(schema, config)
        last = len(self.transform.stages) - 1
        self.velocities = nn.ModuleList(
            Velocity(
                width,
                context,
                config.hidden if stage == last else config.first_hidden,
                config.blocks,
                config.embedding,
            )
            for stage, (width, context) in enumerate(
                zip(self.transform.stages, self.transform.context_widths, strict=True)
            )
        )

    @property
    def latent(self) -> int:
        """Columns of noise per event."""
        return self.transform.width

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One per stage: their losses have different scales."""
        return {f"flow_{i}": list(v.parameters()) for i, v in enumerate(self.velocities)}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:  # noqa: ARG002
        """Each stage learns its velocity, with the true values of the earlier stages as context."""
        rows = len(batch.conditions)
        data = fill(batch.code, draw.uniform(rows, self.transform.width))
        start = 0
        for stage, velocity in enumerate(self.velocities):
            x1 = data[:, start : start + self.transform.stages[stage]]
            x0 = draw.normal(rows, x1.shape[1])
            time = draw.times(rows)
            context = self.transform.context(stage, data[:, :start], batch.conditions)
            error = velocity((1 - time) * x0 + time * x1, time, context) - (x1 - x0)
            # In units of the error that independent columns would leave: 1 means that nothing was learnt yet.
            scaled = (error**2 * (time**2 + (1 - time) ** 2)).mean(1)
            loss = (batch.weights * scaled).mean()
            yield f"flow_{stage}", loss, {"loss": loss}
            start += x1.shape[1]

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The whole sampler: midpoint steps stage by stage, then the inverse transform."""
        known = noise[:, :0]
        start = 0
        for stage, velocity in enumerate(self.velocities):
            x = noise[:, start : start + self.transform.stages[stage]]
            context = self.transform.context(stage, known, conditions)
            known = torch.cat([known, midpoint(velocity, x, context, self.config.solver_steps)], 1)
            start += x.shape[1]
        return self.transform.decode(known, conditions)


def midpoint(velocity: nn.Module, x: Tensor, context: Tensor, steps: int) -> Tensor:
    """Carry noise x (n, width) from t = 0 to 1 in equal steps of the explicit midpoint rule (second order)."""
    h = 1 / steps
    for i in range(steps):
        time = x.new_full((1, 1), i * h).expand(x.shape[0], 1)
        half = x + (h / 2) * velocity(x, time, context)
        x = x + h * velocity(half, time + h / 2, context)
    return x

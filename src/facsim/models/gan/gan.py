"""Conditional Wasserstein GAN with gradient penalty on perceptrons: one network pass per event."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.draw import Draw
from facsim.models.gan.objective import wasserstein_critic, wasserstein_generator
from facsim.models.gan.penalty import gradient_penalty
from facsim.nets import ConditionedMLP
from facsim.schema import Schema
from facsim.transforms import fill

__all__ = ["GAN", "GANConfig"]


class GANConfig(ModelConfig):
    """Hyper-parameters of `GAN`."""

    noise: int = 64
    """Shared noise per event, beside the one number that every column gets."""
    hidden: int = 256
    """Width of generator and critic."""
    blocks: int = 2
    """Residual blocks of generator and critic."""
    critic_steps: int = 3
    """Critic updates per generator update."""
    penalty: float = 10.0
    """Factor of the gradient penalty."""


class Critic(nn.Module):
    """Score of latent events under a context; plain layers, since a penalty per event rules out batch statistics."""

    def __init__(self, width: int, context: int, hidden: int, blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = width + context
        for _ in range(blocks + 1):
            layers += [nn.Linear(inputs, hidden), nn.LeakyReLU(0.2)]
            inputs = hidden
        self.net = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Scores (n,)."""
        score: Tensor = self.net(torch.cat([x, context], 1))
        return score[:, 0]


@register("wgan-gp")
class GAN(Surrogate):
    """Generator and critic in the latent space of the transform.

    The generator adds a learnt correction to one noise number per latent column, so that it starts from independent
    columns with right marginals and learns how they hang together.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("a", (2,)),), (Block("energy", (), "energy", "GeV"),))
    >>> GAN(schema, GANConfig(hidden=16, blocks=1)).sample([10.0, 20.0], seed=1).features.shape
    (2, 2)
    """

    summary = "conditional Wasserstein GAN with gradient penalty; one network pass per event; the fastest"
    config_type = GANConfig
    config: GANConfig

    def __init__(self, schema: Schema, config: GANConfig) -> None:
        super().__init__(schema, config)
        width, context = self.transform.width, self.transform.context_widths[0]
        self.net = ConditionedMLP(width + config.noise, width, context, config.hidden, config.blocks)
        self.critic = Critic(width, context, config.hidden, config.blocks)

    @property
    def latent(self) -> int:
        """Columns of noise per event."""
        return self.transform.width + self.config.noise

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Critic and generator."""
        return {"critic": list(self.critic.parameters()), "generator": list(self.net.parameters())}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """One critic update, and a generator update every ``critic_steps`` steps."""
        rows = len(batch.conditions)
        context = self.transform.context(0, batch.conditions, batch.conditions)
        real = fill(batch.code, draw.uniform(rows, self.transform.width))
        with torch.no_grad():
            fake = self._latent(context, draw.normal(rows, self.latent))
        distance = wasserstein_critic(self.critic(real, context), self.critic(fake, context), batch.weights)
        penalty = gradient_penalty(lambda x: self.critic(x, context), real, fake, draw.uniform(rows, 1))
        yield "critic", distance + self.config.penalty * penalty, {"distance": -distance, "penalty": penalty}
        if step % self.config.critic_steps == 0:
            fake = self._latent(context, draw.normal(rows, self.latent))
            loss = wasserstein_generator(self.critic(fake, context), batch.weights)
            yield "generator", loss, {"score": -loss}

    def _latent(self, context: Tensor, noise: Tensor) -> Tensor:
        out: Tensor = noise[:, : self.transform.width] + self.net(noise, context)
        return out

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The whole sampler: one pass, then the inverse transform."""
        context = self.transform.context(0, noise, conditions)
        return self.transform.decode(self._latent(context, noise), conditions)

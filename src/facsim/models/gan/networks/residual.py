"""Residual generators: what is learnt is a correction."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import GENERATORS, GeneratorPart
from facsim.nets.residual import ConditionedMLP

__all__ = ["ResidualGenerator"]


@GENERATORS.register("residual")
class ResidualGenerator(GeneratorPart):
    """One noise number per column, and a learnt correction to it: x = z[:width] + net(z, c).

    It starts from independent columns, which are right column by column in the space of quantiles (``transform:
    marginals``), and learns how they hang together. The conditions scale and shift every block (FiLM).

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)
    >>> part = ResidualGenerator(noise=2, hidden=16)
    >>> z = torch.randn(4, part.latent(layout))
    >>> torch.equal(part.build(layout)(z, torch.randn(4, 3)), z[:, :5])
    True
    """

    summary = "residual perceptron with FiLM conditions that corrects one noise number per column"
    reference = "FiLM: Perez et al., arXiv:1709.07871; the form is our own"

    noise: int = Field(64, ge=0)
    """Shared noise per event, beside the one number that every column gets."""
    hidden: int = Field(256, ge=1)
    blocks: int = Field(2, ge=1)
    embedding: int = Field(128, ge=1)

    def latent(self, layout: Layout) -> int:
        """One number per column, and the shared noise."""
        return layout.width + self.noise

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, width + noise), context (n, c)) -> x (n, width)``."""
        sizes = (self.latent(layout), layout.width, layout.context, self.hidden, self.blocks, self.embedding)
        return _Correction(layout.width, ConditionedMLP(*sizes))


class _Correction(nn.Module):
    """First columns of the noise plus what a network makes of all."""

    def __init__(self, width: int, net: ConditionedMLP) -> None:
        super().__init__()
        self.width, self.net = width, net

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Events (n, width)."""
        x: Tensor = noise[:, : self.width] + self.net(noise, context)
        return x

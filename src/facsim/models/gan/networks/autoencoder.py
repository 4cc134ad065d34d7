"""A critic that judges events by how well it can reproduce them (BEGAN: Berthelot et al., arXiv:1703.10717)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, CriticPart
from facsim.nets.activations import Activation
from facsim.nets.perceptron import Perceptron

__all__ = ["AutoencoderCritic"]


@CRITICS.register("autoencoder")
class AutoencoderCritic(CriticPart):
    r"""Perceptrons to a code and back; the score is the error :math:`\frac1d \sum |x - D(x)|` (eq. 1 of the source).

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)
    >>> body = AutoencoderCritic(hidden=16).build(layout)
    >>> body(torch.randn(2, 5), torch.randn(2, 3)).shape, body.scores_itself
    (torch.Size([2, 1]), True)
    """

    summary = "autoencoder whose error is the score"
    reference = "BEGAN: Berthelot, Schumm, Metz, arXiv:1703.10717"

    scores_itself = True

    conditioning: Literal["concat"] = "concat"
    """Both halves are told."""
    hidden: int = Field(128, ge=1)
    layers: int = Field(2, ge=1)
    """Hidden layers of each half."""
    code: int = Field(16, ge=1)
    """Columns between the halves."""
    activation: Activation = "leaky_relu"
    slope: float = Field(0.2, ge=0)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(x (n, width * pack), context (n, c * pack)) -> error (n, 1)``."""
        return _Autoencoder(self, layout.width * pack, layout.context * pack)


class _Autoencoder(nn.Module):
    scores_itself = True
    features = 1

    def __init__(self, part: AutoencoderCritic, width: int, context: int) -> None:
        super().__init__()
        hidden = (part.hidden, part.layers, part.activation, part.slope)
        self.encode = Perceptron(width + context, part.code, *hidden)
        self.decode = Perceptron(part.code + context, width, *hidden)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Mean absolute error (n, 1)."""
        code = self.encode(torch.cat([x, context], 1))
        copy: Tensor = self.decode(torch.cat([code, context], 1))
        return (x - copy).abs().mean(1, keepdim=True)

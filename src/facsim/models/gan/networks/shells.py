"""What stands around most networks: where conditions come in, and what comes out."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from facsim.nets.hadamard import Concatenate, Hadamard
from facsim.nets.minibatch import MinibatchDiscrimination

__all__ = ["Body", "Entered", "Minibatch"]


class Minibatch(BaseModel):
    """Sizes of minibatch discrimination (Salimans et al., arXiv:1606.03498)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(20, ge=1)
    kernels: int = Field(10, ge=1)


class Entered(nn.Module):
    """A generator: conditions and noise meet in `enter`, and pass through `net`."""

    def __init__(self, enter: Concatenate | Hadamard, net: nn.Module) -> None:
        super().__init__()
        self.enter, self.net = enter, net

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Events (n, width)."""
        x: Tensor = self.net(self.enter(noise, context))
        return x


class Body(nn.Module):
    """A critic's body: `net` on events beside conditions, or on events `alone`; perhaps minibatch discrimination.

    Parameters
    ----------
    net : Module
    width : int
        Columns that come out of it.
    alone : bool
        The conditions stay outside.
    minibatch : Minibatch, optional
        Its features are put beside the others.
    """

    def __init__(self, net: nn.Module, width: int, alone: bool, minibatch: Minibatch | None = None) -> None:
        super().__init__()
        self.net, self.alone, self.features = net, alone, width
        self.minibatch: nn.Module | None = None
        if minibatch:
            self.minibatch = MinibatchDiscrimination(width, minibatch.features, minibatch.kernels)
            self.features += minibatch.features

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, features)."""
        h: Tensor = self.net(x if self.alone else torch.cat([x, context], 1))
        return h if self.minibatch is None else torch.cat([h, self.minibatch(h)], 1)

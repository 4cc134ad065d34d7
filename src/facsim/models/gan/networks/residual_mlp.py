"""Residual perceptrons as generator and as critic: deeper than plain ones, and as easily trained."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import (
    CRITICS,
    GENERATORS,
    Conditioning,
    CriticPart,
    GeneratorPart,
    entrance,
)
from facsim.models.gan.networks.shells import Body, Entered
from facsim.nets.activations import Output, output
from facsim.nets.residual import ConditionedMLP, ResidualMLP

__all__ = ["ResidualMLPCritic", "ResidualMLPGenerator"]


@GENERATORS.register("residual-mlp")
class ResidualMLPGenerator(GeneratorPart):
    """Residual perceptron from noise and conditions to events.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)
    >>> ResidualMLPGenerator(hidden=16).build(layout)(torch.randn(2, 64), torch.randn(2, 3)).shape
    torch.Size([2, 5])
    """

    summary = "residual perceptron; conditions beside the noise, multiplied with it, or acting on every block"
    reference = "He et al., arXiv:1512.03385; FiLM: Perez et al., arXiv:1709.07871"

    hidden: int = Field(256, ge=1)
    blocks: int = Field(2, ge=1)
    conditioning: Conditioning = "film"
    output: Output = "linear"

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> x (n, width)``."""
        leave = output(self.output)
        if self.conditioning == "film":
            net = ConditionedMLP(self.noise, layout.width, layout.context, self.hidden, self.blocks)
            net.leave.reset_parameters()  # its zeros are for corrections; here they would be the same event every time
            return _Modulated(net, leave)
        enter = entrance(self.conditioning, self.noise, layout)
        return Entered(enter, nn.Sequential(ResidualMLP(enter.width, layout.width, self.hidden, self.blocks), leave))


class _Modulated(nn.Module):
    def __init__(self, net: ConditionedMLP, leave: nn.Module) -> None:
        super().__init__()
        self.net, self.leave = net, leave

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Events (n, width)."""
        x: Tensor = self.leave(self.net(noise, context))
        return x


@CRITICS.register("residual-mlp")
class ResidualMLPCritic(CriticPart):
    """Residual perceptron on events and conditions, without normalisation: every event is left to itself.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)
    >>> ResidualMLPCritic(hidden=16).build(layout)(torch.randn(2, 5), torch.randn(2, 3)).shape
    torch.Size([2, 16])
    """

    summary = "residual perceptron without normalisation"
    reference = "He et al., arXiv:1512.03385"

    hidden: int = Field(256, ge=1)
    blocks: int = Field(2, ge=1)
    slope: float = Field(0.2, ge=0)
    spectral: bool = False
    """Spectral normalisation of every layer (Miyato et al., arXiv:1802.05957)."""

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(x (n, width * pack), context (n, c * pack)) -> features (n, hidden)``."""
        inputs = pack * (layout.width + (0 if self.alone else layout.context))
        net = ResidualMLP(inputs, 0, self.hidden, self.blocks, self.slope)
        if self.spectral:
            for layer in [m for m in net.modules() if isinstance(m, nn.Linear)]:
                spectral_norm(layer)
        return Body(net, self.hidden, self.alone)

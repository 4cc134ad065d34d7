"""Perceptrons as generator and as critic: for columns of any sort."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart, entrance
from facsim.models.gan.networks.shells import Body, Entered, Minibatch
from facsim.nets.activations import Activation, Output, activation, output
from facsim.nets.perceptron import Perceptron

__all__ = ["MLPCritic", "MLPGenerator", "NoCritic"]


@GENERATORS.register("mlp")
class MLPGenerator(GeneratorPart):
    """Perceptron from noise and conditions to events.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)
    >>> MLPGenerator(hidden=16).build(layout)(torch.randn(2, 64), torch.randn(2, 3)).shape
    torch.Size([2, 5])
    """

    summary = "perceptron"
    reference = "Goodfellow et al., arXiv:1406.2661"

    hidden: int = Field(128, ge=1)
    layers: int = Field(3, ge=1)
    widths: tuple[PositiveInt, ...] = ()
    """Widths of the hidden layers one by one, instead of `hidden` and `layers`."""
    activation: Activation = "leaky_relu"
    slope: float = Field(0.2, ge=0)
    conditioning: Literal["concat", "hadamard"] = "concat"
    output: Output = "linear"

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> x (n, width)``."""
        enter = entrance(self.conditioning, self.noise, layout)
        net = Perceptron(enter.width, layout.width, self.hidden, self.layers, self.activation, self.slope, self.widths)
        return Entered(enter, nn.Sequential(net, output(self.output)))


@CRITICS.register("mlp")
class MLPCritic(CriticPart):
    """Perceptron on events and conditions; the plain one has a written-out gradient for fast gradient penalties.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)
    >>> MLPCritic(hidden=16).build(layout)(torch.randn(2, 5), torch.randn(2, 3)).shape
    torch.Size([2, 16])
    """

    summary = "perceptron"
    reference = "Goodfellow et al., arXiv:1406.2661"

    hidden: int = Field(128, ge=1)
    layers: int = Field(3, ge=1)
    widths: tuple[PositiveInt, ...] = ()
    """Widths of the hidden layers one by one, instead of `hidden` and `layers`."""
    activation: Activation = "leaky_relu"
    slope: float = Field(0.2, ge=0)
    spectral: bool = False
    """Spectral normalisation of every layer (Miyato et al., arXiv:1802.05957)."""
    layer_norm: bool = False
    """Layer normalisation (Ba et al., arXiv:1607.06450): it leaves every event to itself."""
    dropout: float = Field(0.0, ge=0, lt=1)
    minibatch: Minibatch | None = None

    @property
    def uses_batch(self) -> bool:
        """Whether minibatch discrimination is on."""
        return self.minibatch is not None

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(x (n, width * pack), context (n, c * pack)) -> features (n, hidden [+ minibatch features])``."""
        inputs = pack * (layout.width + (0 if self.alone else layout.context))
        net = Perceptron(inputs, 0, self.hidden, self.layers, self.activation, self.slope, self.widths)
        if not (self.spectral or self.layer_norm or self.dropout or self.minibatch):
            return _PlainBody(net, self.alone)
        if self.spectral:
            for layer in net.hidden:
                spectral_norm(layer)
        sizes = [cast("nn.Linear", layer).out_features for layer in net.hidden]
        norms = [nn.LayerNorm(size) if self.layer_norm else nn.Identity() for size in sizes]
        stack = [m for layer, norm in zip(net.hidden, norms, strict=True) for m in (layer, norm, *self._after())]
        return Body(nn.Sequential(*stack), net.outputs, self.alone, self.minibatch)

    def _after(self) -> list[nn.Module]:
        """What follows a dense layer."""
        return [activation(self.activation, self.slope)] + ([nn.Dropout(self.dropout)] if self.dropout else [])


class _PlainBody(Body):
    """With the gradient written out, so that a gradient penalty needs one ordinary backward pass."""

    net: Perceptron

    def __init__(self, net: Perceptron, alone: bool) -> None:
        super().__init__(net, net.outputs, alone)

    def input_gradient(self, x: Tensor, context: Tensor, head: Tensor) -> Tensor:
        """Gradient (n, width) with respect to `x` of the score under a head (1 or n, features)."""
        return self.net.input_gradient(x if self.alone else torch.cat([x, context], 1), head, x.shape[1])


@CRITICS.register("none")
class NoCritic(CriticPart):
    """No critic: the objective compares events with generated events (maximum mean discrepancy, energy distance)."""

    summary = "none; the objective compares the events themselves"
    reference = "generative moment matching: Li et al., arXiv:1502.02761"

    def build(self, layout: Layout, pack: int = 1) -> None:
        """Nothing."""

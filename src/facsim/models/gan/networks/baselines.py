"""The networks that LAGAN was compared with (arXiv:1701.05927): dense ones, and a deep convolutional one."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field
from torch import nn

from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart, entrance
from facsim.models.gan.networks.lagan import REFERENCE, SIDE, SLOPE, check_jet_image
from facsim.models.gan.networks.shells import Body, Entered, Minibatch
from facsim.nets.activations import Output, output

__all__ = ["FCNCritic", "FCNGenerator", "JetDCGANCritic", "JetDCGANGenerator"]

EPS, MOMENTUM = 1e-3, 0.01
"""Keras' batch normalisation."""


def _dense(*widths: int) -> list[nn.Module]:
    """Dense layers, each with a leaky rectifier."""
    return [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.LeakyReLU(SLOPE))]


@GENERATORS.register("fcn")
class FCNGenerator(GeneratorPart):
    """Dense 256-512-d-d for d columns (625 pixels), with a rectifier at the end.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (5, 5), "energy", "GeV"),)), width=25, context=1)
    >>> FCNGenerator().build(layout)(torch.randn(3, 200), torch.zeros(3, 1)).shape
    torch.Size([3, 25])
    """

    summary = "dense 256-512-d-d, LAGAN's fully connected baseline"
    reference = REFERENCE

    noise: int = Field(200, ge=1)
    conditioning: Literal["concat", "hadamard"] = "hadamard"
    output: Output = "relu"

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> x (n, width)``."""
        enter = entrance(self.conditioning, self.noise, layout)
        layers = [*_dense(enter.width, 256, 512, layout.width), nn.Linear(layout.width, layout.width)]
        return Entered(enter, _keras(nn.Sequential(*layers, output(self.output))))


@CRITICS.register("fcn")
class FCNCritic(CriticPart):
    """Dense 1024-512-128 on the events alone; an auxiliary classifier asks for the conditions, or the head is told.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (5, 5), "energy", "GeV"),)), width=25, context=1)
    >>> FCNCritic().build(layout)(torch.rand(3, 25), torch.zeros(3, 1)).shape
    torch.Size([3, 128])
    """

    summary = "dense 1024-512-128, LAGAN's fully connected baseline"
    reference = REFERENCE

    conditioning: Literal["projection", "none"] = "none"
    """The conditions meet the features in the head, or an auxiliary classifier asks for them."""

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(x (n, width * pack), context) -> features (n, 128)``."""
        return Body(_keras(nn.Sequential(*_dense(layout.width * pack, 1024, 512, 128))), 128, alone=True)


@GENERATORS.register("jet-dcgan")
class JetDCGANGenerator(GeneratorPart):
    """Dense to 7 x 7 x 128, two transposed convolutions to 28 x 28, two convolutions to 25 x 25, rectifier.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (25, 25), "energy", "GeV"),)), width=625, context=1)
    >>> JetDCGANGenerator().build(layout)(torch.randn(3, 200), torch.zeros(3, 1)).shape
    torch.Size([3, 625])
    """

    summary = "LAGAN's convolutional baseline, for 25 x 25 images"
    reference = REFERENCE

    noise: int = Field(200, ge=1)
    conditioning: Literal["concat", "hadamard"] = "hadamard"

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 25 x 25 pixels."""
        check_jet_image(self.kind or "jet-dcgan", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> pixels (n, 625)``."""
        enter = entrance(self.conditioning, self.noise, layout)
        layers = [
            nn.Linear(enter.width, 7 * 7 * 128),
            nn.Unflatten(1, (128, 7, 7)),
            *_normed(nn.ConvTranspose2d(128, 64, 5, 2, 2, output_padding=1)),
            *_normed(nn.ConvTranspose2d(64, 32, 5, 2, 2, output_padding=1)),
            nn.Conv2d(32, 8, 3),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(8, 1, 2),
            nn.Flatten(),
            nn.ReLU(),
        ]
        return Entered(enter, _keras(nn.Sequential(*layers)))


@CRITICS.register("jet-dcgan")
class JetDCGANCritic(CriticPart):
    """Convolutions 32, 64, 128 and 256 with dropout, and LAGAN's minibatch discrimination: 2,324 features.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (25, 25), "energy", "GeV"),)), width=625, context=1)
    >>> JetDCGANCritic().build(layout)(torch.rand(3, 625), torch.zeros(3, 1)).shape
    torch.Size([3, 2324])
    """

    summary = "LAGAN's convolutional baseline, for 25 x 25 images"
    reference = REFERENCE

    conditioning: Literal["projection", "none"] = "none"
    """The conditions meet the features in the head, or an auxiliary classifier asks for them."""

    dropout: float = Field(0.2, ge=0, lt=1)

    @property
    def uses_batch(self) -> bool:
        """Yes: batch normalisation and minibatch discrimination."""
        return True

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 25 x 25 pixels."""
        check_jet_image(self.kind or "jet-dcgan", layout)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:  # noqa: ARG002
        """Network ``(pixels (n, 625 * pack), context) -> features (n, 2324)``."""
        drop = nn.Dropout(self.dropout)
        layers = [
            nn.Unflatten(1, (pack, SIDE, SIDE)),
            *(nn.Conv2d(pack, 32, 5, padding=2), nn.LeakyReLU(SLOPE), drop),
            *(*_normed(nn.Conv2d(32, 64, 5, 2, 2)), drop),
            *(*_normed(nn.Conv2d(64, 128, 5, padding=2)), drop),
            *(*_normed(nn.Conv2d(128, 256, 3, 2)), drop),
            nn.AvgPool2d(2),
            nn.Flatten(),
        ]
        return Body(
            _keras(nn.Sequential(*layers)), 256 * 3 * 3, alone=True, minibatch=Minibatch(features=20, kernels=10)
        )


def _keras(net: nn.Module) -> nn.Module:
    """Keras' start: glorot_uniform weights, zero biases."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def _normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """A convolution, leaky rectifier, batch normalisation: LAGAN's order."""
    return [layer, nn.LeakyReLU(SLOPE), nn.BatchNorm2d(layer.out_channels, EPS, MOMENTUM)]

"""LAGAN, the location-aware GAN for jet images (de Oliveira, Paganini, Nachman, arXiv:1701.05927)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart, alternative, entrance
from facsim.nets.local import Fans, LocallyConnected2d
from facsim.nets.minibatch import MinibatchDiscrimination
from facsim.nets.planes import DensePlanes, PlaneNorm, SameConv2d, upsample

__all__ = ["SIDE", "LAGANCritic", "LAGANGenerator", "check_jet_image"]

SIDE = 25
SLOPE = 0.3
REFERENCE = "de Oliveira, Paganini, Nachman, arXiv:1701.05927, and its public code"


def check_jet_image(part: str, layout: Layout) -> None:
    """Raise `SchemaMismatch` for anything but one image of 25 x 25 pixels."""
    block = layout.image(part, instead=alternative(layout))
    if block.shape != (SIDE, SIDE):
        msg = (
            f"'{part}' is made for images of ({SIDE}, {SIDE}) pixels; block '{block.name}' has {block.shape}. "
            f"Use {alternative(layout)}"
        )
        raise SchemaMismatch(msg)


@GENERATORS.register("lagan")
class LAGANGenerator(GeneratorPart):
    """LAGAN's generator: 3,587,072 numbers with two classes, running statistics included.

    Noise times the embedding of the class, dense to 7 x 7 x 128, a convolution, three locally connected layers between
    upsamplings, and a rectifier at the end, which makes exact zeros.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("image", (25, 25), "energy", "GeV"),), (Block("energy", (), "energy", "GeV"),))
    >>> net = LAGANGenerator().build(Layout(schema, width=625, context=1))
    >>> net(torch.randn(3, 200), torch.ones(3, 1)).shape
    torch.Size([3, 625])
    """

    summary = "LAGAN's: locally connected layers, for 25 x 25 images"
    reference = REFERENCE

    noise: int = Field(200, ge=1)
    conditioning: Literal["concat", "hadamard"] = "hadamard"
    fans: Fans = "keras1"
    """Scale of the initial locally connected weights; the source was trained with Keras 1."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 25 x 25 pixels."""
        check_jet_image(self.kind or "lagan", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> pixels (n, 625)``."""
        return _Generator(entrance(self.conditioning, self.noise, layout), self.fans)


class _Generator(nn.Module):
    def __init__(self, enter: nn.Module, fans: Fans) -> None:
        super().__init__()
        self.enter = enter
        self.dense = DensePlanes(int(enter.width), 128, (7, 7))  # type: ignore[arg-type]
        self.first = nn.Sequential(SameConv2d(128, 64, 5, "he_uniform"), nn.LeakyReLU(SLOPE), PlaneNorm(64))
        self.second = nn.Sequential(
            LocallyConnected2d(64, 6, (14, 14), (5, 5), padding=(2, 2), init="he_uniform", fans=fans),
            nn.LeakyReLU(SLOPE),
            PlaneNorm(6),
        )
        self.third = nn.Sequential(
            LocallyConnected2d(6, 6, (28, 28), (3, 3), init="he_uniform", fans=fans), nn.LeakyReLU(SLOPE)
        )
        self.last = LocallyConnected2d(6, 1, (26, 26), (2, 2), bias=False, init="glorot_normal", fans=fans)

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Pixels (n, 625)."""
        x = upsample(self.first(self.dense(self.enter(noise, context))), 2, 2)
        x = upsample(self.second(x), 2, 2)
        pixels: Tensor = self.last(self.third(x)).flatten(1).relu()
        return pixels


@CRITICS.register("lagan")
class LAGANCritic(CriticPart):
    """LAGAN's discriminator without its two heads (arXiv:1701.05927): 92 features, 20 of minibatch discrimination.

    It sees the picture alone: an auxiliary classifier asks it for the class, or its head is told (`conditioning`).

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("image", (25, 25), "energy", "GeV"),))
    >>> body = LAGANCritic().build(Layout(schema, width=625, context=1))
    >>> body(torch.rand(3, 625), torch.zeros(3, 1)).shape
    torch.Size([3, 92])
    """

    summary = "LAGAN's: locally connected layers and minibatch discrimination, for 25 x 25 images"
    reference = REFERENCE

    conditioning: Literal["projection", "none"] = "none"
    """The conditions meet the features in the head, or an auxiliary classifier asks for them."""

    dropout: float = Field(0.2, ge=0, lt=1)
    fans: Fans = "keras1"
    """Scale of the initial locally connected weights; the source was trained with Keras 1."""

    @property
    def uses_batch(self) -> bool:
        """Yes: batch normalisation and minibatch discrimination."""
        return True

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 25 x 25 pixels."""
        check_jet_image(self.kind or "lagan", layout)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:  # noqa: ARG002
        """Network ``(pixels (n, 625 * pack), context) -> features (n, 92)``; packed images are channels."""
        return _Body(pack, self.dropout, self.fans)


class _Body(nn.Module):
    def __init__(self, pack: int, dropout: float, fans: Fans) -> None:
        super().__init__()
        self.pack = pack
        sizes = ((32, SIDE, 5, 2, 2), (8, 13, 5, 1, 2), (8, 13, 3, 2, 1))  # channels, size, kernel, stride, padding
        layers: list[nn.Module] = [SameConv2d(pack, 32, 5), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
        for channels, size, kernel, stride, padding in sizes:
            local = LocallyConnected2d(
                channels,
                8,
                (size, size),
                (kernel, kernel),
                stride=(stride, stride),
                padding=(padding, padding),
                fans=fans,
            )
            layers += [local, nn.LeakyReLU(SLOPE), PlaneNorm(8), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten())
        self.minibatch = MinibatchDiscrimination(72, 20, 10, fans)
        self.features = 72 + 20

    def forward(self, x: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002
        """Features (n, 92)."""
        h = self.layers(x.view(-1, self.pack, SIDE, SIDE))
        return torch.cat([self.minibatch(h), h], 1)

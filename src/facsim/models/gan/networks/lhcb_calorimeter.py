"""Networks of calorimeter images of 30 x 30 cells (Chekalina et al., arXiv:1812.01319)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart, alternative, entrance
from facsim.models.gan.networks.shells import Entered

__all__ = ["LHCbCalorimeterCritic", "LHCbCalorimeterGenerator"]

SIZE = (30, 30)
SLOPE = 0.01
REFERENCE = "Chekalina et al., arXiv:1812.01319; networks of the public baseline of the MLHEP 2019 competition"


def _check(part: str, layout: Layout) -> None:
    block = layout.image(part, instead=alternative(layout))
    if block.shape != SIZE:
        msg = f"'{part}' knows images of {SIZE}; block '{block.name}' has {block.shape}. Use {alternative(layout)}"
        raise SchemaMismatch(msg)


@GENERATORS.register("lhcb-calorimeter")
class LHCbCalorimeterGenerator(GeneratorPart):
    """Dense 64-128-512-20736, then 9 x 9 to 20 x 20 and, two cells per transposed convolution, to 30 x 30.

    With 10 numbers of noise and 5 conditions it has 11,695,105 parameters, as published.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("cells", (30, 30)),)), width=900, context=5)
    >>> LHCbCalorimeterGenerator(channels=4).build(layout)(torch.randn(3, 10), torch.zeros(3, 5)).shape
    torch.Size([3, 900])
    """

    summary = "dense layers, then transposed convolutions to 30 x 30 cells"
    reference = REFERENCE

    noise: int = Field(10, ge=1)
    channels: int = Field(256, ge=4)
    """Of the first two planes; the later ones have a half, a quarter, ... down to a sixteenth."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 30 x 30 cells."""
        _check(self.kind or "lhcb-calorimeter", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> cells (n, 900)``."""
        enter = entrance("concat", self.noise, layout)
        c = self.channels
        dense = [
            layer
            for a, b in pairwise((enter.width, 64, 128, 512, 81 * c))
            for layer in (nn.Linear(a, b), nn.LeakyReLU(SLOPE))
        ]
        drawing: list[nn.Module] = [nn.ConvTranspose2d(c, c, 3, 2, output_padding=1)]
        for a, b in pairwise((c, c // 2, c // 4, max(c // 8, 1), max(c // 16, 1), 1)):
            drawing += [nn.LeakyReLU(SLOPE), nn.ConvTranspose2d(a, b, 3)]
        return Entered(enter, nn.Sequential(*dense, nn.Unflatten(1, (c, 9, 9)), *drawing, nn.Flatten()))


@CRITICS.register("lhcb-calorimeter")
class LHCbCalorimeterCritic(CriticPart):
    """Convolutions 32, 64, 64, 32 with dropout; 2,592 numbers and the conditions through dense 512-128-64.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("cells", (30, 30)),)), width=900, context=5)
    >>> LHCbCalorimeterCritic().build(layout)(torch.rand(3, 900), torch.zeros(3, 5)).shape
    torch.Size([3, 64])
    """

    summary = "convolutions on 30 x 30 cells, then dense layers with the conditions"
    reference = REFERENCE

    norm: Literal["group", "batch", "none"] = "group"
    """After the first two convolutions. ``batch`` is published, but contradicts a gradient penalty, which is about
    single events; ``group`` normalises every event by itself, with as many parameters."""
    dropout: float = Field(0.3, ge=0, lt=1)

    @property
    def uses_batch(self) -> bool:
        """Whether batch normalisation is on."""
        return self.norm == "batch"

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 30 x 30 cells."""
        _check(self.kind or "lhcb-calorimeter", layout)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(cells (n, 900 * pack), context (n, c * pack)) -> features (n, 64)``."""
        return _Body(self, pack, 0 if self.alone else layout.context * pack)

    def normed(self, channels: int) -> nn.Module:
        """What follows a convolution."""
        match self.norm:
            case "group":
                return nn.GroupNorm(1, channels)
            case "batch":
                return nn.BatchNorm2d(channels)
            case "none":
                return nn.Identity()


class _Body(nn.Module):
    features = 64

    def __init__(self, part: LHCbCalorimeterCritic, images: int, context: int) -> None:
        super().__init__()
        self.told, drop = context, nn.Dropout(part.dropout)
        self.look = nn.Sequential(
            nn.Unflatten(1, (images, *SIZE)),
            *(nn.Conv2d(images, 32, 3), part.normed(32), nn.LeakyReLU(SLOPE), drop),
            *(nn.Conv2d(32, 64, 3, 2), part.normed(64), nn.LeakyReLU(SLOPE), drop),
            *(nn.Conv2d(64, 64, 3), nn.LeakyReLU(SLOPE), drop),
            *(nn.Conv2d(64, 32, 3), nn.LeakyReLU(SLOPE), drop),
            nn.Flatten(),
        )
        widths = pairwise((32 * 81 + context, 512, 128, self.features))
        self.judge = nn.Sequential(*(m for a, b in widths for m in (nn.Linear(a, b), nn.LeakyReLU(SLOPE))))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, 64)."""
        seen = self.look(x)
        found: Tensor = self.judge(torch.cat([seen, context], 1) if self.told else seen)
        return found

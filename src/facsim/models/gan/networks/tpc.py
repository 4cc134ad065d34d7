"""Critic of pad responses of a time-projection chamber (Maevskiy et al., arXiv:2012.04595)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, CriticPart, alternative

__all__ = ["TPCCritic"]

SIZE = (8, 16)


@CRITICS.register("tpc")
class TPCCritic(CriticPart):
    """Convolutions 16, 16, 32, 32, 64, 64 with pooling; conditions as planes beside the image, and again at the end.

    8 x 16 pixels (pads x times) shrink to one with 64 channels. With 5 conditions and its head it has 61,121
    parameters, as published.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("pads", (8, 16)),)), width=128, context=5)
    >>> TPCCritic().build(layout)(torch.rand(3, 128), torch.rand(3, 5)).shape
    torch.Size([3, 128])
    """

    summary = "convolutions on 8 x 16 pads, conditions as planes and at the end"
    reference = "Maevskiy et al., arXiv:2012.04595, and its public code (model 'baseline_fc_8x16_kinked')"

    dropout: float = Field(0.02, ge=0, lt=1)
    channels: int = Field(16, ge=1)
    """Of the first convolution; the later ones have two and four times as many."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 16 pixels."""
        block = layout.image(self.kind or "tpc", instead=alternative(layout))
        if block.shape != SIZE:
            msg = f"'tpc' judges images of {SIZE}; block '{block.name}' has {block.shape}. Use {alternative(layout)}"
            raise SchemaMismatch(msg)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(pixels (n, 128 * pack), context (n, c * pack)) -> features (n, 128)``."""
        return _Body(self, pack, 0 if self.alone else layout.context * pack)


class _Body(nn.Module):
    features = 128

    def __init__(self, part: TPCCritic, images: int, context: int) -> None:
        super().__init__()
        self.images, self.told, c = images, context, part.channels
        drop = nn.Dropout(part.dropout)

        def step(inputs: int, outputs: int, kernel: int = 3, padding: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.ELU(), drop]

        self.look = nn.Sequential(
            *step(images + context, c),
            *step(c, c),
            nn.MaxPool2d((1, 2)),
            *step(c, 2 * c),
            *step(2 * c, 2 * c),
            nn.MaxPool2d(2),
            *step(2 * c, 4 * c, padding=0),
            *step(4 * c, 4 * c, kernel=2, padding=0),
            nn.Flatten(),
        )
        self.judge = nn.Sequential(nn.Linear(4 * c + context, self.features), nn.ELU())

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, 128)."""
        planes = x.view(-1, self.images, *SIZE)
        if self.told:
            planes = torch.cat([planes, context[:, :, None, None].expand(-1, -1, *SIZE)], 1)
        seen = self.look(planes)
        found: Tensor = self.judge(torch.cat([seen, context], 1) if self.told else seen)
        return found

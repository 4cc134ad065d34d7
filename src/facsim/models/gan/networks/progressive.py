"""Progressive growing of generator and critic (Karras et al., arXiv:1710.10196)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart, entrance
from facsim.models.gan.networks.dcgan import check_image, halvings
from facsim.nets.activations import Output, output
from facsim.nets.progressive import EqualConv2d, EqualLinear, Growing, PixelNorm, coarsen, enlarge, spread_plane

__all__ = ["ProgressiveCritic", "ProgressiveGenerator"]

SLOPE = 0.2
REFERENCE = "Karras et al., arXiv:1710.10196"


def _channels(most: int, stages: int) -> list[int]:
    """Channels per stage: halved with every doubling of the image after the second, never below 16 (or `most`)."""
    return [max(most >> max(k - 1, 0), min(most, 16)) for k in range(stages)]


@GENERATORS.register("progressive")
class ProgressiveGenerator(GeneratorPart):
    """Generator that begins with an image of 4 to 7 pixels a side, and doubles it stage by stage.

    Whatever the stage, the image comes out in full size, its pixels repeated.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (8, 8)),)), width=64, context=1)
    >>> net = ProgressiveGenerator(channels=8).build(layout)
    >>> image = net(torch.randn(3, 64), torch.zeros(3, 1)).view(3, 4, 2, 4, 2)
    >>> torch.equal(image[:, :, 0], image[:, :, 1])
    True
    """

    summary = "grows from 4 x 4 pixels by doubling, new details are faded in; for images of 8 x 8 and more"
    reference = REFERENCE

    noise: int = Field(64, ge=1)
    channels: int = Field(64, ge=1)
    """Of the first two stages."""
    phase: int = Field(1000, ge=1)
    """Learning steps over which a stage is faded in, and then trained as long. The same for both players."""
    conditioning: Literal["concat", "hadamard"] = "concat"
    output: Output = "linear"

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more."""
        check_image(self.kind or "progressive", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> pixels (n, H * W)``, with ``grow(step)``."""
        return _Generator(self, layout)


class _Generator(Growing):
    def __init__(self, part: ProgressiveGenerator, layout: Layout) -> None:
        rows, columns = layout.schema.features[0].shape
        self.sizes = halvings((rows, columns))
        super().__init__(len(self.sizes), part.phase)
        widths = _channels(part.channels, self.stages)
        self.enter = entrance(part.conditioning, part.noise, layout)
        self.first = (widths[0], *self.sizes[0])
        self.dense = EqualLinear(self.enter.width, widths[0] * self.sizes[0][0] * self.sizes[0][1])
        self.norm = PixelNorm()
        inputs = [widths[0], *widths[:-1]]
        self.blocks = nn.ModuleList(_block(a, b, k > 0) for k, (a, b) in enumerate(zip(inputs, widths, strict=True)))
        self.draw = nn.ModuleList(EqualConv2d(w, 1, 1, gain=1.0) for w in widths)
        self.output = output(part.output)

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Pixels (n, H * W)."""
        stage, alpha = self.fading
        x = self.dense(self.norm(self.enter(noise, context))).view(-1, *self.first)
        x = self.blocks[0](self.norm(nn.functional.leaky_relu(x, SLOPE)))
        image = self.draw[0](x)
        for k in range(1, stage + 1):
            x = self.blocks[k](enlarge(x, self.sizes[k]))
            fresh = self.draw[k](x)
            if k == stage and alpha < 1:
                fresh = alpha * fresh + (1 - alpha) * enlarge(image, self.sizes[k])
            image = fresh
        for size in self.sizes[stage + 1 :]:
            image = enlarge(image, size)
        pixels: Tensor = self.output(image.flatten(1))
        return pixels


def _block(channels: int, filters: int, two: bool) -> nn.Sequential:
    """Convolutions 3 x 3, each with leaky rectifier and pixel normalisation."""
    layers = [EqualConv2d(channels, filters, 3), nn.LeakyReLU(SLOPE), PixelNorm()]
    layers += [EqualConv2d(filters, filters, 3), nn.LeakyReLU(SLOPE), PixelNorm()] if two else []
    return nn.Sequential(*layers)


@CRITICS.register("progressive")
class ProgressiveCritic(CriticPart):
    """The generator's mirror: it sees images at the size of the stage, details faded in.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (8, 8)),)), width=64, context=1)
    >>> ProgressiveCritic(channels=8).build(layout)(torch.randn(3, 64), torch.zeros(3, 1)).shape
    torch.Size([3, 8])
    """

    summary = "grows from 4 x 4 pixels by doubling, new details are faded in; for images of 8 x 8 and more"
    reference = REFERENCE

    channels: int = Field(64, ge=1)
    """Of the first two stages."""
    phase: int = Field(1000, ge=1)
    """Learning steps over which a stage is faded in, and then trained as long. The same for both players."""
    spread: bool = True
    """Show the critic one number on how much the events of the batch differ (minibatch standard deviation)."""

    @property
    def uses_batch(self) -> bool:
        """Whether it is shown how much the events of the batch differ."""
        return self.spread

    @property
    def has_slope(self) -> bool:
        """Yes: one event hardly changes the spread of a batch, and the source trains it with a gradient penalty."""
        return True

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more."""
        check_image(self.kind or "progressive", layout)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(pixels (n, H * W * pack), context (n, c * pack)) -> features``, with ``grow(step)``."""
        return _Body(self, layout, pack)


class _Body(Growing):
    def __init__(self, part: ProgressiveCritic, layout: Layout, pack: int) -> None:
        rows, columns = layout.schema.features[0].shape
        sizes = halvings((rows, columns))
        super().__init__(len(sizes), part.phase)
        self.shape, self.spread = (pack, rows, columns), part.spread
        widths = _channels(part.channels, self.stages)
        self.see = nn.ModuleList(EqualConv2d(pack, w, 1) for w in widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(EqualConv2d(w, w, 3), nn.LeakyReLU(SLOPE), EqualConv2d(w, less, 3), nn.LeakyReLU(SLOPE))
            for less, w in pairwise(widths)
        )
        self.last = nn.Sequential(EqualConv2d(widths[0] + part.spread, widths[0], 3), nn.LeakyReLU(SLOPE), nn.Flatten())
        self.conditions = 0 if part.alone else layout.context * pack
        inputs = widths[0] * sizes[0][0] * sizes[0][1] + self.conditions
        self.features = widths[0]
        self.dense = nn.Sequential(EqualLinear(inputs, self.features), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, channels)."""
        stage, alpha = self.fading
        x = x.view(-1, *self.shape)
        for _ in range(self.stages - 1 - stage):
            x = coarsen(x)
        h = self._seen(stage, x)
        for k in range(stage, 0, -1):
            h = coarsen(self.blocks[k - 1](h))
            if k == stage and alpha < 1:
                h = alpha * h + (1 - alpha) * self._seen(k - 1, coarsen(x))
        h = self.last(spread_plane(h) if self.spread else h)
        features: Tensor = self.dense(torch.cat([h, context], 1) if self.conditions else h)
        return features

    def _seen(self, stage: int, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.see[stage](x), SLOPE)

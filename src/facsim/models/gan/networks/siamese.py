"""Networks of the Model-Assisted GAN's first stage: an emulator of images, and a critic that sees two of them.

The publication (Alonso-Monsalve and Whitehead, arXiv:1812.00879) says that the critic always takes two images and that
its two convolutional towers share their weights. Layers and sizes here are ours.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart
from facsim.models.gan.networks.dcgan import check_image
from facsim.nets.activations import Output, output

__all__ = ["EmulatorGenerator", "SiameseCritic", "tower"]

SLOPE = 0.2
REFERENCE = "networks of our own after Alonso-Monsalve and Whitehead, arXiv:1812.00879"


@GENERATORS.register("emulator")
class EmulatorGenerator(GeneratorPart):
    """Parameters and noise through a dense layer and two transposed convolutions 4 x 4 to an image of any size.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (28, 28)),), (Block("m"),)), width=784, context=1)
    >>> EmulatorGenerator(channels=8).build(layout)(torch.randn(3, 16), torch.zeros(3, 1)).shape
    torch.Size([3, 784])
    """

    summary = "two transposed convolutions, from simulation parameters to images"
    reference = REFERENCE

    noise: int = Field(16, ge=1)
    channels: int = Field(64, ge=1)
    """Of the last hidden layer; twice as many before."""
    output: Output = "linear"

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more."""
        check_image(self.kind or "emulator", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> pixels (n, H * W)``."""
        return _Emulator(self, layout)


class _Emulator(nn.Module):
    def __init__(self, part: EmulatorGenerator, layout: Layout) -> None:
        super().__init__()
        self.size = layout.schema.features[0].shape
        wide, last = 2 * part.channels, part.channels
        self.first = (wide, -(-self.size[0] // 4), -(-self.size[1] // 4))
        cells = self.first[1] * self.first[2]
        inputs = layout.context + part.noise
        self.dense = nn.Sequential(nn.Linear(inputs, wide * cells), nn.BatchNorm1d(wide * cells), nn.LeakyReLU(SLOPE))
        layers: list[nn.Module] = []
        for a, b in ((wide, wide), (wide, last)):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(last, 1, 3, 1, 1), output(part.output))

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Pixels (n, H * W)."""
        x = self.layers(self.dense(torch.cat([context, noise], 1)).view(-1, *self.first))
        pixels: Tensor = x[:, 0, : self.size[0], : self.size[1]].flatten(1)
        return pixels


@CRITICS.register("siamese")
class SiameseCritic(CriticPart):
    """Two images through one tower; what it finds in them meets as difference and product.

    It judges pairs: two true events of the same parameters are real, a true and a generated one are not. That tells it
    the parameters by an example; it is not told them otherwise.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (28, 28)),), (Block("m"),)), width=784, context=1)
    >>> SiameseCritic(channels=8).build(layout, pack=2)(torch.randn(3, 2 * 784), torch.zeros(3, 2)).shape
    torch.Size([3, 64])
    """

    summary = "sees two images of the same parameters, both through one convolutional tower"
    reference = REFERENCE
    paired: ClassVar[bool] = True

    conditioning: Literal["none"] = "none"
    channels: int = Field(64, ge=1)
    """Of the first convolution; twice as many in the second."""
    features: int = Field(128, ge=1)
    """What the tower finds in an image."""
    hidden: int = Field(64, ge=1)
    """Where the two meet."""
    dropout: float = Field(0.3, ge=0, lt=1)
    spectral: bool = True
    """Spectral normalisation of every layer (Miyato et al., arXiv:1802.05957)."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more, under some conditions."""
        check_image(self.kind or "siamese", layout)
        if not layout.schema.conditions:
            msg = "'siamese' compares events of the same conditions, and these events have none: use the recipe 'dcgan'"
            raise SchemaMismatch(msg)

    def build(self, layout: Layout, pack: int = 2) -> nn.Module:
        """Network ``(two images (n, 2 H W), context (n, 2 c)) -> features (n, hidden)``."""
        if pack != 2:
            msg = f"'siamese' looks at two images at a time: set schedule.pack to 2, not {pack}"
            raise SchemaMismatch(msg)
        return _Siamese(self, layout)


class _Siamese(nn.Module):
    def __init__(self, part: SiameseCritic, layout: Layout) -> None:
        super().__init__()
        rows, columns = layout.schema.features[0].shape
        self.pixels = rows * columns
        self.tower = tower((rows, columns), part.channels, part.features, part.dropout, spectral=part.spectral)
        meet = nn.Linear(2 * part.features, part.hidden)
        self.meet = nn.Sequential(spectral_norm(meet) if part.spectral else meet, nn.LeakyReLU(SLOPE))
        self.features = part.hidden

    def forward(self, x: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002 - the other image tells the parameters
        """Features (n, hidden) of pairs (n, 2 H W)."""
        one, other = self.tower(x.view(-1, self.pixels)).view(x.shape[0], 2, -1).unbind(1)
        together: Tensor = self.meet(torch.cat([(one - other).abs(), one * other], 1))
        return together


def tower(
    size: tuple[int, int], channels: int, features: int, dropout: float = 0.3, *, spectral: bool = True
) -> nn.Sequential:
    """Two convolutions 5 x 5 with stride 2 and a dense layer: images (n, H * W) -> (n, features).

    Examples
    --------
    >>> tower((28, 28), 8, 16)(torch.randn(3, 784)).shape
    torch.Size([3, 16])
    """
    cells = -(-size[0] // 4) * -(-size[1] // 4)
    last = 2 * channels * cells
    layers: list[nn.Module] = [
        nn.Conv2d(1, channels, 5, 2, 2),
        nn.Conv2d(channels, 2 * channels, 5, 2, 2),
        nn.Linear(last, features),
    ]
    first, second, dense = (spectral_norm(layer) if spectral else layer for layer in layers)
    return nn.Sequential(
        nn.Unflatten(1, (1, *size)),
        *(first, nn.LeakyReLU(SLOPE), nn.Dropout(dropout)),
        *(second, nn.LeakyReLU(SLOPE), nn.Dropout(dropout)),
        nn.Flatten(),
        dense,
    )

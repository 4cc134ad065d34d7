"""Deep convolutional networks for images (Radford, Metz, Chintala, arXiv:1511.06434)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import (
    CRITICS,
    GENERATORS,
    Conditioning,
    CriticPart,
    GeneratorPart,
    alternative,
    entrance,
)
from facsim.models.gan.networks.shells import Minibatch
from facsim.nets.activations import Output, output
from facsim.nets.film import FiLM
from facsim.nets.minibatch import MinibatchDiscrimination
from facsim.nets.virtual_norm import Reference, VirtualBatchNorm

__all__ = ["DCGANCritic", "DCGANGenerator", "Norm", "check_image", "halvings"]

Norm = Literal["none", "batch", "virtual", "layer"]
Size = tuple[int, int]

SMALLEST, SIDE = 8, 4
KERNEL = 5


def check_image(part: str, layout: Layout) -> None:
    """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more."""
    block = layout.image(part, instead=alternative(layout))
    if min(block.shape) < SMALLEST:
        msg = (
            f"'{part}' halves images, which must have at least ({SMALLEST}, {SMALLEST}) pixels; block '{block.name}' "
            f"has {block.shape}. Use {alternative(layout)}"
        )
        raise SchemaMismatch(msg)


def halvings(size: Size, smallest: int = SIDE) -> list[Size]:
    """Sizes from the smallest to the whole image, each half of the next, rounded up; no side below `smallest`.

    Examples
    --------
    >>> halvings((25, 25)), halvings((8, 12))
    ([(4, 4), (7, 7), (13, 13), (25, 25)], [(4, 6), (8, 12)])
    """
    sizes = [size]
    while min(half := ((sizes[0][0] + 1) // 2, (sizes[0][1] + 1) // 2)) >= smallest:
        sizes.insert(0, half)
    return sizes


def norm_layer(norm: Norm, channels: int, rows: int) -> nn.Module:
    """A normalisation of (n, channels, H, W); `rows` is the size of a virtual one's reference batch."""
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "virtual":
            return VirtualBatchNorm(channels, rows)
        case "layer":
            return nn.GroupNorm(1, channels)
        case "none":
            return nn.Identity()


def small_weights(net: nn.Module) -> None:
    """Weights N(0, 0.02^2), biases 0 (arXiv:1511.06434, section 4)."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@GENERATORS.register("dcgan")
class DCGANGenerator(GeneratorPart):
    """Transposed convolutions that double the image, 5 x 5, from 4 to 7 pixels a side to any size.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (28, 25)),)), width=700, context=1)
    >>> DCGANGenerator(channels=8).build(layout)(torch.randn(3, 100), torch.zeros(3, 1)).shape
    torch.Size([3, 700])
    """

    summary = "transposed convolutions, for images of 8 x 8 and more"
    reference = "Radford, Metz, Chintala, arXiv:1511.06434"

    noise: int = Field(100, ge=1)
    channels: int = Field(64, ge=1)
    """Of the last hidden layer; doubled with every halving of the image."""
    norm: Norm = "batch"
    reference_rows: int = Field(64, ge=1)
    """Events of the reference batch of ``norm: virtual``."""
    conditioning: Conditioning = "concat"
    output: Output = "tanh"

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more."""
        check_image(self.kind or "dcgan", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> pixels (n, H * W)``."""
        return _Generator(self, layout)


class _Generator(nn.Module):
    def __init__(self, part: DCGANGenerator, layout: Layout) -> None:
        super().__init__()
        rows, columns = layout.schema.features[0].shape
        sizes = halvings((rows, columns))
        widths = [part.channels << k for k in reversed(range(len(sizes) - 1))]
        film = part.conditioning == "film"
        self.enter = None if film else entrance(part.conditioning, part.noise, layout)
        self.reference = Reference(part.reference_rows if part.norm == "virtual" else 0, part.noise, layout.context)
        self.first = (widths[0], *sizes[0])
        inputs = part.noise if self.enter is None else self.enter.width
        self.dense = nn.Linear(inputs, widths[0] * sizes[0][0] * sizes[0][1])
        self.norms = nn.ModuleList(norm_layer(part.norm, w, part.reference_rows) for w in widths)
        self.doubling = nn.ModuleList(
            nn.ConvTranspose2d(a, b, KERNEL, 2, 2, output_padding=(new[0] - 2 * old[0] + 1, new[1] - 2 * old[1] + 1))
            for a, b, old, new in zip(widths, [*widths[1:], 1], sizes, sizes[1:], strict=False)
        )
        small_weights(self)  # before the modulations, which start as the identity
        self.films = nn.ModuleList(FiLM(layout.context, w) for w in widths) if film else None
        self.output = output(part.output)

    def refer(self, noise: Tensor, context: Tensor) -> None:
        """Keep the first rows as reference batch of virtual batch normalisation."""
        self.reference.keep(noise, context)

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Pixels (n, H * W)."""
        noise, context = self.reference(noise, context)
        x = self.dense(noise if self.enter is None else self.enter(noise, context)).view(-1, *self.first)
        for k, (norm, double) in enumerate(zip(self.norms, self.doubling, strict=True)):
            x = norm(x)
            if self.films is not None:
                x = self.films[k](x, context)
            x = double(x.relu())
        pixels: Tensor = self.output(self.reference.off(x).flatten(1))
        return pixels


@CRITICS.register("dcgan")
class DCGANCritic(CriticPart):
    """Convolutions 5 x 5 with stride 2; conditions are further planes of the image, or meet the features in the head.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (28, 25)),)), width=700, context=1)
    >>> DCGANCritic(channels=8).build(layout)(torch.randn(3, 700), torch.zeros(3, 1)).shape
    torch.Size([3, 512])
    """

    summary = "strided convolutions, for images of 8 x 8 and more"
    reference = "Radford, Metz, Chintala, arXiv:1511.06434"

    channels: int = Field(64, ge=1)
    """Of the first layer; doubled with every halving of the image."""
    slope: float = Field(0.2, ge=0)
    norm: Norm = "batch"
    """After every convolution but the first. ``layer`` and ``virtual`` leave every event to itself."""
    reference_rows: int = Field(64, ge=1)
    """Events of the reference batch of ``norm: virtual``."""
    spectral: bool = False
    """Spectral normalisation of every layer (Miyato et al., arXiv:1802.05957)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    minibatch: Minibatch | None = None

    @property
    def uses_batch(self) -> bool:
        """Whether batch normalisation or minibatch discrimination is on."""
        return self.norm == "batch" or self.minibatch is not None

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image of 8 x 8 pixels or more."""
        check_image(self.kind or "dcgan", layout)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(pixels (n, H * W * pack), context (n, c * pack)) -> features``; packed images are channels."""
        return _Body(self, layout, pack)


class _Body(nn.Module):
    def __init__(self, part: DCGANCritic, layout: Layout, pack: int) -> None:
        super().__init__()
        rows, columns = layout.schema.features[0].shape
        self.shape = (pack, rows, columns)
        self.planes = 0 if part.alone or not layout.schema.conditions else layout.context * pack
        sizes = halvings((rows, columns))
        widths = [pack + self.planes] + [part.channels << k for k in range(len(sizes) - 1)]
        reference = part.reference_rows if part.norm == "virtual" else 0
        self.reference = Reference(reference, layout.width * pack, layout.context * pack)
        layers: list[nn.Module] = []
        for k, (a, b) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(a, b, KERNEL, 2, 2)]
            layers += [norm_layer(part.norm, b, part.reference_rows)] if k else []
            layers += [nn.LeakyReLU(part.slope)]
            layers += [nn.Dropout(part.dropout)] if part.dropout else []
        self.layers = nn.Sequential(*layers, nn.Flatten())
        small_weights(self)
        if part.spectral:
            for layer in layers:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)
        self.features = widths[-1] * sizes[0][0] * sizes[0][1]
        self.minibatch = None
        if part.minibatch:
            found = part.minibatch
            self.minibatch = MinibatchDiscrimination(self.features, found.features, found.kernels)
            self.features += found.features

    def refer(self, x: Tensor, context: Tensor) -> None:
        """Keep the first rows as reference batch of virtual batch normalisation."""
        if self.reference.rows:
            pack = self.shape[0]
            self.reference.keep(_packed(x, pack), _packed(context, pack))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, features)."""
        x, context = self.reference(x, context)
        x = x.view(-1, *self.shape)
        if self.planes:
            x = torch.cat([x, context[:, :, None, None].expand(-1, -1, *self.shape[1:])], 1)
        h: Tensor = self.reference.off(self.layers(x))
        return h if self.minibatch is None else torch.cat([self.minibatch(h), h], 1)


def _packed(x: Tensor, pack: int) -> Tensor:
    """Rows side by side; what is left over is dropped."""
    return x[: len(x) // pack * pack].reshape(-1, pack * x.shape[1])

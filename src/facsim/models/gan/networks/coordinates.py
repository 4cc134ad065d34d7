"""An event as a function of place: one small network says what each pixel holds, told where it is."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import GENERATORS, GeneratorPart
from facsim.nets.activations import Activation, Output, activation, output
from facsim.nets.perceptron import Perceptron

__all__ = ["CoordinatesGenerator"]


@GENERATORS.register("coordinates")
class CoordinatesGenerator(GeneratorPart):
    r"""Conditions move planes over the image; a perceptron, the same for all pixels, is told how far away they are.

    .. math:: h_k(p) = a_k(\theta) \cdot p + b_k(\theta), \qquad x(p) = f(h(p), \theta)

    with the place p of a pixel, every axis from -1 to 1. Sharp edges that move with the conditions (lines, borders,
    tracks) are what it draws well and convolutions do not: a rectifier's kink lies on a plane, whatever the resolution.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (28, 25)),), (Block("m"),)), width=700, context=1)
    >>> CoordinatesGenerator(planes=4, hidden=8).build(layout)(torch.randn(3, 1), torch.zeros(3, 1)).shape
    torch.Size([3, 700])
    """

    summary = "a perceptron for every pixel, told its distance from planes that the conditions move"
    reference = "implicit networks: Sitzmann et al., arXiv:2006.09661; the planes are our own"

    noise: int = Field(1, ge=1)
    planes: int = Field(16, ge=1)
    hidden: int = Field(32, ge=1)
    """Width of the pixels' perceptron."""
    layers: int = Field(2, ge=1)
    reader: int = Field(64, ge=1)
    """Width of the perceptron that reads the conditions, of two layers."""
    activation: Activation = "relu"
    output: Output = "linear"

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` unless there is one block with axes, seen pixel by pixel."""
        blocks = layout.schema.features
        if len(blocks) > 1 or not blocks[0].shape:
            names = [f"'{b.name}' {b.shape}" for b in blocks]
            msg = f"'coordinates' draws one block with axes; here is {', '.join(names)}. Use 'mlp' or 'residual'"
            raise SchemaMismatch(msg)
        if layout.width != layout.schema.width:
            msg = "'coordinates' needs the pixels themselves: set model.transform to 'scale' or 'standard'"
            raise SchemaMismatch(msg)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> pixels (n, width)``."""
        return _Coordinates(self, layout)


class _Coordinates(nn.Module):
    places: Tensor

    def __init__(self, part: CoordinatesGenerator, layout: Layout) -> None:
        super().__init__()
        axes = [torch.linspace(-1, 1, size) for size in layout.schema.features[0].shape]
        places = torch.stack([*torch.meshgrid(*axes, indexing="ij"), torch.ones(layout.schema.features[0].shape)])
        self.register_buffer("places", places.flatten(1), persistent=False)  # (axes + 1, pixels)
        inputs = layout.context + part.noise
        self.read = Perceptron(inputs, 0, part.reader, 2, "silu")
        self.planes = nn.Linear(inputs + part.reader, part.planes * len(self.places))
        nn.init.normal_(self.planes.bias)  # planes in all directions, before the conditions move them
        widths = [part.planes] + [part.hidden] * part.layers
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.shift = nn.ModuleList(_silent(inputs + part.reader, 2 * b) for b in widths[1:])
        self.act = activation(part.activation)
        self.leave = nn.Sequential(nn.Linear(widths[-1], 1), nn.Flatten(), output(part.output))

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Pixels (n, width)."""
        told = torch.cat([context, noise], 1)
        told = torch.cat([told, self.read(told)], 1)
        planes = self.planes(told).view(told.shape[0], -1, self.places.shape[0])
        x = (planes @ self.places).transpose(1, 2)  # (n, pixels, planes)
        for dense, shift in zip(self.dense, self.shift, strict=True):
            scale, move = shift(told)[:, None].chunk(2, dim=2)
            x = self.act(dense(x) * (1 + scale) + move)
        pixels: Tensor = self.leave(x)
        return pixels


def _silent(inputs: int, outputs: int) -> nn.Linear:
    """A layer that gives zeros before training."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer

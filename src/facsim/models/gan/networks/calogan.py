"""CaloGAN's generator: three streams, one per calorimeter layer, and in-painting between them."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import GENERATORS, GeneratorPart
from facsim.nets.inpainting import InPainting, divisible
from facsim.nets.local import Fans, LocallyConnected2d
from facsim.nets.planes import DensePlanes, PlaneNorm, SameConv2d

__all__ = ["REFERENCE", "SLOPE", "CaloGANGenerator", "check_layers", "energy_column"]

Pair = tuple[int, int]

REFERENCE = "Paganini, de Oliveira, Nachman, arXiv:1705.02355 and 1712.10321, and the public code"
SLOPE = 0.3


def energy_column(layout: Layout) -> int:
    """Context column of the first energy among the conditions; it holds E / 100 GeV."""
    kinds = [b.kind for b in layout.schema.conditions for _ in range(b.size) if not (b.kind == "category" and b.names)]
    return layout.reals[kinds.index("energy")]


def check_layers(part: str, layout: Layout) -> None:
    """Raise `SchemaMismatch` for anything but three two-dimensional layers and an incident energy."""
    problem = _problem(layout)
    if problem:
        instead = "'calogan+' (any calorimeter)" if layout.schema.layers else "'wgan-gp' (any columns)"
        msg = f"'{part}' draws three layers of cells of a shower: {problem}, or use the recipe {instead}"
        raise SchemaMismatch(msg)
    if layout.width != layout.schema.width:
        msg = f"'{part}' needs the cells themselves: set model.transform to 'scale', model.moments to false"
        raise SchemaMismatch(msg)


def _problem(layout: Layout) -> str:
    """What does not fit, and the cure; empty if all does."""
    blocks, conditions = layout.schema.features, layout.schema.conditions
    wrong = [b for b in blocks if len(b.shape) != 2] or list(blocks[3:])
    if wrong:
        return f"block '{wrong[0].name}' of shape {wrong[0].shape} does not fit. Leave it out"
    if len(blocks) < 3:
        return f"here is only {[b.name for b in blocks]}. Give all three"
    for one, two in pairwise(blocks):
        if not divisible(one.shape, two.shape):
            return (
                f"block '{one.name}' {one.shape} cannot be laid over '{two.name}' {two.shape}. Give layers where one "
                "number of cells is a multiple of the other along each axis, as (3, 96), (12, 12), (12, 6)"
            )
    if not any(b.kind == "energy" for b in conditions):
        return f"no condition is of kind 'energy' (there are {[b.name for b in conditions]}). Add the incident energy"
    return ""


@GENERATORS.register("calogan")
class CaloGANGenerator(GeneratorPart):
    """CaloGAN's generator: 29,726,376 numbers for (3, 96), (12, 12), (12, 6), running statistics included.

    Noise is multiplied with E / 100 GeV (and with the embedding of a category, if there is one); further conditions are
    put beside it (arXiv:1711.08813). Events in GeV.

    Examples
    --------
    >>> from facsim.detectors import calogan
    >>> net = CaloGANGenerator(noise=8).build(Layout(calogan(), width=504, context=1))
    >>> net(torch.randn(3, 8), torch.full((3, 1), 0.5)).shape
    torch.Size([3, 504])
    """

    summary = "CaloGAN's: three locally connected streams with in-painting attention, for three layers of cells"
    reference = REFERENCE

    noise: int = Field(1024, ge=1)
    channels: int = Field(36, ge=1)
    """Planes that the dense layer gives to each stream."""
    fans: Fans = "keras2"
    """Scale of the initial locally connected weights; the source was trained with Keras 2.0."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but three two-dimensional layers and an incident energy."""
        check_layers(self.kind or "calogan", layout)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, noise), context (n, c)) -> cells (n, width)`` in GeV."""
        return _Generator(self, layout)


class _Generator(nn.Module):
    others: Tensor
    classes: Tensor

    def __init__(self, part: CaloGANGenerator, layout: Layout) -> None:
        super().__init__()
        self.energy = energy_column(layout)
        others = [c for c in layout.reals if c != self.energy]
        classes = [c for first, last in layout.categories for c in range(first, last)]
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), persistent=False)
        self.register_buffer("classes", torch.tensor(classes, dtype=torch.long), persistent=False)
        self.embedding = nn.Linear(len(classes), part.noise, bias=False) if classes else None
        if self.embedding is not None:
            nn.init.xavier_normal_(self.embedding.weight)
        shapes = [(b.shape[0], b.shape[1]) for b in layout.schema.features]
        inputs = part.noise + len(others)
        self.streams = nn.ModuleList(_stream(inputs, part.channels, shape, part.fans) for shape in shapes)
        self.painting = nn.ModuleList(InPainting(a, b, part.fans) for a, b in pairwise(shapes))

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Cells (n, width) in GeV."""
        h = noise * context[:, self.energy, None]
        if self.embedding is not None:
            h = h * self.embedding(context[:, self.classes])
        if len(self.others):
            h = torch.cat([h, context[:, self.others]], 1)
        first, *later = (stream(h) for stream in self.streams)
        layers = [first]
        for own, paint in zip(later, self.painting, strict=True):
            layers.append(paint(own, layers[-1]))
        return torch.cat([layer.flatten(1) for layer in layers], 1).relu()


def _stream(inputs: int, channels: int, shape: Pair, fans: Fans) -> nn.Sequential:
    """One layer's picture (n, 1, rows, columns), before the rectifier."""
    rows, columns = shape
    return nn.Sequential(
        DensePlanes(inputs, channels, (rows + 2, columns + 2)),
        SameConv2d(channels, 16, 2, "he_uniform"),
        nn.LeakyReLU(SLOPE),
        PlaneNorm(16),
        LocallyConnected2d(16, 6, (rows + 2, columns + 2), (2, 2), init="he_uniform", fans=fans),
        nn.LeakyReLU(SLOPE),
        LocallyConnected2d(6, 1, (rows + 1, columns + 1), (2, 2), bias=False, init="glorot_normal", fans=fans),
    )

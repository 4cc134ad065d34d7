"""CaloGAN's discriminator: one stream per layer, minibatch discrimination, sparsities and energies."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, CriticPart
from facsim.models.gan.networks.calogan import REFERENCE, SLOPE, check_layers, energy_column
from facsim.nets.local import Fans, LocallyConnected2d
from facsim.nets.minibatch import MinibatchDiscrimination
from facsim.nets.occupancy import hard_occupancy, soft_occupancy
from facsim.nets.planes import PlaneNorm, SameConv2d

__all__ = ["CaloGANCritic"]

Pair = tuple[int, int]

CONTEXT_GEV = 100.0
TOLERANCE_GEV = 5.0
SIMILAR = 10
"""Features of every minibatch discrimination, and kernels of each."""


@CRITICS.register("calogan")
class CaloGANCritic(CriticPart):
    """CaloGAN's discriminator without its head: 1,863 features for (3, 96), (12, 12), (12, 6) (arXiv:1712.10321).

    Per layer: what locally connected layers find (1,000, 448, 336 features), how much the events of the batch resemble
    each other in that, the share of cells that are lit, and how much the events resemble each other in that. Of the
    whole: the layers' energies / 10 GeV, their sum / 100 GeV, its distance to the requested energy in GeV, 10 where
    that exceeds 5 GeV, and how much the events resemble each other in the layers' energies. Cells in GeV, the first
    energy among the conditions in 100 GeV.

    Examples
    --------
    >>> from facsim.detectors import calogan
    >>> body = CaloGANCritic().build(Layout(calogan(), width=504, context=1))
    >>> body(torch.rand(3, 504), torch.full((3, 1), 0.5)).shape
    torch.Size([3, 1863])
    """

    summary = "CaloGAN's: three locally connected streams, minibatch discrimination, sparsities and energies"
    reference = REFERENCE

    sparsity: Literal["hard", "soft"] = "hard"
    """``hard`` is the share of cells above zero, which has no gradient; ``soft`` that of arXiv:1711.08813's code."""
    fans: Fans = "keras2"
    """Scale of the initial locally connected weights; the source was trained with Keras 2.0."""
    filters: int = Field(64, ge=1)
    """Of the first convolution."""

    @property
    def uses_batch(self) -> bool:
        """Yes: batch normalisation and minibatch discrimination."""
        return True

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but three two-dimensional layers and an incident energy."""
        check_layers(self.kind or "calogan", layout)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(cells (n, width), context (n, c)) -> features``."""
        if pack > 1:
            msg = f"'calogan' compares one shower's energy with the requested one: set schedule.pack to 1, not {pack}"
            raise SchemaMismatch(msg)
        return _Body(self, layout)


class _Body(nn.Module):
    def __init__(self, part: CaloGANCritic, layout: Layout) -> None:
        super().__init__()
        self.shapes = [(b.shape[0], b.shape[1]) for b in layout.schema.features]
        self.sizes = [b.size for b in layout.schema.features]
        self.energy = energy_column(layout)
        self.occupancy = hard_occupancy if part.sparsity == "hard" else soft_occupancy
        self.streams = nn.ModuleList(_stream(part.filters, shape, part.fans) for shape in self.shapes)
        widths = [_width(shape) for shape in self.shapes]
        self.alike = nn.ModuleList(_alike(width, part.fans) for width in widths)
        self.alike_sparsity = nn.ModuleList(_alike(1, part.fans) for _ in widths)
        self.alike_energies = _alike(len(widths), part.fans)
        self.features = sum(w + 2 * SIMILAR + 1 for w in widths) + len(widths) + 3 + SIMILAR

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, features) of cells (n, width)."""
        found, energies = [], []
        for i, cells in enumerate(torch.split(x, self.sizes, 1)):
            h = self.streams[i](cells.view(-1, 1, *self.shapes[i]))
            lit = self.occupancy(cells)
            found += [h, self.alike[i](h), lit, self.alike_sparsity[i](lit)]
            energies.append(cells.sum(1, keepdim=True))
        layers = torch.cat(energies, 1)
        total = layers.sum(1, keepdim=True)
        off = (total - CONTEXT_GEV * context[:, self.energy, None]).abs()
        far = 10 * (off > TOLERANCE_GEV).to(off.dtype)
        return torch.cat([*found, layers / 10, total / 100, off, far, self.alike_energies(layers)], 1)


def _stream(filters: int, shape: Pair, fans: Fans) -> nn.Sequential:
    """What locally connected layers find in one layer's picture, flat."""
    rows, columns = shape
    half = (columns - 1) // 2 + 1
    return nn.Sequential(
        SameConv2d(1, filters, 2),
        nn.LeakyReLU(SLOPE),
        LocallyConnected2d(filters, 16, shape, (3, 3), stride=(1, 2), padding=(1, 1), fans=fans),
        nn.LeakyReLU(SLOPE),
        PlaneNorm(16),
        LocallyConnected2d(16, 8, (rows, half), (2, 2), padding=(1, 1), fans=fans),
        nn.LeakyReLU(SLOPE),
        PlaneNorm(8),
        LocallyConnected2d(8, 8, (rows + 1, half + 1), (2, 2), stride=(1, 2), padding=(1, 1), fans=fans),
        nn.LeakyReLU(SLOPE),
        PlaneNorm(8),
        nn.Flatten(),
    )


def _width(shape: Pair) -> int:
    """Features that `_stream` finds."""
    rows, columns = shape
    half = (columns - 1) // 2 + 1
    return 8 * (rows + 2) * ((half + 1) // 2 + 1)


def _alike(inputs: int, fans: Fans) -> nn.Sequential:
    """How much the events of a batch resemble each other, squashed."""
    return nn.Sequential(MinibatchDiscrimination(inputs, SIMILAR, SIMILAR, fans), nn.Tanh())

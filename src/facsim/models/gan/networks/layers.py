"""A critic of many eyes: one for each calorimeter layer, and one for the shower as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facsim.errors import SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, CriticPart
from facsim.nets.activations import activation
from facsim.nets.summary import ShowerSummary
from facsim.schema import Block

__all__ = ["LayersCritic"]


@CRITICS.register("layers")
class LayersCritic(CriticPart):
    """Multi-layer discriminator for any calorimeter: no statistics of the batch, all features with gradients.

    One perceptron per layer on its cells, which enter as asinh(x / floor), so that MeV and tens of GeV are both
    seen, and one on the energies, centres, widths and occupancies of all layers, beside columns that belong to none.
    All are told the conditions, unless these meet the features in the head (`conditioning`). Cells in GeV.

    Examples
    --------
    >>> from facsim.detectors import calogan
    >>> body = LayersCritic(hidden=16).build(Layout(calogan(), width=504, context=1))
    >>> body(torch.rand(3, 504), torch.full((3, 1), 0.5)).shape
    torch.Size([3, 64])
    """

    summary = "one perceptron per calorimeter layer, and one on energies, widths and occupancies; any calorimeter"
    reference = (
        "sparsity with gradient: code of Paganini et al., arXiv:1711.08813; spectral normalisation: arXiv:1802.05957"
    )

    hidden: int = Field(64, ge=1)
    """Features of every eye."""
    layers: int = Field(2, ge=1)
    """Hidden layers of every eye."""
    slope: float = Field(0.2, ge=0)
    spectral: bool = True
    """Spectral normalisation of every dense layer."""
    layer_norm: bool = False
    """Layer normalisation after every dense layer but the first of each eye."""
    floor: float = Field(1e-3, gt=0)
    """GeV: energies below it enter linearly, above it as logarithms."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` where there is no layer of cells, or its cells are not seen."""
        if not _layers(layout):
            names = [f"'{b.name}' {b.shape}" for b in layout.schema.features]
            msg = (
                f"'{self.kind or 'layers'}' looks at layers of cells (energies with two axes); the blocks are "
                f"{', '.join(names)}. Use the recipe 'wgan-gp' (any columns)"
            )
            raise SchemaMismatch(msg)
        if layout.width != layout.schema.width:
            cure = "set model.transform to 'scale', model.moments to false"
            msg = f"'{self.kind or 'layers'}' needs the cells themselves: {cure}"
            raise SchemaMismatch(msg)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(cells (n, width), context (n, c)) -> features (n, hidden * (layers + 1))``."""
        if pack > 1:
            msg = f"'layers' looks at one shower at a time: set schedule.pack to 1, not {pack}"
            raise SchemaMismatch(msg)
        return _Body(self, layout)


class _Body(nn.Module):
    others: Tensor

    def __init__(self, part: LayersCritic, layout: Layout) -> None:
        super().__init__()
        blocks = _layers(layout)
        self.columns = [layout.schema.columns(b.name) for b in blocks]
        self.alone, self.floor = part.alone, part.floor
        seen = {c for columns in self.columns for c in range(columns.start, columns.stop)}
        others = [c for c in range(layout.width) if c not in seen]
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), persistent=False)
        self.summary = ShowerSummary(self.columns, [_coordinates(b) for b in blocks], part.floor)
        context = 0 if part.alone else layout.context
        self.eyes = nn.ModuleList(_eye(part, b.size + context) for b in blocks)
        self.whole = _eye(part, self.summary.features + len(others) + context)
        self.features = part.hidden * (len(blocks) + 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Features (n, features) of cells (n, width) in GeV."""
        told = [] if self.alone else [context]
        seen = torch.asinh(x / self.floor) / torch.asinh(x.new_tensor(1 / self.floor))
        found = [
            eye(torch.cat([seen[:, columns], *told], 1)) for eye, columns in zip(self.eyes, self.columns, strict=True)
        ]
        found.append(self.whole(torch.cat([self.summary(x), x[:, self.others], *told], 1)))
        return torch.cat(found, 1)


def _eye(part: LayersCritic, inputs: int) -> nn.Sequential:
    """Perceptron that ends in an activated layer."""
    layers: list[nn.Module] = []
    for k in range(part.layers):
        dense = nn.Linear(inputs if k == 0 else part.hidden, part.hidden)
        layers.append(spectral_norm(dense) if part.spectral else dense)
        layers += [nn.LayerNorm(part.hidden)] if part.layer_norm and k else []
        layers.append(activation("leaky_relu", part.slope))
    return nn.Sequential(*layers)


def _layers(layout: Layout) -> list[Block]:
    """Blocks that are layers of cells."""
    return [b for b in layout.schema.features if b.kind == "energy" and len(b.shape) == 2]


def _coordinates(block: Block) -> tuple[Any, Any]:
    """Coordinates of the cells along two axes, from the geometry or from the places in the block."""
    if block.grid is not None:
        return block.grid.centres("x"), block.grid.centres("y")
    rows, columns = (np.arange(m) - (m - 1) / 2 for m in block.shape)
    return np.repeat(rows, len(columns)), np.tile(columns, len(rows))

"""Quantities of cells and pixels that a critic would have to find by itself: differentiable, in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.schema import Block, Schema

__all__ = ["CellMoments"]

BRIGHTEST = 5
TINY = 1e-6


class CellMoments(nn.Module):
    """Centres, widths and brightest cells of every block of cells (n, d) -> (n, width), each of order one.

    Per block: centre and width along both axes, their correlation, the mean distance from the centre, the shares of the
    brightest cells, and the sum of the squared shares; all from shares of the block's sum, zero where that is zero.
    Coordinates are those of the block's grid, or cell numbers. `fit` notes mean and spread, by which the quantities are
    then scaled.

    A perceptron that looks at hundreds of cells one by one is slow to find a width of a few per cent; told, it teaches
    the generator from the first step on.

    Parameters
    ----------
    schema : Schema
        Blocks of kind energy with two axes are looked at.
    sums : bool, optional
        And the sum of each block: one quantity more.
    scale : float, optional
        Spread of the scaled quantities.

    Raises
    ------
    SchemaMismatch
        If there is none.

    Examples
    --------
    >>> import torch
    >>> moments = CellMoments(Schema((Block("image", (8, 8), "energy", "GeV"),)))
    >>> moments(torch.rand(3, 64)).shape
    torch.Size([3, 12])
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, schema: Schema, *, sums: bool = False, scale: float = 1.0) -> None:
        super().__init__()
        blocks = [b for b in schema.features if b.kind == "energy" and len(b.shape) == 2]
        if not blocks:
            have = ", ".join(f"'{b.name}' {b.shape} ({b.kind})" for b in schema.features)
            msg = (
                f"moments are those of cells or pixels (blocks of kind 'energy' with two axes); here is {have}. "
                "Set model.moments to false, or use the recipe wgan-gp (any columns)"
            )
            raise SchemaMismatch(msg)
        self.blocks = [(schema.columns(b.name), min(BRIGHTEST, b.size)) for b in blocks]
        for i, block in enumerate(blocks):
            self.register_buffer(f"place_{i}", _places(block), persistent=False)
        self.sums, self.scale = sums, scale
        self.width = sum(7 + bright + sums for _, bright in self.blocks)
        self.register_buffer("centre", torch.zeros(self.width))
        self.register_buffer("spread", torch.ones(self.width))

    def fit(self, features: Tensor) -> None:
        """Note mean and spread of the quantities of events (n, d)."""
        with torch.no_grad():
            values = self._raw(features)
            self.centre.copy_(values.mean(0))
            self.spread.copy_(values.std(0).clamp(min=1e-3))

    def forward(self, features: Tensor) -> Tensor:
        """Scaled quantities (n, width) of events."""
        return (self._raw(features) - self.centre) * (self.scale / self.spread)

    def _raw(self, features: Tensor) -> Tensor:
        found = []
        for i, (columns, bright) in enumerate(self.blocks):
            cells, places = features[:, columns], getattr(self, f"place_{i}")
            total = cells.sum(1, keepdim=True)
            share = cells / total.clamp(min=TINY)
            mean = share @ places  # x, y, x^2, y^2, xy
            centre = mean[:, :2]
            square = (mean[:, 2:4] - centre**2).clamp(min=0) + TINY
            mixed = mean[:, 4] - centre[:, 0] * centre[:, 1]
            apart = (places[None, :, :2] - centre[:, None]).square().sum(2).add(TINY).sqrt()
            found += [
                centre,
                square.sqrt(),
                (mixed / square.prod(1).sqrt())[:, None].clamp(-1, 1),
                (share * apart).sum(1, keepdim=True),
                share.square().sum(1, keepdim=True),
                share.topk(bright, dim=1).values,
                *([total] if self.sums else []),
            ]
        return torch.cat(found, 1)


def _places(block: Block) -> Tensor:
    """x, y, x^2, y^2 and xy (or phi and eta) of every cell (cells, 5), x and y with mean square one over the block."""
    if block.grid is not None:
        axes = block.grid.axes if "eta" in block.grid.axes else ("x", "y")
        x, y = (torch.from_numpy(block.grid.centres(axis).copy()) for axis in axes)
    else:
        rows, columns = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in block.shape)
        x, y = (t.flatten() for t in torch.meshgrid(rows, columns, indexing="ij"))
    x, y = x / x.square().mean().sqrt().clamp(min=TINY), y / y.square().mean().sqrt().clamp(min=TINY)
    return torch.stack([x, y, x * x, y * y, x * y], 1).float()

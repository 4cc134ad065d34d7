"""CaloGAN's in-painting: a layer is a mixture of its own picture and of what the layer before shines through."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facsim.nets.local import Fans, LocallyConnected2d
from facsim.nets.planes import upsample

__all__ = ["InPainting", "divisible"]

Pair = tuple[int, int]

CLOSED = -10.0


class InPainting(nn.Module):
    r"""Attention between two layers of a calorimeter: :math:`w_1 \cdot own + w_2 \cdot carry` with softmax weights.

    The carry is the layer before, with its cells repeated or averaged to the target's grid. The weights come from a
    locally connected 3 x 3 layer over both pictures, whose bias starts at 0 and -10: closed. Paganini et al.,
    arXiv:1712.10321.

    Parameters
    ----------
    source, target : (int, int)
        Rows and columns of the layer before, and of this one; `divisible` by each other.
    fans : {"field", "keras1", "keras2"}, optional
        Scale of the initial weights.

    Examples
    --------
    >>> paint = InPainting((3, 96), (12, 12))
    >>> own = torch.randn(2, 1, 12, 12)
    >>> paint(own, torch.randn(2, 1, 3, 96)).shape, sum(p.numel() for p in paint.parameters())
    (torch.Size([2, 1, 12, 12]), 5472)
    """

    def __init__(self, source: Pair, target: Pair, fans: Fans = "field") -> None:
        super().__init__()
        self.repeat = (max(target[0] // source[0], 1), max(target[1] // source[1], 1))
        self.pool = (max(source[0] // target[0], 1), max(source[1] // target[1], 1))
        self.weigh = LocallyConnected2d(2, 2, target, (3, 3), padding=(1, 1), fans=fans)
        with torch.no_grad():
            if self.weigh.bias is not None:
                self.weigh.bias[:, :, 1] = CLOSED

    def carry(self, before: Tensor) -> Tensor:
        """The layer before (n, 1, H, W) on this layer's grid."""
        x = before if self.repeat == (1, 1) else upsample(before, *self.repeat)
        if self.pool == (1, 1):
            return x
        (rows, columns), (height, width) = self.pool, x.shape[2:]
        cells = x.permute(2, 3, 1, 0).reshape(height // rows, rows, width // columns, columns, 1, x.shape[0])
        return cells.mean((1, 3)).permute(3, 2, 0, 1)

    def forward(self, own: Tensor, before: Tensor) -> Tensor:
        """Picture (n, 1, H', W') of this layer."""
        both = torch.cat([own.permute(2, 3, 1, 0), self.carry(before).permute(2, 3, 1, 0)], 2).permute(3, 2, 0, 1)
        shares: Tensor = self.weigh(both).softmax(1)
        return (shares * both).sum(1, keepdim=True)


def divisible(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether one grid follows from the other by repeating cells or by averaging them.

    Examples
    --------
    >>> divisible((3, 96), (12, 12)), divisible((3, 96), (12, 10))
    (True, False)
    """
    return all(max(a, b) % min(a, b) == 0 for a, b in zip(source, target, strict=True))

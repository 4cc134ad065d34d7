"""Pairs of events of the same conditions, for critics that judge two at once."""

from __future__ import annotations

import torch
from torch import Tensor

from facsim.errors import DataError
from facsim.models.draw import Draw

__all__ = ["beside", "require_pairs"]


def require_pairs(conditions: Tensor, critic: str) -> None:
    """Raise `DataError` unless rows (n, k), n even, are the same two by two; `critic` is who asks."""
    if not torch.equal(conditions[::2], conditions[1::2]):
        msg = (
            f"critic '{critic}' compares two events of the same conditions, but they differ: give data with two events "
            "for every point, one after the other, and set training.group to 2"
        )
        raise DataError(msg)


def beside(real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
    """In every pair of rows (n, width) a generated event, on either side, and a true one.

    Examples
    --------
    >>> beside(torch.zeros(4, 1), torch.ones(4, 1), Draw(1, 0)).view(2, 2).sum(1).tolist()
    [1.0, 1.0]
    """
    generated = draw.uniform(len(real) // 2, 1) < 0.5
    return torch.where(torch.stack([generated, ~generated], 1).view(-1, 1), fake, real)

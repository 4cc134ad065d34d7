"""Time of a flow as a vector of smooth functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["TimeEmbedding"]


class TimeEmbedding(nn.Module):
    """Time t (n, 1) in [0, 1] to (n, 1 + 2 * frequencies): t itself, and cosines and sines of pi k t.

    Examples
    --------
    >>> import torch
    >>> TimeEmbedding(8)(torch.rand(5, 1)).shape
    torch.Size([5, 17])
    """

    frequency: Tensor

    def __init__(self, frequencies: int = 8) -> None:
        super().__init__()
        self.width = 1 + 2 * frequencies
        self.register_buffer("frequency", math.pi * torch.arange(1, frequencies + 1), persistent=False)

    def forward(self, time: Tensor) -> Tensor:
        """Embed times (n, 1)."""
        angle = time * self.frequency
        return torch.cat([time, angle.cos(), angle.sin()], dim=-1)

"""Networks that grow: images begin small, and get their details one after another (Karras et al., arXiv:1710.10196)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["EqualConv2d", "EqualLinear", "Growing", "PixelNorm", "coarsen", "enlarge", "spread_plane"]


class EqualLinear(nn.Module):
    """Dense layer with equalised learning rate: weights N(0, 1), scaled by gain / sqrt(inputs) when used (section 4.1).

    Examples
    --------
    >>> EqualLinear(8, 3)(torch.randn(5, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(self, inputs: int, outputs: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.scale = gain / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n, outputs)."""
        return nn.functional.linear(x, self.weight * self.scale, self.bias)


class EqualConv2d(nn.Module):
    """Convolution that keeps the size, with equalised learning rate; an odd kernel.

    Examples
    --------
    >>> EqualConv2d(2, 3, 3)(torch.randn(5, 2, 4, 4)).shape
    torch.Size([5, 3, 4, 4])
    """

    def __init__(self, channels: int, filters: int, kernel: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.padding = kernel // 2
        self.scale = gain / math.sqrt(channels * kernel**2)
        self.weight = nn.Parameter(torch.randn(filters, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(filters))

    def forward(self, x: Tensor) -> Tensor:
        """Planes (n, filters, H, W)."""
        p = self.padding
        x = nn.functional.pad(x, (p, p, p, p))
        return nn.functional.conv2d(x, self.weight * self.scale, self.bias)


class PixelNorm(nn.Module):
    """Every pixel's vector of features (n, channels, ...) gets unit mean square (section 4.2).

    Examples
    --------
    >>> round(PixelNorm()(torch.randn(1, 8)).square().mean().item(), 4)
    1.0
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalised x."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def spread_plane(x: Tensor) -> Tensor:
    """Append to x (n, channels, H, W) a plane with the spread within the batch, averaged over everything (section 3).

    Examples
    --------
    >>> spread_plane(torch.ones(2, 3, 4, 4))[:, 3].max().item() < 1e-3
    True
    """
    spread = (x.var(0, correction=0) + 1e-8).sqrt().mean()
    return torch.cat([x, spread.expand(x.shape[0], 1, *x.shape[2:])], 1)


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Double x (n, channels, H, W) by repeating pixels, and cut it to `size`.

    Examples
    --------
    >>> enlarge(torch.tensor([[[[1.0, 2.0]]]]), (1, 3))
    tensor([[[[1., 1., 2.]]]])
    """
    doubled = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return doubled[:, :, : size[0], : size[1]]


def coarsen(x: Tensor) -> Tensor:
    """Halve x (n, channels, H, W) by averages over 2 x 2 pixels, or over what an odd edge leaves of them.

    Examples
    --------
    >>> coarsen(torch.tensor([[[[1.0, 3.0, 5.0]]]]))
    tensor([[[[2., 5.]]]])
    """
    return nn.functional.avg_pool2d(x, 2, ceil_mode=True)


class Growing(nn.Module):
    """A network with stages. Every stage but the first is faded in over `phase` steps, and then trained as long.

    Parameters
    ----------
    stages : int
        Image sizes.
    phase : int
        Learning steps.

    Attributes
    ----------
    level : Tensor
        0 while the first stage is trained alone, between k - 1 and k while stage k is faded in; saved with the weights.

    Examples
    --------
    >>> net = Growing(stages=3, phase=100)
    >>> [net.grow(step) or net.fading for step in (99, 150, 250, 10**6)]
    [(0, 1.0), (1, 0.5), (1, 1.0), (2, 1.0)]
    """

    level: Tensor

    def __init__(self, stages: int, phase: int) -> None:
        super().__init__()
        self.stages, self.phase = stages, phase
        self.register_buffer("level", torch.zeros(()))
        self._level = 0.0

    def grow(self, step: int) -> None:
        """Set the level that belongs to a learning step, counted from 0."""
        done, part = divmod(max(step / self.phase - 1, 0.0), 2)
        self.level.fill_(min(done + min(part, 1.0), self.stages - 1.0))
        self._level = float(self.level)

    @property
    def fading(self) -> tuple[int, float]:
        """The stage that draws, and its share alpha against the stage before."""
        stage = math.ceil(self._level)
        return stage, self._level - stage + 1 if stage else 1.0

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._level = float(self.level)  # a number of Python's, so that an exported graph has one branch only

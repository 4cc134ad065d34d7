"""Layers on planes of cells, for networks with locally connected layers.

Tensors are (n, channels, H, W) as everywhere, but views of memory ordered (H, W, channels, n), as `LocallyConnected2d`
likes it; layers after one another then rearrange nothing.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from facsim.nets.local import shared

__all__ = ["DensePlanes", "PlaneNorm", "SameConv2d", "upsample"]

KERAS_EPS, KERAS_MOMENTUM = 1e-3, 0.01
"""Keras' batch normalisation (its momentum 0.99 is torch's 0.01)."""


class DensePlanes(nn.Module):
    """Dense layer (n, inputs) -> (n, channels, H, W), glorot_uniform weights.

    Examples
    --------
    >>> DensePlanes(200, 128, (7, 7))(torch.randn(3, 200)).shape
    torch.Size([3, 128, 7, 7])
    """

    def __init__(self, inputs: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        self.weight = nn.Parameter(torch.empty(math.prod(size) * channels, inputs))
        self.bias = nn.Parameter(torch.zeros(len(self.weight), 1))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Planes (n, channels, H, W) of x (n, inputs)."""
        y = torch.addmm(self.bias, self.weight, x.t())
        return y.view(*self.size, self.channels, x.shape[0]).permute(3, 2, 0, 1)


class SameConv2d(nn.Module):
    """Convolution that keeps the size; an even kernel gets its extra zeros at the bottom and right, as in Keras.

    Parameters
    ----------
    channels, filters : int
        Planes in and out.
    kernel : int
        Rows and columns of the field of view.
    init : {"he_uniform", "glorot_uniform"}, optional
        Of the weights; biases start at zero.

    Examples
    --------
    >>> SameConv2d(36, 16, 2)(torch.randn(3, 36, 5, 98)).shape
    torch.Size([3, 16, 5, 98])
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        init: Literal["he_uniform", "glorot_uniform"] = "glorot_uniform",
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(filters, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(filters))
        area = kernel**2
        variance = 2 / (area * channels) if init == "he_uniform" else 2 / (area * (channels + filters))
        nn.init.uniform_(self.weight, -math.sqrt(3 * variance), math.sqrt(3 * variance))

    def forward(self, x: Tensor) -> Tensor:
        """Planes (n, filters, H, W) of x (n, channels, H, W)."""
        before = (self.kernel - 1) // 2
        after = self.kernel - 1 - before
        if self.weight.shape[1] <= 2:  # a library's convolution has nothing to work with, measured
            x = nn.functional.pad(x.permute(2, 3, 1, 0), (0, 0, 0, 0, before, after, before, after))
            return shared(x, self.weight, self.bias).permute(3, 2, 0, 1)
        # Padded by hand: oneDNN's own padding has given gradients from unwritten memory.
        x = nn.functional.pad(x.contiguous(memory_format=torch.channels_last), (before, after, before, after))
        y = nn.functional.conv2d(x, self.weight.contiguous(memory_format=torch.channels_last), self.bias)
        return y.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)


class PlaneNorm(nn.BatchNorm1d):
    """Batch normalisation of (n, channels, H, W) per channel, with Keras' constants; 2 to 3 times faster in this order.

    Examples
    --------
    >>> PlaneNorm(6)(torch.randn(3, 6, 14, 14)).mean().abs().item() < 1e-6
    True
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=KERAS_EPS, momentum=KERAS_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised planes (n, channels, H, W)."""
        last = x.permute(2, 3, 1, 0)
        return super().forward(last.flatten(0, 1)).view(last.shape).permute(3, 2, 0, 1)


def upsample(x: Tensor, rows: int, columns: int) -> Tensor:
    """Repeat every cell of x (n, channels, H, W): (n, channels, rows * H, columns * W).

    Examples
    --------
    >>> upsample(torch.tensor([[[[1.0, 2.0]]]]), 1, 2)
    tensor([[[[1., 1., 2., 2.]]]])
    """
    last = x.permute(2, 3, 1, 0)
    height, width, channels, n = last.shape
    spread = last[:, None, :, None].expand(height, rows, width, columns, channels, n)
    return spread.reshape(height * rows, width * columns, channels, n).permute(3, 2, 0, 1)

"""Layers whose weights look through a window: convolutions, their transposes, and unshared ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from facsim.tmva.layers import Layer, Misfit, Shape, steps

__all__ = ["Conv", "Deconv", "Filter", "Local"]


@dataclass(frozen=True)
class Filter(Layer):
    """Sizes in TMVA's order: ``depth|fltH|fltW|strideRows|strideCols|padH|padW|ACT``."""

    depth: int
    height: int
    width: int
    stride_rows: int = 1
    stride_columns: int = 1
    pad_height: int = 0
    pad_width: int = 0
    activation: str = "TANH"

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """TMVA's rule: ``(size - filter + 2 pad) / stride + 1`` along both sides."""
        rows = steps("rows", inputs[1], self.height, self.stride_rows, self.pad_height)
        return self.depth, rows, steps("columns", inputs[2], self.width, self.stride_columns, self.pad_width)

    def parameters(self, inputs: Shape, outputs: int = 1) -> int:  # noqa: ARG002
        """Weights (depth, planes, fltH, fltW) and one bias per plane."""
        return self.depth * (inputs[0] * self.height * self.width + 1)


@dataclass(frozen=True)
class Conv(Filter):
    """``CONV|depth|fltH|fltW|strideRows|strideCols|padH|padW|ACT``: a convolution."""

    NAME: ClassVar[str] = "CONV"


@dataclass(frozen=True)
class Deconv(Filter):
    """``DECONV|...``, sizes as CONV: the transposed convolution, from small planes to large ones (extension)."""

    NAME: ClassVar[str] = "DECONV"

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """``(size - 1) stride - 2 pad + filter`` along both sides: the inverse of CONV's rule."""
        rows = (inputs[1] - 1) * self.stride_rows - 2 * self.pad_height + self.height
        columns = (inputs[2] - 1) * self.stride_columns - 2 * self.pad_width + self.width
        if rows < 1 or columns < 1:
            msg = f"(size - 1) stride - 2 pad + filter gives {rows} x {columns}: pad less"
            raise Misfit(msg)
        return self.depth, rows, columns


@dataclass(frozen=True)
class Local(Filter):
    """``LOCAL|...``, sizes as CONV: every place has weights and biases of its own (extension)."""

    NAME: ClassVar[str] = "LOCAL"

    def parameters(self, inputs: Shape, outputs: int = 1) -> int:
        """As many as a convolution's, at every place."""
        _, rows, columns = self.shape(inputs)
        return super().parameters(inputs, outputs) * rows * columns

"""What all layers share, and the layers without filters or memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import ClassVar

from facsim.tmva.widths import evaluate

__all__ = [
    "ACTIVATIONS",
    "BatchNorm",
    "Dense",
    "Layer",
    "MaxPool",
    "Misfit",
    "Reshape",
    "Shape",
    "Unflat",
    "Upsample",
    "steps",
    "word",
]

Shape = tuple[int, int, int]
"""Depth, height and width."""

ACTIVATIONS = ("RELU", "TANH", "SYMMRELU", "SOFTSIGN", "SIGMOID", "LINEAR", "GAUSS", "FTANH", "LRELU")
"""TMVA's, and the extension LRELU (slope 0.2 for negative numbers)."""


class Misfit(Exception):  # noqa: N818 - what a layer says of its input; `shapes` makes an OptionStringError of it
    """A layer cannot take this input."""


def word(value: object) -> str:
    """A value as it stands in an option string."""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Layer:
    """One layer of a layout; ``str(layer)`` is its notation with all sizes in their order."""

    NAME: ClassVar[str]

    def __str__(self) -> str:
        return "|".join([self.NAME, *(word(getattr(self, f.name)) for f in fields(self))])

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:
        """Output shape for `inputs`; `outputs` is the width of a dense layer without one."""
        raise NotImplementedError

    def parameters(self, inputs: Shape, outputs: int = 1) -> int:  # noqa: ARG002 - dense layers need it
        """How many weights and biases are trained."""
        return 0

    def at(self, variables: int) -> Layer:  # noqa: ARG002
        """The layer with formulas in N evaluated."""
        return self


@dataclass(frozen=True)
class Dense(Layer):
    """``DENSE|width|ACT``: every output sees every input.

    `width` is a number or a formula in the number of variables N; 0 means the number of outputs of the task.
    """

    NAME: ClassVar[str] = "DENSE"
    width: int | str = 0
    activation: str = "TANH"

    def at(self, variables: int) -> Dense:
        """The layer with its formula evaluated; a formula that gives 0 is the number of outputs, as in TMVA."""
        return Dense(evaluate(self.width, variables), self.activation) if isinstance(self.width, str) else self

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """``(1, 1, width)``."""
        if isinstance(self.width, str):
            msg = f"the width {self.width} needs the number of variables: give variables="
            raise Misfit(msg)
        return 1, 1, self.width or outputs

    def parameters(self, inputs: Shape, outputs: int = 1) -> int:
        """Weights (width, inputs) and one bias per output."""
        return (math.prod(inputs) + 1) * self.shape(inputs, outputs)[2]


@dataclass(frozen=True)
class MaxPool(Layer):
    """``MAXPOOL|fltH|fltW|strideRows|strideCols``: the largest number in each window."""

    NAME: ClassVar[str] = "MAXPOOL"
    height: int
    width: int
    stride_rows: int
    stride_columns: int

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """TMVA's rule without padding."""
        rows = steps("rows", inputs[1], self.height, self.stride_rows)
        return inputs[0], rows, steps("columns", inputs[2], self.width, self.stride_columns)


@dataclass(frozen=True)
class Reshape(Layer):
    """``RESHAPE|depth|height|width`` anywhere in a network, or ``RESHAPE|FLAT``: all in one row.

    With FLAT the sizes may stand there too (``RESHAPE|1|1|784|FLAT``); their product is checked.
    """

    NAME: ClassVar[str] = "RESHAPE"
    depth: int = 0
    height: int = 0
    width: int = 0
    flat: bool = False

    def __str__(self) -> str:
        sizes = (self.depth, self.height, self.width)
        return "|".join([self.NAME, *map(str, sizes if any(sizes) or not self.flat else ()), *["FLAT"] * self.flat])

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """The same numbers in another order of sizes."""
        sizes, total = (self.depth, self.height, self.width), math.prod(inputs)
        if (any(sizes) or not self.flat) and math.prod(sizes) != total:
            msg = f"{' x '.join(map(str, sizes))} = {math.prod(sizes)} values asked, {total} arrive"
            raise Misfit(msg)
        return (1, 1, total) if self.flat else sizes


@dataclass(frozen=True)
class Unflat(Layer):
    """``UNFLAT|depth|height|width``: a row becomes planes (extension; the same as RESHAPE without FLAT)."""

    NAME: ClassVar[str] = "UNFLAT"
    depth: int
    height: int
    width: int

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:
        """As `Reshape`."""
        return Reshape(self.depth, self.height, self.width).shape(inputs, outputs)


@dataclass(frozen=True)
class Upsample(Layer):
    """``UPSAMPLE|factorRows|factorCols``: every number repeated in a rectangle (extension)."""

    NAME: ClassVar[str] = "UPSAMPLE"
    rows: int
    columns: int

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """Height and width times the factors."""
        return inputs[0], inputs[1] * self.rows, inputs[2] * self.columns


@dataclass(frozen=True)
class BatchNorm(Layer):
    """``BNORM|momentum|epsilon``: mean 0 and variance 1 over the batch, then a trained scale and shift.

    Per number of a row (1, 1, width), else per plane. The running moments keep `momentum` of the old value
    per batch; -1 stands for the cumulative average.
    """

    NAME: ClassVar[str] = "BNORM"
    momentum: float = -1.0
    epsilon: float = 1e-4

    def channels(self, inputs: Shape) -> int:
        """How many means there are."""
        return inputs[2] if inputs[:2] == (1, 1) else inputs[0]

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """Unchanged."""
        return inputs

    def parameters(self, inputs: Shape, outputs: int = 1) -> int:  # noqa: ARG002
        """A scale and a shift per channel."""
        return 2 * self.channels(inputs)


def steps(what: str, size: int, window: int, stride: int, padding: int = 0) -> int:
    """TMVA's rule for the places of a window: ``(size - window + 2 padding) / stride + 1``, a whole number above 0."""
    free = size - window + 2 * padding
    if free < 0 or free % stride:
        result = f"{free / stride + 1:g}"
        msg = f"({size} - {window} + 2*{padding})/{stride} + 1 = {result} {what}, not a whole number above 0"
        raise Misfit(msg)
    return free // stride + 1

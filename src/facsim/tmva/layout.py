"""A network as TMVA writes it: layers one after another, and the shapes that flow through them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from facsim.errors import OptionStringError
from facsim.tmva.layers import Layer, Misfit, Shape
from facsim.tmva.widths import WIDEST

__all__ = ["Halves", "Layout", "parameters", "shapes"]

T = TypeVar("T")


@dataclass(frozen=True)
class Halves(Generic[T]):
    """What MethodGAN writes as ``generator##discriminator``.

    Examples
    --------
    >>> generator, discriminator = Halves("a", "b")
    >>> generator, str(Halves("a", "b"))
    ('a', 'a##b')
    """

    generator: T
    discriminator: T

    def __iter__(self) -> Iterator[T]:
        return iter((self.generator, self.discriminator))

    def __str__(self) -> str:
        return f"{self.generator}##{self.discriminator}"


@dataclass(frozen=True)
class Layout:
    """Layers in their order; ``str(layout)`` is the canonical string.

    Examples
    --------
    >>> from facsim.tmva import Dense, parse_layout
    >>> layout = parse_layout("TANH|N*2,LINEAR")
    >>> str(layout), str(layout.at(4)), layout.layers[1] == Dense(0, "LINEAR")
    ('DENSE|N*2|TANH,DENSE|0|LINEAR', 'DENSE|8|TANH,DENSE|0|LINEAR', True)
    """

    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.layers))

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def at(self, variables: int) -> Layout:
        """The layout with formulas in N evaluated for N = `variables`."""
        return Layout(tuple(layer.at(variables) for layer in self.layers))

    def logits(self) -> Layout:
        """The layout with a last SIGMOID made LINEAR: losses and output functions want the logit.

        A cross entropy that takes logits after a layer ``DENSE|1|SIGMOID`` is the double sigmoid of MethodGAN.
        """
        *first, last = self.layers
        if getattr(last, "activation", "") == "SIGMOID":
            last = replace(last, activation="LINEAR")  # type: ignore[call-arg]
        return Layout((*first, last))


def shapes(layout: Layout, inputs: Shape, *, variables: int | None = None, outputs: int = 1) -> tuple[Shape, ...]:
    """Output shape of each layer.

    Parameters
    ----------
    layout : Layout
    inputs : (int, int, int)
        Depth, height and width of one event.
    variables : int, optional
        N of width formulas; by default the product of `inputs`, which is the number of variables of an event.
    outputs : int, optional
        Width of a dense layer that names none.

    Raises
    ------
    OptionStringError
        Where a layer cannot take what arrives; the message shows the shapes up to there.

    Examples
    --------
    >>> from facsim.tmva import parse_layout
    >>> shapes(parse_layout("CONV|10|3|3|1|1|1|1|RELU,MAXPOOL|2|2|1|1,RESHAPE|FLAT,DENSE|1|LINEAR"), (1, 16, 16))
    ((10, 16, 16), (10, 15, 15), (1, 1, 2250), (1, 1, 1))
    """
    return tuple(after for _, _, after in walk(layout, inputs, variables, outputs))


def parameters(layout: Layout, inputs: Shape, *, variables: int | None = None, outputs: int = 1) -> tuple[int, ...]:
    """Number of trained weights and biases of each layer; arguments and errors as `shapes`.

    Examples
    --------
    >>> from facsim.tmva import parse_layout
    >>> parameters(parse_layout("DENSE|64|TANH,DENSE|1|LINEAR"), (1, 1, 4))
    (320, 65)
    """
    return tuple(layer.parameters(before, outputs) for layer, before, _ in walk(layout, inputs, variables, outputs))


def walk(layout: Layout, inputs: Shape, variables: int | None, outputs: int) -> list[tuple[Layer, Shape, Shape]]:
    """Each layer with the shapes before and after it."""
    if min(inputs) < 1:
        msg = f"the input shape {inputs} has a size below 1"
        raise OptionStringError(msg, str(layout), 0, "Name the input: InputLayout=depth|height|width.")
    result: list[tuple[Layer, Shape, Shape]] = []
    before = inputs
    for i, written in enumerate(layout.layers):
        try:
            layer = written.at(math.prod(inputs) if variables is None else variables)
            after = layer.shape(before, outputs)
            _bounded(after)
        except Misfit as problem:
            start = sum(len(str(x)) + 1 for x in layout.layers[:i])
            msg = f"layer {i + 1}, {written}, does not fit: {problem}"
            raise OptionStringError(msg, str(layout), start, _table(inputs, result, written)) from None
        result.append((layer, before, after))
        before = after
    return result


def _bounded(shape: Shape) -> None:
    if math.prod(shape) > WIDEST:
        msg = f"{' x '.join(map(str, shape))} values, more than {WIDEST}"
        raise Misfit(msg)


def _table(inputs: Shape, done: list[tuple[Layer, Shape, Shape]], failed: Layer) -> str:
    rows = [("input", inputs), *((str(layer), after) for layer, _, after in done)]
    width = max(len(name) for name in (*(name for name, _ in rows), str(failed)))
    lines = [f"{name:{width}}  {' x '.join(map(str, shape))}" for name, shape in rows]
    return "\n  ".join(["Shapes (depth x height x width):", *lines, f"{failed!s:{width}}  ?"])

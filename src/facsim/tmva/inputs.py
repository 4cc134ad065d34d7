"""InputLayout and BatchLayout: how an event, and a batch of events, lie in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facsim.tmva.filters import Filter
from facsim.tmva.layers import MaxPool, Reshape, Shape, Unflat, Upsample
from facsim.tmva.layout import Layout
from facsim.tmva.recurrent import Recurrent
from facsim.tmva.source import Piece
from facsim.tmva.widths import WIDEST

__all__ = ["BatchLayout", "InputLayout", "check_batch", "read_batch", "read_input"]


@dataclass(frozen=True)
class InputLayout:
    """Depth, height and width of an event; all 0 stands for one row of all variables.

    Examples
    --------
    >>> InputLayout(1, 28, 28).shape(), InputLayout().shape(variables=4), str(InputLayout(1, 28, 28))
    ((1, 28, 28), (1, 1, 4), '1|28|28')
    """

    depth: int = 0
    height: int = 0
    width: int = 0

    def __str__(self) -> str:
        return f"{self.depth}|{self.height}|{self.width}"

    @property
    def given(self) -> bool:
        """Whether it says a shape."""
        return self.size > 0

    @property
    def size(self) -> int:
        """Numbers per event; 0 where none were named."""
        return self.depth * self.height * self.width

    def shape(self, variables: int | None = None) -> Shape | None:
        """The shape it says, else (1, 1, variables), else None where nothing is known."""
        if self.given:
            return self.depth, self.height, self.width
        return (1, 1, variables) if variables else None


@dataclass(frozen=True)
class BatchLayout:
    """TMVA's tensor of a batch: ``1|B|F`` before a dense layer, ``B|C|H*W`` (or ``B|T|F``) before the others.

    facsim derives it from InputLayout and BatchSize; it is read to be checked.
    """

    depth: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.depth}|{self.height}|{self.width}"

    @property
    def size(self) -> int:
        """Numbers per batch."""
        return math.prod((self.depth, self.height, self.width))


def read_input(piece: Piece) -> InputLayout:
    """One to three sizes: width; time and features; depth, height and width."""
    sizes = [_size(t, "InputLayout") for t in piece.split("|")]
    if len(sizes) > 3:
        piece.fail(f"InputLayout has {len(sizes)} sizes", "InputLayout=depth|height|width")
    padded = {1: [1, 1, *sizes], 2: [sizes[0], 1, sizes[-1]]}.get(len(sizes), sizes)
    if not any(sizes):
        return InputLayout()
    if not all(sizes) or math.prod(sizes) > WIDEST:
        problem = f"InputLayout {piece.text.strip()} means {math.prod(sizes)} values per event"
        piece.fail(problem, f"Sizes are at least 1, and their product is at most {WIDEST}.")
    return InputLayout(*padded)


def read_batch(piece: Piece) -> BatchLayout | None:
    """Three sizes, or None for 0|0|0."""
    sizes = [_size(t, "BatchLayout") for t in piece.split("|")]
    if len(sizes) != 3 or (any(sizes) and not all(sizes)):
        piece.fail("BatchLayout needs three sizes above 0", "1|B|F before a dense layer, else B|C|H*W")
    return BatchLayout(*sizes) if any(sizes) else None


def _size(token: Piece, what: str) -> int:
    token = token.strip()
    if token.text.startswith("-"):
        token.warn("negative-size", f"a size below 0 in {what}", f"Read as {token.text[1:]}, as TMVA does.")
        token = token.cut(1)
    return token.integer(f"a size of {what}", most=WIDEST)


def check_batch(piece: Piece, batch: BatchLayout, inputs: Shape, layout: Layout, sizes: list[int]) -> None:
    """Warn where a batch layout contradicts the rest: TMVA says Error and does not train.

    facsim takes the event's shape from InputLayout, the batch size from TrainingStrategy.
    """
    features = math.prod(inputs)
    depth, height, width = batch.depth, batch.height, batch.width
    spatial = isinstance(layout.layers[0], (Filter, MaxPool, Reshape, Unflat, Upsample, Recurrent))
    shown = f"{depth}|{height}|{width}"
    if spatial:
        found, per_event, rule = depth, height * width, f"B|{inputs[0]}|{inputs[1] * inputs[2]}"
    else:
        found, per_event, rule = (height, width, f"1|B|{features}") if depth == 1 else (0, 0, f"1|B|{features}")
    if per_event != features:
        repair = f"Read as {rule} with the batch size of TrainingStrategy. Write BatchLayout={rule}."
        piece.warn("batch-layout", f"BatchLayout {shown} is not {rule}, as the input and the first layer ask", repair)
    elif any(found != size for size in sizes):
        repair = "TMVA does not train then. The batch sizes of TrainingStrategy are taken."
        listed = ", ".join(map(str, dict.fromkeys(sizes)))
        piece.warn("batch-size", f"BatchLayout says {found} events, BatchSize {listed}", repair)

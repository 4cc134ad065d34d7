"""What the caller makes of the columns of a file: descriptions, defined columns and a cut. For all layouts alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, nearest
from facsim.io.contents import Contents, Pick
from facsim.io.expression import Expression, parse
from facsim.io.reader import SLAB_BYTES, Source
from facsim.schema import Block, Kind

__all__ = ["derived", "described"]


def derived(source: Source, pick: Pick, origin: str) -> Source:
    """The source with what the caller describes, defines and cuts away.

    Raises
    ------
    DataError
        For an expression or a description that cannot be understood, with a caret or the cure.
    """
    if pick.describe or pick.define:
        source = _Defined(source, pick, origin)
    return source if pick.cut is None else _Cut(source, pick.cut, origin)


def described(block: Block, words: str | Block, origin: str) -> Block:
    """A block with the shape, kind and unit that the words give, in any order: ``"28x28 energy MeV"``.

    Raises
    ------
    DataError
        If the shape holds another number of values, or there are two units.

    Examples
    --------
    >>> described(Block("x", (784,)), "28x28 energy", "mnist.root")
    Block(name='x', shape=(28, 28), kind='energy', unit='', names=(), grid=None, threshold=0.0)
    """
    if isinstance(words, Block):
        given = replace(words, name=block.name)
    else:
        shape, kind, unit = block.shape, block.kind, [block.unit]
        for word in words.split():
            if re.fullmatch(r"\d+(x\d+)*", word):
                shape = tuple(int(n) for n in word.split("x"))
            elif word in get_args(Kind):
                kind = word  # type: ignore[assignment]
            else:
                unit = [*unit[1:], word] if unit == [block.unit] else [*unit, word]
        if len(unit) != 1:
            kinds = get_args(Kind)
            hint = "".join(nearest(u, kinds) for u in unit)
            msg = (
                f"{origin}: describe {block.name}='{words}': at most one of {unit} can be the unit; kinds are {kinds}."
            )
            raise DataError(msg + hint)
        given = replace(block, shape=shape, kind=kind, unit=unit[0])
    if given.size != block.size:
        msg = f"{origin}: describe {block.name}='{words}': the block has {block.size} numbers, not {given.size}"
        raise DataError(msg)
    return given


def _understood(
    text: str, shapes: Mapping[str, tuple[int, ...]], unusable: Mapping[str, str], origin: str
) -> tuple[Expression, tuple[int, ...]]:
    """The parsed expression, and the shape per event of what it gives; errors begin with the origin."""
    try:
        expression = parse(text)
    except DataError as error:
        msg = f"{origin}: {error}"
        raise DataError(msg) from None
    expression.require(shapes, origin, unusable)
    try:
        nothing = expression({n: np.empty((0, *shapes[n])) for n in expression.names})  # enough to see the shape
    except DataError as error:
        msg = f"{origin}: {error}"
        raise DataError(msg) from None
    return expression, nothing.shape[1:]


class _Wrapper:
    """A source over another."""

    contents: Contents

    def __init__(self, source: Source) -> None:
        self.source = source

    def close(self) -> None:
        self.source.close()


class _Defined(_Wrapper):
    """Further columns, computed from others."""

    def __init__(self, source: Source, pick: Pick, origin: str) -> None:
        super().__init__(source)
        inside = source.contents
        blocks = {b.name: b for b in inside.blocks}
        for name, words in pick.describe.items():
            if name not in blocks and name not in pick.define:
                msg = f"{origin}: describe '{name}': there is no such block.{nearest(name, blocks)}"
                raise DataError(msg)
            if name in blocks:
                blocks[name] = described(blocks[name], words, origin)
        self.expressions: dict[str, Expression] = {}
        for name, text in pick.define.items():
            if name in blocks:
                msg = f"{origin}: define {name}='{text}': the file has a column '{name}'; choose another name"
                raise DataError(msg)
            shapes = {n: b.shape for n, b in blocks.items()}
            expression, shape = _understood(text, shapes, inside.unusable, f"{origin}: define {name}")
            block = Block(name, shape)
            blocks[name] = described(block, pick.describe.get(name, ""), origin)
            self.expressions[name] = expression
        self.shapes = {b.name: b.shape for b in blocks.values()}
        self.contents = replace(inside, blocks=tuple(blocks.values()))

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        """Columns of the source, and those computed from them."""
        needed, waiting = dict.fromkeys(names), list(names)
        while waiting:  # definitions may use each other
            name = waiting.pop()
            new = [n for n in (self.expressions[name].names if name in self.expressions else ()) if n not in needed]
            needed |= dict.fromkeys(new)
            waiting += new
        values = dict(self.source.load([n for n in needed if n not in self.expressions], start, stop))
        for name, expression in self.expressions.items():  # in their order: each needs only those before it
            if name in needed:
                shaped = {n: as_array(values[n]).reshape(stop - start, *self.shapes[n]) for n in expression.names}
                values[name] = np.broadcast_to(expression(shaped), (stop - start, *self.shapes[name]))
        return {n: values[n] for n in names}


class _Cut(_Wrapper):
    """Only the events that pass a cut; which those are is found once, and costs a bit per event."""

    def __init__(self, source: Source, text: str, origin: str) -> None:
        super().__init__(source)
        inside = source.contents
        shapes = {b.name: b.shape for b in inside.blocks}
        cut, shape = _understood(text, shapes, inside.unusable, f"{origin}: cut")
        if shape:
            msg = f"{origin}: cut '{text}' gives numbers of shape {shape} per event; it must be one: use sum() or x[0]"
            raise DataError(msg)
        rows = SLAB_BYTES // (8 * max(1, sum(math.prod(shapes[n]) for n in cut.names)))
        self.rows = max(8, rows // 8 * 8)  # so that every piece fills whole bytes
        bits, counts = [], [0]
        for start in range(0, inside.events, self.rows):
            stop = min(start + self.rows, inside.events)
            loaded = source.load(cut.names, start, stop)
            columns = {n: as_array(loaded[n]).reshape(stop - start, *shapes[n]) for n in cut.names}
            passed = np.broadcast_to(_true(cut(columns)), (stop - start,))
            bits.append(np.packbits(passed))
            counts.append(int(passed.sum()))
        self.bits = np.concatenate(bits) if bits else np.empty(0, np.uint8)
        self.before = np.cumsum(counts)  # events that pass before each piece
        if inside.events and not self.before[-1]:
            msg = f"{origin}: none of the {inside.events} events passes the cut '{text}': loosen it, or check its units"
            raise DataError(msg)
        self.events = inside.events
        self.contents = replace(inside, events=int(self.before[-1]), chunk=1)

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        """Columns of the events start to stop of those that pass."""
        parts: dict[str, list[NDArray[Any]]] = {n: [] for n in names}
        while start < stop:
            piece = int(np.searchsorted(self.before, start, "right")) - 1
            low = piece * self.rows
            high = min(low + self.rows, self.events)
            passed = np.flatnonzero(np.unpackbits(self.bits[low // 8 : (high + 7) // 8], count=high - low))
            passed = passed[start - self.before[piece] : stop - self.before[piece]]
            first, last = low + int(passed[0]), low + int(passed[-1]) + 1
            for name, values in self._kept(names, first, last, passed + low).items():
                parts[name] += values
            start += len(passed)
        return {n: np.concatenate(v) if v else np.empty(0) for n, v in parts.items()}

    def _kept(
        self, names: Sequence[str], first: int, last: int, rows: NDArray[np.intp]
    ) -> dict[str, list[NDArray[Any]]]:
        """The given rows between first and last, read in pieces: few may pass of many wide events."""
        sizes = {b.name: b.size for b in self.contents.blocks}
        step = max(1, SLAB_BYTES // (8 * sum(sizes.get(n, 1) for n in names)))
        kept: dict[str, list[NDArray[Any]]] = {n: [] for n in names}
        for low in range(first, last, step):
            here = rows[(rows >= low) & (rows < low + step)] - low
            if len(here):
                loaded = self.source.load(names, low, min(low + step, last))
                for name in names:
                    kept[name].append(as_array(loaded[name])[here])
        return kept


def as_array(values: Any) -> NDArray[Any]:
    """Values of a block as one array (n, ...): sources may give them as a list of columns."""
    return np.stack(values, axis=1) if isinstance(values, list) else np.asarray(values)


def _true(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((values != 0) & ~np.isnan(values), bool)

"""The interface that truth and copy share: conditions in, events out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, SchemaMismatch, nearest
from facsim.events import Events
from facsim.schema import Schema

__all__ = ["SHARD", "Sampler", "as_conditions", "draw_conditions", "flat", "noise", "parse_range"]

SHARD = 1024
"""Events per unit of work. Noise of shard i depends on (seed, i) alone, so any chunking gives the same events; and
batches near 1,000 stay in the cache, which is where a CPU samples fastest (see docs/measurements.md)."""

WHOLE = {"category", "count", "mask"}
"""Kinds of blocks that hold whole numbers."""


@runtime_checkable
class Sampler(Protocol):
    """Anything that turns conditions into events: Geant4, a fitted model, an exported file."""

    @property
    def schema(self) -> Schema:
        """Columns of the events that `sample` returns."""
        ...

    def sample(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0) -> Events:
        """Draw one event per row of `conditions`; the same seed gives the same events."""
        ...

    def stream(
        self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0, start: int = 0
    ) -> Iterator[Events]:
        """Yield the events of ``sample(conditions, seed=seed)`` from event `start` on, in pieces that fit in memory."""
        ...


def as_conditions(
    conditions: int | ArrayLike | Events | Mapping[str, ArrayLike], schema: Schema
) -> NDArray[np.float32]:
    """Bring conditions into the matrix (n, schema.condition_width), checked.

    Parameters
    ----------
    conditions : Events, mapping or array
        Events lend their own conditions; a mapping gives arrays by block name; an array has shape
        (n, k), or (n,) where there is one condition column. Where there is none, the number of events.

    Raises
    ------
    DataError
        If the shape does not fit, a value is not a finite number, or an energy is negative.
    SchemaMismatch
        If events lack a condition, or have it in another unit or shape.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> as_conditions([10.0, 20.0], Schema((), (Block("energy"),))).shape
    (2, 1)
    """
    names = [b.name for b in schema.conditions]
    if isinstance(conditions, int) and not names:
        if conditions < 1:
            msg = f"{conditions} events: at least one is needed"
            raise DataError(msg)
        return np.empty((conditions, 0), np.float32)
    if isinstance(conditions, Events):
        for block in schema.conditions:
            given = conditions.schema.block(block.name)
            if given.shape != block.shape or (given.unit and block.unit and given.unit != block.unit):
                msg = f"the events have condition {given}, the sampler asks for {block}: convert it first"
                raise SchemaMismatch(msg)
        if not names:
            return np.empty((len(conditions), 0), np.float32)
        conditions = {n: conditions[n] for n in names}
    if isinstance(conditions, Mapping):
        if set(conditions) != set(names):
            msg = f"conditions are {sorted(conditions)}, the schema asks for {names}"
            raise DataError(msg)
        columns = [np.asarray(conditions[b.name], np.float32).reshape(-1, b.size) for b in schema.conditions]
        conditions = np.concatenate(columns, axis=1)
    try:
        matrix = np.asarray(conditions, np.float32)
    except (TypeError, ValueError) as error:
        msg = f"conditions {conditions!r:.60}: give Events, a mapping by block name, or an array of numbers for {names}"
        raise DataError(msg) from error
    if matrix.ndim == 1 and schema.condition_width == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or matrix.shape[1] != schema.condition_width:
        msg = f"conditions have shape {matrix.shape}, expected (n, {schema.condition_width}) for {names}"
        raise DataError(msg)
    if not np.isfinite(matrix).all():
        row = int(np.argwhere(~np.isfinite(matrix))[0, 0])
        msg = f"conditions of event {row} are {matrix[row]}: not finite"
        raise DataError(msg)
    for block in schema.conditions:
        values = matrix[:, schema.columns(block.name)]
        if block.kind == "energy" and (values < 0).any():
            row = int(np.argwhere(values < 0)[0, 0])
            msg = f"condition '{block.name}' of event {row} is {values[row].min():g}: an energy cannot be negative"
            raise DataError(msg)
    return matrix


def noise(seed: int, shard: int, size: int, width: int) -> NDArray[np.float32]:
    """Standard normal noise (size, width) for the first `size` events of a shard; depends on (seed, shard) only.

    Examples
    --------
    >>> import numpy as np
    >>> np.array_equal(noise(1, 0, 5, 3), noise(1, 0, 9, 3)[:5])
    True
    """
    generator = np.random.default_rng([seed, shard])
    return generator.standard_normal((size, width), dtype=np.float32)


def parse_range(text: str | float, *, positive: bool = True) -> tuple[float, float, str]:
    """Read ``"50"``, ``"1:100"`` or ``"log:1:100"`` into (low, high, ``"fixed" | "flat" | "log"``).

    Parameters
    ----------
    text : str or float
        One number, a flat or a log-flat range.
    positive : bool, optional
        Whether all numbers must be positive, as energies are; a log-flat range always is.

    Raises
    ------
    DataError
        If the text is none of these, or the range is empty or not positive.
    """
    words = str(text).split(":")
    law = "flat"
    if words[0] == "log":
        law, words = "log", words[1:]
    try:
        values = [float(w) for w in words]
    except ValueError:
        values = []
    allowed = np.isfinite(values).all() and (min(values, default=0) > 0 or (law == "flat" and not positive))
    if len(values) == 1 and law == "flat" and allowed:
        return values[0], values[0], "fixed"
    if len(values) == 2 and allowed and values[0] < values[1]:
        return values[0], values[1], law
    number = "one positive number" if positive else "one number"
    msg = f"range '{text}': write {number} (50), low:high (1:100) or log:low:high (log:1:100)"
    raise DataError(msg)


def flat(text: str | float, n: int, seed: int, *, positive: bool = True, column: int = 0) -> NDArray[np.float32]:
    """Draw n numbers from the range `text` (see `parse_range`).

    Parameters
    ----------
    text : str or float
        The range.
    n, seed : int
        Number i depends on (seed, column, i) alone.
    positive : bool, optional
        See `parse_range`.
    column : int, optional
        Numbers of different columns are independent.

    Examples
    --------
    >>> flat("1:100", 3, seed=0).shape
    (3,)
    """
    low, high, law = parse_range(text, positive=positive)
    u = np.random.default_rng([seed, 0x0C04D, column]).random(n)
    drawn = low * (high / low) ** u if law == "log" else low + (high - low) * u
    return drawn.astype(np.float32)


def draw_conditions(schema: Schema, ranges: Mapping[str, str | float], n: int, seed: int) -> NDArray[np.float32]:
    """Draw conditions (n, schema.condition_width), each column on its own.

    Parameters
    ----------
    schema : Schema
        Whose condition blocks are asked for.
    ranges : mapping
        A range (see `parse_range`) in the block's unit, for every condition block; for a category one of its names,
        or numbers of the first and last. Blocks of whole numbers get whole numbers, each as often.
    n, seed : int
        Number of events; same seed, same conditions.

    Raises
    ------
    DataError
        If a block has no range, a name is not known, or a range cannot be read.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((), (Block("energy", (), "energy", "GeV"), Block("angle", (2,), "angle", "rad")))
    >>> draw_conditions(schema, {"energy": 50, "angle": "-0.1:0.1"}, 4, seed=0).shape
    (4, 3)
    """
    if n < 1 or seed < 0:
        msg = f"n={n}, seed={seed}: at least one event, and a seed of 0 or more, are needed"
        raise DataError(msg)
    names = [b.name for b in schema.conditions]
    unknown = [name for name in ranges if name not in names]
    missing = [str(b) for b in schema.conditions if b.name not in ranges]
    if unknown:
        msg = f"no condition '{unknown[0]}'; the conditions are {names}.{nearest(unknown[0], names)}"
        raise DataError(msg)
    if missing:
        msg = f"give a range, such as 1:100, for each condition; missing: {', '.join(missing)}"
        raise DataError(msg)
    matrix = np.empty((n, schema.condition_width), np.float32)
    for block in schema.conditions:
        columns, wanted = schema.columns(block.name), ranges[block.name]
        if wanted in block.names:
            wanted = block.names.index(str(wanted))
        for column in range(columns.start, columns.stop):
            drawn = flat(wanted, n, seed, positive=block.kind == "energy", column=column)
            if block.kind in WHOLE:  # each of low, ..., high as often: a range that is one wider, rounded down
                low, high, _ = parse_range(wanted, positive=False)
                drawn = np.floor(low + (drawn - low) * (high + 1 - low) / max(high - low, 1.0)).clip(low, high)
            matrix[:, column] = drawn
    return matrix

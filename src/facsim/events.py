"""The one type that flows through everything: n events with their schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.schema import Schema

__all__ = ["Events", "concatenate", "split_rows"]


@dataclass(frozen=True, eq=False)
class Events:
    """Events as flat matrices with a schema; immutable.

    Parameters
    ----------
    features : array (n, schema.width)
        What the simulator gives, float32.
    conditions : array (n, schema.condition_width)
        What it is given, float32.
    schema : Schema
        Meaning of the columns.
    weights : array (n,), optional
        Event weights, float64; may be negative (sWeights).

    Raises
    ------
    DataError
        If a shape does not fit the schema.

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> schema = Schema((Block("cells", (2, 2), "energy", "MeV"),), (Block("energy", (), "energy", "GeV"),))
    >>> events = Events([[1, 2, 3, 4]], [[10]], schema)
    >>> events["cells"].shape, len(events), float(events["energy"][0])
    ((1, 2, 2), 1, 10.0)
    """

    features: NDArray[np.float32]
    conditions: NDArray[np.float32]
    schema: Schema
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        features = np.asarray(self.features, np.float32)
        conditions = np.asarray(self.conditions, np.float32)
        if features.ndim != 2 or features.shape[1] != self.schema.width:
            msg = f"features have shape {features.shape}, the schema asks for (n, {self.schema.width})"
            raise DataError(msg)
        if conditions.shape != (len(features), self.schema.condition_width):
            want = (len(features), self.schema.condition_width)
            msg = f"conditions have shape {conditions.shape}, expected {want}"
            raise DataError(msg)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "conditions", conditions)
        if self.weights is not None:
            weights = np.asarray(self.weights, np.float64)
            if weights.shape != (len(features),):
                msg = f"weights have shape {weights.shape}, expected ({len(features)},)"
                raise DataError(msg)
            object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        blocks = ", ".join(str(b) for b in self.schema.features[:4])
        more = ", ..." if len(self.schema.features) > 4 else ""
        return f"Events({len(self)} x [{blocks}{more}])"

    @overload
    def __getitem__(self, key: str) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, key: slice | NDArray[Any] | Sequence[int]) -> Events: ...
    def __getitem__(self, key: str | slice | NDArray[Any] | Sequence[int]) -> NDArray[np.float32] | Events:
        """A block by name, as a view of shape (n, *block.shape); or events by slice, mask or index."""
        if isinstance(key, str):
            source = self.conditions if self.schema.is_condition(key) else self.features
            columns = source[:, self.schema.columns(key)]
            return columns.reshape((len(self), *self.schema.block(key).shape))
        if isinstance(key, (int, np.integer)):
            key = slice(int(key), int(key) + 1 or None)
        weights = None if self.weights is None else self.weights[key]
        return Events(self.features[key], self.conditions[key], self.schema, weights)

    def select(self, names: Iterable[str]) -> Events:
        """Events with only the named feature blocks."""
        names = list(names)
        schema = self.schema.select(names)
        columns = np.concatenate([np.r_[self.schema.columns(n)] for n in names])
        if np.array_equal(columns, np.arange(self.schema.width)):
            return replace(self, schema=schema)
        return replace(self, features=self.features[:, columns], schema=schema)

    def with_weights(self, weights: ArrayLike | None) -> Events:
        """The same events with other weights."""
        return replace(self, weights=None if weights is None else np.asarray(weights, np.float64))

    def split(self, fraction: float, seed: int) -> tuple[Events, Events]:
        """Split at random into two parts, the first with ``round(fraction * n)`` events.

        Parameters
        ----------
        fraction : float
            Between 0 and 1.
        seed : int
            Same seed, same split. Both parts keep the order of the file.
        """
        first = split_rows(len(self), fraction, seed)
        return self[first], self[~first]

    def check(self, origin: str = "events") -> Events:
        """Return self, or raise `DataError` for what no physics can have.

        Parameters
        ----------
        origin : str
            Where the events come from, for the message (a file's name).

        Raises
        ------
        DataError
            For an empty sample, a non-finite number, or a negative energy; names the block, the event and the value.
        """
        if len(self) == 0:
            msg = f"{origin}: the sample is empty; at least one event is needed"
            raise DataError(msg)
        if self.weights is not None and not np.isfinite(self.weights).all():
            row = int(np.flatnonzero(~np.isfinite(self.weights))[0])
            msg = f"{origin}: weight of event {row} is {self.weights[row]}; remove the event or mend the weight"
            raise DataError(msg)
        for block in self.schema.features + self.schema.conditions:
            values = self[block.name].reshape(len(self), -1)
            bad, what = ~np.isfinite(values), "not finite"
            if block.kind == "energy" and not bad.any():
                bad, what = values < 0, "a negative energy"
            if bad.any():
                row, column = (int(i) for i in np.argwhere(bad)[0])
                msg = (
                    f"{origin}: block '{block.name}', event {row}, column {column} is {values[row, column]} ({what}; "
                    f"{int(bad.any(axis=1).sum())} of {len(self)} events). Remove these events, or repair the file"
                )
                raise DataError(msg)
        return self


def split_rows(n: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mask (n,) of the rows that `Events.split` puts into the first part.

    Raises
    ------
    DataError
        If `fraction` is not between 0 and 1.

    Examples
    --------
    >>> int(split_rows(10, 0.8, seed=1).sum())
    8
    """
    if not 0 <= fraction <= 1:
        msg = f"fraction={fraction}: must be between 0 and 1"
        raise DataError(msg)
    first = np.zeros(n, bool)
    first[np.random.default_rng(seed).permutation(n)[: round(fraction * n)]] = True
    return first


def concatenate(parts: Iterable[Events]) -> Events:
    """Join events of one schema, in order.

    Raises
    ------
    SchemaMismatch
        If the schemas differ.
    DataError
        If there is nothing to join, or only some parts have weights.
    """
    parts = list(parts)
    if not parts:
        msg = "nothing to concatenate: give at least one Events"
        raise DataError(msg)
    for part in parts[1:]:
        parts[0].schema.require_same(part.schema, "cannot concatenate")
    weighted = [p.weights is not None for p in parts]
    if any(weighted) and not all(weighted):
        msg = "cannot concatenate weighted and unweighted events: give every part weights, or none"
        raise DataError(msg)
    return Events(
        np.concatenate([p.features for p in parts]),
        np.concatenate([p.conditions for p in parts]),
        parts[0].schema,
        np.concatenate([p.weights for p in parts if p.weights is not None]) if all(weighted) else None,
    )

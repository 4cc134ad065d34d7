"""What all toys share: options as a frozen data class, events by shard, conditions drawn or given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events, concatenate
from facsim.sampler import SHARD, as_conditions
from facsim.schema import Schema

__all__ = ["Toy", "positive"]

Array = NDArray[np.float64]
Conditions = int | ArrayLike | Events | Mapping[str, ArrayLike]

CONDITIONS, FEATURES = 0, 1  # what a generator is for


class Toy(ABC):
    """A sampler whose events follow a law that is known exactly.

    A toy is a frozen data class: its fields are its options. Event i depends on (seed, i) and on its conditions alone.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """Columns of the events."""

    def sample(self, conditions: Conditions, *, seed: int = 0) -> Events:
        """Draw events.

        Parameters
        ----------
        conditions : int, Events, mapping or array
            Number of events, whose conditions are then drawn, too; or the conditions, see `facsim.sampler`.
        seed : int, optional
            Same seed, same events; the first of many events are those of few.

        Raises
        ------
        DataError
            If there are no events to draw, or the conditions do not fit the schema.
        """
        return concatenate(self.stream(conditions, seed=seed))

    def stream(self, conditions: Conditions, *, seed: int = 0, start: int = 0) -> Iterator[Events]:
        """Yield the events of ``sample(conditions, seed=seed)`` from event `start` on, piece by piece."""
        given = self._given(conditions, seed)
        for shard in range(start // SHARD, -(-len(given) // SHARD)):
            rows = given[shard * SHARD : (shard + 1) * SHARD]
            whole = np.pad(rows, ((0, SHARD - len(rows)), (0, 0)), "edge")  # numbers of a row do not depend on the rest
            features = self._features(np.random.default_rng([seed, shard, FEATURES]), whole)[: len(rows)]
            yield Events(features.astype(np.float32), rows, self.schema)[max(start - shard * SHARD, 0) :]

    def _given(self, conditions: Conditions, seed: int) -> NDArray[np.float32]:
        """Conditions (n, k), drawn if only their number is given."""
        if seed < 0:
            msg = f"seed={seed}: must be 0 or a positive integer"
            raise DataError(msg)
        if isinstance(conditions, (int, np.integer)):
            if conditions < 1:
                msg = f"n={conditions}: at least one event is needed"
                raise DataError(msg)
            shards = range(-(-int(conditions) // SHARD))
            drawn = [self._conditions(np.random.default_rng([seed, i, CONDITIONS]), SHARD) for i in shards]
            return np.concatenate(drawn)[:conditions].astype(np.float32)
        matrix = as_conditions(conditions, self.schema)
        if len(matrix) == 0:
            msg = "the conditions have no row: at least one event is needed"
            raise DataError(msg)
        return matrix

    def _conditions(self, rng: np.random.Generator, n: int) -> Array:  # noqa: ARG002
        """Conditions (n, k) from the toy's own law."""
        return np.empty((n, 0))

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        """Features (n, d) under conditions (n, k)."""
        raise NotImplementedError


def positive(toy: Toy, *options: str) -> None:
    """Raise `DataError` for an option that is not a positive number."""
    for option in options:
        value: Any = getattr(toy, option)
        if not (np.isfinite(value) and value > 0):
            msg = f"{toy.name}: {option}={value} must be positive"
            raise DataError(msg)

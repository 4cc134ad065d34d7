"""One pass over a sample of any size: observables of its events, the mean event, and a few whole events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facsim.errors import WeightError
from facsim.events import Events, concatenate
from facsim.metrics.samples import as_weights
from facsim.observables import compute
from facsim.observables.matrix import named_columns
from facsim.observables.showers import incident_energy, response
from facsim.schema import Schema

__all__ = ["Sample", "Source", "collect", "opened"]

MOST_EVENTS = 200_000
"""Events compared per sample, spread over a larger file: their floors lie at 0.3 % of a spread, and 20 observables take
half a minute and 32 MB."""
KEPT_BYTES = 96 * 2**20
"""Whole events kept per sample, and as much again of extended observables; tests work on several copies of them."""
BATCH_BYTES = 16 * 2**20


class Source(Protocol):
    """Events that may be larger than memory: `facsim.io.open`, or `Events`."""

    @property
    def schema(self) -> Schema:
        """Columns of the events."""
        ...

    def __len__(self) -> int: ...

    def batches(self, n: int) -> Iterator[Events]:
        """Yield the events in order, n at a time."""
        ...


@dataclass(frozen=True)
class Wide:
    """Many observables of some events.

    Parameters
    ----------
    names : tuple of str
        Of `facsim.observables.matrix.named_columns`: extended observables and conditions.
    values : array (k, d), float32
    weights : array (k,) or None
    conditions : array (k, c)
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    conditions: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> Wide:
        """Some of the events."""
        weights = None if self.weights is None else self.weights[rows]
        return Wide(self.names, self.values[rows], weights, self.conditions[rows])


@dataclass(frozen=True)
class Sample:
    """What the report needs to know of one sample.

    Parameters
    ----------
    name : str
        For people.
    observables : dict of array (n,)
        Of every event; for showers with an incident energy also ``response``, their E_tot / E.
    conditions : array (n, k)
    weights : array (n,) or None
        Event weights, which may be negative; None if all count the same.
    energy : array (n,) or None
        Incident energy in MeV, if the conditions hold one.
    mean : array (d,)
        Mean event, cells below threshold empty.
    wide : Wide
        Extended observables of at most ``max_events`` events, spread over the sample: what classifiers and
        multivariate distances look at.
    events : Events
        Whole events, cells below threshold empty: those of `wide`, or fewer where they would not fit into memory.
    whole : array (k,) of bool
        Which events of `wide` are in `events`.
    """

    name: str
    observables: dict[str, NDArray[np.float64]]
    conditions: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    energy: NDArray[np.float64] | None
    mean: NDArray[np.float64]
    wide: Wide
    events: Events
    whole: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.conditions)


@dataclass(frozen=True)
class _Memory:
    """Events as a `Source`."""

    events: Events

    @property
    def schema(self) -> Schema:
        return self.events.schema

    def __len__(self) -> int:
        return len(self.events)

    def batches(self, n: int) -> Iterator[Events]:
        for start in range(0, len(self), n):
            yield self.events[start : start + n]


def opened(source: str | os.PathLike[str] | Events) -> AbstractContextManager[Source]:
    """Open a file, or wrap events, as a context manager."""
    if isinstance(source, Events):
        return nullcontext(_Memory(source))
    from facsim import io

    reader: AbstractContextManager[Source] = io.open(source)
    return reader


def collect(
    source: Source,
    parts: Sequence[NDArray[np.intp]],
    names: Sequence[str],
    *,
    max_events: int,
    seed: int,
    tick: Callable[[int], None],
) -> list[Sample]:
    """Read a source once and sort its events into disjoint samples.

    Parameters
    ----------
    source : Source
    parts : sequence of array
        Ascending event numbers of each sample.
    names : sequence of str
        One per part.
    max_events : int
        Events per sample of which all observables are kept, and the cells as far as they fit into `KEPT_BYTES`.
    seed : int
        Which events are kept.
    tick : callable
        Told the number of events of every batch read.

    Raises
    ------
    DataError, WeightError
        For non-finite values, negative energies, or weights that sum to zero or less.
    """
    width = 4 * max(1, source.schema.width + source.schema.condition_width)
    columns = 4 * max(1, _wide_width(source.schema))
    most = [min(max_events, max(100, KEPT_BYTES // w)) for w in (columns, width)]
    most[1] = min(most)  # whole events are some of those whose observables are kept
    kept = [_spread(len(part), most, [seed, i, 0x5EED]) for i, part in enumerate(parts)]
    piles = [_Pile(name) for name in names]
    start, weight = 0, 0.0
    for batch in source.batches(max(1, min(8192, BATCH_BYTES // width))):
        batch.check(f"{names[0]}, events from number {start}")
        weight += len(batch) if batch.weights is None else float(batch.weights.sum())
        events = _empty_below_threshold(batch)
        stop = start + len(events)
        for part, chosen, pile in zip(parts, kept, piles, strict=True):
            low, high = np.searchsorted(part, [start, stop])
            if low < high:
                pile.add(events[part[low:high] - start], *(mask[low:high] for mask in chosen))
        start = stop
        tick(len(events))
    if not weight > 0:  # a part of them may sum to something else by chance
        msg = (
            f"{names[0]}: the {len(source):,} event weights sum to {weight:g}; a distribution needs a positive sum. "
            "Is the signal's sign right?"
        )
        raise WeightError(msg)
    return [pile.sample() for pile in piles]


class _Pile:
    """A sample that grows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.observables: list[dict[str, NDArray[np.float64]]] = []
        self.conditions: list[NDArray[np.float32]] = []
        self.weights: list[NDArray[np.float64]] = []
        self.energy: list[NDArray[np.float64]] = []
        self.wide: list[Wide] = []
        self.events: list[Events] = []
        self.whole: list[NDArray[np.bool_]] = []
        self.total: NDArray[np.float64] | float = 0.0

    def add(self, events: Events, keep: NDArray[np.bool_], keep_whole: NDArray[np.bool_]) -> None:
        found = compute(events)
        energy = incident_energy(events)
        if energy is not None:
            self.energy.append(energy)
            if "E_tot" in found:
                found["response"] = response(found["E_tot"], energy)
        self.observables.append(found)
        self.conditions.append(events.conditions)
        if events.weights is not None:
            self.weights.append(events.weights)
        weights = np.ones(len(events)) if events.weights is None else events.weights
        self.total = self.total + weights @ events.features.astype(np.float64)
        if keep.any():
            self.wide.append(_wide(events[keep]))
            self.whole.append(keep_whole[keep])
        if keep_whole.any():
            self.events.append(events[keep_whole])

    def sample(self) -> Sample:
        conditions = np.concatenate(self.conditions)
        joined = {k: np.concatenate([o[k] for o in self.observables]) for k in self.observables[0]}
        energy = np.concatenate(self.energy) if self.energy else None
        weights = np.concatenate(self.weights) if self.weights else None
        as_weights(weights, len(conditions), f"{self.name}: event weights")  # or an error
        mean = np.asarray(self.total) / (len(conditions) if weights is None else weights.sum())
        wide, whole, events = _join(self.wide), np.concatenate(self.whole), concatenate(self.events)
        return Sample(self.name, joined, conditions, weights, energy, mean, wide, events, whole)


def _wide(events: Events) -> Wide:
    names, values = named_columns(events)
    return Wide(names, values.astype(np.float32), events.weights, events.conditions)


def _wide_width(schema: Schema) -> int:
    """Columns of `named_columns`."""
    features, conditions = (np.zeros((1, n), np.float32) for n in (schema.width, schema.condition_width))
    one = Events(features, conditions, schema)
    return len(named_columns(one)[0])


def _join(parts: list[Wide]) -> Wide:
    weights = [p.weights for p in parts if p.weights is not None]
    return Wide(
        parts[0].names,
        np.concatenate([p.values for p in parts]),
        np.concatenate(weights) if weights else None,
        np.concatenate([p.conditions for p in parts]),
    )


def _empty_below_threshold(events: Events) -> Events:
    """Set cells below the read-out threshold to zero."""
    limits = np.concatenate([np.full(b.size, b.threshold, np.float32) for b in events.schema.features])
    if not limits.any():
        return events
    return replace(events, features=np.where(events.features < limits, np.float32(0), events.features))


def _spread(n: int, most: Sequence[int], seed: list[int]) -> list[NDArray[np.bool_]]:
    """Masks of at most so many of n events, drawn evenly; a smaller choice is part of a larger one."""
    place = np.random.default_rng(seed).permutation(n)
    return [place < count for count in most]

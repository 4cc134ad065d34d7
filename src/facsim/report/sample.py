"""One pass over a sample of any size: observables of its events, the mean event, and a few whole events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facsim.errors import WeightError
from facsim.events import Events, concatenate
from facsim.observables import compute
from facsim.observables.showers import incident_energy, response
from facsim.schema import Schema

__all__ = ["Sample", "Source", "collect", "opened"]

MOST_EVENTS = 200_000
"""Events compared per sample, spread over a larger file: their floors lie at 0.3 % of a spread, and 20 observables take
half a minute and 32 MB."""
KEPT_BYTES = 96 * 2**20
"""Whole events kept per sample; a test of three samples works on several copies and stays below 1 GB."""
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
class Sample:
    """What the report needs to know of one sample.

    Parameters
    ----------
    name : str
        For people.
    observables : dict of array (n,)
        Of every event; for showers with an incident energy also ``response``, their E_tot / E.
    conditions : array (n, k)
    energy : array (n,) or None
        Incident energy in MeV, if the conditions hold one.
    mean : array (d,)
        Mean event, cells below threshold empty.
    events : Events
        At most ``max_events`` whole events, spread over the sample, cells below threshold empty.
    """

    name: str
    observables: dict[str, NDArray[np.float64]]
    conditions: NDArray[np.float32]
    energy: NDArray[np.float64] | None
    mean: NDArray[np.float64]
    events: Events

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

    reader: AbstractContextManager[Source] = io.open(Path(source))
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
        Whole events kept per sample (fewer where events are so wide that they would not fit into `KEPT_BYTES`).
    seed : int
        Which events are kept.
    tick : callable
        Told the number of events of every batch read.

    Raises
    ------
    DataError, WeightError
        For non-finite values, negative energies, or weights.
    """
    width = 4 * max(1, source.schema.width + source.schema.condition_width)
    kept = [
        _spread(len(part), min(max_events, max(100, KEPT_BYTES // width)), seed + i) for i, part in enumerate(parts)
    ]
    piles = [_Pile(name) for name in names]
    start = 0
    for batch in source.batches(max(1, min(8192, BATCH_BYTES // width))):
        batch.check(f"{names[0]}, events from number {start}")
        if batch.weights is not None:
            msg = (
                "evaluate takes unweighted events so far: use events.with_weights(None), or draw events by their weight"
            )
            raise WeightError(msg)
        events = _empty_below_threshold(batch)
        stop = start + len(events)
        for part, chosen, pile in zip(parts, kept, piles, strict=True):
            low, high = np.searchsorted(part, [start, stop])
            if low < high:
                pile.add(events[part[low:high] - start], chosen[low:high])
        start = stop
        tick(len(events))
    return [pile.sample() for pile in piles]


class _Pile:
    """A sample that grows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.observables: list[dict[str, NDArray[np.float64]]] = []
        self.conditions: list[NDArray[np.float32]] = []
        self.energy: list[NDArray[np.float64]] = []
        self.events: list[Events] = []
        self.total: NDArray[np.float64] | float = 0.0

    def add(self, events: Events, keep: NDArray[np.bool_]) -> None:
        found = compute(events)
        energy = incident_energy(events)
        if energy is not None:
            self.energy.append(energy)
            if "E_tot" in found:
                found["response"] = response(found["E_tot"], energy)
        self.observables.append(found)
        self.conditions.append(events.conditions)
        self.total = self.total + events.features.sum(axis=0, dtype=np.float64)
        if keep.any():
            self.events.append(events[keep])

    def sample(self) -> Sample:
        conditions = np.concatenate(self.conditions)
        joined = {k: np.concatenate([o[k] for o in self.observables]) for k in self.observables[0]}
        energy = np.concatenate(self.energy) if self.energy else None
        mean = np.asarray(self.total) / len(conditions)
        return Sample(self.name, joined, conditions, energy, mean, concatenate(self.events))


def _empty_below_threshold(events: Events) -> Events:
    """Set cells below the read-out threshold to zero."""
    limits = np.concatenate([np.full(b.size, b.threshold, np.float32) for b in events.schema.features])
    if not limits.any():
        return events
    return replace(events, features=np.where(events.features < limits, np.float32(0), events.features))


def _spread(n: int, most: int, seed: int) -> NDArray[np.bool_]:
    """Mask of at most `most` of n events, drawn evenly."""
    mask = np.ones(n, bool)
    if n > most:
        mask[np.random.default_rng([seed, 0x5EED]).permutation(n)[most:]] = False
    return mask

"""A simulator with parameters: points of parameter space in, events out, and a record of what failed."""

from __future__ import annotations

import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, SimulationError
from facsim.events import Events, concatenate
from facsim.sampler import SHARD, as_conditions
from facsim.schema import Block, Schema
from facsim.sharding import column_names, in_order
from facsim.simulators.parametric.answers import Tell, nobody, single, unusable
from facsim.simulators.parametric.space import Space

__all__ = ["Calls", "ParametricSimulator", "TooFewCalls", "require_calls"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, int], None]
"""Called with (calls done, calls in all, failed calls)."""

UNKNOWN = "unknown"
"""Key of `ParametricSimulator.settings` under which stands why another simulator may have the same settings."""


def _counted(progress: Progress, total: int) -> Tell:
    """Tell how many calls are done, of so many."""
    lock, sums = threading.Lock(), [0, 0]

    def tell(calls: int, reasons: Iterable[str]) -> None:
        with lock:
            sums[0] += calls
            sums[1] += sum(1 for _ in reasons)
            progress(sums[0], total, sums[1])

    return tell


@dataclass(frozen=True)
class Calls:
    """What a simulator answered: one call is one event.

    Parameters
    ----------
    events : Events
        Of the calls that worked, in order; their conditions hold the parameters.
    failed : array (n,), bool
        Which of the n calls did not work.
    reasons : mapping
        Why, by index of the call.
    seconds : float, optional
        Wall time.
    conditions : array (n, p + k), optional
        Of all calls, those that failed too.
    """

    events: Events
    failed: NDArray[np.bool_]
    reasons: Mapping[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    conditions: Array | None = None

    def __len__(self) -> int:
        return len(self.failed)

    def summary(self) -> str:
        """How many failed, and the most frequent reasons; empty if none did.

        Examples
        --------
        >>> from facsim import Block, Schema
        >>> none = Events(np.empty((0, 1), np.float32), np.empty((0, 0), np.float32), Schema((Block("x"),), ()))
        >>> Calls(none, np.array([True]), {0: "crashed"}).summary()
        '1 of 1 calls failed: 1 crashed'
        """
        if not self.failed.any():
            return ""
        counted = Counter(self.reasons.values()).most_common(3)
        return f"{int(self.failed.sum())} of {len(self)} calls failed: " + ", ".join(f"{n} {r}" for r, n in counted)

    def region(self) -> str:
        """Where calls failed: the range of every condition, such as ``m 0.9 to 1, c 3 to 20``; empty if none did."""
        if self.conditions is None or not self.failed.any():
            return ""
        bad = self.conditions[self.failed]
        columns = column_names(self.events.schema)
        return ", ".join(f"{k} {v.min():g} to {v.max():g}" for k, v in zip(columns, bad.T, strict=True))

    @classmethod
    def join(cls, parts: Iterable[Calls]) -> Calls:
        """All calls of several records of one simulator, in order."""
        parts = list(parts)
        reasons: dict[int, str] = {}
        first = 0
        for part in parts:
            reasons |= {first + i: reason for i, reason in part.reasons.items()}
            first += len(part)
        known = [p.conditions for p in parts if p.conditions is not None]
        return cls(
            concatenate([p.events for p in parts]),
            np.concatenate([p.failed for p in parts]),
            reasons,
            sum(p.seconds for p in parts),
            np.concatenate(known) if len(known) == len(parts) else None,
        )


class ParametricSimulator(ABC):
    """A `Sampler` whose conditions are its parameters, so that an emulator is an ordinary conditional surrogate of it.

    One row of conditions is one call and gives one event. A subclass gives `name`, `space`, `features` and `_simulate`.
    The columns of its conditions are the parameters and then, if there are any, `given`: what is known of every single
    event (a vertex, an energy) and not tuned.

    Attributes
    ----------
    name, summary : str
    space : Space
        The parameters.
    features : tuple of Block
        What an event holds.
    given : tuple of Block
        What is known of every event besides the parameters.
    stochastic : bool
        Whether two calls with the same parameters differ.
    timeout : float or None
        Seconds after which a call is given up, if any.
    trials : int
        Calls that were made to get to know the simulator, before it was asked for anything; they count.
    seconds_per_call : float
        Rough cost on one core, for budgets and messages.
    repeats : int
        Events of one point that are simulated together where a method may choose: more than 1 if a new point costs
        more than an event.
    shard : int
        Calls per unit of work: shard i depends on (seed, i) and its conditions alone.
    workers : int
        Shards in work at once, in threads; the events do not depend on it.
    given_ranges : mapping
        From where ``facsim simulate`` draws what is given, by name of the block: ``{"energy": "1:100"}``.
    own_suffix : str
        Of a file in the simulator's own words (``.cmnd``), if it has any: see `own_words`.
    own_comment : str
        How a line of such a file begins that the program does not read.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter, Space
    >>> class Decay(ParametricSimulator):
    ...     name, summary = "decay", "exponential times"
    ...     space = Space((Parameter("lifetime", 0.5, 5, unit="ns"),))
    ...     features = (Block("time", (), "real", "ns"),)
    ...
    ...     def _simulate(self, conditions, rng):
    ...         return rng.exponential(conditions)
    >>> Decay().sample(np.full((3, 1), 2.0), seed=1)["time"].shape
    (3,)
    """

    name: str
    summary: str = ""
    space: Space
    features: tuple[Block, ...]
    given: tuple[Block, ...] = ()
    stochastic: bool = True
    timeout: float | None = None
    trials: int = 0
    seconds_per_call: float = 1e-6
    repeats: int = 1
    shard: int = SHARD
    workers: int = 1
    given_ranges: Mapping[str, str] = MappingProxyType({})
    own_suffix: str = ""
    own_comment: str = "#"

    @abstractmethod
    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.floating]:
        """Features (m, d) of m calls with conditions (m, p + k).

        Draw every kind of random number from a stream of its own (``rng.spawn``), call after call: then the first of
        many calls are those of few.
        A row that could not be simulated is NaN; a `SimulationError` fails the whole shard.
        """

    @cached_property
    def schema(self) -> Schema:
        """Columns of the events; their conditions are the parameters, then what is given."""
        return Schema(self.features, (*self.space.blocks, *self.given))

    def call(
        self,
        conditions: ArrayLike | Events | Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Calls:
        """Simulate one event per row and record what failed.

        Parameters
        ----------
        conditions : Events, mapping or array (n, p + k)
            Parameters, then what is given.
        seed : int, optional
            Same seed, same events.
        progress : callable, optional
            Called with (calls done, calls in all, failed calls), from several threads where there are `workers`.

        Raises
        ------
        DataError, RangeError
            If a point is outside the parameters' ranges, or not valid.
        """
        begun = time.perf_counter()
        rows = self._rows(conditions, seed)
        tell = nobody if progress is None else _counted(progress, len(rows))
        parts = list(self._calls(rows, seed, 0, tell))
        nothing = np.empty((0, sum(b.size for b in self.features)), np.float32)
        none = np.empty((0, self.schema.condition_width))
        empty = Calls(Events(nothing, none.astype(np.float32), self.schema), np.empty(0, bool), {}, 0.0, none)
        joined = Calls.join(parts or [empty])
        return replace(joined, seconds=time.perf_counter() - begun)

    def calls(
        self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0, start: int = 0
    ) -> Iterator[Calls]:
        """Yield what `call` records from call `start` on, shard by shard and in order; parameters as there."""
        return self._calls(self._rows(conditions, seed), seed, start, nobody)

    def _calls(self, rows: Array, seed: int, start: int, tell: Tell) -> Iterator[Calls]:
        self._start()
        shards = range(start // self.shard, -(-len(rows) // self.shard))

        def work(shard: int) -> Calls:
            begun, first = time.perf_counter(), shard * self.shard
            part = rows[first : first + self.shard]
            values, reasons = self._shard(part, seed, shard, tell)
            skip = max(start - first, 0)
            failed = np.zeros(len(part), bool)
            failed[list(reasons)] = True
            good = ~failed & (np.arange(len(part)) >= skip) if reasons else slice(skip, None)
            events = Events(values[good], part[good].astype(np.float32), self.schema)
            reasons = {i - skip: reason for i, reason in reasons.items() if i >= skip}
            return Calls(events, failed[skip:], reasons, time.perf_counter() - begun, part[skip:])

        return in_order(work, shards, self.workers, self._stop)

    def sample(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0) -> Events:
        """Events of `call`, all of them.

        Raises
        ------
        SimulationError
            If any call fails.
        """
        calls = self.call(conditions, seed=seed)
        if calls.failed.any():
            msg = f"{self.name}: {calls.summary()}; use call() to keep the others"
            raise SimulationError(msg)
        return calls.events

    def stream(
        self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0, start: int = 0
    ) -> Iterator[Events]:
        """Yield the events of ``sample(conditions, seed=seed)`` from event `start` on, shard by shard."""
        done = start
        for calls in self.calls(conditions, seed=seed, start=start):
            if calls.failed.any():
                row, reason = min(calls.reasons.items())
                msg = f"{self.name}: call {done + row} failed: {reason}"
                raise SimulationError(msg)
            done += len(calls)
            yield calls.events

    def settings(self) -> dict[str, Any]:
        """What else decides the events: the constructor's arguments that are plain values, by name."""
        given = {key: getattr(self, key, None) for key in inspect.signature(type(self)).parameters}
        return {key: value for key, value in given.items() if isinstance(value, (bool, int, float, str))}

    def own_words(self, values: Mapping[str, float]) -> list[str]:  # noqa: ARG002 - most have no words of their own
        """Lines of a file that tells the simulated program these parameters, by name; none if it has no such file."""
        return []

    def _shard(
        self, rows: Array, seed: int, shard: int, tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Features (m, d) of one shard, and why rows failed."""
        width = sum(b.size for b in self.features)
        try:
            values = single(self._simulate(rows, np.random.default_rng([seed, shard])))
        except SimulationError as error:
            tell(len(rows), [str(error)] * len(rows))
            return np.full((len(rows), width), np.nan, np.float32), dict.fromkeys(range(len(rows)), str(error))
        if values.shape != (len(rows), width):
            msg = f"{self.name} returned an array {values.shape} for {len(rows)} calls, expected ({len(rows)}, {width})"
            raise DataError(msg)
        reasons = unusable(values)
        tell(len(rows), reasons.values())
        return values, reasons

    def _again(
        self, rows: Array, seed: int, shard: int, wanted: Sequence[int], tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        """As `_shard`, of which the rows `wanted` alone count; others may be NaN."""
        values, reasons = self._shard(rows, seed, shard)
        reasons = {i: why for i, why in reasons.items() if i in wanted}
        tell(len(wanted), reasons.values())
        return values, reasons

    def _start(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Prepare for calls, after a `_stop` too."""

    def _stop(self) -> None:  # noqa: B027 - most have nothing to end
        """End what `_simulate` waits for in other threads, when nobody wants the answer any more."""

    def _rows(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], seed: int) -> Array:
        """Checked conditions in double precision; whole and border values survive the way through float32."""
        if seed < 0:
            msg = f"seed={seed}: must be 0 or a positive integer"
            raise DataError(msg)
        p = len(self.space)
        rows = as_conditions(conditions, self.schema).astype(np.float64)
        near = np.clip(rows[:, :p], self.space.low, self.space.high)
        rounded = np.isclose(near, rows[:, :p], rtol=1e-6, atol=0)
        rows[:, :p] = np.where(rounded, near, rows[:, :p])
        self.space.check(rows[:, :p])
        return rows


class TooFewCalls(DataError):  # noqa: N818 - as its relatives in facsim.errors
    """A budget is too small for a method."""

    def __init__(self, calls: int, least: int, method: str, more: str = "") -> None:
        self.calls, self.least, self.method = calls, least, method
        words = f"{calls:,} calls of the simulator are too few for {method}: it needs at least {least:,}{more}"
        super().__init__(f"{words}; raise --calls")


def require_calls(calls: int, least: int, method: str) -> None:
    """Raise `TooFewCalls` before anything is spent, if a budget is too small for a method."""
    if calls < least:
        raise TooFewCalls(calls, least, method)

"""How every fast sampler works: shards of fixed size, in parallel, in order, within bounded memory.

A request of n events is always cut at multiples of `SHARD`, counted from its first event, and the noise of shard i
depends on (seed, i) alone. So the events depend neither on the number of threads nor on where a stream is
cut or resumed. A prefix of a request gives the same events up to rounding: the last shard is then shorter, and a
matrix product over fewer rows may sum in another order.
"""

from __future__ import annotations

import itertools
import os
import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, RangeError, RangeWarning
from facsim.events import Events
from facsim.sampler import SHARD, as_conditions, noise
from facsim.schema import Schema

__all__ = ["ShardSampler", "check_range", "column_names", "in_order", "run_shards", "usable_cores"]

Array = NDArray[np.float32]
T = TypeVar("T")


class ShardSampler(ABC):
    """A `Sampler` whose events are a pure function of conditions and noise, row by row.

    A subclass gives `schema`, `latent`, `condition_range` and `_generate`; sampling, streaming, threads and the range
    check come from here.

    Examples
    --------
    >>> import numpy as np
    >>> from facsim import Block, Schema
    >>> class Smear(ShardSampler):
    ...     schema = Schema((Block("seen"),), (Block("energy", (), "energy", "GeV"),))
    ...     latent = 1
    ...     condition_range = (np.array([1.0]), np.array([100.0]))
    ...
    ...     def _generate(self, conditions, noise):
    ...         return conditions + 0.1 * noise
    >>> whole = Smear().sample(np.full(3000, 10.0), seed=1)
    >>> pieces = list(Smear().stream(np.full(3000, 10.0), seed=1, start=2000, threads=2))
    >>> [len(p) for p in pieces], np.array_equal(pieces[-1].features, whole.features[2048:])
    ([48, 952], True)
    """

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """Columns of the events that `sample` returns."""

    @property
    @abstractmethod
    def latent(self) -> int:
        """Columns of noise per event."""

    @property
    @abstractmethod
    def condition_range(self) -> tuple[ArrayLike, ArrayLike]:
        """Lowest and highest value of every condition column that the model was trained on."""

    @abstractmethod
    def _generate(self, conditions: Array, noise: Array) -> Array:
        """Features (n, d) for conditions (n, k) and noise (n, latent), all in physical units; called from threads."""

    def sample(
        self,
        conditions: ArrayLike | Events | Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        threads: int | None = None,
        strict: bool = False,
    ) -> Events:
        """Draw one event per row of `conditions`.

        Parameters
        ----------
        conditions : Events, mapping or array
            See `facsim.sampler.as_conditions`.
        seed : int
            Same seed, same events, whatever the number of threads.
        threads : int, optional
            Shards computed at once; all usable cores by default.
        strict : bool
            Refuse conditions outside the training range instead of warning.

        Raises
        ------
        DataError
            If the conditions do not fit the schema, or `seed` or `threads` make no sense.
        RangeError
            If `strict` and a condition lies outside the training range.
        """
        matrix = self._conditions(conditions, strict=strict)
        pieces = run_shards(self._generate, matrix, latent=self.latent, seed=seed, threads=threads)
        if len(matrix) <= SHARD:
            features = next(pieces, np.empty((0, self.schema.width), np.float32))
        else:
            features = np.empty((len(matrix), self.schema.width), np.float32)
            filled = 0
            for piece in pieces:
                features[filled : filled + len(piece)] = piece
                filled += len(piece)
        return Events(features, matrix, self.schema)

    def stream(
        self,
        conditions: ArrayLike | Events | Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        start: int = 0,
        threads: int | None = None,
        strict: bool = False,
    ) -> Iterator[Events]:
        """Yield the events of `sample` from event `start` on, at most `SHARD` at a time; parameters as there.

        Conditions are checked by the call, before the first event is asked for.
        """
        matrix = self._conditions(conditions, strict=strict)
        pieces = run_shards(self._generate, matrix, latent=self.latent, seed=seed, threads=threads, start=start)
        return self._label(pieces, matrix[start:])

    def _label(self, pieces: Iterator[Array], conditions: Array) -> Iterator[Events]:
        done = 0
        for piece in pieces:
            yield Events(piece, conditions[done : done + len(piece)], self.schema)
            done += len(piece)

    def _conditions(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, strict: bool) -> Array:
        matrix = as_conditions(conditions, self.schema)
        # The warning should point at whoever called sample or stream: three frames up from the check.
        check_range(matrix, *self.condition_range, column_names(self.schema), strict=strict, stacklevel=4)
        return matrix


def run_shards(
    function: Callable[[Array, Array], Array],
    conditions: Array,
    *,
    latent: int,
    seed: int,
    threads: int | None = None,
    start: int = 0,
) -> Iterator[Array]:
    """Yield ``function(conditions, noise)`` shard by shard, in order.

    At most ``threads + 1`` shards are in memory besides the one that was yielded. Leaving the iteration early
    drops the shards that have not begun.

    Parameters
    ----------
    function : callable
        Pure: ``(conditions (m, k), noise (m, latent)) -> features (m, d)``. Called from several threads at once where
        ``threads > 1``, so it should release the interpreter lock for its heavy part and use one thread itself.
    conditions : array (n, k)
        Of the whole request.
    latent : int
        Columns of noise per event.
    seed : int
        Not negative.
    threads : int, optional
        All usable cores by default.
    start : int
        First event to yield. A shard that begins before `start` is computed whole and cut, so that its events are the
        same to the last bit.

    Raises
    ------
    DataError
        If `seed`, `threads` or `start` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> pieces = run_shards(lambda c, z: c + z, np.zeros((1500, 1), np.float32), latent=1, seed=0, threads=1)
    >>> [p.shape for p in pieces]
    [(1024, 1), (476, 1)]
    """
    n = len(conditions)
    threads = usable_cores() if threads is None else threads
    if seed < 0:
        msg = f"seed={seed}: must be 0 or a positive integer"
        raise DataError(msg)
    if threads < 1:
        msg = f"threads={threads}: at least 1 is needed; leave it out to use all cores"
        raise DataError(msg)
    if not 0 <= start <= n:
        msg = f"start={start}: must lie between 0 and the {n} events of the request"
        raise DataError(msg)

    def work(shard: int) -> Array:
        rows = conditions[shard * SHARD : (shard + 1) * SHARD]
        return function(rows, noise(seed, shard, len(rows), latent))[max(start - shard * SHARD, 0) :]

    return in_order(work, range(start // SHARD, -(-n // SHARD)) if start < n else range(0), threads)


def in_order(
    work: Callable[[int], T], shards: range, threads: int, stop: Callable[[], None] = lambda: None
) -> Iterator[T]:
    """Yield ``work(shard)`` for every shard, in order; several threads work ahead by at most `threads` + 1.

    `stop` is called if the iteration is left early, before the shards in work are waited for.

    Examples
    --------
    >>> list(in_order(lambda i: i * i, range(4), threads=2))
    [0, 1, 4, 9]
    """
    if min(threads, len(shards)) <= 1:
        return map(work, shards)
    return _pooled(work, shards, threads, stop)


def _pooled(work: Callable[[int], T], shards: range, threads: int, stop: Callable[[], None]) -> Iterator[T]:
    pool = ThreadPoolExecutor(min(threads, len(shards)), thread_name_prefix="facsim")
    pending: deque[Future[T]] = deque()
    try:
        for shard in shards:
            pending.append(pool.submit(work, shard))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def check_range(
    conditions: Array, low: ArrayLike, high: ArrayLike, names: Sequence[str], strict: bool = False, stacklevel: int = 2
) -> None:
    """Warn of conditions outside ``[low, high]``, saying by how much and for how many events.

    Parameters
    ----------
    conditions : array (n, k)
        Finite.
    low, high : array (k,)
        Range that the model was trained on.
    names : sequence of str
        Name and unit of each column, see `column_names`.
    strict : bool
        Raise instead.
    stacklevel : int
        Frame that the warning points at, as in `warnings.warn`.

    Raises
    ------
    RangeError
        If `strict` and any condition is outside.

    Examples
    --------
    >>> import numpy as np
    >>> check_range(np.array([[50.0], [120.0]], np.float32), [1.0], [100.0], ["energy in GeV"], strict=True)
    Traceback (most recent call last):
    facsim.errors.RangeError: energy in GeV: 1 of 2 events outside the training range 1 to 100, by up to 20 (value 120)
      Sample inside the range, or fit a model on truth that covers it
    """
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    if len(conditions) == 0 or ((conditions >= low) & (conditions <= high)).all():
        return
    beyond = np.maximum(np.maximum(low - conditions, conditions - high), 0)
    lines = []
    for name, off, value, lo, hi in zip(names, beyond.T, conditions.T, low, high, strict=True):
        if off.any():
            worst = off.argmax()
            count = f"{np.count_nonzero(off)} of {len(off)} events outside the training range {lo:g} to {hi:g}"
            lines.append(f"{name}: {count}, by up to {off[worst]:g} (value {value[worst]:g})")
    msg = "\n".join([*lines, "  Sample inside the range, or fit a model on truth that covers it"])
    if strict:
        raise RangeError(msg)
    warnings.warn(msg, RangeWarning, stacklevel=stacklevel)


def column_names(schema: Schema) -> list[str]:
    """Name of every condition column with its unit.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> column_names(Schema((), (Block("energy", (), "energy", "GeV"), Block("angle", (2,), "angle", "rad"))))
    ['energy in GeV', 'angle[0] in rad', 'angle[1] in rad']
    """
    names = []
    for block in schema.conditions:
        unit = f" in {block.unit}" if block.unit else ""
        places = itertools.product(*map(range, block.shape))
        names += [f"{block.name}{list(place) if place else ''}{unit}" for place in places]
    return names


def usable_cores() -> int:
    """Cores that this process may use.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

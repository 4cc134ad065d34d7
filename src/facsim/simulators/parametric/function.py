"""Any Python function as a simulator with parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, SimulationError
from facsim.schema import Block
from facsim.simulators.parametric.answers import Tell, nobody, unusable
from facsim.simulators.parametric.base import UNKNOWN, ParametricSimulator
from facsim.simulators.parametric.callee import Callees, evaluate
from facsim.simulators.parametric.fingerprint import fingerprint
from facsim.simulators.parametric.space import Space

__all__ = ["FunctionSimulator"]

Array = NDArray[np.float64]
Function = Callable[[Array, np.random.Generator], ArrayLike | Mapping[str, ArrayLike]]
SHARD = 16  # calls of a slow function per unit of work: small, so that all workers have some
BATCH = 1024  # points at once of a function that takes many


class FunctionSimulator(ParametricSimulator):
    """A function of parameters and a random generator, called point by point or batch by batch.

    A point whose call raises an error, takes too long, ends its process, or returns something of another shape or NaN
    is recorded as failed; the others are kept.

    Parameters
    ----------
    function : callable
        ``function(theta (p + k,), rng) -> (d,)``; with `batch`, ``function(theta (m, p + k), rng) -> (m, d)``. It may
        also return a mapping from names of blocks to arrays. All its random numbers must come from `rng`.
    space : Space
        The parameters.
    features : sequence of Block, or Block
        What an event holds.
    name, summary : str, optional
        For messages and reports; the function's own name by default (``simulator``, if it is a lambda).
    given : sequence of Block, optional
        What is known of every event and not tuned; the columns of theta after the parameters.
    batch : bool, optional
        Whether the function takes many points. A batch that fails is repeated point by point.
    workers : int, optional
        Processes. The events do not depend on it.
    timeout : float, optional
        Seconds for one call of the function; it then runs in a process of its own, which is ended.
    stochastic : bool, optional
        Whether two calls with the same parameters differ.
    start : {"fork", "spawn"}, optional
        How processes begin. ``spawn`` asks for a function that can be imported, and is safe where the function uses
        torch or another library with threads.
    version : str, optional
        What tells this function from others of its name, for `Cached`: by default its code and all that it holds, see
        `facsim.simulators.parametric.fingerprint`. Give one where that cannot be told (the function holds an open file
        or a library's handle), or does not say it all (it reads a file), and change it with what the function computes.

    Raises
    ------
    DataError
        For an impossible argument.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter, Space
    >>> space = Space((Parameter("lifetime", 0.5, 5, unit="ns"),))
    >>> decay = FunctionSimulator(lambda theta, rng: rng.exponential(theta), space, Block("time", (), "real", "ns"))
    >>> calls = decay.call([[1.0], [2.0]], seed=0)
    >>> len(calls.events), calls.summary()
    (2, '')
    """

    def __init__(
        self,
        function: Function,
        space: Space,
        features: Block | Sequence[Block],
        *,
        name: str | None = None,
        summary: str = "",
        given: Sequence[Block] = (),
        batch: bool = False,
        workers: int = 1,
        timeout: float | None = None,
        stochastic: bool = True,
        start: Literal["fork", "spawn"] = "fork",
        version: str | None = None,
    ) -> None:
        if workers < 1 or (timeout is not None and not timeout > 0):
            msg = f"workers={workers}, timeout={timeout}: at least one worker, and more than 0 seconds, are needed"
            raise DataError(msg)
        self.function, self.space, self.batch = function, space, batch
        self.features = (features,) if isinstance(features, Block) else tuple(features)
        self.given, self.workers, self.timeout, self.stochastic = tuple(given), workers, timeout, stochastic
        self.name = name or _name(function)
        self.summary = summary
        self.shard = BATCH if batch else SHARD
        self.seconds_per_call = 1e-3
        self._settings = self._identity(version)  # now: a call may change what the function holds
        self._callees = Callees((function, batch, self.features), start) if workers > 1 or timeout else None

    def settings(self) -> dict[str, Any]:
        """What decides the events: the function's version, or a digest of its code and of all that it holds."""
        return dict(self._settings)

    def _identity(self, version: str | None) -> dict[str, Any]:
        place = f"{getattr(self.function, '__module__', '')}.{getattr(self.function, '__qualname__', self.name)}"
        found = {"function": place, "batch": self.batch}
        if version is not None:
            return {**found, "version": version}
        try:
            return {**found, "code": fingerprint(self.function)}
        except DataError as error:
            return {**found, UNKNOWN: str(error)}

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        msg = f"{self.name}: calls go through _shard, which records what fails"
        raise NotImplementedError(msg)

    def _shard(
        self, rows: Array, seed: int, shard: int, tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        values = self._nothing(rows)
        if self.batch and self._ask(rows, (seed, shard), values) is None:
            reasons = unusable(values)
            tell(len(rows), reasons.values())
            return values, reasons
        return self._again(rows, seed, shard, range(len(rows)), tell)

    def _again(
        self, rows: Array, seed: int, shard: int, wanted: Sequence[int], tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        values = self._nothing(rows)
        reasons: dict[int, str] = {}
        for i in wanted:
            one = values[i : i + 1]
            why = self._ask(rows[i : i + 1], (seed, shard, i), one) or unusable(one).get(0)
            if why is not None:
                reasons[i] = why
            tell(1, [] if why is None else [why])
        return values, reasons

    def _nothing(self, rows: Array) -> NDArray[np.float32]:
        return np.full((len(rows), sum(b.size for b in self.features)), np.nan, np.float32)

    def _ask(self, rows: Array, stream: tuple[int, ...], values: NDArray[np.float32]) -> str | None:
        """Fill `values` (m, d) for points (m, p + k), or say why not."""
        try:
            if self._callees is None:
                values[:] = evaluate(self.function, self.batch, self.features, rows, stream)
            else:
                values[:] = self._callees.ask(rows, stream, values.shape, self.timeout)
        except SimulationError as error:
            return str(error)
        return None

    def _start(self) -> None:
        if self._callees is not None:
            self._callees.start()

    def _stop(self) -> None:
        if self._callees is not None:
            self._callees.stop()


def _name(function: Any) -> str:
    """Of a function, of what a partial calls, or of an object's class."""
    while isinstance(function, functools.partial):
        function = function.func
    name = str(getattr(function, "__name__", type(function).__name__))
    return "simulator" if name == "<lambda>" else name

"""What a tuning spends: calls of a simulator within a budget; what failed is dropped, and its region named."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, SimulationError
from facsim.events import Events
from facsim.schema import Schema
from facsim.simulators.parametric import Calls, ParametricSimulator

__all__ = ["Account", "Watch", "observed", "region"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
HOPELESS = 20
"""Calls that fail one after the other from the first on, after which no more are made."""


class Account:
    """A budget of calls of one simulator.

    Parameters
    ----------
    simulator : ParametricSimulator
    calls : int
        Budget; failed calls count, too.
    seed : int
        Of all calls. The k-th request depends on (seed, k) alone.

    Attributes
    ----------
    spent, failed : int
        Calls so far, and how many of them gave nothing.

    Examples
    --------
    >>> from facsim.simulators.parametric.table import parametric
    >>> account = Account(parametric("two-moons"), calls=100, seed=1)
    >>> len(account.call(account.simulator.space.draw(60, seed=2))), account.left
    (60, 40)
    """

    def __init__(self, simulator: ParametricSimulator, calls: int, seed: int) -> None:
        self.simulator, self.calls, self.seed = simulator, calls, seed
        self.spent = self.failed = self._requests = 0

    @property
    def left(self) -> int:
        """Calls that may still be made."""
        return self.calls - self.spent

    def call(self, theta: ArrayLike, given: ArrayLike | None = None) -> Events:
        """Simulate one event per point (n, p), with what is given of each (n, k); events of the calls that worked.

        Raises
        ------
        DataError
            If the budget does not allow it.
        SimulationError
            If every call fails.
        """
        return self.record(theta, given).events

    def record(self, theta: ArrayLike, given: ArrayLike | None = None) -> Calls:
        """As `call`, with the record of what failed."""
        points = np.asarray(theta, np.float64)
        if len(points) > self.left:
            msg = f"{len(points)} calls of {self.simulator.name} asked for, {self.left} of {self.calls} are left"
            raise DataError(msg)
        rows = points if given is None else np.column_stack([points, np.asarray(given, np.float64)])
        seed = int(np.random.SeedSequence([self.seed, self._requests, 0xCA11]).generate_state(1)[0])
        calls = self.simulator.call(rows, seed=seed)
        self._requests += 1
        self.spent += len(points)
        self.failed += int(calls.failed.sum())
        if calls.failed.all():
            msg = f"{self.simulator.name}: {calls.summary()} in {region(self.simulator, points)}; check the simulator"
            raise SimulationError(msg)
        if calls.failed.any():
            where = region(self.simulator, points[calls.failed])
            log.warning("%s: %s; left out, in the region %s", self.simulator.name, calls.summary(), where)
        return calls


class Watch:
    """Listens to a simulator's calls: says how many are done, and ends a tuning whose simulator never works.

    Parameters
    ----------
    name : str
        Of the simulator.
    calls : int
        Budget.
    progress : callable, optional
        Called with (calls done, budget, failed calls); what comes from disk is done.

    Examples
    --------
    >>> watch = Watch("mine", 100, lambda *told: print(told))
    >>> watch(8, []), watch(2, ["crashed"])
    (8, 100, 0)
    (10, 100, 1)
    (None, None)
    """

    def __init__(self, name: str, calls: int, progress: Callable[[int, int, int], None] | None = None) -> None:
        self.name, self.calls, self.progress = name, calls, progress
        self.done = self.failed = 0
        self._lock = threading.Lock()

    def __call__(self, calls: int, reasons: Iterable[str]) -> None:
        """Take note of more calls, and of the reasons of those that failed.

        Raises
        ------
        SimulationError
            If all calls so far have failed, and they are enough.
        """
        reasons = list(reasons)
        with self._lock:
            self.done += calls
            self.failed += len(reasons)
            if self.done == self.failed >= HOPELESS:
                msg = (
                    f"{self.name}: each of the first {self.done} calls failed, the last one: {reasons[-1]}. Mend the "
                    "simulator, or give narrower ranges of its parameters if they are to blame"
                )
                raise SimulationError(msg)
            if self.progress is not None:
                self.progress(self.done, self.calls, self.failed)


def observed(simulator: ParametricSimulator, data: Events, least: int = 2) -> Events:
    """Data as a tuner takes them: the simulator's features, and as conditions what is given; parameters are dropped.

    Raises
    ------
    SchemaMismatch
        If a block is missing or another one.
    DataError
        If there are fewer events than `least`, or a value is not finite.
    """
    wanted = Schema(simulator.features, simulator.given)
    found = data.select(b.name for b in wanted.features)
    columns = [np.r_[data.schema.columns(b.name)] for b in wanted.conditions]
    conditions = data.conditions[:, np.concatenate(columns)] if columns else np.empty((len(data), 0), np.float32)
    schema = Schema(found.schema.features, tuple(data.schema.block(b.name) for b in wanted.conditions))
    wanted.require_same(schema, f"the data do not fit the simulator {simulator.name}")
    if len(data) < least:
        msg = f"{len(data)} events are too few to tune {simulator.name} to; give at least {least}"
        raise DataError(msg)
    return replace(found, conditions=conditions, schema=wanted).check("data")


def region(simulator: ParametricSimulator, theta: ArrayLike) -> str:
    """Range of points (n, p) in every parameter, for messages."""
    points = np.asarray(theta, np.float64)
    spans = zip(simulator.space, points.min(axis=0), points.max(axis=0), strict=True)
    return ", ".join(f"{p.name} {a:.4g} to {b:.4g}" + (f" {p.unit}" if p.unit else "") for p, a, b in spans)

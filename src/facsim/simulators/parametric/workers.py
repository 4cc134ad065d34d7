"""Simulators with parameters that run in processes of their own, which stay from call to call."""

from __future__ import annotations

import itertools
import tempfile
import threading
import weakref
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.pool import Job, Pool, Program

__all__ = ["Crew", "WorkerSimulator"]

Array = NDArray[np.float64]


class Crew:
    """Worker processes of one program; each serves one thread at a time and waits for the next job.

    They end with the crew, which ends when nobody holds it any more, and with this process, however it ends.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="facsim-workers-")
        self._idle: list[Pool] = []
        self._lock = threading.Lock()
        self._number = itertools.count()
        self._cpu = 0.0
        self._end = weakref.finalize(self, _end, self._idle, self._folder)

    @property
    def cpu_seconds(self) -> float:
        """CPU time that finished jobs took, without start-up."""
        return self._cpu

    def run(self, first: int, conditions: Array) -> NDArray[np.float32]:
        """Features (n, d) of events `first`, `first` + 1, ... with these conditions (n, k).

        Raises
        ------
        SimulationError
            If the worker fails or ends; another one takes its place for the next job.
        """
        with self._lock:
            number = next(self._number)
            pool = self._idle.pop() if self._idle else Pool(self._program, 0, 1, self._place / f"{number}")
        path = self._place / f"{number}.npz"
        before = pool.cpu_seconds
        try:
            (job,) = pool.run([Job(first, conditions.astype(np.float32), path)])
            with np.load(job.path, allow_pickle=False) as part:
                features: NDArray[np.float32] = part["features"]
            path.unlink()
        except BaseException:
            pool.__exit__(None, None, None)
            raise
        with self._lock:
            self._cpu += pool.cpu_seconds - before
            self._idle.append(pool)
        return features

    @property
    def _place(self) -> Path:
        return Path(self._folder.name)


class WorkerSimulator(ParametricSimulator):
    """A `ParametricSimulator` whose shards are jobs of worker processes, as many at once as `workers` says.

    A subclass gives `_program`. Event k of a shard depends on its own conditions and random stream alone, so that a
    worker may take the events of a job in any order.
    """

    @abstractmethod
    def _program(self) -> Program:
        """What the workers run; raises `MissingExtra` or `MissingData` where they cannot."""

    @cached_property
    def crew(self) -> Crew:
        """The processes; none is started before the first call."""
        return Crew(self._program())

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.floating]:
        return self.crew.run(int(rng.integers(2**40)), conditions)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "crew"}


def _end(idle: list[Pool], folder: tempfile.TemporaryDirectory[str]) -> None:
    for pool in idle:
        pool.__exit__(None, None, None)
    folder.cleanup()

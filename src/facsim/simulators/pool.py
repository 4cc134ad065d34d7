"""Worker processes that each hold one simulator; the caller's own process never loads it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facsim.errors import SimulationError

__all__ = ["Job", "Pool", "Program"]


@dataclass(frozen=True)
class Job:
    """Consecutive events for one worker, and the file they go to (``.npz`` with `features` and `conditions`).

    Parameters
    ----------
    first : int
        Number of the first event within the run.
    conditions : array (n, k)
    path : Path
    """

    first: int
    conditions: NDArray[np.float32]
    path: Path


@dataclass(frozen=True)
class Program:
    """What the workers run.

    Parameters
    ----------
    name : str
        For messages.
    module : str
        Run as ``python -m``; see `facsim.simulators.worker.serve`.
    setup : mapping
        All that decides the events but seed and conditions, as JSON; the first line that a worker is sent.
    message : callable
        What a worker is told of a job beside `first`, `conditions` and `path`, as JSON.
    environment : mapping
        Further environment variables.
    """

    name: str
    module: str
    setup: Mapping[str, Any]
    message: Callable[[Job], Mapping[str, Any]] = lambda _: {}
    environment: Mapping[str, str] = field(default_factory=dict)


class Pool:
    """Context manager over `workers` processes.

    Parameters
    ----------
    program : Program
    seed : int
        Event i of the run depends on (seed, i) alone.
    workers : int
    logs : Path
        Folder for what the simulator prints, one file per worker.
    """

    def __init__(self, program: Program, seed: int, workers: int, logs: Path) -> None:
        if workers < 1:
            msg = f"workers={workers}: must be at least 1"
            raise SimulationError(msg)
        self._program = program
        self._hello = {"parent": os.getpid(), "seed": seed, **program.setup}
        self._workers, self._logs = workers, logs
        self._messages: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._processes: list[subprocess.Popen[str]] = []
        self.cpu_seconds = 0.0
        """CPU time spent on events, without start-up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # a job that a dead worker did not take
                        pipe.close()

    def run(self, jobs: Iterable[Job], tick: Callable[[int], None] = lambda _: None) -> Iterator[Job]:
        """Yield the jobs as they get done, in any order; `tick` is called with 1 after every event.

        Raises
        ------
        SimulationError
            If a worker cannot write its file, or ends; with the last lines of its log.
        """
        todo = iter(jobs)
        running: dict[int, Job] = {}
        for number in range(self._workers):
            if (job := next(todo, None)) is None:
                break
            if number == len(self._processes):  # they stay for the next run of the pool
                self._start(number)
                self._send(number, self._hello)
            self._assign(number, job, running)
        while running:
            number, message = self._messages.get()
            if "event" in message:
                tick(1)
            elif "done" in message:
                self.cpu_seconds += message["cpu"]
                yield running.pop(number)
                if (job := next(todo, None)) is not None:
                    self._assign(number, job, running)
            else:
                raise SimulationError(message.get("error") or self._crash(number))

    def in_order(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Yield the jobs in their own order, each as soon as it and those before it are done."""
        waiting, done = list(jobs), set()
        for job in self.run(jobs):
            done.add(job.first)
            while waiting and waiting[0].first in done:
                yield waiting.pop(0)

    def _start(self, number: int) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self._program.environment, "PYTHONUNBUFFERED": "1"}
        # the worker finds what the caller finds, but nothing from the folder it happens to stand in
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        with self._log(number).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", self._program.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the workers
            )
        self._processes.append(process)
        threading.Thread(target=self._listen, args=(number, process), daemon=True).start()

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for in Popen
        try:
            for line in process.stdout:
                self._messages.put((number, json.loads(line)))
        except ValueError:  # closed while reading, or killed in the middle of a line
            pass
        self._messages.put((number, {"ended": True}))

    def _assign(self, number: int, job: Job, running: dict[int, Job]) -> None:
        message = {
            "first": job.first,
            "conditions": job.conditions.tolist(),
            "path": str(job.path),
            **self._program.message(job),
        }
        self._send(number, message)
        running[number] = job

    def _send(self, number: int, message: dict[str, Any]) -> None:
        pipe = self._processes[number].stdin
        assert pipe is not None  # noqa: S101 - asked for in Popen
        try:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()
        except BrokenPipeError as error:
            raise SimulationError(self._crash(number)) from error

    def _log(self, number: int) -> Path:
        return self._logs / f"worker-{number}.log"

    def _crash(self, number: int) -> str:
        code = self._processes[number].wait()
        lines = self._log(number).read_text(encoding="utf-8", errors="replace").splitlines()
        fatal = next((k for k, line in enumerate(lines) if "G4Exception-START" in line), None)
        tail = [line for line in (lines[fatal:] if fatal is not None else lines[-15:]) if line.strip()][:20]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        return "\n  ".join(
            [f"{self._program.name}'s worker {number} {how}; the last lines of {self._log(number)}:", *tail]
        )

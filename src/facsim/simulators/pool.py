"""Worker processes that each hold one Geant4; the caller's own process never loads it."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facsim.errors import MissingExtra, SimulationError
from facsim.simulators import g4data
from facsim.simulators.setup import HADRONS, Setup

__all__ = ["Job", "Pool", "data_sets"]


@dataclass(frozen=True)
class Job:
    """Consecutive events for one worker, and the file they go to (``.npz`` with `features` and `conditions`).

    Parameters
    ----------
    first : int
        Number of the first event within the run.
    conditions : array (n, setup.schema.condition_width)
    path : Path
    """

    first: int
    conditions: NDArray[np.float32]
    path: Path


def data_sets(setup: Setup) -> g4data.DataSets:
    """Check that Geant4 and the data that `setup` needs are here, without starting it.

    Raises
    ------
    MissingExtra, MissingData
    """
    # not imported: that could ask on the terminal whether to download data
    if importlib.util.find_spec("geant4_pybind") is None:
        msg = 'simulating showers needs geant4-pybind: pip install "facsim[geant4]"'
        raise MissingExtra(msg)
    return g4data.find(hadrons=setup.physics != "em" or setup.particle in HADRONS)


class Pool:
    """Context manager over `workers` processes.

    Parameters
    ----------
    setup : Setup
    seed : int
        Event i of the run depends on (seed, i) alone.
    workers : int
    logs : Path
        Folder for what Geant4 prints, one file per worker.

    Raises
    ------
    MissingExtra, MissingData
        Before any process starts.
    """

    def __init__(self, setup: Setup, seed: int, workers: int, logs: Path) -> None:
        if workers < 1:
            msg = f"workers={workers}: must be at least 1"
            raise SimulationError(msg)
        self._data = data_sets(setup)
        self._setup = setup
        self._hello = {
            "parent": os.getpid(),
            "setup": setup.to_json(),
            "seed": seed,
            "livermore": self._data.photoelectric == "livermore",
        }
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

    def _start(self, number: int) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GEANT4_DATA_DIR": str(self._data.folder), "PYTHONUNBUFFERED": "1"}
        # the worker finds what the caller finds, but nothing from the folder it happens to stand in
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        with self._log(number).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "facsim.simulators.worker"],
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
        primaries = self._setup.primaries(job.conditions)
        message = {
            "first": job.first,
            "primaries": primaries,
            "conditions": job.conditions.tolist(),
            "path": str(job.path),
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
        return "\n  ".join([f"Geant4's worker {number} {how}; the last lines of {self._log(number)}:", *tail])

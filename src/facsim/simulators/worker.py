"""The worker's side of a `facsim.simulators.pool.Pool`: spoken to in lines of JSON.

In: ``{"parent", "seed", ...}`` with what `Program.setup` says, then per job ``{"first", "conditions", "path", ...}``.
Out: per event ``{"event": number}``; per job ``{"done": first, "cpu": seconds}`` or ``{"error": text}``.
All that the simulator prints goes to standard error, which the parent points to a log file. The process ends with its
parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FacsimError, SimulationError
from facsim.files import atomic

__all__ = ["Simulate", "serve"]

Simulate = Callable[[Mapping[str, Any], Callable[[int], None]], Mapping[str, NDArray[Any] | str]]
"""From a job, and a function to be called with the events done so far, to what the job's file shall hold."""


def serve(begin: Callable[[Mapping[str, Any]], Simulate]) -> None:
    """Serve jobs until standard input ends.

    Parameters
    ----------
    begin : callable
        From the first line to what simulates a job.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)  # a question on the terminal could only hang
    os.dup2(2, 1)
    _serve(begin, requests, replies)
    replies.flush()
    sys.stderr.flush()
    os._exit(0)  # the destructors of Geant4 and of its bindings meet in the wrong order


def _serve(begin: Callable[[Mapping[str, Any]], Simulate], requests: IO[str], replies: IO[str]) -> None:
    def reply(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message) + "\n")

    start = json.loads(requests.readline())
    threading.Thread(target=_die_with_parent, args=(start["parent"],), daemon=True).start()
    try:
        simulate = begin(start)
        for line in requests:
            job = json.loads(line)
            first = job["first"]
            began = time.process_time()
            arrays = simulate(job, lambda k, first=first: reply({"event": first + k}))  # type: ignore[misc]
            cpu = time.process_time() - began
            _write(job["path"], conditions=np.asarray(job["conditions"], np.float32), **arrays)
            reply({"done": first, "cpu": cpu})
    except FacsimError as error:
        reply({"error": str(error)})


def _write(path: str, **arrays: NDArray[Any] | str) -> None:
    try:
        with atomic(path) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        msg = f"cannot write {path}: {error}"
        raise SimulationError(msg) from error


def _die_with_parent(parent: int) -> None:
    """End the process soon after its parent is gone, even by SIGKILL and in the middle of an event."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)

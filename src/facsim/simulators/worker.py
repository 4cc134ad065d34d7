"""One process that holds Geant4: ``python -m facsim.simulators.worker``, spoken to in lines of JSON.

In: ``{"parent", "setup", "seed", "livermore"}``, then per job ``{"first", "primaries", "conditions", "path"}``.
Out: per event ``{"event": number}``; per job ``{"done": first, "cpu": seconds}`` or ``{"error": text}``.
All that Geant4 prints goes to standard error, which the parent points to a log file. The process ends with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

from facsim.errors import SimulationError
from facsim.files import atomic
from facsim.simulators.engine import Engine, Primary, event_seeds
from facsim.simulators.setup import Setup

__all__ = ["main"]


def main() -> None:
    """Serve jobs until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)  # a question on the terminal could only hang
    os.dup2(2, 1)
    _serve(requests, replies)
    replies.flush()
    sys.stderr.flush()
    os._exit(0)  # the destructors of Geant4 and of the bindings meet in the wrong order


def _serve(requests: IO[str], replies: IO[str]) -> None:
    def reply(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message) + "\n")

    start = json.loads(requests.readline())
    threading.Thread(target=_die_with_parent, args=(start["parent"],), daemon=True).start()
    setup = Setup.from_json(start["setup"])
    try:
        engine = Engine(setup.calorimeter, setup.particle, setup.physics, setup.cut_mm, livermore=start["livermore"])
    except SimulationError as error:
        reply({"error": str(error)})
        return
    for line in requests:
        job = json.loads(line)
        first = job["first"]
        primaries = [Primary(e, (x, y), (u, v)) for e, x, y, u, v in job["primaries"]]
        seeds = [event_seeds(start["seed"], first + k) for k in range(len(primaries))]
        began = time.process_time()
        features = engine.run(primaries, seeds, lambda k, first=first: reply({"event": first + k}))  # type: ignore[misc]
        cpu = time.process_time() - began
        try:
            with atomic(job["path"]) as temporary:
                conditions = np.asarray(job["conditions"], np.float32)
                np.savez(temporary, features=features, conditions=conditions, version=engine.version)
        except OSError as error:
            reply({"error": f"cannot write {job['path']}: {error}"})
            return
        reply({"done": first, "cpu": cpu})


def _die_with_parent(parent: int) -> None:
    """End the process soon after its parent is gone, even by SIGKILL and in the middle of an event."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()

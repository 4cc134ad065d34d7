"""One process that holds Pythia: ``python -m facsim.simulators.jets.worker``, for a `facsim.simulators.pool.Pool`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facsim.simulators.jets.generator import Generator, event_seed
from facsim.simulators.jets.image import image
from facsim.simulators.jets.processes import PROCESSES
from facsim.simulators.jets.selection import quantities
from facsim.simulators.worker import Simulate, serve

__all__ = ["begin"]


def begin(start: Mapping[str, Any]) -> Simulate:
    """Return what simulates jobs; Pythia is set up for a process when its first jet is asked for."""
    generators: dict[int, Generator] = {}

    def simulate(job: Mapping[str, Any], tick: Callable[[int], None]) -> dict[str, Any]:
        rows = []
        for k, (signal,) in enumerate(job["conditions"]):
            number = int(signal)
            if number not in generators:
                generators[number] = Generator(PROCESSES[number])
            jet = generators[number].jet(event_seed(start["seed"], number, job["first"] + k))
            rows.append(np.concatenate([image(jet).ravel(), quantities(jet)]))
            tick(k + 1)
        return {"features": np.array(rows, np.float32)}

    return simulate


if __name__ == "__main__":
    serve(begin)

"""One process that holds Pythia for e+e-, for a `facsim.simulators.pool.Pool`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facsim.simulators.jets.generator import event_seed
from facsim.simulators.parametric.pythia_tune.generator import Generator
from facsim.simulators.parametric.pythia_tune.measured import BLOCKS, measure
from facsim.simulators.worker import Simulate, serve

__all__ = ["begin"]


def begin(start: Mapping[str, Any]) -> Simulate:
    """Return what simulates jobs; ``settings`` names the columns of the conditions in Pythia's words."""
    generator, names = Generator(), start["settings"]

    def simulate(job: Mapping[str, Any], tick: Callable[[int], None]) -> dict[str, Any]:
        rows = np.asarray(job["conditions"], np.float64)
        out = np.full((len(rows), sum(b.size for b in BLOCKS)), np.nan, np.float32)
        points, which = np.unique(rows, axis=0, return_inverse=True)
        for k, point in enumerate(points):  # equal points side by side: one start-up each
            mine = np.flatnonzero(which.ravel() == k)
            if generator.set(dict(zip(names, point.tolist(), strict=True))):
                seeds = [event_seed(start["seed"], 0, job["first"] + int(i)) for i in mine]
                out[mine] = measure(*generator.events(seeds))
            tick(int(mine[-1]))
        return {"features": out}

    return simulate


if __name__ == "__main__":
    serve(begin)

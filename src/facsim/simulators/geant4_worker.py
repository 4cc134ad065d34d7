"""One process that holds Geant4: ``python -m facsim.simulators.geant4_worker``, for a `facsim.simulators.pool.Pool`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from facsim.simulators.engine import Engine, Primary, event_seeds
from facsim.simulators.setup import Setup
from facsim.simulators.worker import Simulate, serve

__all__ = ["begin"]


def begin(start: Mapping[str, Any]) -> Simulate:
    """Set up Geant4; what comes back simulates jobs with ``primaries`` (see `Setup.primaries`)."""
    setup = Setup.from_json(start["setup"])
    engine = Engine(setup.calorimeter, setup.particle, setup.physics, setup.cut_mm, livermore=start["livermore"])

    def simulate(job: Mapping[str, Any], tick: Callable[[int], None]) -> dict[str, Any]:
        primaries = [Primary(e, (x, y), (u, v), *kind) for e, x, y, u, v, *kind in job["primaries"]]
        seeds = [event_seeds(start["seed"], job["first"] + k) for k in range(len(primaries))]
        return {"features": engine.run(primaries, seeds, tick), "version": engine.version}

    return simulate


if __name__ == "__main__":
    serve(begin)

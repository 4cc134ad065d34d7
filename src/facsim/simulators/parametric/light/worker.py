"""One process that holds Geant4's optical photons, for a `facsim.simulators.pool.Pool`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facsim.simulators.engine import event_seeds
from facsim.simulators.parametric.light.box import LightBox
from facsim.simulators.parametric.light.engine import OpticalEngine
from facsim.simulators.worker import Simulate, serve

__all__ = ["begin"]


def begin(start: Mapping[str, Any]) -> Simulate:
    """Set up Geant4; conditions are absorption and Rayleigh length, reflectivity, vertex from the detectors' wall."""
    box = LightBox(**start["box"])
    engine, photons = OpticalEngine(box, start["wavelength"]), start["photons"]
    middle = np.array([box.drift_m / 2, 0.0, 0.0])  # Geant4's coordinates begin in the middle

    def simulate(job: Mapping[str, Any], tick: Callable[[int], None]) -> dict[str, Any]:
        rows = np.asarray(job["conditions"], np.float64)
        out = np.zeros((len(rows), box.rows * box.columns), np.float32)
        for k, i in enumerate(np.lexsort(rows[:, 2::-1].T)):  # equal optics side by side
            engine.set(*rows[i, :3])
            out[i] = engine.counts(rows[i, 3:] - middle, photons, event_seeds(start["seed"], job["first"] + int(i)))
            tick(k + 1)
        return {"features": out, "version": engine.version}

    return simulate


if __name__ == "__main__":
    serve(begin)

"""How fast Geant4 is here: what a surrogate's speed is measured against."""

from __future__ import annotations

import tempfile
from pathlib import Path

from facsim.sampler import flat
from facsim.simulators.calorimeter import SamplingCalorimeter
from facsim.simulators.geant4 import Geant4Sampler, geant4
from facsim.simulators.pool import Job, Pool
from facsim.simulators.setup import Setup

__all__ = ["measure_rate", "rate_of"]


def measure_rate(
    calorimeter: str | SamplingCalorimeter, particle: str, energy: str | float, n: int, seed: int = 0
) -> float:
    """Showers per second of CPU time that one Geant4 process makes here, without its start-up.

    Parameters
    ----------
    calorimeter, particle, energy, seed
        As for `simulate`.
    n : int
        Showers to simulate; the relative error is about the spread of the time per shower over sqrt(n).
    """
    return rate_of(Geant4Sampler(calorimeter, particle).setup, energy, n, seed)


def rate_of(setup: Setup, energy: str | float, n: int, seed: int = 0) -> float:
    """`measure_rate` of any set-up, such as ``LHCbCalorimeter().setup``."""
    conditions = setup.draw(flat(energy, n, seed), seed)
    with (
        tempfile.TemporaryDirectory(prefix="facsim-rate-") as folder,
        Pool(geant4(setup), seed, 1, Path(folder)) as pool,
    ):
        for _ in pool.run([Job(0, conditions, Path(folder) / "showers.npz")]):
            pass
        return n / pool.cpu_seconds

"""Geant4 as a sampler: conditions in, showers out."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import MissingExtra, SimulationError
from facsim.events import Events, concatenate
from facsim.sampler import as_conditions
from facsim.schema import Schema
from facsim.simulators import g4data
from facsim.simulators.calorimeter import SamplingCalorimeter, preset
from facsim.simulators.pool import Job, Pool, Program
from facsim.simulators.run import read_part
from facsim.simulators.setup import HADRONS, Setup

__all__ = ["Geant4Sampler", "data_sets", "geant4", "geant4_version", "job_size", "make_setup"]


class Geant4Sampler:
    """Showers in a sampling calorimeter, by Geant4 in worker processes (a `facsim.Sampler`).

    Parameters
    ----------
    calorimeter : str or SamplingCalorimeter
        A preset's name (`facsim.simulators.presets`) or a calorimeter of your own.
    particle : str, optional
        ``"e+"``, ``"e-"``, ``"gamma"``, ``"mu+"``, ``"mu-"``, or a hadron where its data sets are installed.
    active, active_only : bool, optional
        Add the deposit of the active material alone as blocks ``active_<k>``; or put it, and nothing else, into the
        layers.
    cut_mm, position_spread_mm, angle_spread_deg, physics : optional
        See `Setup`.
    workers : int, optional
        Processes. Their number does not change the events.

    Raises
    ------
    SimulationError
        For an unknown calorimeter or particle, and when Geant4 fails.
    MissingExtra, MissingData
        On `sample`, if geant4-pybind or its data are not installed.

    Examples
    --------
    >>> sampler = Geant4Sampler("calogan", particle="gamma")
    >>> sampler.schema.width
    507
    >>> events = sampler.sample([10.0, 50.0], seed=1)  # doctest: +SKIP
    """

    def __init__(
        self,
        calorimeter: str | SamplingCalorimeter,
        particle: str = "e+",
        *,
        active: bool = False,
        active_only: bool = False,
        cut_mm: float = 0.7,
        position_spread_mm: float = 0.0,
        angle_spread_deg: float = 0.0,
        physics: str = "auto",
        workers: int = 1,
    ) -> None:
        self.setup = make_setup(
            calorimeter,
            particle=particle,
            active=active,
            active_only=active_only,
            cut_mm=cut_mm,
            position_spread_mm=position_spread_mm,
            angle_spread_deg=angle_spread_deg,
            physics=physics,
        )
        self.workers = workers

    @property
    def schema(self) -> Schema:
        """Columns of the events."""
        return self.setup.schema

    def sample(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0) -> Events:
        """Simulate one event per row of `conditions`.

        Where position or direction vary, energies alone, of shape (n,), are enough: the rest is drawn.
        """
        return concatenate(self.stream(conditions, seed=seed))

    def stream(
        self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0, start: int = 0
    ) -> Iterator[Events]:
        """Yield the events of ``sample(conditions, seed=seed)`` from event `start` on, in order."""
        matrix = self._conditions(conditions, seed)
        with tempfile.TemporaryDirectory(prefix="facsim-geant4-") as name:
            folder = Path(name)
            size = job_size(len(matrix) - start)
            jobs = [Job(k, matrix[k : k + size], folder / f"{k}.npz") for k in range(start, len(matrix), size)]
            with Pool(geant4(self.setup), seed, self.workers, folder) as pool:
                for job in pool.in_order(jobs):
                    yield read_part(job.path, self.schema)
                    job.path.unlink()

    def _conditions(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], seed: int) -> NDArray[np.float32]:
        if not isinstance(conditions, (Events, Mapping)):
            energies = np.asarray(conditions, np.float32)
            if energies.ndim == 1 and self.schema.condition_width > 1:
                return self.setup.draw(energies, seed)
        return as_conditions(conditions, self.schema)


def make_setup(
    calorimeter: str | SamplingCalorimeter,
    *,
    particle: str,
    active: bool,
    active_only: bool,
    cut_mm: float,
    position_spread_mm: float,
    angle_spread_deg: float,
    physics: str,
) -> Setup:
    """Resolve the preset and the two switches for the active material."""
    if isinstance(calorimeter, str):
        calorimeter = preset(calorimeter)
    if active and active_only:
        msg = "active=True adds the active material's share beside the total, active_only=True replaces it: choose one"
        raise SimulationError(msg)
    if active and calorimeter.deposit == "active":
        msg = f"active=True: the layers of '{calorimeter.name}' hold nothing but the active material's deposit anyway"
        raise SimulationError(msg)
    if active or active_only:
        calorimeter = replace(calorimeter, deposit="both" if active else "active")
    return Setup(calorimeter, particle, physics, cut_mm, position_spread_mm, angle_spread_deg)


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


def geant4(setup: Setup) -> Program:
    """What a `Pool` needs to simulate showers.

    Raises
    ------
    MissingExtra, MissingData
    """
    data = data_sets(setup)
    return Program(
        "Geant4",
        "facsim.simulators.geant4_worker",
        {"setup": setup.to_json(), "livermore": data.photoelectric == "livermore"},
        lambda job: {"primaries": setup.primaries(job.conditions)},
        {"GEANT4_DATA_DIR": str(data.folder)},
    )


def job_size(n: int) -> int:
    """Events per job of a run of `n`, whatever the number of workers: a killed run loses at most one job per worker.

    32 are half a minute of work at 50 GeV; small runs are cut finer, so that several workers can share them.
    """
    return max(1, min(32, n // 8))


def geant4_version(path: Path) -> str:
    """Geant4's version, as a finished job recorded it."""
    with np.load(path, allow_pickle=False) as part:
        return str(part["version"])

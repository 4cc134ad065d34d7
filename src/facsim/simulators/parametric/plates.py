"""A sampling calorimeter whose plates can be made thinner and thicker, at fixed depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facsim.schema import Block
from facsim.simulators.calorimeter import Plate, SamplingCalorimeter, active_name, preset
from facsim.simulators.geant4 import geant4
from facsim.simulators.parametric.space import Parameter, Space
from facsim.simulators.parametric.workers import WorkerSimulator
from facsim.simulators.pool import Program
from facsim.simulators.setup import Setup

__all__ = ["Plates", "stack"]


@dataclass(frozen=True)
class Plates(WorkerSimulator):
    """Showers in plates of lead and gaps of liquid argon, by Geant4, with both thicknesses as parameters.

    Depth and read-out are those of `facsim.simulators.preset`'s ``calogan`` (480 mm in three layers, which begin and
    end where they do whatever the plates are): plates are repeated until the depth is full, and what lies behind it is
    not read out. The measured energy is the argon's. Given is the incident energy.

    Parameters
    ----------
    particle : str
        As of `facsim.simulators.Geant4Sampler`.
    cells : bool
        Every cell's deposit in the argon (``layer_0`` to ``layer_2``), instead of sums over the layers.
    workers : int
        Processes, with one Geant4 each. Their number does not change the events.

    Raises
    ------
    SimulationError
        For an unknown particle.
    MissingExtra, MissingData
        On the first call, if geant4-pybind or Geant4's data are not installed.

    Notes
    -----
    Features without `cells`: ``visible`` (3) in MeV, the deposit in the argon by layer, and ``absorbed`` (3) in MeV,
    that in the lead; both within the cells, 480 mm across. The relative spread of the summed ``visible`` is the
    resolution.

    A shower takes about 13 ms per GeV, a change of thicknesses 6 ms.

    Examples
    --------
    >>> plates = Plates()
    >>> str(plates.space), [str(b) for b in plates.features]
    ('absorber (0.5 to 6 mm), gap (0.5 to 8 mm)', ['visible (3,) in MeV', 'absorbed (3,) in MeV'])
    >>> events = plates.sample([[2, 4, 10.0]], seed=1)  # doctest: +SKIP
    """

    particle: str = "e-"
    cells: bool = False
    workers: int = 1

    name = "plates"
    summary = "showers in lead and liquid argon with the plates' thicknesses as parameters (Geant4)"
    space = Space((Parameter("absorber", 0.5, 6, default=2, unit="mm"), Parameter("gap", 0.5, 8, default=4, unit="mm")))
    given = (Block("energy", (), "energy", "GeV"),)
    given_ranges = MappingProxyType({"energy": "1:20"})
    seconds_per_call = 0.13  # mean of the energies below
    shard = 64

    def __post_init__(self) -> None:
        readout = self.setup.calorimeter.readout
        sums = tuple(Block(name, (len(readout.layers),), "energy", "MeV") for name in ("visible", "absorbed"))
        object.__setattr__(self, "features", tuple(readout.layers) if self.cells else sums)

    @cached_property
    def setup(self) -> Setup:
        """Calorimeter with default plates, and beam."""
        return Setup(replace(preset("calogan"), deposit="both"), self.particle)

    def calorimeter(self, absorber: float, gap: float) -> SamplingCalorimeter:
        """The block for some thicknesses in mm."""
        plates, repeats = stack(self.setup.calorimeter, absorber, gap)
        return replace(self.setup.calorimeter, plates=plates, repeats=repeats)

    def _program(self) -> Program:
        program = geant4(self.setup)
        module = "facsim.simulators.parametric.plates_worker"
        return Program("Geant4", module, program.setup, environment=program.environment)

    def _simulate(self, conditions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.floating]:
        found, schema = super()._simulate(conditions, rng), self.setup.calorimeter.schema
        layers = [b.name for b, _ in self.setup.calorimeter.layers]
        active = [found[:, schema.columns(active_name(name))] for name in layers]
        if self.cells:
            return np.concatenate(active, axis=1)
        visible = np.stack([part.sum(1, dtype=np.float64) for part in active], axis=1)
        total = np.stack([found[:, schema.columns(name)].sum(1, dtype=np.float64) for name in layers], axis=1)
        return np.concatenate([visible, np.maximum(total - visible, 0.0)], axis=1)


def stack(calorimeter: SamplingCalorimeter, absorber: float, gap: float) -> tuple[tuple[Plate, ...], int]:
    """Plates of these thicknesses in mm, and how often they are repeated to fill the read-out's depth.

    Examples
    --------
    >>> stack(preset("calogan"), 3.0, 4.0)[1]  # 69 of 7 mm: 483 mm
    69
    """
    depth = max(grid.depth[1] for _, grid in calorimeter.layers)
    lead, argon = calorimeter.plates
    plates = (replace(lead, thickness_mm=absorber), replace(argon, thickness_mm=gap))
    return plates, math.ceil(round(depth / (absorber + gap), 9))

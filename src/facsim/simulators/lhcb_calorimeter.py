"""The 30 x 30 cells of an LHCb-like calorimeter, by Geant4: electrons and photons from many sides."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, RangeError, SimulationError, nearest
from facsim.io.mlhep_npz import DEPOSIT, MOMENTUM, PDG, POINT
from facsim.schema import Schema
from facsim.simulators.calorimeter import Material, Plate, SamplingCalorimeter
from facsim.simulators.geant4 import Geant4Sampler
from facsim.simulators.run import Progress
from facsim.simulators.setup import Setup
from facsim.simulators.showers import write_showers

__all__ = ["CELL_MM", "IN_FRONT", "LHCbCalorimeter", "LHCbSetup", "simulate_lhcb_calorimeter"]

CELL_MM = 20.0
"""Side of a cell, and the unit of ``ParticlePoint``."""
IN_FRONT = 19.0
"""Cells from the plane of ``ParticlePoint`` to the front face. Six more (120 mm, 7 radiation lengths) lead to the
maximum of a shower of 10 GeV: the 25 at which observables look (`facsim.observables.lhcb`)."""
MASS_GEV = (0.000510999, 0.0)
"""Of the particles of ``ParticlePDG``."""
BOTH = "both"


@dataclass(frozen=True)
class LHCbSetup(Setup):
    """A `Setup` whose conditions are those of the school's files, see `LHCbCalorimeter`.

    Parameters
    ----------
    kinds : tuple of str
        Particles that are drawn, each as often.
    """

    kinds: tuple[str, ...] = PDG.names

    @property
    def beam(self) -> str:
        """All particles."""
        return ", ".join(self.kinds)

    @property
    def schema(self) -> Schema:
        """One image, given momentum, point and particle."""
        return Schema((DEPOSIT,), (MOMENTUM, POINT, PDG), self.calorimeter.name)

    def draw(self, energies: NDArray[np.float32], seed: int, first: int = 0) -> NDArray[np.float32]:
        """Conditions (n, 7) of the events from `first` on, given their kinetic `energies` (n,), GeV."""
        drawn = np.zeros((len(energies), 7))
        sides = 1 - math.cos(math.radians(self.angle_spread_deg))
        for row, energy, event in zip(drawn, energies, range(first, first + len(energies)), strict=True):
            random = np.random.default_rng([seed, event, LHCB])
            x, y, cosine, azimuth, which = random.random(5)
            kind = PDG.names.index(self.kinds[int(which * len(self.kinds))])
            along = 1 - cosine * sides
            across = math.sqrt(1 - along**2)
            direction = across * math.cos(2 * math.pi * azimuth), across * math.sin(2 * math.pi * azimuth), along
            momentum = math.sqrt(float(energy) * (float(energy) + 2 * MASS_GEV[kind]))
            row[:3] = momentum * np.array(direction)
            row[3:5] = self.position_spread_mm / CELL_MM * (2 * np.array([x, y]) - 1)
            row[6] = kind
        return drawn.astype(np.float32)

    def primaries(self, conditions: NDArray[np.float32]) -> list[list[Any]]:
        """Per event: kinetic energy in MeV, y and x on the front face in mm, direction cosines along y and x, name.

        The cells' first axis is y (rows of an image), and Geant4's x.
        """
        given = conditions.astype(np.float64)
        self._require(given[:, 2] > 0, given, "a momentum along z above 0")
        self._require(np.isin(given[:, 6], range(len(PDG.names))), given, f"0 or 1 for {PDG.names}", DataError)
        total = np.linalg.norm(given[:, :3], axis=1)
        mass = np.array(MASS_GEV)[given[:, 6].astype(int)]
        kinetic = 1e3 * (np.hypot(total, mass) - mass)
        face = CELL_MM * (given[:, 3:5] + IN_FRONT * given[:, :2] / given[:, 2:3])
        half = self.calorimeter.width_mm / 2
        rule = f"a track that meets the face (±{half:g} mm)"
        self._require(np.abs(face).max(axis=1, initial=0.0) < half, given, rule)
        direction = given[:, :2] / total[:, None]
        numbers = np.column_stack([kinetic, face[:, ::-1], direction[:, ::-1]])
        return [[*row, PDG.names[int(k)]] for row, k in zip(numbers.tolist(), given[:, 6], strict=True)]

    def _require(
        self, kept: NDArray[np.bool_], given: NDArray[np.float64], rule: str, error: type[Exception] = RangeError
    ) -> None:
        if not kept.all():
            row = int(kept.argmin())
            msg = (
                f"{self.calorimeter.name}: momentum {given[row, :3]}, point {given[row, 3:6]}, particle "
                f"{given[row, 6]:g} of event {row}: {rule} is needed ({int((~kept).sum())} of {len(given)} events lack "
                "it): remove these events"
            )
            raise error(msg)


LHCB = 0x1BCB  # keeps these draws apart from others of the same seed


class LHCbCalorimeter(Geant4Sampler):
    r"""Images of 30 x 30 cells, given momentum, point and particle (a `facsim.Sampler`), by Geant4.

    66 times 2 mm of lead and 4 mm of polystyrene, the sampling of LHCb's calorimeter, without fibres and the walls of
    modules; what the polystyrene gets is summed over the depth in cells of 20 mm x 20 mm. Names and shapes of the
    blocks are those of the MLHEP school's files (`facsim.io` reads them), so that simulation and files fit one model:
    ``EnergyDeposit`` (30, 30) in MeV, rows along y and columns along x; ``ParticleMomentum`` (px, py, pz), GeV;
    ``ParticlePoint`` (x, y, 0), cells, where the track crosses a plane 19 cells in front of the face; ``ParticlePDG``,
    ``e-`` or ``gamma``. Which energies, points and angles are drawn, and the units, are choices of this project (the
    files do not say theirs).

    Parameters
    ----------
    particle : {"both", "e-", "gamma"}, optional
    position_spread_mm : float, optional
        Points lie evenly within this distance of the axis in x and in y.
    angle_spread_deg : float, optional
        Directions are isotropic within this angle to the axis.
    cut_mm, workers : optional
        See `Geant4Sampler`.

    Raises
    ------
    SimulationError
        For an unknown particle.
    DataError, RangeError
        For an impossible option, or a track that does not meet the calorimeter.
    MissingExtra, MissingData
        On `sample`, if geant4-pybind or its data are not installed.

    Examples
    --------
    >>> sampler = LHCbCalorimeter("gamma")
    >>> [str(block) for block in (*sampler.schema.features, *sampler.schema.conditions)]
    ['EnergyDeposit (30, 30)', 'ParticleMomentum (3,)', 'ParticlePoint (3,)', 'ParticlePDG']
    >>> images = sampler.sample([10.0, 50.0], seed=1)["EnergyDeposit"]  # doctest: +SKIP
    """

    def __init__(
        self,
        particle: str = BOTH,
        *,
        position_spread_mm: float = 100.0,
        angle_spread_deg: float = 15.0,
        cut_mm: float = 0.7,
        workers: int = 1,
    ) -> None:
        self.setup = _setup(
            particle, position_spread_mm=position_spread_mm, angle_spread_deg=angle_spread_deg, cut_mm=cut_mm
        )
        self.workers = workers


def simulate_lhcb_calorimeter(
    *,
    n: int,
    output: str | os.PathLike[str],
    particle: str = BOTH,
    energy: str | float = "log:1:100",
    seed: int = 0,
    workers: int = 1,
    position_spread_mm: float = 100.0,
    angle_spread_deg: float = 15.0,
    cut_mm: float = 0.7,
    resume: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Simulate `n` images of `LHCbCalorimeter` into one file; continues and fails as `simulate_showers` does.

    Parameters
    ----------
    n, output, seed, workers, resume, progress
        See `facsim.simulators.simulate_showers`.
    energy : str or float, optional
        Kinetic, in GeV: ``"50"``, ``"1:100"`` (flat) or ``"log:1:100"``.
    particle, position_spread_mm, angle_spread_deg, cut_mm : optional
        See `LHCbCalorimeter`.

    Examples
    --------
    >>> simulate_lhcb_calorimeter(n=100, energy="10:20", output="images.h5")  # doctest: +SKIP
    """
    setup = _setup(particle, position_spread_mm=position_spread_mm, angle_spread_deg=angle_spread_deg, cut_mm=cut_mm)
    return write_showers(
        setup, n=n, output=output, energy=energy, seed=seed, workers=workers, resume=resume, progress=progress
    )


def _setup(particle: str, **numbers: Any) -> LHCbSetup:
    from facsim import detectors

    known = [BOTH, *PDG.names]
    if particle not in known:
        msg = f"lhcb-calorimeter: particle '{particle}': known are {known}.{nearest(particle, known)}"
        raise SimulationError(msg)
    plates = (Plate(Material("G4_Pb"), 2.0), Plate(Material("G4_POLYSTYRENE"), 4.0, active=True))
    cells = detectors.box_mesh((1, 30, 30), (66 * 6.0, 30 * CELL_MM, 30 * CELL_MM), detector="lhcb-calorimeter")
    calorimeter = SamplingCalorimeter("lhcb-calorimeter", plates, 66, 1000.0, cells, deposit="active")
    kinds = PDG.names if particle == BOTH else (particle,)
    return LHCbSetup(calorimeter, kinds[0], kinds=kinds, **numbers)

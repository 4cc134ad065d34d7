"""Geant4 itself, through geant4_pybind: geometry, physics, primaries and scorers; one per process, not the caller's.

Importing this module is free; making an `Engine` imports Geant4, for which the data folder must be known before
(`facsim.simulators.g4data`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import SimulationError
from facsim.schema import Grid
from facsim.simulators.calorimeter import Material, SamplingCalorimeter, active_name

__all__ = ["Engine", "Primary", "event_seeds"]


@dataclass(frozen=True)
class Primary:
    """The particle of one event.

    Parameters
    ----------
    energy_mev : float
        Kinetic energy.
    position_mm : (float, float), optional
        Where it meets the front face.
    direction : (float, float), optional
        Its direction cosines along x and y.
    particle : str, optional
        Geant4's name; by default that of the engine.
    """

    energy_mev: float
    position_mm: tuple[float, float] = (0.0, 0.0)
    direction: tuple[float, float] = (0.0, 0.0)
    particle: str = ""


def event_seeds(seed: int, event: int) -> list[int]:
    """Four 32-bit words that select the random stream of one event: it comes out the same wherever it is simulated.

    Examples
    --------
    >>> event_seeds(1, 7) == event_seeds(1, 7) != event_seeds(1, 8)
    True
    """
    # the engine reads words up to the first zero
    return [int(w) or 1 for w in np.random.SeedSequence([seed, event]).generate_state(4)]


class Engine:
    """Geant4 with one calorimeter, one particle and one production cut.

    Parameters
    ----------
    calorimeter : SamplingCalorimeter
    particle : str
        Geant4's name.
    physics : str
        ``"em"`` (G4EmStandardPhysics and decays) or the name of a reference list, such as ``"FTFP_BERT"``.
    cut_mm : float
        Production cut.
    livermore : bool
        Take the photoelectric tables of the folder ``livermore`` instead of ``epics_2017``.

    Notes
    -----
    Every plate inside a read-out layer holds a core of replicated cells with a C++ scorer (G4PSEnergyDeposit3D); what
    lies beside the core is one overflow cell. All plates of a layer share the scorers, so that Geant4 sums over depth.
    """

    def __init__(
        self, calorimeter: SamplingCalorimeter, particle: str, physics: str, cut_mm: float, *, livermore: bool
    ) -> None:
        g4: Any = importlib.import_module("geant4_pybind")
        # "$Name: geant4-11-04-patch-01 [MT]$": the mark of the build says nothing about the events
        self.version = str(g4.G4Version).replace("$Name:", "").replace("[MT]", "").strip(" $()")
        self._calorimeter = calorimeter
        self._g4 = g4
        self._keep: list[Any] = []  # the bindings do not own what Geant4 only points to
        # the run manager comes first: cuts and regions do not exist before it
        self._manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        self._scored: list[tuple[str, int, bool]] = []  # (collection, layer, active)
        self._register(particle, physics, cut_mm, livermore=livermore)
        self._manager.Initialize()

    def run(
        self, primaries: list[Primary], seeds: list[list[int]], tick: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Simulate events; returns features (n, calorimeter.schema.width), calls ``tick(events done)`` after each."""
        out = np.zeros((len(primaries), self._calorimeter.schema.width), np.float32)
        self._todo = list(zip(primaries, seeds, strict=True))
        self._out, self._tick = out, tick
        self._manager.BeamOn(len(primaries))
        return out

    def _register(self, particle: str, physics: str, cut_mm: float, *, livermore: bool) -> None:
        g4, engine = self._g4, self
        detector_base: Any = g4.G4VUserDetectorConstruction
        gun_base: Any = g4.G4VUserPrimaryGeneratorAction
        event_base: Any = g4.G4UserEventAction

        class Detector(detector_base):  # type: ignore[misc]
            def Construct(self) -> Any:  # noqa: N802
                return engine._construct()

            def ConstructSDandField(self) -> None:  # noqa: N802
                engine._attach_scorers()

        class Gun(gun_base):  # type: ignore[misc]
            def GeneratePrimaries(self, event: Any) -> None:  # noqa: N802
                engine._shoot(event)

        class Event(event_base):  # type: ignore[misc]
            def EndOfEventAction(self, event: Any) -> None:  # noqa: N802
                engine._collect(event)

        if physics == "em":
            physics_list = g4.G4VModularPhysicsList()
            constructors = [g4.G4EmStandardPhysics(), g4.G4DecayPhysics()]
            for constructor in constructors:
                physics_list.RegisterPhysics(constructor)
            self._keep += constructors
        else:
            physics_list = getattr(g4, physics)()
        if livermore:  # after the constructor, which resets the parameters
            g4.G4EmParameters.Instance().SetLivermoreDataDir("livermore")
        physics_list.SetDefaultCutValue(cut_mm * g4.mm)
        detector = Detector()
        for part in (detector, physics_list):
            self._manager.SetUserInitialization(part)
        self._gun = g4.G4ParticleGun(1)
        self._particle = particle
        actions = [Gun(), Event()]
        for action in actions:
            self._manager.SetUserAction(action)
        self._keep += [physics_list, detector, *actions]

    # -- geometry ---------------------------------------------------------------------------------------------

    def _construct(self) -> Any:
        g4, calorimeter = self._g4, self._calorimeter
        vacuum = g4.G4NistManager.Instance().FindOrBuildMaterial("G4_Galactic")
        half = calorimeter.width_mm / 2
        margin = 50.0
        world = self._box("world", half + margin, half + margin, calorimeter.depth_mm / 2 + margin, vacuum)
        materials: dict[Material, Any] = {}
        plates: dict[tuple[Any, ...], Any] = {}
        self._sensitive: dict[tuple[int, bool], tuple[list[Any], list[Any]]] = {}  # (cells, surroundings)
        for copy, piece in enumerate(calorimeter.pieces()):
            thickness = round(piece.stop_mm - piece.start_mm, 9)
            key = (piece.layer, piece.active, piece.material, thickness)
            if key not in plates:
                if piece.material not in materials:
                    materials[piece.material] = self._material(piece.material)
                plates[key] = self._plate(piece.layer, piece.active, materials[piece.material], thickness)
            z = (piece.start_mm + piece.stop_mm - calorimeter.depth_mm) / 2
            self._place(plates[key], world, z, copy)
        placed = g4.G4PVPlacement(None, g4.G4ThreeVector(), world, "world", None, False, 0)
        self._keep.append(placed)
        return placed

    def _material(self, material: Material) -> Any:
        g4 = self._g4
        if material.z is None or material.a_g_mole is None or material.density_g_cm3 is None:
            found = g4.G4NistManager.Instance().FindOrBuildMaterial(material.name)
            if found is None:
                msg = f"Geant4 knows no material '{material.name}'; its own are called G4_Pb, G4_lAr, G4_Si, ..."
                raise SimulationError(msg)
            return found
        density, molar = material.density_g_cm3 * g4.g / g4.cm3, material.a_g_mole * g4.g / g4.mole
        built = g4.G4Material(material.name, material.z, molar, density)
        self._keep.append(built)
        return built

    def _plate(self, layer: int | None, active: bool, material: Any, thickness: float) -> Any:
        """One plate; with cells, if its deposit is read out."""
        half = self._calorimeter.width_mm / 2
        name = f"plate_{layer}_{'active' if active else 'absorber'}"
        plate = self._box(name, half, half, thickness / 2, material)
        if layer is None or (self._calorimeter.deposit == "active" and not active):
            return plate
        cells, around = self._sensitive.setdefault((layer, active), ([], []))
        grid = self._calorimeter.layers[layer][1]
        build = self._cylinder_cells if grid.axes == ("alpha", "r") else self._box_cells
        core, cell = build(grid, material, thickness, name)
        self._place(core, plate, 0.0, 0)
        cells.append(cell)
        around.append(plate)
        return plate

    def _box_cells(self, grid: Grid, material: Any, thickness: float, name: str) -> tuple[Any, Any]:
        """A core replicated along x, then y; the volumes are (core, single cell)."""
        g4 = self._g4
        (nx, ny), (x, y) = grid.shape, ((e[-1] - e[0]) / 2 for e in grid.edges)
        core = self._box(f"{name}_core", x, y, thickness / 2, material)
        row = self._box(f"{name}_row", x / nx, y, thickness / 2, material)
        cell = self._box(f"{name}_cell", x / nx, y / ny, thickness / 2, material)
        self._keep.append(g4.G4PVReplica(f"{name}_row", row, core, g4.kXAxis, nx, 2 * x / nx, 0.0))
        self._keep.append(g4.G4PVReplica(f"{name}_cell", cell, row, g4.kYAxis, ny, 2 * y / ny, 0.0))
        return core, cell

    def _cylinder_cells(self, grid: Grid, material: Any, thickness: float, name: str) -> tuple[Any, Any]:
        """A core replicated in azimuth, then radius; the volumes are (core, single cell)."""
        g4 = self._g4
        n_alpha, n_r = grid.shape
        start, radius = grid.edges[0][0], grid.edges[1][-1]
        wedge_angle, step, half = 2 * np.pi / n_alpha, radius / n_r, thickness / 2
        core = self._logical(g4.G4Tubs(f"{name}_core", 0.0, radius, half, start, 2 * np.pi), material)
        wedge = self._logical(g4.G4Tubs(f"{name}_wedge", 0.0, radius, half, -wedge_angle / 2, wedge_angle), material)
        cell = self._logical(g4.G4Tubs(f"{name}_cell", 0.0, step, half, -wedge_angle / 2, wedge_angle), material)
        self._keep.append(g4.G4PVReplica(f"{name}_wedge", wedge, core, g4.kPhi, n_alpha, wedge_angle, start))
        self._keep.append(g4.G4PVReplica(f"{name}_cell", cell, wedge, g4.kRho, n_r, step, 0.0))
        return core, cell

    def _box(self, name: str, x: float, y: float, z: float, material: Any) -> Any:
        return self._logical(self._g4.G4Box(name, x, y, z), material)

    def _logical(self, solid: Any, material: Any) -> Any:
        volume = self._g4.G4LogicalVolume(solid, material, solid.GetName())
        self._keep += [solid, volume]
        return volume

    def _place(self, volume: Any, mother: Any, z: float, copy: int) -> None:
        g4 = self._g4
        self._keep.append(
            g4.G4PVPlacement(None, g4.G4ThreeVector(0, 0, z), volume, volume.GetName(), mother, False, copy)
        )

    # -- scoring ----------------------------------------------------------------------------------------------

    def _attach_scorers(self) -> None:
        g4 = self._g4
        detectors = g4.G4SDManager.GetSDMpointer()
        for (layer, active), (cells, around) in self._sensitive.items():
            rows, columns = self._calorimeter.layers[layer][1].shape
            for where, volumes in (("cells", cells), ("around", around)):
                name = f"{where}_{layer}_{int(active)}"
                scorer = (
                    g4.G4PSEnergyDeposit3D("deposit", 1, rows, columns, 2, 1, 0)
                    if where == "cells"
                    else g4.G4PSEnergyDeposit3D("deposit", 1, 1, 1, 1, 1, 1)
                )
                detector = g4.G4MultiFunctionalDetector(name)
                detectors.AddNewDetector(detector)
                detector.RegisterPrimitive(scorer)
                for volume in volumes:
                    volume.SetSensitiveDetector(detector)
                self._keep += [detector, scorer]
                self._scored.append((f"{name}/deposit", layer, active))

    def _shoot(self, event: Any) -> None:
        g4 = self._g4
        primary, seeds = self._todo[event.GetEventID()]
        g4.HepRandom.setTheSeeds([*seeds, 0], len(seeds))
        (x, y), (u, v) = primary.position_mm, primary.direction
        w = (1 - u * u - v * v) ** 0.5
        before = 1.0  # mm in front of the face, along the direction
        z = -self._calorimeter.depth_mm / 2 - before
        table = g4.G4ParticleTable.GetParticleTable()
        self._gun.SetParticleDefinition(table.FindParticle(primary.particle or self._particle))
        self._gun.SetParticleEnergy(primary.energy_mev * g4.MeV)
        self._gun.SetParticlePosition(g4.G4ThreeVector(x - u / w * before, y - v / w * before, z))
        self._gun.SetParticleMomentumDirection(g4.G4ThreeVector(u, v, w))
        self._gun.GeneratePrimaryVertex(event)

    def _collect(self, event: Any) -> None:
        row = event.GetEventID()
        collections = event.GetHCofThisEvent()
        out = np.zeros(self._out.shape[1])  # float64: a cell is the sum over materials
        for collection, starts in self._targets:
            for cell, energy in collections.GetHC(collection):
                for start in starts:
                    out[start + cell] += energy
        self._out[row] = out * self._calorimeter.scale
        self._tick(row + 1)

    @cached_property
    def _targets(self) -> list[tuple[int, list[int]]]:
        """Of each hits collection: its number, and the feature columns where its first cell goes."""
        schema, detectors = self._calorimeter.schema, self._g4.G4SDManager.GetSDMpointer()
        names = [b.name for b in schema.features]
        out = []
        for collection, layer, active in self._scored:
            starts = []
            if collection.startswith("around"):
                starts += [schema.columns("overflow").start + layer] if "overflow" in names else []
            else:
                name = names[layer]
                starts.append(schema.columns(name).start)
                if active and self._calorimeter.deposit == "both":
                    starts.append(schema.columns(active_name(name)).start)
            if starts:
                out.append((detectors.GetCollectionID(collection), starts))
        return out

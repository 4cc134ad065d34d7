"""Geant4's optical photons in a `LightBox`, through geant4_pybind; one per process, not the caller's."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.simulators.parametric.light.box import LightBox

__all__ = ["OpticalEngine"]

PHOTON_EV = {128: 9.686, 175: 7.085}
INDEX = 1.36
"""The argon's; it is the detectors' too, so that nothing is refracted and no result depends on it."""
PLATE_MM = 0.01  # thickness of a detector; its edge is 1e-4 of its face
AT_ONCE = 20_000  # photons that Geant4 holds at a time
ARGON = (18.0, 39.95, 1.39)  # Z, g/mole, g/cm3


class OpticalEngine:
    """Geant4 with one box of argon and photons of one wavelength.

    Parameters
    ----------
    box : LightBox
    wavelength_nm : int
        128 or 175.

    Notes
    -----
    Absorption, Rayleigh scattering and boundaries are Geant4's processes (G4OpticalPhysics). Walls are painted: a
    photon that is reflected leaves by Lambert's law. Detectors are plates of a material that absorbs at once, with a
    C++ scorer (G4PSTermination).
    """

    def __init__(self, box: LightBox, wavelength_nm: int) -> None:
        g4: Any = importlib.import_module("geant4_pybind")
        self._g4, self._box = g4, box
        self.version = str(g4.G4Version).replace("$Name:", "").replace("[MT]", "").strip(" $()")
        self._keep: list[Any] = []  # the bindings do not own what Geant4 only points to
        self._energy = PHOTON_EV[wavelength_nm] * g4.eV
        self._optics: tuple[float, ...] = (20.0, 1.0, 0.0)
        self._manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        self._register()
        self._manager.Initialize()

    def set(self, absorption_m: float, rayleigh_m: float, reflectivity: float) -> None:
        """Change the argon and the walls."""
        optics = (absorption_m, rayleigh_m, reflectivity)
        if optics != self._optics:
            if rayleigh_m != self._optics[1]:
                self._manager.PhysicsHasBeenModified()  # that process keeps a copy of its lengths
            self._optics = optics
            self._fill()

    def counts(self, vertex_m: NDArray[np.float64], photons: int, seeds: list[int]) -> NDArray[np.float64]:
        """Photons that each detector counts (detectors,), of so many from one vertex."""
        g4 = self._g4
        self._seen = np.zeros(self._box.rows * self._box.columns)
        self._random = np.random.default_rng(seeds)
        self._todo = [min(AT_ONCE, photons - k) for k in range(0, photons, AT_ONCE)]
        x, y, z = (vertex_m * g4.m).tolist()
        self._gun.SetParticlePosition(g4.G4ThreeVector(x, y, z))
        g4.HepRandom.setTheSeeds([*seeds, 0], len(seeds))
        self._manager.BeamOn(len(self._todo))
        return self._seen

    def _register(self) -> None:
        g4, engine = self._g4, self
        detector_base: Any = g4.G4VUserDetectorConstruction
        gun_base: Any = g4.G4VUserPrimaryGeneratorAction
        event_base: Any = g4.G4UserEventAction

        class Detector(detector_base):  # type: ignore[misc]
            def Construct(self) -> Any:  # noqa: N802
                return engine._construct()

            def ConstructSDandField(self) -> None:  # noqa: N802
                engine._attach_scorer()

        class Gun(gun_base):  # type: ignore[misc]
            def GeneratePrimaries(self, event: Any) -> None:  # noqa: N802
                engine._shoot(event)

        class Event(event_base):  # type: ignore[misc]
            def EndOfEventAction(self, event: Any) -> None:  # noqa: N802
                for detector, n in event.GetHCofThisEvent().GetHC(0):
                    engine._seen[detector] += n

        detector, physics = Detector(), g4.G4VModularPhysicsList()
        # decays make the particles that optical physics asks for; no photon meets any
        constructors = [g4.G4DecayPhysics(), g4.G4OpticalPhysics()]
        for constructor in constructors:
            physics.RegisterPhysics(constructor)
        for part in (detector, physics):
            self._manager.SetUserInitialization(part)
        self._gun = g4.G4ParticleGun(1)
        self._gun.SetParticleDefinition(g4.G4OpticalPhoton.Definition())
        self._gun.SetParticleEnergy(self._energy)
        actions = [Gun(), Event()]
        for action in actions:
            self._manager.SetUserAction(action)
        self._keep += [detector, physics, *constructors, *actions]

    def _construct(self) -> Any:
        g4, box = self._g4, self._box
        self._tables = {name: g4.G4MaterialPropertiesTable() for name in ("argon", "detector", "wall")}
        argon, plate = self._argon("argon"), self._argon("detector")
        half = [length * g4.m / 2 for length in (box.drift_m, box.height_m, box.length_m)]
        world = self._volume("wall", [h + 10.0 for h in half], g4.G4NistManager.Instance().FindOrBuildMaterial("G4_Al"))
        inside = self._volume("argon", half, argon)
        side = box.side_m * g4.m / 2
        self._detector = self._volume("detector", [PLATE_MM / 2, side, side], plate)
        placed = self._place(world, None, (0.0, 0.0, 0.0), 0)
        inner = self._place(inside, world, (0.0, 0.0, 0.0), 0)
        for k, (y, z) in enumerate((box.centres * g4.m).tolist()):
            self._place(self._detector, inside, (PLATE_MM / 2 - half[0], y, z), k)
        paint = g4.G4OpticalSurface("paint", g4.unified, g4.groundfrontpainted, g4.dielectric_dielectric)
        paint.SetMaterialPropertiesTable(self._tables["wall"])
        self._keep += [paint, g4.G4LogicalBorderSurface("paint", inner, placed, paint), *self._tables.values()]
        self._fill()
        return placed

    def _fill(self) -> None:
        """Write the optical properties: constants over all energies."""
        absorption, rayleigh, reflectivity = self._optics
        m = self._g4.m
        for table, name, value in (
            ("argon", "RINDEX", INDEX),
            ("argon", "ABSLENGTH", absorption * m),
            ("argon", "RAYLEIGH", rayleigh * m),
            ("detector", "RINDEX", INDEX),
            ("detector", "ABSLENGTH", PLATE_MM * 1e-4),
            ("wall", "REFLECTIVITY", reflectivity),
        ):
            energies, values = ([self._energy * 0.5, self._energy * 1.5], [value, value])
            vectors = (self._g4.G4doubleVector(v) for v in (energies, values))
            self._tables[table].AddProperty(name, *vectors)

    def _argon(self, name: str) -> Any:
        g4 = self._g4
        z, molar, density = ARGON
        made = g4.G4Material(f"light_{name}", z, molar * g4.g / g4.mole, density * g4.g / g4.cm3)
        made.SetMaterialPropertiesTable(self._tables[name])
        self._keep.append(made)
        return made

    def _volume(self, name: str, half: list[float], material: Any) -> Any:
        solid = self._g4.G4Box(name, *half)
        volume = self._g4.G4LogicalVolume(solid, material, name)
        self._keep += [solid, volume]
        return volume

    def _place(self, volume: Any, mother: Any, at: tuple[float, float, float], copy: int) -> Any:
        g4 = self._g4
        placed = g4.G4PVPlacement(None, g4.G4ThreeVector(*at), volume, volume.GetName(), mother, False, copy)
        self._keep.append(placed)
        return placed

    def _attach_scorer(self) -> None:
        g4 = self._g4
        detector, scorer = g4.G4MultiFunctionalDetector("photons"), g4.G4PSTermination("ended")
        g4.G4SDManager.GetSDMpointer().AddNewDetector(detector)
        detector.RegisterPrimitive(scorer)
        self._detector.SetSensitiveDetector(detector)
        self._keep += [detector, scorer]

    def _shoot(self, event: Any) -> None:
        """Photons in all directions; without one given, Geant4 draws each polarisation."""
        g4, n = self._g4, self._todo[event.GetEventID()]
        z, azimuth = self._random.uniform(-1, 1, n), self._random.uniform(0, 2 * np.pi, n)
        across = np.sqrt(1 - z * z)
        gun, vector = self._gun, g4.G4ThreeVector
        for direction in np.stack([across * np.cos(azimuth), across * np.sin(azimuth), z], axis=1).tolist():
            gun.SetParticleMomentumDirection(vector(*direction))
            gun.GeneratePrimaryVertex(event)

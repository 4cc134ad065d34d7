"""One process that holds Geant4 with plates whose thickness changes, for a `facsim.simulators.pool.Pool`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from facsim.simulators.calorimeter import Material, SamplingCalorimeter
from facsim.simulators.engine import Engine, Primary, event_seeds
from facsim.simulators.parametric.plates import stack
from facsim.simulators.setup import Setup
from facsim.simulators.worker import Simulate, serve

__all__ = ["PlatesEngine", "begin"]


class PlatesEngine(Engine):
    """An `Engine` that builds its block anew; materials, read-out and physics stay."""

    _materials: dict[Material, Any]

    def rebuild(self, calorimeter: SamplingCalorimeter) -> None:
        """Take another calorimeter with the same read-out and materials; the next event is simulated in it."""
        if calorimeter != self._calorimeter:
            self._calorimeter = calorimeter
            # Geant4 deletes the old volumes itself, so what Python holds of them must never be collected (`_keep`)
            self._g4.G4UImanager.GetUIpointer().ApplyCommand("/run/reinitializeGeometry true")

    def _material(self, material: Material) -> Any:
        known = self.__dict__.setdefault("_materials", {})
        if material not in known:  # a second one of the same name would need new tables of physics
            known[material] = super()._material(material)
        return known[material]

    def _attach_scorers(self) -> None:
        if not self._scored:
            super()._attach_scorers()
            return
        detectors = self._g4.G4SDManager.GetSDMpointer()
        for (layer, active), (cells, around) in self._sensitive.items():
            for where, volumes in (("cells", cells), ("around", around)):
                detector = detectors.FindSensitiveDetector(f"{where}_{layer}_{int(active)}")
                for volume in volumes:
                    volume.SetSensitiveDetector(detector)


def begin(start: Mapping[str, Any]) -> Simulate:
    """Set up Geant4; conditions are the thicknesses of absorber and gap in mm, and the energy in GeV."""
    setup = Setup.from_json(start["setup"])
    engine = PlatesEngine(setup.calorimeter, setup.particle, setup.physics, setup.cut_mm, livermore=start["livermore"])

    def simulate(job: Mapping[str, Any], tick: Callable[[int], None]) -> dict[str, Any]:
        rows = np.asarray(job["conditions"], np.float32)
        out = np.zeros((len(rows), setup.calorimeter.schema.width), np.float32)
        primaries = setup.primaries(rows[:, 2:])
        thicknesses, which = np.unique(rows[:, :2], axis=0, return_inverse=True)
        for k, (absorber, gap) in enumerate(thicknesses.tolist()):
            mine = np.flatnonzero(which.ravel() == k)
            plates, repeats = stack(setup.calorimeter, absorber, gap)
            engine.rebuild(replace(setup.calorimeter, plates=plates, repeats=repeats))
            chosen = [Primary(primaries[i][0]) for i in mine]
            out[mine] = engine.run(chosen, [event_seeds(start["seed"], job["first"] + int(i)) for i in mine])
            tick(int(mine[-1]))
        return {"features": out, "version": engine.version}

    return simulate


if __name__ == "__main__":
    serve(begin)

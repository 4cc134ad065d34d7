"""Slow truth: Geant4 showers in sampling calorimeters.

Geant4 runs in worker processes; importing this room loads neither it nor torch.
"""

from facsim.simulators.calorimeter import Material, Plate, SamplingCalorimeter, preset, presets
from facsim.simulators.geant4 import Geant4Sampler
from facsim.simulators.rate import measure_rate
from facsim.simulators.run import simulate

__all__ = [
    "Geant4Sampler",
    "Material",
    "Plate",
    "SamplingCalorimeter",
    "measure_rate",
    "preset",
    "presets",
    "simulate",
]

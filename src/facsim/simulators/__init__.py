"""Slow truth: Geant4 showers in sampling calorimeters; and toys, small problems with a known answer.

Geant4 runs in worker processes; importing this room loads neither it nor torch.
"""

from facsim.simulators import toys
from facsim.simulators.calorimeter import Material, Plate, SamplingCalorimeter, preset, presets
from facsim.simulators.catalogue import simulate, simulators
from facsim.simulators.geant4 import Geant4Sampler
from facsim.simulators.rate import measure_rate

__all__ = [
    "Geant4Sampler",
    "Material",
    "Plate",
    "SamplingCalorimeter",
    "measure_rate",
    "preset",
    "presets",
    "simulate",
    "simulators",
    "toys",
]

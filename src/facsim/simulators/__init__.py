"""Slow truth: Geant4 showers, Pythia jets, identification of particles; and toys, small problems with a known answer.

Geant4 and Pythia run in worker processes; importing this room loads neither of them nor torch.
"""

from facsim.simulators import cherenkov, toys
from facsim.simulators.calorimeter import Material, Plate, SamplingCalorimeter, preset, presets
from facsim.simulators.catalogue import simulate, simulators
from facsim.simulators.geant4 import Geant4Sampler
from facsim.simulators.jets import JetSampler, simulate_jets
from facsim.simulators.lhcb_calorimeter import LHCbCalorimeter, simulate_lhcb_calorimeter
from facsim.simulators.rate import measure_rate
from facsim.simulators.showers import simulate_showers

__all__ = [
    "Geant4Sampler",
    "JetSampler",
    "LHCbCalorimeter",
    "Material",
    "Plate",
    "SamplingCalorimeter",
    "cherenkov",
    "measure_rate",
    "preset",
    "presets",
    "simulate",
    "simulate_jets",
    "simulate_lhcb_calorimeter",
    "simulate_showers",
    "simulators",
    "toys",
]

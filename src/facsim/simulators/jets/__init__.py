"""Images of jets: Pythia, an idealised calorimeter, FastJet, and the steps from a jet to its image.

The data of LAGAN, "Learning Particle Physics by Example" (de Oliveira, Paganini, Nachman, arXiv:1701.05927).
"""

from facsim.simulators.jets.sampler import JetSampler, simulate_jets

__all__ = ["JetSampler", "simulate_jets"]

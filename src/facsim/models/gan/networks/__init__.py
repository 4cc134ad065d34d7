"""Generators and critics by name."""

from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart
from facsim.models.gan.networks.calogan import CaloGANGenerator
from facsim.models.gan.networks.calogan_critic import CaloGANCritic
from facsim.models.gan.networks.lagan import LAGANCritic, LAGANGenerator
from facsim.models.gan.networks.mlp import MLPCritic, MLPGenerator, NoCritic
from facsim.models.gan.networks.residual import ResidualGenerator

__all__ = [
    "CRITICS",
    "GENERATORS",
    "CaloGANCritic",
    "CaloGANGenerator",
    "CriticPart",
    "GeneratorPart",
    "LAGANCritic",
    "LAGANGenerator",
    "MLPCritic",
    "MLPGenerator",
    "NoCritic",
    "ResidualGenerator",
]

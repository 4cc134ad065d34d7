"""Generators and critics by name."""

from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart
from facsim.models.gan.networks.mlp import MLPCritic, MLPGenerator, NoCritic
from facsim.models.gan.networks.residual import ResidualGenerator

__all__ = [
    "CRITICS",
    "GENERATORS",
    "CriticPart",
    "GeneratorPart",
    "MLPCritic",
    "MLPGenerator",
    "NoCritic",
    "ResidualGenerator",
]

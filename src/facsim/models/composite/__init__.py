"""Surrogates made of surrogates: chains of stages, ensembles of members."""

from facsim.models.composite.base import Composite, PartConfig
from facsim.models.composite.chain import Chain, ChainConfig, StageConfig
from facsim.models.composite.when import When

__all__ = [
    "Chain",
    "ChainConfig",
    "Composite",
    "PartConfig",
    "StageConfig",
    "When",
]

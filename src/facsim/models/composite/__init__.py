"""Surrogates made of surrogates: chains of stages, ensembles of members."""

from facsim.models.composite.adversarial import AdversarialEnsemble, AdversarialEnsembleConfig
from facsim.models.composite.base import Composite, PartConfig
from facsim.models.composite.chain import Chain, ChainConfig, StageConfig
from facsim.models.composite.dropout import thinned
from facsim.models.composite.ensemble import Ensemble, EnsembleConfig
from facsim.models.composite.members import Members
from facsim.models.composite.when import When
from facsim.models.composite.wiring import in_order

__all__ = [
    "AdversarialEnsemble",
    "AdversarialEnsembleConfig",
    "Chain",
    "ChainConfig",
    "Composite",
    "Ensemble",
    "EnsembleConfig",
    "Members",
    "PartConfig",
    "StageConfig",
    "When",
    "in_order",
    "thinned",
]

"""Second tasks and nudges beside the game, one file per idea."""

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary
from facsim.models.gan.auxiliaries.classifier import AuxiliaryClassifier
from facsim.models.gan.auxiliaries.consistency import EnergyConsistency
from facsim.models.gan.auxiliaries.history import HistoricalAveraging
from facsim.models.gan.auxiliaries.matching import FeatureMatching
from facsim.models.gan.auxiliaries.noise import InstanceNoise
from facsim.models.gan.auxiliaries.regressor import AuxiliaryRegressor

__all__ = [
    "AUXILIARIES",
    "Auxiliary",
    "AuxiliaryClassifier",
    "AuxiliaryRegressor",
    "EnergyConsistency",
    "FeatureMatching",
    "HistoricalAveraging",
    "InstanceNoise",
]

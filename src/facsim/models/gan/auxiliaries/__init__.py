"""Second tasks and nudges beside the game, one file per idea."""

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary
from facsim.models.gan.auxiliaries.classifier import AuxiliaryClassifier
from facsim.models.gan.auxiliaries.consistency import EnergyConsistency
from facsim.models.gan.auxiliaries.diversity import SelectiveDiversity
from facsim.models.gan.auxiliaries.history import HistoricalAveraging
from facsim.models.gan.auxiliaries.intensity import Intensity
from facsim.models.gan.auxiliaries.matching import FeatureMatching
from facsim.models.gan.auxiliaries.noise import InstanceNoise
from facsim.models.gan.auxiliaries.reader import ImageReader
from facsim.models.gan.auxiliaries.referee import Referee
from facsim.models.gan.auxiliaries.regressor import AuxiliaryRegressor

__all__ = [
    "AUXILIARIES",
    "Auxiliary",
    "AuxiliaryClassifier",
    "AuxiliaryRegressor",
    "EnergyConsistency",
    "FeatureMatching",
    "HistoricalAveraging",
    "ImageReader",
    "InstanceNoise",
    "Intensity",
    "Referee",
    "SelectiveDiversity",
]

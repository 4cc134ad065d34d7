"""Second tasks and nudges beside the game, one file per idea."""

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary
from facsim.models.gan.auxiliaries.classifier import AuxiliaryClassifier

__all__ = ["AUXILIARIES", "Auxiliary", "AuxiliaryClassifier"]

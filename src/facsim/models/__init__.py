"""Families of generative models; each registers itself and passes the common laws."""

from facsim.models.base import Batch, ModelConfig, Surrogate, families, family, load, register
from facsim.models.classifier import Classifier, ClassifierConfig
from facsim.models.composite import Chain, ChainConfig, Ensemble, EnsembleConfig
from facsim.models.draw import Draw
from facsim.models.gan import GAN, GANConfig
from facsim.models.matching import FlowMatching, FlowMatchingConfig
from facsim.models.mixture import Mixture, MixtureConfig
from facsim.models.regression import Regression, RegressionConfig
from facsim.models.student import Student, StudentConfig
from facsim.models.visibility import Visibility, VisibilityConfig

__all__ = [
    "GAN",
    "Batch",
    "Chain",
    "ChainConfig",
    "Classifier",
    "ClassifierConfig",
    "Draw",
    "Ensemble",
    "EnsembleConfig",
    "FlowMatching",
    "FlowMatchingConfig",
    "GANConfig",
    "Mixture",
    "MixtureConfig",
    "ModelConfig",
    "Regression",
    "RegressionConfig",
    "Student",
    "StudentConfig",
    "Surrogate",
    "Visibility",
    "VisibilityConfig",
    "families",
    "family",
    "load",
    "register",
]

"""Generators and critics by name."""

from facsim.models.gan.networks.autoencoder import AutoencoderCritic
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart
from facsim.models.gan.networks.baselines import FCNCritic, FCNGenerator, JetDCGANCritic, JetDCGANGenerator
from facsim.models.gan.networks.calogan import CaloGANGenerator
from facsim.models.gan.networks.calogan_critic import CaloGANCritic
from facsim.models.gan.networks.coordinates import CoordinatesGenerator
from facsim.models.gan.networks.dcgan import DCGANCritic, DCGANGenerator
from facsim.models.gan.networks.lagan import LAGANCritic, LAGANGenerator
from facsim.models.gan.networks.layers import LayersCritic
from facsim.models.gan.networks.lhcb_calorimeter import LHCbCalorimeterCritic, LHCbCalorimeterGenerator
from facsim.models.gan.networks.mlp import MLPCritic, MLPGenerator, NoCritic
from facsim.models.gan.networks.option_string import LayoutCritic, LayoutGenerator
from facsim.models.gan.networks.progressive import ProgressiveCritic, ProgressiveGenerator
from facsim.models.gan.networks.residual import ResidualGenerator
from facsim.models.gan.networks.residual_mlp import ResidualMLPCritic, ResidualMLPGenerator
from facsim.models.gan.networks.siamese import EmulatorGenerator, SiameseCritic
from facsim.models.gan.networks.tpc import TPCCritic

__all__ = [
    "CRITICS",
    "GENERATORS",
    "AutoencoderCritic",
    "CaloGANCritic",
    "CaloGANGenerator",
    "CoordinatesGenerator",
    "CriticPart",
    "DCGANCritic",
    "DCGANGenerator",
    "EmulatorGenerator",
    "FCNCritic",
    "FCNGenerator",
    "GeneratorPart",
    "JetDCGANCritic",
    "JetDCGANGenerator",
    "LAGANCritic",
    "LAGANGenerator",
    "LHCbCalorimeterCritic",
    "LHCbCalorimeterGenerator",
    "LayersCritic",
    "LayoutCritic",
    "LayoutGenerator",
    "MLPCritic",
    "MLPGenerator",
    "NoCritic",
    "ProgressiveCritic",
    "ProgressiveGenerator",
    "ResidualGenerator",
    "ResidualMLPCritic",
    "ResidualMLPGenerator",
    "SiameseCritic",
    "TPCCritic",
]

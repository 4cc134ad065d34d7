"""Generative adversarial networks of interchangeable parts."""

from facsim.models.gan.config import GANConfig, Schedule
from facsim.models.gan.gan import GAN

__all__ = ["GAN", "GANConfig", "Schedule"]

"""Generative adversarial networks."""

from facsim.models.gan.gan import GAN, GANConfig

__all__ = ["GAN", "GANConfig"]

"""Instance noise (Sønderby et al., arXiv:1610.04490, section 2.5)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from facsim.models.draw import Draw
from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary

__all__ = ["InstanceNoise"]


@AUXILIARIES.register("instance-noise")
class InstanceNoise(Auxiliary):
    """Normal noise on all events that the critic sees, real and generated alike, fading out linearly.

    Both samples then overlap, so that the critic cannot become infinitely sure of itself.

    Examples
    --------
    >>> import torch
    >>> noise = InstanceNoise(std=0.5, until=100)
    >>> noise.size(0), noise.size(50), noise.size(100)
    (0.5, 0.25, 0.0)
    >>> noise.disturb(torch.zeros(2, 3), Draw(1, 0), 0).shape
    torch.Size([2, 3])
    """

    summary: ClassVar[str] = "noise on all events that the critic sees, fading out"
    reference: ClassVar[str] = "arXiv:1610.04490"
    needs_critic: ClassVar[bool] = False
    kind: str = "instance-noise"

    std: float = Field(0.1, ge=0)
    """Standard deviation at the start, in units of the space that the networks see."""
    until: int = Field(0, ge=0)
    """Step at which it has gone; 0: it stays."""

    def size(self, step: int) -> float:
        """Standard deviation at a step."""
        return self.std * max(0.0, 1 - step / self.until) if self.until else self.std

    def disturb(self, x: Tensor, draw: Draw, step: int) -> Tensor:
        """Events (n, width) with noise."""
        size = self.size(step)
        return x + size * draw.normal(*x.shape) if size else x

"""Relativistic pairing (Jolicoeur-Martineau, arXiv:1807.00734) as in R3GAN (Huang et al., arXiv:2501.05441, eq. 3)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from facsim.models.gan.objectives.base import OBJECTIVES, Objective, weighted_mean

__all__ = ["Relativistic"]


@OBJECTIVES.register("relativistic")
class Relativistic(Objective):
    r"""The critic asks which of a pair is the real one; both share their conditions.

    .. math:: L_D = E \log(1 + e^{-(s_r - s_f)}), \qquad L_G = E \log(1 + e^{-(s_f - s_r)})

    Every generated event is judged beside a real one, so that a mode left out is noticed wherever it lies. R3GAN adds
    the penalties ``r1`` and ``r2``, with which training converges locally.

    Examples
    --------
    >>> import torch
    >>> round(Relativistic().critic(torch.ones(1), torch.ones(1), torch.ones(1)).item(), 4)  # log 2
    0.6931
    """

    summary: ClassVar[str] = "which of a pair is real: notices missing modes; with r1 and r2 this is R3GAN"
    reference: ClassVar[str] = "arXiv:2501.05441"
    signed: ClassVar[bool] = False
    uses_real: ClassVar[bool] = True
    kind: str = "relativistic"

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of scores (n,)."""
        return weighted_mean(softplus(fake - real), weights)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of scores (n,)."""
        return weighted_mean(softplus(real - fake), weights)

"""Wasserstein objective (Arjovsky et al., arXiv:1701.07875, eq. 2)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from facsim.models.gan.objectives.base import OBJECTIVES, Pointwise

__all__ = ["Wasserstein"]


@OBJECTIVES.register("wasserstein")
class Wasserstein(Pointwise):
    """Raise the score of real events above that of generated ones: the dual form of the earth mover's distance.

    Linear in the score, so that negative weights do no harm as long as the critic is Lipschitz.

    Examples
    --------
    >>> import torch
    >>> Wasserstein().critic(torch.tensor([2.0]), torch.tensor([0.5]), torch.ones(1)).item()
    -1.5
    """

    summary: ClassVar[str] = "earth mover's distance; takes signed weights; needs a Lipschitz critic"
    reference: ClassVar[str] = "arXiv:1701.07875"
    lipschitz: ClassVar[bool] = True
    kind: str = "wasserstein"

    def on_real(self, score: Tensor) -> Tensor:
        """Minus the score."""
        return -score

    def on_fake(self, score: Tensor) -> Tensor:
        """The score."""
        return score

    def on_generated(self, score: Tensor) -> Tensor:
        """Minus the score."""
        return -score

"""Hinge objective (Lim and Ye, arXiv:1705.02894; Miyato et al., arXiv:1802.05957, eqs. 16 and 17)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu

from facsim.models.gan.objectives.base import OBJECTIVES, Pointwise

__all__ = ["Hinge"]


@OBJECTIVES.register("hinge")
class Hinge(Pointwise):
    """The critic wants real scores above 1 and generated ones below -1, and cares for no more than that.

    Bounded below for positive weights only: a negative weight rewards scores without limit.

    Examples
    --------
    >>> import torch
    >>> Hinge().critic(torch.tensor([2.0]), torch.tensor([0.0]), torch.ones(1)).item()
    1.0
    """

    summary: ClassVar[str] = "a margin around zero; the usual partner of spectral normalisation"
    reference: ClassVar[str] = "arXiv:1705.02894"
    signed: ClassVar[bool] = False
    kind: str = "hinge"

    @property
    def zero(self) -> float:
        """The middle of the margin."""
        return 0.0

    def on_real(self, score: Tensor) -> Tensor:
        """max(0, 1 - score)."""
        return relu(1 - score)

    def on_fake(self, score: Tensor) -> Tensor:
        """max(0, 1 + score)."""
        return relu(1 + score)

    def on_generated(self, score: Tensor) -> Tensor:
        """Minus the score."""
        return -score

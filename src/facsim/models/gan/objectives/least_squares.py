"""Least-squares objective (Mao et al., arXiv:1611.04076, eq. 9: a = 0, b = c = 1)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from facsim.models.gan.objectives.base import OBJECTIVES, Pointwise

__all__ = ["LeastSquares"]


@OBJECTIVES.register("least-squares")
class LeastSquares(Pointwise):
    """Pull real scores to 1 and generated ones to 0; the generator pulls its own to 1.

    With a negative weight the square rewards a score without limit: not for signed weights.

    Examples
    --------
    >>> import torch
    >>> LeastSquares().critic(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0]), torch.ones(2)).item()
    0.25
    """

    summary: ClassVar[str] = "squared distance of scores from 1 and 0; gradients do not fade"
    reference: ClassVar[str] = "arXiv:1611.04076"
    signed: ClassVar[bool] = False
    kind: str = "least-squares"

    @property
    def zero(self) -> float:
        """Half way."""
        return 0.5

    def on_real(self, score: Tensor) -> Tensor:
        """(score - 1)^2 / 2."""
        return (score - 1).square() / 2

    def on_fake(self, score: Tensor) -> Tensor:
        """score^2 / 2."""
        return score.square() / 2

    def on_generated(self, score: Tensor) -> Tensor:
        """(score - 1)^2 / 2."""
        return (score - 1).square() / 2

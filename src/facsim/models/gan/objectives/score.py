"""The energy score as an objective: a proper scoring rule, with the critic left out."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from facsim.models.gan.objectives.base import OBJECTIVES, Objective, weighted_mean

__all__ = ["EnergyScore", "whitener"]

CLOSE = 1e-8
"""Added to squared distances: where two events coincide a power below 2 has no slope."""
RIDGE = 1e-4
"""Share of the mean variance that is added to every column: columns may be constant, or sums of others."""


def whitener(rows: Tensor) -> Tensor:
    r"""Matrix A (k, k) after which differences of `rows` (n, k) have unit covariance: :math:`A^T A = \Sigma^{-1}`.

    Events stand beside their context, and differences under the same context are zero there: for them
    :math:`|A d|` is Mahalanobis' distance by the spread that the context leaves (the inverse of the block of an inverse
    is the conditional covariance of a normal law).

    Examples
    --------
    >>> import torch
    >>> rows = torch.randn(1000, 2) * torch.tensor([3.0, 0.5])
    >>> bool((torch.cov((rows @ whitener(rows).T).T) - torch.eye(2)).abs().max() < 0.01)
    True
    """
    rows = rows.detach()
    k = rows.shape[1]
    unit = torch.eye(k, dtype=rows.dtype, device=rows.device)
    covariance = torch.cov(rows.T).reshape(k, k)
    lower = torch.linalg.cholesky(covariance + unit * (RIDGE * covariance.diagonal().mean() + CLOSE))
    found: Tensor = torch.linalg.solve_triangular(lower, unit, upper=False)
    return found


@OBJECTIVES.register("energy-score")
class EnergyScore(Objective):
    r"""Energy score of a conditional law, from one real event x and two generated ones g, g' of the same conditions.

    .. math:: L_G = E\, w \left( |x - g|^\beta + |x - g'|^\beta - |g - g'|^\beta \right), \quad 0 < \beta < 2

    Lowest for the true law and for no other (strictly proper), without a game. Linear in the weights, so that sWeights
    take the background out of its expectation. Trained on two draws per event, as in engression
    (Shen and Meinshausen, arXiv:2307.00835) and by Pacchiardi et al. (arXiv:2112.08217).

    The lower the exponent, the more it feels small distances: near 0 it is :math:`\log |x - g|`, which sees all scales
    alike. Ridges between correlated columns are as wide as everything else once columns are whitened.

    Examples
    --------
    >>> import torch
    >>> real, fake = torch.zeros(4, 2), torch.tensor([3.0, 4.0]).expand(2, 4, 2)
    >>> round(EnergyScore().generator(real, fake, torch.ones(4)).item(), 3)
    10.0
    """

    summary: ClassVar[str] = "energy score, a proper scoring rule; no critic; takes signed weights"
    reference: ClassVar[str] = "Gneiting and Raftery, JASA 102 (2007) 359, eq. 22; arXiv:2112.08217; arXiv:2307.00835"
    lipschitz: ClassVar[bool] = True
    fakes: ClassVar[int] = 2
    uses_real: ClassVar[bool] = True
    needs_critic: ClassVar[bool] = False
    ranks: ClassVar[bool] = False
    kind: str = "energy-score"

    outputs: int = Field(32, ge=1)
    """Dimensions of the critic's space, if there is a critic."""
    exponent: float = Field(1.0, gt=0, lt=2)
    """Power of the distances."""
    whiten: bool = False
    """Measure in units of the batch's own spread: for tens of columns, not for images."""

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Minus the score ()."""
        return -self.generator(real, fake, weights)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """The score () of outputs or events (n, k) and (2, n, k)."""
        if self.whiten:
            turn = whitener(real).T
            real, fake = real @ turn, fake @ turn
        one, two = fake
        apart = self._power(real - one) + self._power(real - two) - self._power(one - two)
        return weighted_mean(apart, weights)

    def potential(self, score: Tensor, other: Tensor | None = None) -> Tensor:
        """Distance (n,) of every event from a generated one: with a critic its slope is what must be limited."""
        other = score.roll(1, 0) if other is None else other
        return (score - other.detach()).square().sum(1).add(CLOSE).sqrt()

    def _power(self, difference: Tensor) -> Tensor:
        return (difference.square().sum(1) + CLOSE).pow(self.exponent / 2)

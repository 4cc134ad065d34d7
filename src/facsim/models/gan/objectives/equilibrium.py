"""Boundary-equilibrium objective (BEGAN: Berthelot et al., arXiv:1703.10717)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from facsim.models.draw import Draw
from facsim.models.gan.objectives.base import OBJECTIVES, Objective, weighted_mean

__all__ = ["BoundaryEquilibrium"]


@OBJECTIVES.register("boundary-equilibrium")
class BoundaryEquilibrium(Objective):
    r"""Match how well an autoencoder restores real and generated events.

    The critic's score is the error of its autoencoder, :math:`e(x) = |x - D(x)|`: critic ``autoencoder``.

    .. math::
        L_D = E\, w (e_r - k e_f), \quad L_G = E\, w e_f, \quad
        k \leftarrow \min(1, \max(0, k + \lambda E\, w (\gamma e_r - e_f)))

    The balance k is a buffer of the model that starts at 0; `update` gives its next value after a critic's turn.

    Examples
    --------
    >>> import torch
    >>> one, k = torch.ones(2), torch.tensor(0.0)
    >>> BoundaryEquilibrium(gamma=0.5, rate=0.1).update(2 * one, 0.5 * one, one, k).item()
    0.05000000074505806
    """

    summary: ClassVar[str] = "the critic is an autoencoder; a balance holds both players level"
    reference: ClassVar[str] = "arXiv:1703.10717"
    signed: ClassVar[bool] = False
    balanced: ClassVar[bool] = True
    kind: str = "boundary-equilibrium"

    gamma: float = Field(0.5, gt=0, le=1)
    """Error of generated over that of real events at equilibrium: smaller is truer, larger more diverse."""
    rate: float = Field(0.001, gt=0)
    """Step of the balance."""

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of errors (n,) at a balance of 1."""
        return weighted_mean(real - fake, weights)

    def critic_loss(self, real: Tensor, fake: Tensor, weights: Tensor, draw: Draw, balance: Tensor) -> Tensor:  # noqa: ARG002
        """Loss () of errors (n,) at a balance ()."""
        return weighted_mean(real - balance * fake, weights)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002
        """Error () of generated events (n,)."""
        return weighted_mean(fake, weights)

    def potential(self, score: Tensor, other: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Minus the error (n,): what the autoencoder restores well is real."""
        return -score

    def update(self, real: Tensor, fake: Tensor, weights: Tensor, balance: Tensor) -> Tensor:
        """The next balance (), in [0, 1]."""
        change = weighted_mean(self.gamma * real - fake, weights).detach()
        return (balance + self.rate * change).clamp(0, 1)

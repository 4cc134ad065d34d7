"""Energy distance between two samples as an objective (Székely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from facsim.models.gan.objectives.base import OBJECTIVES, Objective
from facsim.models.gan.objectives.pairs import distances, lengths, pair_mean

__all__ = ["Energy", "energy_distance"]


def energy_distance(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    r"""Unbiased estimate () of the energy distance :math:`2 E|X - Y| - E|X - X'| - E|Y - Y'|`.

    Parameters
    ----------
    real, fake : Tensor (n, k)
        Rows of a pair share conditions and weight.
    weights : Tensor (n,)
        Mean 1 over the training sample; may be negative. A pair carries the product of its weights: a double
        expectation over the signal needs both.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(50, 3)
    >>> abs(energy_distance(x, x, torch.ones(50)).item()) < 1e-6
    True
    """
    inside = pair_mean(distances(real, real), weights) + pair_mean(distances(fake, fake), weights)
    return 2 * pair_mean(distances(real, fake), weights) - inside


@OBJECTIVES.register("energy")
class Energy(Objective):
    """The critic raises the energy distance of its outputs, over all pairs of a batch; the generator lowers it.

    Compares joint distributions of events and conditions: events of a pair have different conditions, which the critic
    sees. All pairs of a batch take part, so that it is less noisy than ``cramer``; needs one generated event per
    condition. Without a critic it is the energy distance of the events themselves (side by side with their context).

    Examples
    --------
    >>> import torch
    >>> real, fake = torch.zeros(4, 2), torch.tensor([[3.0, 4.0]]).expand(4, 2)
    >>> round(Energy().generator(real, fake, torch.ones(4)).item(), 4)
    10.0
    """

    summary: ClassVar[str] = "energy distance over all pairs of a batch; takes signed weights; works without a critic"
    reference: ClassVar[str] = "arXiv:1705.10743"
    lipschitz: ClassVar[bool] = True
    uses_real: ClassVar[bool] = True
    needs_critic: ClassVar[bool] = False
    ranks: ClassVar[bool] = False
    kind: str = "energy"

    outputs: int = Field(32, ge=1)
    """Dimensions of the critic's space."""

    def potential(self, score: Tensor, other: Tensor | None = None) -> Tensor:
        """Distance (n,) of every event from a fixed one, its neighbour in the batch unless `other` says which.

        The energy distance is made of such distances, so their slope is what must be limited.
        """
        other = score.roll(1, 0) if other is None else other
        return lengths((score - other.detach()).reshape(len(score), -1))

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Minus the distance ()."""
        return -self.generator(real, fake, weights)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """The distance () of outputs (n,) or (n, k)."""
        if real.ndim == 1:
            real, fake = real[:, None], fake[:, None]
        return energy_distance(real, fake, weights)

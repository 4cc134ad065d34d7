"""Weight clipping (Arjovsky et al., arXiv:1701.07875, algorithm 1)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.game import Game
from facsim.models.gan.penalties.base import PENALTIES, Penalty

__all__ = ["Clipping"]


@PENALTIES.register("clipping")
class Clipping(Penalty):
    """Confine every weight of the critic to an interval after each of its steps: a crude Lipschitz bound.

    Costs nothing, and nothing is added to the loss.

    Examples
    --------
    >>> critic = nn.Linear(3, 1)
    >>> Clipping(limit=0.01).after(critic)
    >>> max(p.abs().max().item() for p in critic.parameters()) <= 0.01
    True
    """

    summary: ClassVar[str] = "confine the critic's weights: the first Wasserstein GAN's way"
    reference: ClassVar[str] = "arXiv:1701.07875"
    needs: ClassVar[tuple[str, ...]] = ()
    lipschitz: ClassVar[bool] = True
    per_event: ClassVar[bool] = False
    kind: str = "clipping"

    limit: float = Field(0.01, gt=0)
    """Largest size of a weight."""

    def __call__(self, game: Game) -> Tensor:
        """0."""
        return game.context.new_zeros(())

    @torch.no_grad()
    def after(self, critic: nn.Module) -> None:
        """Clip, in place."""
        for parameter in critic.parameters():
            parameter.clamp_(-self.limit, self.limit)

"""DRAGAN (Kodali et al., arXiv:1705.07215): gradient penalty around real events only."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.penalties.base import PENALTIES, Penalty, slope
from facsim.models.gan.penalties.gradient import excess

__all__ = ["Dragan"]


@PENALTIES.register("dragan")
class Dragan(Penalty):
    """Pull the gradient's norm to 1 at real events that were moved a little.

    Every column is moved by a uniform number in [0, ``width``) times the batch's standard deviation over all columns.
    """

    summary: ClassVar[str] = "gradient norm around real events"
    reference: ClassVar[str] = "arXiv:1705.07215"
    needs: ClassVar[tuple[str, ...]] = ("real",)
    kind: str = "dragan"

    sides: Literal[1, 2] = 2
    """1: only norms above 1 cost."""
    width: float = Field(0.5, gt=0)
    """Largest move, in standard deviations."""

    def __call__(self, game: Game) -> Tensor:
        """The penalty ()."""
        real = given(game.real).detach()
        moved = real + self.width * real.std() * game.draw.uniform(*real.shape)
        return excess(slope(game, moved, game.context), sides=self.sides)

"""Intensity: a generated event holds as much as the real one under its conditions."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary
from facsim.models.gan.game import Game
from facsim.models.gan.given import given

__all__ = ["Intensity"]


@AUXILIARIES.register("intensity")
class Intensity(Auxiliary):
    """The generator pays for the difference of sums of generated and real event, in physical units.

    Pair by pair under the same conditions, as published for the zero-degree calorimeter: it pulls the sum to its median
    under the conditions, so that the weight must stay small. The mean is not weighted.
    """

    summary: ClassVar[str] = "absolute difference of the sums of generated and real event"
    reference: ClassVar[str] = "arXiv:2306.13606; Wojnar, Majerz, Dzwinel, Comput. Softw. Big Sci. 9:1 (2025)"
    needs_critic: ClassVar[bool] = False
    reads_real: ClassVar[bool] = True
    kind: str = "intensity"

    weight: float = Field(1e-3, ge=0)
    """Factor, per unit of the features."""

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:  # noqa: ARG002
        """The mean difference."""
        if game.real is None:
            return None
        sums = (game.decode(x).sum(1) for x in (given(game.fake), game.real.detach()))
        off = (next(sums) - next(sums)).abs().mean()
        game.figures["intensity"] = off.detach()
        return self.weight * off

"""Gradient penalties on the segments between real and generated events."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.objectives.pairs import lengths
from facsim.models.gan.penalties.base import PENALTIES, Penalty, slope

__all__ = ["GradientPenalty", "excess"]


def excess(gradient: Tensor, *, centre: float = 1.0, sides: int = 2) -> Tensor:
    """Mean of ``(|gradient| - centre)^2``; with one side, only of what lies above the centre.

    Examples
    --------
    >>> import torch
    >>> excess(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).item(), excess(torch.zeros(1, 2), sides=1).item()
    (8.5, 0.0)
    """
    if centre == 0:
        return gradient.square().sum(1).mean()  # no square root, whose own gradient has no value at zero
    beyond = lengths(gradient) - centre
    return (beyond.clamp(min=0) if sides == 1 else beyond).square().mean()


@PENALTIES.register("gradient")
class GradientPenalty(Penalty):
    r"""Pull the norm of the critic's gradient towards a value, between real and generated events.

    .. math:: E (|\nabla_{\hat x} f(\hat x)| - c)^2, \quad \hat x = u x_r + (1 - u) x_f, \quad u \sim U(0, 1)

    Two-sided with c = 1: Gulrajani et al., arXiv:1704.00028, eq. 3. One-sided: Petzka et al., arXiv:1709.08894, and
    the published RICH and TPC systems. c = 0: zero-centred (arXiv:1902.03984).
    """

    summary: ClassVar[str] = "gradient norm between real and generated events; one- or two-sided, or zero-centred"
    reference: ClassVar[str] = "arXiv:1704.00028"
    lipschitz: ClassVar[bool] = True
    kind: str = "gradient"

    sides: Literal[1, 2] = 2
    """1: only norms above the centre cost."""
    centre: Literal[0, 1] = 1
    """The norm that is wanted."""
    on: Literal["features", "features+conditions"] = "features"
    """With conditions, segments join events of different conditions, and the gradient is taken in both."""

    def __call__(self, game: Game) -> Tensor:
        """The penalty ()."""
        real, fake, context = given(game.real), given(game.fake), game.context
        mix = game.draw.uniform(len(real), 1).to(real.dtype)
        both = self.on == "features+conditions"
        if both:
            fake, others = fake.roll(1, 0), context.roll(1, 0)
            context = torch.lerp(others, context, mix)
        between = torch.lerp(fake.detach(), real, mix)
        return excess(slope(game, between, context, both=both), centre=self.centre, sides=self.sides)

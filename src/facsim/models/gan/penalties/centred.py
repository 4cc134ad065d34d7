"""Zero-centred gradient penalties at the events themselves."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.penalties.base import PENALTIES, Penalty, slope

__all__ = ["R1", "R2", "Roth"]


@PENALTIES.register("r1")
class R1(Penalty):
    r"""Half the mean squared gradient at real events (Mescheder et al., arXiv:1801.04406, eq. 9).

    .. math:: R_1 = \tfrac12 E |\nabla f(x_r)|^2

    `weight` is the paper's gamma. With it training converges locally even where the data fill no volume.
    """

    summary: ClassVar[str] = "flat critic at real events: training settles"
    reference: ClassVar[str] = "arXiv:1801.04406"
    needs: ClassVar[tuple[str, ...]] = ("real",)
    kind: str = "r1"

    weight: float = Field(1.0, ge=0)
    """Factor, gamma."""

    def __call__(self, game: Game) -> Tensor:
        """The penalty ()."""
        return slope(game, given(game.real), game.context).square().sum(1).mean() / 2


@PENALTIES.register("r2")
class R2(Penalty):
    r"""Half the mean squared gradient at generated events (the same paper, eq. 10): :math:`\tfrac12 E |\nabla f(x_f)|^2`."""  # noqa: E501

    summary: ClassVar[str] = "flat critic at generated events; together with r1 in R3GAN"
    reference: ClassVar[str] = "arXiv:1801.04406"
    needs: ClassVar[tuple[str, ...]] = ("fake",)
    kind: str = "r2"

    weight: float = Field(1.0, ge=0)
    """Factor, gamma."""

    def __call__(self, game: Game) -> Tensor:
        """The penalty ()."""
        return slope(game, given(game.fake).detach(), game.context).square().sum(1).mean() / 2


@PENALTIES.register("roth")
class Roth(Penalty):
    r"""What noise on the events would do to a logistic critic, written out (Roth et al., arXiv:1705.09367, eq. 21).

    .. math::
        \tfrac12 E (1 - \sigma(s_r))^2 |\nabla s_r|^2 + \tfrac12 E\, \sigma(s_f)^2 |\nabla s_f|^2

    with logits s. `weight` is the paper's gamma, the variance of the noise; 0.1 is its recommendation. An event of
    which the critic is sure costs nothing.
    """

    summary: ClassVar[str] = "noise on the events in closed form, for log-losses"
    reference: ClassVar[str] = "arXiv:1705.09367"
    kind: str = "roth"

    weight: float = Field(0.1, ge=0)
    """Factor, gamma."""

    def __call__(self, game: Game) -> Tensor:
        """The penalty ()."""
        total = game.context.new_zeros(())
        for sample, side in ((game.real, -1.0), (game.fake, 1.0)):
            x = given(sample).detach().requires_grad_(True)
            score = game.potential(x, game.context)
            (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
            doubt = torch.sigmoid(side * score).square()
            total = total + (doubt * gradient.square().sum(1)).mean() / 2
        return total

"""A referee: a second classifier that watches the game and whistles for nobody."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary, Players
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout
from facsim.models.gan.objectives.base import weighted_mean
from facsim.nets.perceptron import Perceptron

__all__ = ["Referee"]


@AUXILIARIES.register("referee")
class Referee(Auxiliary):
    r"""How well a classifier that nobody plays against tells real from generated events: a meter of quality.

    It learns with the critic, from the same events, and acts on neither player: its inputs carry no gradient. Its loss
    is the mean square :math:`E\, w (p - y)^2` of its probabilities, which, unlike a logarithm, is bounded for negative
    weights. The figures ``referee`` (0.25 where it cannot tell, less where it can) and ``referee_right``, the weighted
    share of right answers, are logged.
    """

    summary: ClassVar[str] = "a classifier trained alongside as a meter of quality; it acts on neither player"
    reference: ClassVar[str] = "Barbetti, arXiv:2303.11428 (Lamarr); mean squares instead of logarithms are our own"
    needs_critic: ClassVar[bool] = False
    kind: str = "referee"

    hidden: int = Field(128, ge=1)
    layers: int = Field(5, ge=1)

    def build(self, layout: Layout, features: int, players: Players | None = None) -> nn.Module:  # noqa: ARG002
        """A perceptron on events and conditions."""
        return _Watching(layout.width, Perceptron(layout.width + layout.context, 1, self.hidden, self.layers))

    def critic(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Mean square of its errors, whose gradient reaches the referee alone."""
        watching, right, terms = cast("_Watching", given(module)), [], []
        for name, label in (("real", 1.0), ("fake", 0.0)):
            events = getattr(game, name)
            if events is None:
                continue
            chance = watching(events, game.context)
            terms.append(weighted_mean((chance - label).square(), game.weights))
            right.append(weighted_mean(((chance > 0.5) == bool(label)).to(chance.dtype), game.weights))
        total = sum(terms[1:], terms[0])
        game.figures["referee"] = total.detach() / len(terms)
        game.figures["referee_right"] = sum(right[1:], right[0]).detach() / len(right)
        return self.weight * total


class _Watching(nn.Module):
    """Probability (n,) of events to be real; events may have further columns that the critic alone is shown."""

    def __init__(self, width: int, net: nn.Module) -> None:
        super().__init__()
        self.width, self.net = width, net

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        seen = torch.cat([x[:, : self.width].detach(), context.detach()], 1)
        chance: Tensor = self.net(seen)[:, 0].sigmoid()
        return chance

"""Historical averaging (Salimans et al., arXiv:1606.03498, section 3.3)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary, Players
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout

__all__ = ["HistoricalAveraging", "Past"]


class Past(nn.Module):
    """Mean of all parameters that a player has had, as buffers.

    Examples
    --------
    >>> past = Past({"critic": [nn.Parameter(torch.zeros(2))]})
    >>> [past.distance("critic", [nn.Parameter(torch.tensor([0.0, v]))]).item() for v in (1.0, 3.0)]
    [0.0, 1.0]
    """

    def __init__(self, players: Players) -> None:
        super().__init__()
        for player, parameters in players.items():
            self.register_buffer(player, torch.zeros(sum(p.numel() for p in parameters)))
            self.register_buffer(f"{player}_turns", torch.zeros(()))

    def distance(self, player: str, parameters: list[nn.Parameter]) -> Tensor:
        """Add the present parameters to the mean; their squared distance () from it."""
        now = nn.utils.parameters_to_vector(parameters)
        mean, turns = getattr(self, player), getattr(self, f"{player}_turns")
        with torch.no_grad():
            turns += 1
            mean += (now - mean) / turns
        distance: Tensor = (now - mean.clone()).square().sum()  # a copy: the buffer moves on before the backward pass
        return distance


@AUXILIARIES.register("historical-averaging")
class HistoricalAveraging(Auxiliary):
    r"""Both players pay for leaving the mean of their own past, :math:`|\theta - \frac1t \sum_i \theta_i|^2`.

    Damps orbits around an equilibrium that gradient steps alone would not reach.
    """

    summary: ClassVar[str] = "parameters are held near the mean of their past"
    reference: ClassVar[str] = "arXiv:1606.03498"
    needs_critic: ClassVar[bool] = False
    kind: str = "historical-averaging"

    weight: float = Field(0.01, ge=0)
    """Factor of the terms."""

    def build(self, layout: Layout, features: int, players: Players | None = None) -> nn.Module:  # noqa: ARG002
        """The mean parameters."""
        return Past(given(players))

    def critic(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Distance of the critic's parameters from their mean."""
        return self._distance("critic", game, game.critic, module)

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Distance of the generator's parameters from their mean."""
        return self._distance("generator", game, game.generator, module)

    def _distance(self, player: str, game: Game, network: nn.Module, past: nn.Module | None) -> Tensor:
        distance: Tensor = given(past).distance(player, list(network.parameters()))  # type: ignore[operator]
        game.figures["history"] = distance.detach()
        return self.weight * distance

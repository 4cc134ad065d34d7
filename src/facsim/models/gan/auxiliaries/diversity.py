"""Selective diversity: where real answers vary much at fixed conditions, generated ones shall."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary, Players
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout

__all__ = ["SelectiveDiversity", "Spread"]

TINY = 1e-6
CHUNK = 256


class Spread(nn.Module):
    """How much events scatter at given conditions, from 0 (least) to 1 (most): that of the nearest of some points.

    Parameters
    ----------
    context : int
        Columns of the scaled conditions.
    points : int
        How many places are remembered.
    neighbours : int
        Events around a place whose scatter is taken.

    Examples
    --------
    >>> spread = Spread(1, points=50, neighbours=10)
    >>> where = torch.linspace(0, 1, 200)[:, None]
    >>> spread.fit(where * torch.randn(200, 3), where)
    >>> bool(spread(torch.tensor([[0.05]])) < spread(torch.tensor([[0.95]])))
    True
    """

    places: Tensor
    amounts: Tensor

    def __init__(self, context: int, points: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.register_buffer("places", torch.zeros(points, context))
        self.register_buffer("amounts", torch.ones(points))

    @torch.no_grad()
    def fit(self, x: Tensor, context: Tensor) -> None:
        """Measure at random events how the nearest ones x (n, d) scatter: standard deviations, summed over columns."""
        rows = np.random.default_rng(0).choice(len(x), len(self.places), replace=len(x) < len(self.places))
        places = context[torch.from_numpy(rows)]
        found = []
        for some in torch.split(places, CHUNK):
            near = torch.cdist(some, context).topk(min(self.neighbours, len(x)), largest=False).indices
            found.append(x[near].std(1, correction=0).sum(1))
        amounts = torch.cat(found)
        self.places.copy_(places)
        self.amounts.copy_((amounts - amounts.min()) / (amounts.max() - amounts.min()).clamp(min=TINY))

    def forward(self, context: Tensor) -> Tensor:
        """Amounts (n,)."""
        return self.amounts[torch.cdist(context, self.places).argmin(1)]


@AUXILIARIES.register("selective-diversity")
class SelectiveDiversity(Auxiliary):
    r"""The generator pays for answers that noise does not change, where real ones change.

    .. math:: E\, d(c)\, \frac{\langle |z_1 - z_2| \rangle}{\langle |e_1 - e_2| \rangle}

    for two answers under the same conditions c, of noise z and with features e of the critic; d is the scatter of real
    answers at c, from 0 to 1 (`Spread`; conditions need not recur exactly). As wanted by the zero-degree calorimeter,
    whose neutron showers vary greatly at some momenta and not at others. The mean is not weighted.
    """

    summary: ClassVar[str] = "answers to the same conditions must differ where real ones do"
    reference: ClassVar[str] = "Wojnar, Majerz, Dzwinel, Comput. Softw. Big Sci. 9:1 (2025); arXiv:2306.13606"
    kind: str = "selective-diversity"

    points: int = Field(512, ge=1)
    """Places at which the scatter is remembered."""
    neighbours: int = Field(16, ge=2)
    """Events whose scatter is taken at each."""

    def build(self, layout: Layout, features: int, players: Players | None = None) -> nn.Module:  # noqa: ARG002
        """The scatter of real answers."""
        return Spread(layout.context, self.points, self.neighbours)

    def prepare(self, module: nn.Module | None, x: Tensor, context: Tensor) -> None:
        """Measure the scatter."""
        cast("Spread", given(module)).fit(x, context)

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Change of noise over change of the answer, where answers should change."""
        if game.again is None:
            return None
        (one, first), (two, second) = game.again(), game.again()
        apart = (game.critic.features(first, game.context) - game.critic.features(second, game.context)).abs().mean(1)  # type: ignore[operator]
        ratio = (one - two).abs().mean(1) / (apart + TINY)
        term: Tensor = (given(module)(game.context) * ratio).mean()
        game.figures["diversity"] = term.detach()
        return self.weight * term

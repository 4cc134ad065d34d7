"""Auxiliary regressor: the critic also says under which real conditions an event was made."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary, Players
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout
from facsim.models.gan.objectives.base import weighted_mean

__all__ = ["AuxiliaryRegressor"]


@AUXILIARIES.register("regressor")
class AuxiliaryRegressor(Auxiliary):
    """Both players want the real conditions to be read off the event (Rogachev and Ratnikov, arXiv:2207.06329).

    A linear head on the critic's features; the mean error over the scaled real conditions. The angle-conditioned
    CaloGAN (arXiv:1711.08813) takes squares and a weight of 0.01.
    """

    summary: ClassVar[str] = "the critic estimates the real conditions, and both players want it to be right"
    reference: ClassVar[str] = "arXiv:2207.06329"
    signed: ClassVar[bool] = False
    kind: str = "regressor"

    learn: Literal["both", "real"] = "both"
    """Events from which the critic learns the conditions."""
    loss: Literal["squared", "absolute"] = "squared"
    """Error per condition."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if no condition is a real number."""
        if not layout.reals:
            have = [b.name for b in layout.schema.conditions]
            msg = (
                f"auxiliary 'regressor' needs a condition that is no category; the conditions are {have}. "
                "Leave it out, or use 'classifier' for categories"
            )
            raise SchemaMismatch(msg)

    def build(self, layout: Layout, features: int, players: Players | None = None) -> nn.Module:  # noqa: ARG002
        """One linear layer."""
        return nn.Linear(features, len(layout.reals))

    def critic(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Error on real and on generated events."""
        head, terms = given(module), []
        if game.real_features is not None:
            terms.append(self._error(game, head(game.real_features), "regression"))
        if game.fake_features is not None and self.learn == "both":
            terms.append(self._error(game, head(game.fake_features), "regression_fake"))
        return self.weight * sum(terms[1:], terms[0]) if terms else None

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Error on generated events."""
        return self.weight * self._error(game, given(module)(given(game.fake_features)), "regression")

    def _error(self, game: Game, found: Tensor, name: str) -> Tensor:
        off = found - game.context[:, list(game.layout.reals)]
        error = weighted_mean((off.square() if self.loss == "squared" else off.abs()).mean(1), game.weights)
        game.figures[name] = error.detach()
        return error

"""Adversarial Lipschitz penalty (Terjék, arXiv:1907.05681): the slope along the direction in which it is steepest."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.objectives.pairs import lengths
from facsim.models.gan.penalties.base import PENALTIES, Penalty

__all__ = ["AdversarialLipschitz"]

TINY = 1e-12


@PENALTIES.register("adversarial-lipschitz")
class AdversarialLipschitz(Penalty):
    r"""Look for a step that changes the score most, and penalise what it changes beyond its length.

    .. math:: E \left(\frac{|f(x) - f(x + r)|}{|r|} - 1\right)_+^2

    at real and generated events. The direction of r comes from power iteration: start with a random one, d; go
    ``probe`` far along it; take the gradient of :math:`|f(x) - f(x + \xi d)|` there as the next d. Its length is
    random between ``shortest`` and ``longest``. No second derivatives of the critic are needed.

    Lengths are in units of the latent space, in which events have a spread of about 1. The paper's (0.1 to 10, probe
    10, weight 100) belong to images of 3072 pixels.
    """

    summary: ClassVar[str] = "finite steps in the steepest direction; no second derivatives"
    reference: ClassVar[str] = "arXiv:1907.05681"
    lipschitz: ClassVar[bool] = True
    kind: str = "adversarial-lipschitz"

    iterations: int = Field(1, ge=1)
    """Power iterations."""
    probe: float = Field(1.0, gt=0)
    """Length of the step at which the direction is improved."""
    shortest: float = Field(0.1, gt=0)
    """Least length of r."""
    longest: float = Field(1.0, gt=0)
    """Largest length of r."""
    sides: Literal[1, 2] = 1
    """1: only slopes above 1 cost."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.shortest > self.longest:
            msg = f"shortest = {self.shortest:g} is above longest = {self.longest:g}: exchange them"
            raise ValueError(msg)
        return self

    def __call__(self, game: Game) -> Tensor:
        """The penalty ()."""
        real, fake = given(game.real).detach(), given(game.fake).detach()
        return (self._at(game, real) + self._at(game, fake)) / 2

    def _at(self, game: Game, x: Tensor) -> Tensor:
        """The penalty () at events (n, width)."""
        score = game.potential(x, game.context)
        direction = game.draw.normal(*x.shape)
        for _ in range(self.iterations):
            away = (x + self.probe * _unit(direction)).requires_grad_(True)
            change = (game.potential(away, game.context) - score.detach()).abs().sum()
            (direction,) = torch.autograd.grad(change, away)
        # A length that does not depend on the direction, so that the ratio is not worst at one scale only.
        length = self.shortest + (self.longest - self.shortest) * game.draw.uniform(len(x), 1)
        steep = (game.potential(x + length * _unit(direction), game.context) - score).abs() / length[:, 0] - 1
        return (steep.clamp(min=0) if self.sides == 1 else steep).square().mean()


def _unit(rows: Tensor) -> Tensor:
    return rows / lengths(rows).clamp(min=TINY)[:, None]

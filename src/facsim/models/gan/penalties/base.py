"""What a penalty is: a term that keeps a critic smooth."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.models.gan.game import Game
from facsim.models.parts import Part, Registry

__all__ = ["PENALTIES", "Penalty", "slope"]

PENALTIES: Registry[Penalty] = Registry("penalty", "facsim.penalties")


class Penalty(Part):
    """A term of the critic's loss; never weighted with the events' weights, since smoothness is wanted everywhere.

    Attributes
    ----------
    per_event : bool
        Whether it looks at the slope event by event, which a critic that judges by the batch has not.
    needs : tuple of str
        Samples that must be at hand: in a turn that lacks one, the penalty is left out (`applies`).
    lipschitz : bool
        Whether it bounds the critic's slope everywhere, as Wasserstein-like objectives ask for.
    """

    needs: ClassVar[tuple[str, ...]] = ("real", "fake")
    lipschitz: ClassVar[bool] = False
    per_event: ClassVar[bool] = True

    weight: float = Field(10.0, ge=0)
    """Factor of the penalty, its final value where it ramps up."""
    ramp: float = Field(0.0, ge=0)
    """Steps over which the factor rises: times ``(2 / pi) atan(step / ramp)``, half of it at ``ramp``; 0: at once."""
    floor: float = Field(0.0, ge=0)
    """Smallest factor."""

    def factor(self, step: int) -> float:
        """Factor of the penalty at a step.

        Examples
        --------
        >>> Penalty(weight=20, ramp=500, floor=0.02).factor(0), Penalty(weight=20, ramp=500).factor(500)
        (0.02, 10.0)
        """
        rise = 2 / math.pi * math.atan(step / self.ramp) if self.ramp else 1.0
        return max(self.weight * rise, self.floor)

    def applies(self, game: Game) -> bool:
        """Whether this turn shows the samples that it needs."""
        return all(getattr(game, sample) is not None for sample in self.needs)

    def __call__(self, game: Game) -> Tensor:
        """The penalty () without its factor."""
        raise NotImplementedError

    def after(self, critic: nn.Module) -> None:
        """What is done to the critic after its optimiser stepped; by default nothing."""


def slope(game: Game, x: Tensor, context: Tensor, *, both: bool = False) -> Tensor:
    """Gradient (n, width) of the critic's potential at events `x` (n, width) under `context`.

    Where the critic offers ``input_gradient(x, context) -> (n, width)``, that is used: written out, it costs one
    ordinary backward pass instead of a double one.

    Parameters
    ----------
    both : bool, optional
        With respect to events and context: (n, width + context).
    """
    fast = getattr(game.critic, "input_gradient", None)
    if fast is not None and not both:
        gradient: Tensor = fast(x, context)
        return gradient
    x = x.detach().requires_grad_(True)
    context = context.detach().requires_grad_(both)
    score = game.potential(x, context)
    wanted = (x, context) if both else (x,)
    gradients = torch.autograd.grad(score.sum(), wanted, create_graph=True)
    return torch.cat(gradients, 1) if both else gradients[0]

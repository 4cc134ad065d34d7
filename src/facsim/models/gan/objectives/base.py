"""What an objective is: losses of critic and generator from scores and event weights."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from facsim.errors import DataError, RecipeError
from facsim.models.draw import Draw
from facsim.models.parts import Part, Registry

__all__ = ["OBJECTIVES", "Objective", "Pointwise", "flip", "smooth", "weighted_mean"]

OBJECTIVES: Registry[Objective] = Registry("objective", "facsim.objectives")


def weighted_mean(loss: Tensor, weights: Tensor) -> Tensor:
    """Mean over the batch of weight times loss, both (n,); never divided by the batch's sum of weights.

    Weights have mean 1 over the whole training sample. A batch's own sum would pass near zero where signs are mixed.

    Raises
    ------
    DataError
        If the shapes differ: (n,) times (n, 1) would silently be (n, n), whose mean has lost the weights.

    Examples
    --------
    >>> import torch
    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([2.0, -1.0])).item()
    -0.5
    """
    if loss.shape != weights.shape:
        msg = f"losses {tuple(loss.shape)} and weights {tuple(weights.shape)} must be one number per event, (n,)"
        raise DataError(msg)
    return (weights * loss).mean()


def smooth(own: Tensor, other: Tensor, share: float) -> Tensor:
    """Label smoothing (Salimans et al., arXiv:1606.03498, section 3.4): the target is ``1 - share`` instead of 1.

    Parameters
    ----------
    own, other : Tensor (n,)
        Losses of an event for its own label and for the other one.
    share : float
        How much of the label is taken away.
    """
    return own if share == 0 else (1 - share) * own + share * other


def flip(own: Tensor, other: Tensor, share: float, draw: Draw) -> Tensor:
    """Losses (n,) with the wrong label for a random `share` of the events.

    Examples
    --------
    >>> import torch
    >>> 0 < flip(torch.zeros(500), torch.ones(500), 0.05, Draw(1, 0)).mean() < 0.1
    tensor(True)
    """
    return own if share == 0 else torch.where(draw.uniform(len(own), 1)[:, 0] < share, other, own)


class Objective(Part):
    """What the critic and the generator want.

    Losses are means over the batch (`weighted_mean`), or over its pairs. Generated events carry the weight of the
    event whose conditions they share. Scores are (n,) for one output, (n, k) for several; without a critic they are the
    events themselves (side by side with their context, for a conditional generator).

    Attributes
    ----------
    signed : bool
        Whether the loss stays bounded with negative weights, given a Lipschitz critic.
    lipschitz : bool
        Whether it needs a gradient penalty, clipping or spectral normalisation.
    fakes : int
        Independent generated events that it wants for every condition; with 2, ``fake`` is (2, n, k).
    needs_critic : bool
        Whether it needs a critic at all.
    pointwise : bool
        Whether the critic's loss is a sum over events, so that real and fake can be shown one after the other.
    balanced : bool
        Whether it keeps a number between steps, a buffer () of the model that starts at zero: `critic_loss` is given
        it, and `update` says its next value.
    uses_real : bool
        Whether the generator's loss looks at real events' scores.
    ranks : bool
        Whether `potential` orders single events by how real the critic finds them.
    zero : float or None
        Score at which the critic is undecided.
    """

    signed: ClassVar[bool] = True
    lipschitz: ClassVar[bool] = False
    fakes: ClassVar[int] = 1
    needs_critic: ClassVar[bool] = True
    pointwise: ClassVar[bool] = False
    balanced: ClassVar[bool] = False
    uses_real: ClassVar[bool] = False
    ranks: ClassVar[bool] = True

    outputs: int = Field(1, ge=1)
    """Numbers that the critic gives per event."""
    smoothing: float = Field(0.0, ge=0, lt=0.5)
    """One-sided label smoothing: what real events' label lacks to 1."""
    flips: float = Field(0.0, ge=0, lt=0.5)
    """Share of events that are shown to the critic with the wrong label."""

    @model_validator(mode="after")
    def _labels(self) -> Self:
        if (self.smoothing or self.flips) and not self.pointwise:
            msg = f"'{self.kind}' compares events with each other and knows no labels: leave out smoothing and flips"
            raise ValueError(msg)
        return self

    @property
    def zero(self) -> float | None:
        """Score at which the critic is undecided, if there is one."""
        return None

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of the critic."""
        raise NotImplementedError

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of the generator; `real` is not looked at unless `uses_real`."""
        raise NotImplementedError

    def critic_loss(self, real: Tensor, fake: Tensor, weights: Tensor, draw: Draw, balance: Tensor) -> Tensor:  # noqa: ARG002
        """`critic` with everything that a training adds: wrong and smoothed labels, the balance."""
        return self.critic(real, fake, weights)

    def pointwise_loss(self, score: Tensor, draw: Draw, *, real: bool) -> Tensor:  # noqa: ARG002
        """Critic's loss (n,) of one sample's scores, its labels smoothed and flipped; of a `pointwise` objective."""
        msg = f"objective '{self.kind}' compares real with generated events: schedule.separate must be false"
        raise RecipeError(msg)

    def update(self, real: Tensor, fake: Tensor, weights: Tensor, balance: Tensor) -> Tensor:  # noqa: ARG002
        """The number that a `balanced` objective keeps, after a critic's turn."""
        return balance

    def potential(self, score: Tensor, other: Tensor | None = None) -> Tensor:  # noqa: ARG002 - Cramér's is relative
        """Scalar (n,) whose gradient a penalty limits: the score itself, or where it is a vector what becomes of it.

        Parameters
        ----------
        score : Tensor (n,) or (n, k)
        other : Tensor (n, k), optional
            The critic's view of independent generated events, detached or not.
        """
        return score


class Pointwise(Objective):
    """An objective that is a sum over events: give it `on_real`, `on_fake` and `on_generated`."""

    pointwise: ClassVar[bool] = True

    def on_real(self, score: Tensor) -> Tensor:
        """Critic's loss (n,) of real events' scores (n,)."""
        raise NotImplementedError

    def on_fake(self, score: Tensor) -> Tensor:
        """Critic's loss (n,) of generated events' scores."""
        raise NotImplementedError

    def on_generated(self, score: Tensor) -> Tensor:
        """Generator's loss (n,) of its events' scores."""
        raise NotImplementedError

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of the critic, with true labels."""
        return weighted_mean(self.on_real(real), weights) + weighted_mean(self.on_fake(fake), weights)

    def critic_loss(self, real: Tensor, fake: Tensor, weights: Tensor, draw: Draw, balance: Tensor) -> Tensor:  # noqa: ARG002
        """Loss () of the critic, with the labels smoothed and flipped."""
        losses = self.pointwise_loss(real, draw, real=True) + self.pointwise_loss(fake, draw, real=False)
        return weighted_mean(losses, weights)

    def pointwise_loss(self, score: Tensor, draw: Draw, *, real: bool) -> Tensor:
        """Critic's loss (n,) of one sample's scores, its labels smoothed (real ones) and flipped."""
        own, other = (self.on_real, self.on_fake) if real else (self.on_fake, self.on_real)
        smoothing = self.smoothing if real else 0.0
        if not (smoothing or self.flips):
            return own(score)
        mine, wrong = own(score), other(score)
        return flip(smooth(mine, wrong, smoothing), wrong, self.flips, draw)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002 - others use it
        """Loss () of the generator."""
        return weighted_mean(self.on_generated(fake), weights)

"""f-divergences as games (f-GAN: Nowozin, Cseke and Tomioka, arXiv:1606.00709)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from facsim.models.gan.objectives.base import OBJECTIVES, Pointwise, weighted_mean

__all__ = ["DIVERGENCES", "Divergence", "FDivergence", "bound"]

Map = Callable[[Tensor], Tensor]
LOG2 = math.log(2)


@dataclass(frozen=True)
class Divergence:
    r"""Functions of an f-divergence :math:`D_f(P, Q) = \int q f(p / q)` (tables 1, 2 and 6 of the paper).

    Attributes
    ----------
    f : callable
        Convex, f(1) = 0; of u > 0.
    activation : callable
        g: raw scores v to the domain of the conjugate.
    conjugate : callable
        :math:`f^*(t) = \sup_u (u t - f(u))`.
    penalised : callable
        :math:`f^*(g(v))` simplified by hand, so that nothing overflows on the way.
    zero : float
        Raw score where :math:`g(v) = f'(1)`: the critic finds both samples equally likely.
    """

    f: Map
    activation: Map
    conjugate: Map
    penalised: Map
    zero: float = 0.0


DIVERGENCES: dict[str, Divergence] = {
    "kl": Divergence(
        f=lambda u: u * u.log(),
        activation=lambda v: v,
        conjugate=lambda t: (t - 1).exp(),
        penalised=lambda v: (v - 1).exp(),
        zero=1.0,
    ),
    "reverse-kl": Divergence(
        f=lambda u: -u.log(),
        activation=lambda v: -(-v).exp(),
        conjugate=lambda t: -1 - (-t).log(),
        penalised=lambda v: v - 1,
    ),
    "pearson": Divergence(
        f=lambda u: (u - 1).square(),
        activation=lambda v: v,
        conjugate=lambda t: t.square() / 4 + t,
        penalised=lambda v: v.square() / 4 + v,
    ),
    "hellinger": Divergence(
        f=lambda u: (u.sqrt() - 1).square(),
        activation=lambda v: 1 - (-v).exp(),
        conjugate=lambda t: t / (1 - t),
        penalised=lambda v: v.exp() - 1,
    ),
    "jensen-shannon": Divergence(
        f=lambda u: u * u.log() - (u + 1) * ((1 + u) / 2).log(),
        activation=lambda v: LOG2 - softplus(-v),
        conjugate=lambda t: -(2 - t.exp()).log(),
        penalised=lambda v: softplus(v) - LOG2,
    ),
    "total-variation": Divergence(
        f=lambda u: (u - 1).abs() / 2,
        activation=lambda v: v.tanh() / 2,
        conjugate=lambda t: t,
        penalised=lambda v: v.tanh() / 2,
    ),
    "gan": Divergence(
        f=lambda u: u * u.log() - (u + 1) * (u + 1).log() + 2 * LOG2,
        activation=lambda v: -softplus(-v),
        conjugate=lambda t: -(-torch.expm1(t)).log(),
        penalised=softplus,
    ),
}
"""By name. ``hellinger`` is the squared distance without the factor 1/2, ``jensen-shannon`` twice the usual divergence;
``gan`` is the same plus the constant log 4, of which its generator function f here is freed, but not its bound."""


def bound(divergence: str, real: Tensor, fake: Tensor, weights: Tensor, fake_weights: Tensor | None = None) -> Tensor:
    r"""Variational lower bound of a divergence between real and generated events (eq. 4 of the paper).

    .. math:: F = E_P\, g(v) - E_Q\, f^*(g(v)) \le D_f(P, Q)

    Parameters
    ----------
    divergence : str
        One of `DIVERGENCES`.
    real, fake : Tensor (n,), (m,)
        Raw scores v.
    weights : Tensor (n,)
        Mean 1; of the real events and, unless `fake_weights` are given, of the generated ones.

    Examples
    --------
    >>> import torch
    >>> bound("pearson", torch.zeros(3), torch.zeros(3), torch.ones(3)).item()  # the critic is undecided
    0.0
    """
    part = DIVERGENCES[divergence]
    found = weighted_mean(part.activation(real), weights)
    return found - weighted_mean(part.penalised(fake), weights if fake_weights is None else fake_weights)


@OBJECTIVES.register("f-divergence")
class FDivergence(Pointwise):
    """The critic raises the bound of a divergence (`bound`), the generator lowers it.

    ``heuristic`` is the form that the paper found faster in practice (section 3.2): the generator raises
    :math:`E_Q g(v)` instead of lowering :math:`-E_Q f^*(g(v))`; for ``gan`` these are the non-saturating and the
    zero-sum game.

    Exponentials and logarithms of scores have no bound with negative weights (only total variation's are bounded).

    Examples
    --------
    >>> import torch
    >>> FDivergence(divergence="kl").zero
    1.0
    """

    summary: ClassVar[str] = "the critic estimates a divergence that you name: kl, reverse-kl, pearson, ..."
    reference: ClassVar[str] = "arXiv:1606.00709"
    signed: ClassVar[bool] = False
    kind: str = "f-divergence"

    divergence: Literal["kl", "reverse-kl", "pearson", "hellinger", "jensen-shannon", "total-variation", "gan"] = (
        "jensen-shannon"
    )
    """Which one."""
    heuristic: bool = False
    """The generator raises what the critic says of its events, instead of lowering the bound."""

    @property
    def zero(self) -> float:
        """Raw score that stands for equal likelihood."""
        return DIVERGENCES[self.divergence].zero

    def on_real(self, score: Tensor) -> Tensor:
        """Minus the activated score."""
        return -DIVERGENCES[self.divergence].activation(score)

    def on_fake(self, score: Tensor) -> Tensor:
        """The conjugate of the activated score."""
        return DIVERGENCES[self.divergence].penalised(score)

    def on_generated(self, score: Tensor) -> Tensor:
        """Minus the conjugate, or minus the activated score."""
        return self.on_real(score) if self.heuristic else -self.on_fake(score)

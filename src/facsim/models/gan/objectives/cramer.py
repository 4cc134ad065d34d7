"""Cramér objective (Bellemare et al., arXiv:1705.10743), with which LHCb simulates its Cherenkov detectors (arXiv:1905.11825)."""  # noqa: E501

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from facsim.models.gan.objectives.base import OBJECTIVES, Objective, weighted_mean
from facsim.models.gan.objectives.pairs import lengths

__all__ = ["Cramer", "surrogate"]


def surrogate(score: Tensor, other: Tensor) -> Tensor:
    """What the critic believes of events: ``|h - h'| - |h|`` (n,) of its outputs (n, k), h' those of generated events.

    The witness of the energy distance would compare with other real events' outputs where this has zero: so only one
    real event per condition is needed.

    Examples
    --------
    >>> import torch
    >>> surrogate(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 0.0]])).item()
    -1.0
    """
    return lengths(score - other) - lengths(score)


@OBJECTIVES.register("cramer")
class Cramer(Objective):
    r"""Energy distance between real and generated events of the same conditions, in a space the critic chooses.

    With outputs h of a real event r and of two independent generated ones g, g', and :math:`f(a) = |h_a - h_{g'}| -
    |h_a|`, the critic raises the surrogate :math:`E\, w (f(r) - f(g))`, and the generator lowers

    .. math:: L_G = E\, w \left( |h_r - h_g| + |h_r - h_{g'}| - |h_g - h_{g'}| \right),

    whose gradient is that of the energy distance (algorithm 1 of the paper). With ``surrogate: true`` it lowers the
    critic's surrogate instead, as the published RICH systems do; that gradient does not vanish where real = generated.

    Linear in the weights. The three events of a term share their conditions, hence one weight. ``joint: true``
    compares events of different conditions instead: a distance of joint distributions, in which a pair carries the
    product of its weights.

    Examples
    --------
    >>> import torch
    >>> h = torch.randn(4, 256)
    >>> Cramer().critic(h, torch.stack([h, torch.randn(4, 256)]), torch.ones(4)).abs().item()
    0.0
    """

    summary: ClassVar[str] = "energy distance in the critic's space; takes signed weights; needs a Lipschitz critic"
    reference: ClassVar[str] = "arXiv:1705.10743"
    lipschitz: ClassVar[bool] = True
    fakes: ClassVar[int] = 2
    uses_real: ClassVar[bool] = True
    kind: str = "cramer"

    outputs: int = Field(256, ge=2)
    """Dimensions of the critic's space."""
    surrogate: bool = False
    """The generator lowers the critic's surrogate instead of the energy distance."""
    joint: bool = False
    """Compare events of different conditions."""

    def potential(self, score: Tensor, other: Tensor | None = None) -> Tensor:
        """The surrogate (n,): its gradient is what a penalty limits."""
        if other is None:
            msg = "'cramer' judges an event beside generated ones: pass their scores as other"
            raise TypeError(msg)
        return surrogate(score, other)

    def _distance(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        one, two, weights = self._paired(fake, weights)
        return weighted_mean(surrogate(real, two) - surrogate(one, two), weights)

    def _paired(self, fake: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both generated samples and the weight of their terms."""
        one, two = fake
        return (one, two.roll(1, 0), weights * weights.roll(1, 0)) if self.joint else (one, two, weights)

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of outputs (n, k) and (2, n, k)."""
        return -self._distance(real, fake, weights)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Loss () of outputs (n, k) and (2, n, k)."""
        if self.surrogate:
            return self._distance(real, fake, weights)
        one, two, weights = self._paired(fake, weights)
        apart = lengths(real - one) + lengths(real - two) - lengths(one - two)
        return weighted_mean(apart, weights)

"""The first GAN's objectives (Goodfellow et al., arXiv:1406.2661): the critic is a logistic classifier."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from facsim.models.gan.objectives.base import OBJECTIVES, Pointwise

__all__ = ["Minimax", "NonSaturating"]


class _Logistic(Pointwise):
    """Scores are logits: critic's losses -log sigma(s) of real events, -log(1 - sigma(s)) of generated ones."""

    signed: ClassVar[bool] = False
    reference: ClassVar[str] = "arXiv:1406.2661"

    @property
    def zero(self) -> float:
        """0: even odds."""
        return 0.0

    def on_real(self, score: Tensor) -> Tensor:
        """-log sigma(score)."""
        return softplus(-score)

    def on_fake(self, score: Tensor) -> Tensor:
        """-log(1 - sigma(score))."""
        return softplus(score)


@OBJECTIVES.register("minimax")
class Minimax(_Logistic):
    r"""The zero-sum game, eq. 1: the generator minimises :math:`E \log(1 - \sigma(s_f))`.

    Its value at the best critic is twice the Jensen-Shannon divergence minus log 4. The generator's gradient fades
    where the critic is sure of itself; the non-saturating form mends that.

    Examples
    --------
    >>> import torch
    >>> round(Minimax().critic(torch.zeros(1), torch.zeros(1), torch.ones(1)).item(), 4)  # log 4
    1.3863
    """

    summary: ClassVar[str] = "the zero-sum game of the first paper; the generator learns slowly from a sure critic"
    kind: str = "minimax"

    def on_generated(self, score: Tensor) -> Tensor:
        """log(1 - sigma(score))."""
        return -softplus(score)


@OBJECTIVES.register("non-saturating")
class NonSaturating(_Logistic):
    r"""The generator minimises :math:`-\log \sigma(s_f)` instead (section 3 of the paper): binary cross-entropy with labels swapped.

    Examples
    --------
    >>> import torch
    >>> round(NonSaturating().generator(torch.zeros(1), torch.zeros(1), torch.ones(1)).item(), 4)  # log 2
    0.6931
    """  # noqa: E501

    summary: ClassVar[str] = "binary cross-entropy, the generator's labels swapped: the usual GAN"
    kind: str = "non-saturating"

    def on_generated(self, score: Tensor) -> Tensor:
        """-log sigma(score)."""
        return softplus(-score)

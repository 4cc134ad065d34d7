"""Feature matching (Salimans et al., arXiv:1606.03498, section 3.1)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from facsim.errors import DataError
from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary
from facsim.models.gan.game import Game
from facsim.models.gan.given import given

__all__ = ["FeatureMatching", "mean_distance"]


def mean_distance(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """Squared distance () between the weighted means of features (n, f): of means, not of pairs.

    Examples
    --------
    >>> import torch
    >>> real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[2.0], [0.0]])
    >>> mean_distance(real, fake, torch.ones(2)).item()
    0.0
    """
    if weights.shape != (len(real),):
        msg = (
            f"weights have shape {tuple(weights.shape)}, features {tuple(real.shape)}: give one weight per event, (n,)"
        )
        raise DataError(msg)
    return (weights @ (real - fake) / len(weights)).square().sum()


@AUXILIARIES.register("feature-matching")
class FeatureMatching(Auxiliary):
    r"""The generator wants the critic's features to have the same mean: :math:`|E\, w \phi(x_r) - E\, w \phi(x_f)|^2`.

    With ``replace: true`` that is all that it wants, as in the paper.
    """

    summary: ClassVar[str] = "the generator matches the means of the critic's features"
    reference: ClassVar[str] = "arXiv:1606.03498"
    reads_real: ClassVar[bool] = True
    kind: str = "feature-matching"

    replace: bool = False
    """Instead of the objective's loss of the generator, not beside it."""

    @property
    def replaces_generator(self) -> bool:
        """Whether it stands in for the objective's loss of the generator."""
        return self.replace

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:  # noqa: ARG002
        """The distance."""
        distance = mean_distance(given(game.real_features).detach(), given(game.fake_features), game.weights)
        game.figures["matching"] = distance.detach()
        return self.weight * distance

"""Auxiliary classifier: the critic also says which category an event belongs to."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.draw import Draw
from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary, Players
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout
from facsim.models.gan.objectives.base import weighted_mean

__all__ = ["AuxiliaryClassifier", "wrong_labels"]


def wrong_labels(labels: Tensor, classes: int, share: float, draw: Draw) -> Tensor:
    """Replace a random `share` of the labels (n,) by one of the other classes.

    Examples
    --------
    >>> import torch
    >>> flipped = wrong_labels(torch.zeros(1000, dtype=torch.long), 3, 0.1, Draw(1, 0))
    >>> 60 < (flipped != 0).sum() < 140
    tensor(True)
    """
    if share == 0:
        return labels
    which = draw.uniform(len(labels), 2)
    other = (labels + 1 + (which[:, 1] * (classes - 1)).long()) % classes
    return torch.where(which[:, 0] < share, other, labels)


class _Heads(nn.Module):
    """Logits of all names of all categories, side by side; of two names the first has 0, as in logistic regression."""

    free: Tensor

    def __init__(self, features: int, sizes: list[int]) -> None:
        super().__init__()
        free = [name > 0 or size != 2 for size in sizes for name in range(size)]
        self.register_buffer("free", torch.tensor(free), persistent=False)
        self.linear = nn.Linear(features, sum(free))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, names)."""
        logits = features.new_zeros(len(features), len(self.free))
        logits[:, self.free] = self.linear(features)
        return logits


@AUXILIARIES.register("classifier")
class AuxiliaryClassifier(Auxiliary):
    """ACGAN (Odena et al., arXiv:1610.09585): both players want the category to be recognised.

    One linear head and cross-entropy per category among the conditions, the terms added up.
    """

    summary: ClassVar[str] = "the critic names the category of an event, and both players want it to be right"
    reference: ClassVar[str] = "arXiv:1610.09585"
    signed: ClassVar[bool] = False
    kind: str = "classifier"

    learn: Literal["both", "real"] = "both"
    """Events from which the critic learns the categories."""
    flip_fake: float = Field(0.0, ge=0, lt=1)
    """Share of generated events that the critic is told a wrong category of."""
    flip_generator: float = Field(0.0, ge=0, lt=1)
    """Share of generated events that the generator is told a wrong category of."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if no condition is a category."""
        if not layout.categories:
            have = [b.name for b in layout.schema.conditions]
            msg = (
                f"auxiliary 'classifier' needs a condition of kind 'category' with names; the conditions are {have}. "
                "Leave it out, or use 'regressor' for real ones"
            )
            raise SchemaMismatch(msg)

    def build(self, layout: Layout, features: int, players: Players | None = None) -> nn.Module:  # noqa: ARG002
        """One linear layer for all categories."""
        return _Heads(features, [b - a for a, b in layout.categories])

    def critic(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Cross-entropy on real and on generated events."""
        head, terms = given(module), []
        if game.real_features is not None:
            terms.append(self._entropy(game, head(game.real_features), 0.0, "class"))
        if game.fake_features is not None and self.learn == "both":
            terms.append(self._entropy(game, head(game.fake_features), self.flip_fake, "class_fake"))
        return self.weight * sum(terms[1:], terms[0]) if terms else None

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Cross-entropy of generated events."""
        return self.weight * self._entropy(game, given(module)(given(game.fake_features)), self.flip_generator, "class")

    @staticmethod
    def _entropy(game: Game, logits: Tensor, flips: float, name: str) -> Tensor:
        losses, start = [], 0
        for first, last in game.layout.categories:
            labels = wrong_labels(game.context[:, first:last].argmax(1), last - first, flips, game.draw)
            mine = logits[:, start : start + last - first]
            losses.append(weighted_mean(nn.functional.cross_entropy(mine, labels, reduction="none"), game.weights))
            start += last - first
        total = sum(losses[1:], losses[0])
        game.figures[name] = total.detach()
        return total

"""What the two players' networks have in common: sizes from the layout, errors that name what does not fit."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from facsim.models.gan.layout import Layout
from facsim.models.parts import Part, Registry
from facsim.nets.hadamard import Concatenate, Hadamard

__all__ = ["CRITICS", "GENERATORS", "Conditioning", "CriticPart", "GeneratorPart", "alternative", "entrance"]

Conditioning = Literal["concat", "hadamard", "film"]


class GeneratorPart(Part):
    """Settings of a generator; `build` makes the network.

    The network maps noise (n, latent) and scaled conditions (n, context) to events (n, width). It may offer
    ``grow(step)``, to be called before every learning step, and ``refer(noise, context)``, to be called once before
    the training with as many rows as it likes (virtual batch normalisation).
    """

    noise: int = Field(64, ge=1)
    """Standard normal numbers per event."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if it cannot draw such events: names the block and the recipe to use."""

    def latent(self, layout: Layout) -> int:  # noqa: ARG002
        """Columns of noise that the network takes."""
        return self.noise

    @abstractmethod
    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, latent), context (n, c)) -> x (n, width)``, new weights from torch's generator."""


class CriticPart(Part):
    """Settings of a critic's body; `build` makes the network.

    The body maps events (n, width * pack) and conditions (n, context * pack) to features (n, body.features), which the
    heads turn into scores. It may offer ``grow(step)`` and ``refer(x, context)`` as generators do, and
    ``input_gradient(x, context, head (1 or n, features)) -> gradient (n, width)`` for a fast gradient penalty.
    """

    scores_itself: ClassVar[bool] = False
    """The body's output is the score, and no head is put on; bodies carry the attribute, too."""
    paired: ClassVar[bool] = False
    """It judges two events of the same conditions: a true one beside a generated one are taken for generated."""

    conditioning: Literal["concat", "projection", "none"] = "concat"
    """Where the critic is told the conditions: in its body; in its head, where they meet the features (Miyato and
    Koyama, arXiv:1802.05637); or nowhere, for auxiliary tasks that ask it for them."""

    @property
    def alone(self) -> bool:
        """Whether the body sees the events alone."""
        return self.conditioning != "concat"

    @property
    def uses_batch(self) -> bool:
        """Whether the score of an event depends on the others of its batch: real and generated ones come apart then."""
        return False

    @property
    def has_slope(self) -> bool:
        """Whether it has a slope event by event, which most penalties limit; not where the batch decides."""
        return not self.uses_batch

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if it cannot judge such events: names the block and the recipe to use."""

    @abstractmethod
    def build(self, layout: Layout, pack: int = 1) -> nn.Module | None:
        """Network ``(x, context) -> features``, new weights from torch's generator; None without a critic."""


GENERATORS: Registry[GeneratorPart] = Registry("generator", "facsim.generators")
CRITICS: Registry[CriticPart] = Registry("critic", "facsim.critics")


def alternative(layout: Layout) -> str:
    """The recipe that takes such events: for the cure in an error."""
    blocks = layout.schema.features
    if layout.schema.layers:
        return "the recipe 'calogan+' (any calorimeter)"
    if len(blocks) == 1 and len(blocks[0].shape) == 2 and min(blocks[0].shape) >= 8:
        return "the recipe 'dcgan' (images of 8 x 8 and more)"
    return "the recipe 'wgan-gp' (any columns)"


def entrance(conditioning: Conditioning, noise: int, layout: Layout) -> Concatenate | Hadamard:
    """First layer of a generator. Without conditions there is nothing to multiply with, and noise goes in as it is."""
    if not layout.schema.conditions:
        return Concatenate(noise, layout.context)
    return Hadamard(noise, layout.context) if conditioning == "hadamard" else Concatenate(noise, layout.context)

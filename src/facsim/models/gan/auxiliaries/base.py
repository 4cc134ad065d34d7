"""What an auxiliary is: a second task or a nudge beside the game itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from facsim.models.draw import Draw
from facsim.models.gan.game import Game
from facsim.models.gan.layout import Layout
from facsim.models.parts import Part, Registry

__all__ = ["AUXILIARIES", "Auxiliary", "Players"]

Players = Mapping[str, Sequence[nn.Parameter]]
"""Parameters of ``"critic"`` and ``"generator"``."""

AUXILIARIES: Registry[Auxiliary] = Registry("auxiliary", "facsim.auxiliaries")


class Auxiliary(Part):
    """Terms of either player's loss, with a network or buffers of its own where it needs some.

    Attributes
    ----------
    signed : bool
        Whether its terms stay bounded with negative weights.
    needs_critic : bool
        Whether it reads the critic's features.
    reads_real : bool
        Whether the generator's term needs the real events' features.
    replaces_generator : bool
        Whether it stands in for the objective's loss of the generator.
    """

    signed: ClassVar[bool] = True
    needs_critic: ClassVar[bool] = True
    reads_real: ClassVar[bool] = False

    weight: float = Field(1.0, ge=0)
    """Factor of the terms."""

    @property
    def replaces_generator(self) -> bool:
        """Whether it stands in for the objective's loss of the generator."""
        return False

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if the events lack what the task is about."""

    def build(
        self,
        layout: Layout,  # noqa: ARG002
        features: int,  # noqa: ARG002
        players: Players | None = None,  # noqa: ARG002
    ) -> nn.Module | None:
        """Heads on the critic's `features`, or buffers; kept in the model, and trained with the critic.

        `players` holds the parameters of both without those of auxiliaries.
        """
        return None

    def prepare(self, module: nn.Module | None, x: Tensor, context: Tensor) -> None:
        """Look once at training events x (n, width), as the networks see them, and their context (n, c)."""

    def critic(self, game: Game, module: nn.Module | None) -> Tensor | None:  # noqa: ARG002
        """Term () of the critic's loss times `weight`; None for none in this turn."""
        return None

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:  # noqa: ARG002
        """Term () of the generator's loss times `weight`."""
        return None

    def disturb(self, x: Tensor, draw: Draw, step: int) -> Tensor:  # noqa: ARG002
        """Events as the critic is shown them, real and generated alike; by default unchanged."""
        return x

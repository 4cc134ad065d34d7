"""One turn of the game, as objectives' helpers, penalties and auxiliaries see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from facsim.models.draw import Draw
from facsim.models.gan.layout import Layout

__all__ = ["Game"]


@dataclass
class Game:
    """Events of a turn, what the critic says about them, and the players.

    In a turn that shows the critic one sample only, the other is None.

    Attributes
    ----------
    layout : Layout
    real, fake : Tensor (n, width), optional
        Events and generated events under the same `context`.
    context : Tensor (n, layout.context)
        Scaled conditions.
    weights : Tensor (n,)
        Of the events, mean 1 over the training sample, perhaps negative; generated events carry them, too.
    real_features, fake_features : Tensor (n, f), optional
        What the critic's body makes of the events: input of its heads.
    decode : callable
        Events (n, width) as the networks see them to physical features (n, d); differentiable.
    conditions : Tensor (n, k)
        The conditions in physical units.
    potential : callable
        ``potential(x, context) -> (n,)``: the scalar that the critic assigns, whose gradient a penalty limits.
    critic, generator : Module
    draw : Draw
        All randomness.
    step : int
    again : callable, optional
        Draws further events: noise (n, latent), and what the critic is shown of them.
    """

    layout: Layout
    context: Tensor
    conditions: Tensor
    weights: Tensor
    critic: nn.Module
    generator: nn.Module
    potential: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    draw: Draw
    step: int
    real: Tensor | None = None
    fake: Tensor | None = None
    real_features: Tensor | None = None
    fake_features: Tensor | None = None
    again: Callable[[], tuple[Tensor, Tensor]] | None = None
    figures: dict[str, Tensor] = field(default_factory=dict)

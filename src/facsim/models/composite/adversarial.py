"""An ensemble whose members are paid for disagreeing where the data do not forbid it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from facsim.errors import RecipeError, nearest
from facsim.models.base import register
from facsim.models.composite.members import Members, mixed
from facsim.models.draw import Draw
from facsim.models.gan import GAN, GANConfig
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.objectives import OBJECTIVES
from facsim.models.gan.objectives.pairs import lengths
from facsim.models.gan.penalties import PENALTIES
from facsim.schema import Schema
from facsim.transforms import Transform

__all__ = ["AdversarialEnsemble", "AdversarialEnsembleConfig", "disagreement"]

Turn = tuple[str, Tensor, dict[str, Tensor]]


class AdversarialEnsembleConfig(GANConfig):
    """Parts of an `AdversarialEnsemble`: those of a Cramér GAN, and what its members are paid for."""

    objective: OBJECTIVES.field() = Field("cramer", validate_default=True)  # type: ignore[valid-type]
    """``cramer``: disagreement is measured in the space of its critic."""
    penalties: tuple[PENALTIES.field(), ...] = Field(({"kind": "gradient", "sides": 1},), validate_default=True)  # type: ignore[valid-type]
    """What keeps the critic smooth."""
    members: int = Field(5, ge=2)
    """Generators."""
    alpha: float = Field(0.25, ge=0, lt=1)
    """Pay for disagreement; 0 is a plain ensemble with one critic."""
    outside: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Conditions beyond the data where members may disagree, too: ``{P: [100, 200]}``, by block, in its unit. Half of
    the events of the disagreement get such values, evenly; their other conditions are those of the batch."""
    rows: int = Field(256, ge=2)
    """Events of a batch in which the disagreement is measured, at most."""

    @model_validator(mode="after")
    def _has_a_space(self) -> Self:
        if self.objective.kind != "cramer" or self.schedule.pack > 1:
            msg = (
                f"objective '{self.objective.kind}' with pack {self.schedule.pack}: members disagree in the space of a "
                "Cramér critic. Set objective to cramer and schedule.pack to 1, or use 'family: ensemble'"
            )
            raise RecipeError(msg)
        return self


@register("adversarial-ensemble")
class AdversarialEnsemble(Members, GAN):
    r"""K generators, one Cramér critic h, and a reward for every member's distance from the mixture of all.

    Member k lowers

    .. math:: L_k = L_{\mathrm{Cramer}}(g_k) - \alpha D \tanh \frac{d_k}{D}, \quad
        d_k^2 = E_x \big| E\, h(x, y_k) - E\, h(x, y_\cup) \big|^2,

    with :math:`y_\cup` an event of the mixture. Where there are data, the first term holds members together; elsewhere
    they part, and their spread says so. (Anderlini, Chimpoesh, Kazeev, Shishigina, arXiv:2210.09767, and the formula
    of the talk, which leaves four choices open.)

    - *Which norm.* The distance of expectations under the same conditions, not that of pairs of events: pairs also lie
      apart because events scatter, and paying for that would widen every member. The square is estimated from two
      independent draws per condition as :math:`d_1 \cdot d_2`, which is unbiased (`disagreement`); a norm of means of
      few draws still pays for scatter. The root of its mean has the unit of the first term.
    - *Whose critic.* One for all: distances have the same unit for all members, and the critic learns from the mixture.
    - *Which weights.* None: background can be subtracted from data, but the disagreement needs none, so conditions
      outside of the data can be added (``outside``).
    - *How much.* Where there are data, both terms grow with the distance in h, the first (an energy distance) twice
      as fast: for alpha < 1 the loss has a lower bound there. Elsewhere nothing holds members, so the pay ends at D,
      the mean distance of two true events of the batch: members farther apart than the data are wide know nothing
      anyway. Without that end a toy's members ran away and took the region of the data with them. Conditions of the
      data and those outside are paid for apart, each half. Scan alpha from 0 to 0.5; `facsim.runtime.spread` finds the
      factor that calibrates what comes out.

    The mixture counts as given: a member is paid for its own step away from it.

    Examples
    --------
    >>> from facsim import Block
    >>> schema = Schema((Block("DLL", (2,)),), (Block("P"),))
    >>> model = AdversarialEnsemble(schema, AdversarialEnsembleConfig(generator="mlp", members=3))
    >>> model.sample([[10.0], [20.0]], seed=1, member=2).features.shape
    (2, 2)
    """

    summary = "an ensemble of Cramér GANs with one critic, paid for disagreeing where data do not forbid it"
    capabilities = frozenset({"sample", "members", "score"})
    config_type = AdversarialEnsembleConfig  # type: ignore[assignment]
    config: AdversarialEnsembleConfig

    def __init__(self, schema: Schema, config: AdversarialEnsembleConfig) -> None:
        super().__init__(schema, config)
        for what in ("grow", "refer", "drop"):
            if hasattr(self.net, what):
                msg = f"generator '{config.generator.kind}' changes in a training: take mlp, residual-mlp or residual"
                raise RecipeError(msg)
        known = [b.name for b in schema.conditions]
        for name in config.outside:
            if name not in known:
                msg = f"outside: '{name}' is no condition; there are {known}.{nearest(name, known)}"
                raise RecipeError(msg)
        self.others = nn.ModuleList(config.generator.build(self.layout) for _ in range(config.members - 1))
        self._turn: int | None = None
        self.provenance = {"members": self.members}

    @property
    def members(self) -> int:
        """How many."""
        return self.config.members

    @property
    def widest(self) -> int:
        """Columns of noise that every generator takes."""
        return int(self.config.generator.latent(self.layout))

    def of_member(self, member: int, conditions: Tensor, noise: Tensor) -> Tensor:
        """Features (n, d) of a member."""
        return _drawn(self._net(member), self.transform, conditions, noise)

    def generator(self) -> nn.Module:
        """The sampler without the critic."""
        return _Sampler([self._net(k) for k in range(self.members)], self.transform)

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Features (n, d) of the mixture."""
        return mixed(self.of_member, self.members, conditions, noise)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Critic, and all generators as one player: their losses add up, and each parameter is in one of them."""
        found = super().players()
        found["generator"] = [*found["generator"], *self.others.parameters()]
        return found

    def fake(self, context: Tensor, draw: Draw) -> Tensor:
        """Events (n, width) of the member whose turn it is; for the critic as many of every member, row by row."""
        z = draw.normal(len(context), self.widest)
        if self._turn is not None:
            made: Tensor = self._net(self._turn)(z, context)
            return made
        rows = [torch.arange(k, len(context), self.members, device=context.device) for k in range(self.members)]
        parts = [self._net(k)(z[r], context[r]) for k, r in enumerate(rows) if len(r)]
        return torch.cat(parts)[torch.argsort(torch.cat(rows))]

    def _generator_turn(self, game: Game) -> Turn:
        """All generators' losses, each against the same critic."""
        losses, figures = [], []
        for k in range(self.members):
            with self._playing(k):
                _, loss, shown = super()._generator_turn(game)
            losses.append(loss)
            figures.append(shown)
        total = torch.stack(losses).sum()
        told = {name: torch.stack([f[name] for f in figures]).mean() for name in figures[0]}
        if self.config.alpha:
            paid, apart = self._disagreement(game)
            total = total - self.config.alpha * paid
            told["disagreement"] = apart
        return "generator", total, told

    def _disagreement(self, game: Game) -> tuple[Tensor, Tensor]:
        """What all members are paid for, and how far apart they are."""
        places = [game.conditions[: self.config.rows]]
        if self.config.outside:
            places.append(self._beyond(places[0], game.draw))
        with torch.no_grad():
            real = self.critic(given(game.real), game.context)
            counted = game.weights != 0
            counted &= counted.roll(1, 0)
            widest = lengths(real - real.roll(1, 0))[counted | ~counted.any()].mean()
        found = [disagreement(self._seen(conditions, game.draw), widest) for conditions in places]
        paid, apart = (torch.stack(part).mean(0) for part in zip(*found, strict=True))
        return paid, apart

    def _seen(self, conditions: Tensor, draw: Draw) -> Tensor:
        """What the critic sees in two draws of every member, with the same noise (members, 2, n, k)."""
        context = self.transform.context(0, conditions, conditions)
        noise = [draw.normal(len(context), self.widest) for _ in range(2)]

        def one(net: nn.Module, z: Tensor) -> Tensor:
            scores: Tensor = self.critic(self.judged(net(z, context), conditions), context)
            return scores

        return torch.stack([torch.stack([one(self._net(k), z) for z in noise]) for k in range(self.members)])

    def _beyond(self, conditions: Tensor, draw: Draw) -> Tensor:
        """The conditions, with new values where some outside of the data are wanted."""
        moved = conditions.clone()
        for name, (low, high) in self.config.outside.items():
            columns = self.schema.columns(name)
            width = columns.stop - columns.start
            moved[:, columns] = low + (high - low) * draw.uniform(len(moved), width).to(moved.dtype)
        return moved

    def _net(self, member: int) -> nn.Module:
        return self.net if member == 0 else self.others[member - 1]

    @contextmanager
    def _playing(self, member: int) -> Iterator[None]:
        self._turn = member
        try:
            yield
        finally:
            self._turn = None


def disagreement(seen: Tensor, widest: Tensor) -> tuple[Tensor, Tensor]:
    r"""How far members are from their mixture, in the critic's space.

    Parameters
    ----------
    seen : Tensor (members, 2, n, k)
        The critic's view of two independent draws of every member under n conditions. Members may share their noise.
    widest : Tensor ()
        Distance D beyond which nothing more is paid.

    Returns
    -------
    paid : Tensor ()
        Sum over members of :math:`D \tanh(d / D)`, d the root mean square distance; for a gradient: the mixture counts
        as given, and the statistical error of the mean square is added to it, so that the root's slope stays finite.
    apart : Tensor ()
        Mean of d over members, detached.

    Notes
    -----
    With :math:`d_i` the difference from the mixture in draw i, :math:`E\, d_1 \cdot d_2 = |E d|^2`: what the events of
    one member scatter does not enter, since the two draws are independent.

    Examples
    --------
    >>> scattered = torch.randn(3, 2, 20000, 4, generator=torch.Generator().manual_seed(1))
    >>> shifted = scattered + 3 * torch.tensor([0.0, 1.0, -1.0])[:, None, None, None] / 2
    >>> [round(disagreement(seen, torch.tensor(9.0))[1].item(), 1) for seen in (scattered, shifted)]
    [0.0, 2.0]
    """
    difference = seen - seen.mean(0).detach()
    square = (difference[:, 0] * difference[:, 1]).sum(2)  # (members, n)
    error = square.detach().std(1) / square.shape[1] ** 0.5
    mean = square.mean(1).clamp(min=0)
    distance = torch.sqrt(mean + error + 1e-12)
    return (widest * torch.tanh(distance / widest)).sum(), mean.detach().sqrt().mean()


class _Sampler(nn.Module):
    def __init__(self, nets: list[nn.Module], transform: Transform) -> None:
        super().__init__()
        self.nets, self.transform = nn.ModuleList(nets), transform

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        return mixed(self._of_member, len(self.nets), conditions, noise)

    def _of_member(self, member: int, conditions: Tensor, noise: Tensor) -> Tensor:
        return _drawn(self.nets[member], self.transform, conditions, noise)


def _drawn(net: nn.Module, transform: Transform, conditions: Tensor, noise: Tensor) -> Tensor:
    return transform.decode(net(noise, transform.context(0, noise, conditions)), conditions)

"""Which parts a GAN is made of, and which of them contradict each other."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, model_validator

from facsim.errors import RecipeError
from facsim.models.base import ModelConfig
from facsim.models.gan.auxiliaries import AUXILIARIES
from facsim.models.gan.networks import CRITICS, GENERATORS
from facsim.models.gan.objectives import OBJECTIVES
from facsim.models.gan.penalties import PENALTIES

__all__ = ["GANConfig", "Schedule"]


class Schedule(BaseModel):
    """Who moves when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    critic_steps: int = Field(1, ge=1)
    """Critic updates, one per step and batch, for each turn of the generator."""
    generator_steps: int = Field(1, ge=1)
    """Generator updates per turn, each with fresh noise."""
    separate: bool = False
    """The critic sees real and generated events in two updates, one after the other."""
    critic_chance: float = Field(1.0, gt=0, le=1)
    """Chance that the critic takes part in a step."""
    generator_chance: float = Field(1.0, gt=0, le=1)
    """Chance that the generator takes its turn."""
    unroll: int = Field(0, ge=0)
    """Critic steps that the generator looks ahead, and differentiates through (arXiv:1611.02163); these follow the
    objective alone, without penalties."""
    unroll_rate: float = Field(0.05, gt=0)
    """Size of those steps."""
    pack: int = Field(1, ge=1)
    """Events that the critic judges together (arXiv:1712.04086)."""


class GANConfig(ModelConfig):
    """Parts of a `GAN`.

    Examples
    --------
    >>> GANConfig(objective="hinge", critic={"kind": "mlp", "spectral": True}, penalties=[]).objective.kind
    'hinge'
    """

    generator: GENERATORS.field() = Field("residual", validate_default=True)  # type: ignore[valid-type]
    """Network that makes events; see `facsim.models.gan.networks`."""
    critic: CRITICS.field() = Field("mlp", validate_default=True)  # type: ignore[valid-type]
    """Body of the network that judges them."""
    moments: bool | NonNegativeFloat = False
    """Show the critic centres, widths and brightest cells of every layer, too (`facsim.nets.CellMoments`), in units of
    their spread times this: true or 1 for a critic, which finds its own scale; more where distances are compared."""
    sums: bool = False
    """With `moments`: and the sum of every layer."""
    differences: tuple[tuple[str, str], ...] = ()
    """Show the critic differences of these pairs of blocks, too (`facsim.nets.Differences`)."""
    atoms: Literal["spread", "points"] = "spread"
    """How what recurs exactly (an empty cell, two equal columns) is shown: ``spread`` over its part of the latent
    space, so that a critic sees no valley beside it; or as ``points`` in its middle, so that a generator that follows
    distances has no edge to draw: whatever comes near is the atom."""
    objective: OBJECTIVES.field() = Field("wasserstein", validate_default=True)  # type: ignore[valid-type]
    """What both want; see `facsim.models.gan.objectives`."""
    penalties: tuple[PENALTIES.field(), ...] = Field(({"kind": "gradient"},), validate_default=True)  # type: ignore[valid-type]
    """What keeps the critic smooth; see `facsim.models.gan.penalties`."""
    auxiliaries: tuple[AUXILIARIES.field(), ...] = ()  # type: ignore[valid-type]
    """Further tasks and tricks; see `facsim.models.gan.auxiliaries`."""
    schedule: Schedule = Schedule.model_validate({})

    @model_validator(mode="before")
    @classmethod
    def _penalties_follow(cls, values: Any) -> Any:
        """The default penalty belongs to the default objective: who names an objective names its penalties."""
        if isinstance(values, dict) and "objective" in values and "penalties" not in values:
            return values | {"penalties": ()}
        return values

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        for message in contradictions(self):
            raise RecipeError(message)
        return self


def contradictions(config: GANConfig) -> list[str]:
    """What of a combination cannot work, each with the reason and the cure."""
    objective, critic, schedule = config.objective, config.critic, config.schedule
    without = critic.kind == "none"
    slopes = [p.kind for p in config.penalties if p.per_event]
    bounded = [p for p in config.penalties if p.lipschitz]
    found = []
    if config.sums and not config.moments:
        found.append("model.sums goes with model.moments: set model.moments to true")
    if slopes and not critic.has_slope:
        found.append(
            f"penalty '{slopes[0]}' limits the slope event by event, but critic '{critic.kind}' judges an event by its "
            "batch (batch normalisation or minibatch discrimination): use norm: layer, or no penalty"
        )
    if objective.lipschitz and not bounded and not without and not getattr(critic, "spectral", False):
        found.append(
            f"objective '{objective.kind}' is unbounded for a critic of any slope: add the penalty 'gradient', "
            "'adversarial-lipschitz' or 'clipping', or set critic.spectral: true"
        )
    if objective.balanced != critic.scores_itself:
        found.append(
            f"objective '{objective.kind}' and critic '{critic.kind}': 'boundary-equilibrium' and 'autoencoder', whose "
            "score is an error, belong together"
        )
    if critic.conditioning == "projection" and objective.outputs > 1:
        found.append(
            f"objective '{objective.kind}' has {objective.outputs} outputs, and conditioning 'projection' is for one: "
            "set critic.conditioning to concat"
        )
    if without and objective.needs_critic:
        found.append(f"objective '{objective.kind}' needs a critic: set critic to 'mlp', or the objective to 'mmd'")
    if without and (config.penalties or any(a.needs_critic for a in config.auxiliaries)):
        found.append("without a critic there is nothing to penalise, and no features for auxiliaries: leave them away")
    asked = [a.kind for a in config.auxiliaries if a.kind in {"classifier", "regressor"}]
    if asked and critic.conditioning == "concat" and critic.kind not in {"calogan", "none"}:
        found.append(
            f"auxiliary '{asked[0]}' asks the critic for conditions that it is told: set critic.conditioning to none"
        )
    if schedule.separate and not objective.pointwise:
        found.append(
            f"objective '{objective.kind}' compares real with generated events: schedule.separate must be false"
        )
    together = [p.kind for p in config.penalties if len(p.needs) > 1]
    if schedule.separate and together:
        found.append(
            f"penalty '{together[0]}' looks at real and generated events at once: set schedule.separate to false, or "
            "use 'r1', 'r2' or 'dragan'"
        )
    single = [a.kind for a in config.auxiliaries if a.kind in {"classifier", "regressor", "feature-matching"}]
    if schedule.pack > 1 and single:
        found.append(f"auxiliary '{single[0]}' asks about single events, schedule.pack shows several: set pack to 1")
    if critic.paired and schedule.pack != 2:
        found.append(
            f"critic '{critic.kind}' judges pairs: set schedule.pack and training.group to 2 (schedule.pack is "
            f"{schedule.pack})"
        )
    if schedule.unroll and without:
        found.append("without a critic there is nothing to unroll: set schedule.unroll to 0")
    if schedule.unroll and objective.fakes > 1:
        found.append(f"objective '{objective.kind}' cannot be unrolled: use 'non-saturating', or 'energy'")
    return found

"""Phases of a training, one after the other, each with settings per player; weights are carried over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

if TYPE_CHECKING:
    from facsim.training.settings import TrainingSettings

__all__ = ["Phase", "PlayerSettings", "Stage", "stages"]


class PlayerSettings(BaseModel):
    """How one player learns in one phase."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(2e-4, gt=0)
    """Throughout the phase."""
    optimiser: Literal["adam", "sgd", "rmsprop", "adagrad", "adadelta"] = "adam"
    momentum: float = Field(0.0, ge=0, lt=1)
    """Of SGD and RMSprop."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""
    rho: float = Field(0.9, ge=0, lt=1)
    """Decay rate of RMSprop and Adadelta."""
    eps: float = Field(1e-8, gt=0)
    regularisation: Literal["none", "l1", "l2"] = "none"
    """What is added to the loss: ``weight_decay`` times the sum of all weights' amounts (l1) or squares (l2)."""
    weight_decay: float = Field(0.0, ge=0)
    dropout: tuple[float, ...] = ()
    """Probability to drop an input of each layer."""

    def optimiser_of(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """A fresh optimiser."""
        rate = self.learning_rate
        match self.optimiser:
            case "sgd":
                return torch.optim.SGD(parameters, lr=rate, momentum=self.momentum)
            case "rmsprop":
                return torch.optim.RMSprop(parameters, lr=rate, alpha=self.rho, eps=self.eps, momentum=self.momentum)
            case "adagrad":
                return torch.optim.Adagrad(parameters, lr=rate, eps=self.eps)
            case "adadelta":
                return torch.optim.Adadelta(parameters, lr=rate, rho=self.rho, eps=self.eps)
            case "adam":
                return torch.optim.Adam(parameters, lr=rate, betas=self.betas, eps=self.eps, fused=True)

    def regularise(self, parameters: Iterable[Tensor], gradients: Iterable[Tensor]) -> None:
        """Add the gradient of the regularisation, in place; biases have none, as in TMVA."""
        if self.regularisation == "none" or not self.weight_decay:
            return
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if parameter.ndim > 1:
                    slope = parameter.sign() if self.regularisation == "l1" else 2 * parameter
                    gradient.add_(slope, alpha=self.weight_decay)


class Phase(BaseModel):
    """One phase of a training.

    Every player has an optimiser of its own, which is fresh at the beginning of a phase; the weights are those of the
    best validation so far.

    Examples
    --------
    >>> phase = Phase(epochs=10, players={"generator": {"learning_rate": 1e-3}})
    >>> phase.player("generator").learning_rate, phase.player("critic").learning_rate
    (0.001, 0.0002)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int | None = Field(None, ge=1)
    """Longest duration; an epoch is as many steps as batches fit into the training events."""
    steps: int | None = Field(None, ge=1)
    """The same in steps."""
    batch: int | None = Field(None, ge=1)
    """Events per step and process; by default ``training.batch``."""
    generated: int | None = Field(None, ge=1)
    """Events that a generator makes in its own turn; by default as many."""
    patience: int = Field(0, ge=0)
    """Epochs without a better validation after which the phase ends; 0 for never."""
    test_every: int = Field(0, ge=0)
    """Epochs between rows of ``history.csv`` (see `facsim.training.history`); 0 for none."""
    players: dict[str, PlayerSettings] = Field(default_factory=dict)
    """By the player's name."""

    @model_validator(mode="after")
    def _one_duration(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            msg = "a phase needs its duration either in epochs or in steps"
            raise ValueError(msg)
        return self

    def player(self, name: str) -> PlayerSettings:
        """Settings of a player; the defaults where none are given."""
        return self.players.get(name) or PlayerSettings.model_validate({})


@dataclass(frozen=True)
class Stage:
    """A phase in steps, for a number of training events; a training without phases is one stage.

    Attributes
    ----------
    steps : int
        It lasts at most.
    batch : int
        Events per step and process.
    epoch : int
        Steps of an epoch.
    phase : Phase or None
        None for a training without phases.
    """

    steps: int
    batch: int
    epoch: int
    phase: Phase | None = None

    @property
    def patience(self) -> float:
        """Steps without a better validation after which it ends."""
        return self.phase.patience * self.epoch if self.phase and self.phase.patience else math.inf

    @property
    def test_every(self) -> int:
        """Steps between tests; 0 for none."""
        return self.phase.test_every * self.epoch if self.phase else 0

    def rates(self, players: Iterable[str], scheduled: float, factors: dict[str, float]) -> dict[str, float]:
        """Learning rate of every player: that of the phase, else the scheduled one times the player's factor."""
        if self.phase is None:
            return {name: scheduled * factors.get(name, 1.0) for name in players}
        return {name: self.phase.player(name).learning_rate for name in players}

    def regularise(self, player: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Add what the phase's regularisation gives, in place."""
        if self.phase is not None:
            self.phase.player(player).regularise(parameters, gradients)


def stages(settings: TrainingSettings, events: int, world: int = 1) -> tuple[Stage, ...]:
    """The phases of a training with `events` training events in `world` processes.

    Examples
    --------
    >>> from facsim.training import TrainingSettings
    >>> settings = TrainingSettings(phases=[{"epochs": 2}, {"steps": 7, "batch": 10}], batch=30)
    >>> [(stage.steps, stage.epoch) for stage in stages(settings, 100)]
    [(6, 3), (7, 10)]
    """
    found = []
    for phase in settings.phases:
        batch = phase.batch or settings.batch
        epoch = max(1, events // (batch * world))
        found.append(Stage(phase.steps or epoch * (phase.epochs or 0), batch, epoch, phase))
    whole = Stage(settings.steps, settings.batch, max(1, events // (settings.batch * world)))
    return tuple(found) or (whole,)

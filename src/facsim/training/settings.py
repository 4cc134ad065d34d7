"""What can be set about a training."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from facsim.training.phases import Phase

__all__ = ["TrainingSettings"]

UNLIMITED = 2**31 - 1


class TrainingSettings(BaseModel):
    """Settings of the training loop, with the defaults of flow matching on showers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(30_000, ge=1)
    """Optimiser steps; with `phases` the most that all have together, and without a limit by default."""
    batch: int = Field(256, ge=1)
    """Events per step and process."""
    group: int = Field(1, ge=1)
    """Events that follow each other in the data and stay together, under the same conditions: 2 for pairs."""
    learning_rate: float = Field(1e-3, gt=0)
    """Highest learning rate, reached after the warm-up."""
    final_rate: float = Field(0.01, ge=0, le=1)
    """Share of it that is left at the end of the cosine."""
    rates: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Factor on the learning rate by player: ``{critic: 4}`` gives the two time scales of arXiv:1706.08500."""
    warmup: int = Field(500, ge=0)
    """Steps of linear warm-up."""
    optimiser: Literal["adamw", "rmsprop", "sgd"] = "adamw"
    """AdamW, or what some publications used instead of it."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's decay rates; RMSprop takes the second, SGD takes the first as momentum."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101)."""
    clip: float | None = Field(1.0, gt=0)
    """Largest norm of a player's gradient; null leaves gradients as they are."""
    ema: float = Field(0.9995, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is validated and kept."""
    phases: tuple[Phase, ...] = ()
    """One after the other, instead of `learning_rate`, `final_rate`, `rates`, `warmup`, `optimiser`, `betas` and
    `weight_decay`; weights are carried over."""
    negative_weights: Literal["error", "regress"] = "error"
    """Where an objective cannot take negative weights: stop, or train with their regression on the event."""
    mirror: Literal["auto", "on", "off"] = "auto"
    """Show the networks mirror images of showers too: ``auto`` does where geometry and data are symmetric."""
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    """Share of the events that is held out."""
    validation_events: int = Field(1000, ge=1)
    """Held-out events that a validation uses at most."""
    validate_every: int = Field(2000, ge=1)
    """Steps between validations."""
    stop_on_collapse: int = Field(0, ge=0)
    """Validations for which a symptom of collapse may last before the training is stopped; 0 only warns."""
    checkpoint_every: int = Field(1000, ge=1)
    """Steps between resumable states."""
    fit_events: int = Field(20_000, ge=1)
    """Events (with mirror images) that the transform is fitted to at most."""
    memory: int = Field(512, ge=0)
    """Megabytes of encoded events to hold in memory; more are kept in the run folder and read from there."""
    samples: int = Field(0, ge=0)
    """Events to draw at the end, and to leave in the run folder as ``samples.root``, images also as ``samples.png``."""
    seed: int = Field(0, ge=0)
    """Of initial weights, order and noise."""
    threads: int = Field(1, ge=1)
    """Threads of matrix products."""
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""

    @model_validator(mode="before")
    @classmethod
    def _phases_end_themselves(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("phases"):
            return {"steps": UNLIMITED} | values
        return values

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        for batch in (self.batch, *(p.batch for p in self.phases if p.batch)):
            if batch % self.group:
                msg = f"batch = {batch} is not a multiple of group = {self.group}: a batch holds whole groups"
                raise ValueError(msg)
        return self

"""What can be set about a posterior."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PosteriorSettings"]


class PosteriorSettings(BaseModel):
    """Settings of `fit_posterior` and `tune_posterior`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "flow", "likelihood", "mean"] = "auto"
    """``flow`` learns the posterior of one or some events; ``likelihood`` the density of one event; ``mean`` the mean
    of a summary of many events. ``auto`` is ``flow`` where the budget allows 1,000 points with as many events as
    the data, else ``mean``."""
    rounds: int | None = Field(default=None, ge=1)
    """Rounds of simulation; later ones simulate where the posterior of the data is not negligible. By default two for
    the engine ``mean`` where the calls allow it, since a response is simpler in a smaller region; else one."""
    truncation: float = Field(default=1e-3, gt=0, lt=0.1)
    """Posterior probability that later rounds leave aside."""
    members: int = Field(default=1, ge=1)
    """Networks with different seeds; the posterior is their mixture."""
    samples: int = Field(default=10_000, ge=100)
    """Posterior samples of a tuning."""

    hidden: int = Field(default=128, ge=4)
    """Width of the networks."""
    blocks: int = Field(default=3, ge=1)
    """Residual blocks of the velocity."""
    summary: int = Field(default=64, ge=1)
    """Numbers that events are summarised by."""
    summary_blocks: int = Field(default=2, ge=1)
    """Residual blocks of the summary."""
    channels: int = Field(default=8, ge=1)
    """Planes of the first layer of the summary of images."""
    components: int = Field(default=4, ge=1)
    """Gaussians of the engine ``likelihood``."""
    points: str | None = None
    """A block (m, d) of which the user knows that its m rows are independent draws of one law: the engine
    ``likelihood`` then learns the density of one row."""

    steps: int = Field(default=6000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=512, ge=1)
    """Points per step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate; a warm-up leads to it, a cosine from it to zero."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Decoupled weight decay."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is validated and kept."""
    validation: float = Field(default=0.1, gt=0, lt=0.9)
    """Share of the points that is held out (2,000 at most)."""
    validate_every: int = Field(default=250, ge=1)
    """Steps between two validations."""
    patience: int = Field(default=8, ge=1)
    """Validations without a better loss after which the training ends."""
    solver_steps: int = Field(default=16, ge=1)
    """Midpoint steps from noise to parameters; two evaluations of the network each."""

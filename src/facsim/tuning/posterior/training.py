"""The training of the networks behind posteriors, whole."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from facsim.errors import TrainingError
from facsim.models import Draw
from facsim.tuning.posterior.settings import PosteriorSettings

__all__ = ["Progress", "train"]

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
WARMUP = 0.05  # share of the steps
BETAS = (0.9, 0.99)
CLIP = 10.0  # of the gradient's norm; the density of narrow laws has large gradients where it matters


def train(
    net: nn.Module,
    losses: Callable[[np.random.Generator, Draw], Mapping[str, Tensor]],
    validate: Callable[[], Mapping[str, Tensor]],
    settings: PosteriorSettings,
    seed: int,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Minimise the sum of losses; leave the averaged weights with the least validation loss in the network.

    Parameters
    ----------
    net : Module
    losses : callable
        Of one step, from generators that depend on the seed and the step alone.
    validate : callable
        The same on what was held out, always with the same noise.
    settings : PosteriorSettings
    seed : int
    progress : callable, optional
        Called with (steps done, steps at most).

    Returns
    -------
    list of dict
        Step and validation losses.

    Raises
    ------
    TrainingError
        If a loss is not finite.
    """
    parameters = dict(net.named_parameters())
    weights: list[Tensor] = list(parameters.values())
    average = {k: v.detach().clone() for k, v in parameters.items()}
    best = {k: v.clone() for k, v in average.items()}
    optimiser = torch.optim.AdamW(
        weights, lr=settings.learning_rate, betas=BETAS, weight_decay=settings.weight_decay, fused=True
    )
    least, waited, history = math.inf, 0, []
    for step in range(settings.steps):
        parts = losses(np.random.default_rng([seed, step]), Draw(seed, step))
        optimiser.param_groups[0]["lr"] = _rate(step, settings)
        optimiser.zero_grad()
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(weights, CLIP))
        if not math.isfinite(norm):
            shown = ", ".join(f"{k} {v.item():g}" for k, v in parts.items())
            msg = f"step {step}: gradient is not finite ({shown}): lower learning_rate, or look for extreme values"
            raise TrainingError(msg)
        optimiser.step()
        decay = min(settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), weights, 1 - decay)
        last = step + 1 == settings.steps
        if last or (step + 1) % settings.validate_every == 0:
            own = {k: v.detach().clone() for k, v in parameters.items()}
            _load(parameters, average)
            with torch.no_grad():
                figures = {k: float(v) for k, v in validate().items()}
            _load(parameters, own)
            history.append({"step": step + 1, **figures})
            log.debug("step %d: %s", step + 1, figures)
            waited += 1
            if (loss := sum(figures.values())) < least:
                least, waited = loss, 0
                best = {k: v.clone() for k, v in average.items()}
            last = last or waited >= settings.patience
        if progress is not None:
            progress(settings.steps if last else step + 1, settings.steps)
        if last:
            break
    _load(parameters, best)
    net.eval()
    return history


def _rate(step: int, settings: PosteriorSettings) -> float:
    """Linear warm-up, times a cosine down to zero."""
    warm = min(1.0, (step + 1) / (WARMUP * settings.steps))
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


@torch.no_grad()
def _load(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    for key, parameter in parameters.items():
        parameter.copy_(values[key])

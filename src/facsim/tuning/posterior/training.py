"""The training of a posterior's network, whole."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.errors import TrainingError
from facsim.models import Draw
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.network import PosteriorNet
from facsim.tuning.posterior.settings import PosteriorSettings

__all__ = ["Pairs", "train"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
WARMUP = 200
MOST_VALIDATED = 2000
BETAS = (0.9, 0.99)
CLIP = 1.0


@dataclass(frozen=True)
class Pairs:
    """Parameter points with events of each.

    Parameters
    ----------
    theta : array (N, p)
    x : array (N, n, d), float32
    weights : array (N, n), float32
        Of the events; 0 where a call failed.
    """

    theta: Array
    x: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.theta)

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Pairs:
        return Pairs(self.theta[rows], self.x[rows], self.weights[rows])

    @property
    def events(self) -> int:
        """Events of each point, at most."""
        return int(self.x.shape[1])


def train(
    net: PosteriorNet,
    region: Region,
    pairs: Pairs,
    settings: PosteriorSettings,
    seed: int,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Train in place and leave the averaged weights with the least validation loss in the network.

    The numbers depend on the seed and the step alone. Sets of all sizes up to the largest are shown.

    Returns
    -------
    list of dict
        Step and validation losses: ``gaussian`` (per parameter) and ``flow``.

    Raises
    ------
    TrainingError
        If a loss is not finite.
    """
    order = np.random.default_rng([seed, 0x5B117]).permutation(len(pairs))
    held = max(1, min(round(settings.validation * len(pairs)), MOST_VALIDATED))
    valid, train_rows = pairs[order[:held]], order[held:]
    net.summary.event.fit(torch.from_numpy(pairs.x[train_rows[:20_000]].reshape(-1, pairs.x.shape[2])))
    parameters = dict(net.named_parameters())
    average = {k: v.detach().clone() for k, v in parameters.items()}
    best = {k: v.clone() for k, v in average.items()}
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=settings.learning_rate, betas=BETAS, weight_decay=settings.weight_decay, fused=True
    )
    least, waited, history = math.inf, 0, []
    for step in range(settings.steps):
        draw, rng = Draw(seed, step), np.random.default_rng([seed, step])
        batch = pairs[train_rows[rng.integers(len(train_rows), size=min(settings.batch, len(train_rows)))]]
        gaussian, flow = net.losses(*_tensors(batch, region, rng, _size(pairs.events, rng)), *_noise(draw, batch))
        optimiser.param_groups[0]["lr"] = _rate(step, settings)
        optimiser.zero_grad()
        (gaussian + flow).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        if not math.isfinite(norm.item()):
            msg = f"step {step}: loss {gaussian.item():g} + {flow.item():g} is not finite; lower learning_rate"
            raise TrainingError(msg)
        optimiser.step()
        decay = min(settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), list(parameters.values()), 1 - decay)
        if (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps:
            figures = _validate(net, average, valid, region, seed)
            history.append({"step": step + 1, **figures})
            log.debug("step %d: gaussian %.4f, flow %.4f", step + 1, figures["gaussian"], figures["flow"])
            waited += 1
            if (loss := figures["gaussian"] + figures["flow"]) < least:
                least, waited = loss, 0
                best = {k: v.clone() for k, v in average.items()}
            if waited >= settings.patience:
                break
        if progress is not None:
            progress(step + 1, settings.steps)
    _load(net, best)
    return history


@torch.no_grad()
def _validate(
    net: PosteriorNet, average: dict[str, Tensor], valid: Pairs, region: Region, seed: int
) -> dict[str, float]:
    """Losses of the averaged weights, always with the same noise; for single events and for full sets."""
    own = {k: v.detach().clone() for k, v in net.named_parameters()}
    _load(net, average)
    figures = []
    for size in {1, valid.events}:
        rng, draw = np.random.default_rng([seed, size, 0x7E57]), Draw(seed + 1, 0)
        figures.append(net.losses(*_tensors(valid, region, rng, size), *_noise(draw, valid)))
    _load(net, own)
    gaussian, flow = torch.tensor(figures, dtype=torch.float64).mean(0).tolist()
    return {"gaussian": gaussian, "flow": flow}


def _tensors(batch: Pairs, region: Region, rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates, events (b, size, d) and weights; every row has an event that is there."""
    # present events first, otherwise at random: a prefix is then a random subset
    order = np.argsort((batch.weights == 0) + rng.random(batch.weights.shape), axis=1)[:, :size]
    x, weights = (np.take_along_axis(a, o, 1) for a, o in ((batch.x, order[:, :, None]), (batch.weights, order)))
    z = region.encode(batch.theta, rng).astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(x), torch.from_numpy(weights)


def _noise(draw: Draw, batch: Pairs) -> tuple[Tensor, Tensor]:
    return draw.normal(*batch.theta.shape), draw.times(len(batch))


def _size(most: int, rng: np.random.Generator) -> int:
    """Size of the sets of one step, uniform in its logarithm."""
    return min(int((most + 1) ** rng.random()), most)


def _rate(step: int, settings: PosteriorSettings) -> float:
    warm = min(1.0, (step + 1) / WARMUP)
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


@torch.no_grad()
def _load(net: PosteriorNet, values: dict[str, Tensor]) -> None:
    for key, parameter in net.named_parameters():
        parameter.copy_(values[key])

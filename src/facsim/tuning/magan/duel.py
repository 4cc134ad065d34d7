"""Generator of parameters against a judge of events, through an emulator that no longer learns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from facsim.events import Events
from facsim.models import Surrogate
from facsim.simulators.parametric import Space
from facsim.tuning.magan.networks import Judge, ParameterGenerator
from facsim.tuning.population.generator import Frontier

__all__ = ["Duel", "Round", "draw_points"]

BETAS = (0.5, 0.999)


@dataclass(frozen=True)
class Round:
    """Where a duel stands.

    Parameters
    ----------
    step : int
    generator : ParameterGenerator
        The moving average of its weights, a copy.
    accuracy : float
        Share of right answers of the judge since the last round: one half says that it sees no difference.
    """

    step: int
    generator: ParameterGenerator
    accuracy: float


class Duel:
    """The second stage's game, as often as there are seeds.

    Parameters
    ----------
    space : Space
    emulator : Surrogate
        Stays as it is: batch normalisation has its final statistics, weights get no gradient.
    data : Events
        Features, and as conditions what is given; weights must not be negative.
    frontier : Frontier, optional
        Of the valid region, if it is not the whole box: invalid points cost the generator what they lack.
    batch, rate, r1, smoothing, average, channels : optional
        Settings of the game, see `facsim.tuning.magan.MaganSettings`.
    """

    def __init__(
        self,
        space: Space,
        emulator: Surrogate,
        data: Events,
        frontier: Frontier | None,
        *,
        batch: int = 128,
        rate: float = 2e-4,
        r1: float = 1.0,
        smoothing: float = 0.1,
        average: float = 0.999,
        channels: int = 64,
    ) -> None:
        self.space, self.data, self.frontier = space, data, frontier
        self.emulator = emulator.eval().requires_grad_(requires_grad=False)
        self.batch, self.rate, self.r1, self.smoothing, self.average = batch, rate, r1, smoothing, average
        self.channels = channels
        self.low = torch.from_numpy(space.low - 0.5 * space.whole).float()
        self.span = torch.from_numpy(space.high - space.low + space.whole).float()
        weights = np.ones(len(data)) if data.weights is None else data.weights
        self.chance = weights / weights.sum()
        self.features, self.given = torch.from_numpy(data.features), torch.from_numpy(data.conditions)

    def play(self, steps: int, every: int, seed: int, tick: Callable[[], None] = lambda: None) -> Iterator[Round]:
        """Train both players anew, and yield where they stand after every `every` steps and at the end."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator = ParameterGenerator(len(self.space))
            judge = Judge(self.data, self.channels)
            averaged = copy.deepcopy(generator).requires_grad_(requires_grad=False)
            players = {p: torch.optim.Adam(p.parameters(), lr=self.rate, betas=BETAS) for p in (generator, judge)}
            place = np.random.default_rng([seed, 0xD0E1])
            right: list[float] = []
            for step in range(1, steps + 1):
                torch.manual_seed(int(place.integers(2**31)))  # what yields may draw numbers of its own
                rows = torch.from_numpy(place.choice(len(self.data), self.batch, p=self.chance))
                right.append(self._judge_turn(judge, players[judge], generator, rows))
                self._generator_turn(generator, players[generator], judge, rows)
                _follow(averaged, generator, min(self.average, (1 + step) / (10 + step)))
                tick()
                if step % every == 0 or step == steps:
                    yield Round(step, copy.deepcopy(averaged).eval(), float(np.mean(right)))
                    right = []

    def _judge_turn(
        self, judge: Judge, optimiser: torch.optim.Optimizer, generator: ParameterGenerator, rows: Tensor
    ) -> float:
        real, given = self.features[rows].requires_grad_(bool(self.r1)), self.given[rows]
        with torch.no_grad():
            fake = self._events(generator(torch.randn(self.batch, generator.latent)), given)
        yes, no = judge(real, given), judge(fake, given)
        loss = ((1 - self.smoothing) * softplus(-yes) + self.smoothing * softplus(yes) + softplus(no)).mean()
        if self.r1:
            (slope,) = torch.autograd.grad(yes.sum(), real, create_graph=True)
            # In the units in which the judge sees events: the penalty does not depend on those of the features.
            slope = slope * judge.spread[: slope.shape[1]]
            loss = loss + self.r1 / 2 * slope.square().sum(1).mean()
        _step(judge, optimiser, loss)
        return float(((yes > 0).float().mean() + (no < 0).float().mean()) / 2)

    def _generator_turn(
        self, generator: ParameterGenerator, optimiser: torch.optim.Optimizer, judge: Judge, rows: Tensor
    ) -> None:
        given = self.given[rows]
        unit = generator(torch.randn(self.batch, generator.latent))
        loss = softplus(-judge(self._events(unit, given), given)).mean()
        if self.frontier is not None:
            valid = torch.from_numpy(self.space.contains(self.space.from_unit(unit.detach().double().numpy())))
            loss = loss + softplus(-self.frontier(unit))[~valid].sum() / self.batch
        _step(generator, optimiser, loss)

    def _events(self, unit: Tensor, given: Tensor) -> Tensor:
        """Emulated features (n, d); whole parameters are relaxed to real numbers."""
        noise = torch.randn(len(unit), self.emulator.latent)
        features: Tensor = self.emulator(torch.cat([self.low + unit * self.span, given], 1), noise)
        return features


def draw_points(
    generator: ParameterGenerator, space: Space, n: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points (n, p) in the simulator's units, whole parameters rounded, and which are valid (n,)."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        unit = generator.eval()(torch.randn(n, generator.latent, generator=noise))
    points = space.from_unit(unit.double().numpy())
    return points, space.contains(points)


def _step(player: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    parameters = list(player.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()


@torch.no_grad()
def _follow(averaged: nn.Module, player: nn.Module, decay: float) -> None:
    """Move averaged weights towards a player's; running statistics are taken over."""
    for mean, now in zip(averaged.parameters(), player.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)
    for held, running in zip(averaged.buffers(), player.buffers(), strict=True):
        held.copy_(running)

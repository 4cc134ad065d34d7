"""The game of distance against entropy: a population is spread out as far as the data allow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from facsim.simulators.parametric import Space
from facsim.tuning.population.entropy import entropy
from facsim.tuning.population.generator import Frontier, PointGenerator, whole_steps
from facsim.tuning.population.slices import Slices

__all__ = ["Game", "Spread"]

START = 0.0  # logit of the entropy's weight at the first step
PACE = 24.0  # largest change of that logit over all steps
SHARP = 10.0  # relative excess of the distance, times this, at which the largest change is made
LOWEST, HIGHEST = -3.5, 4.0  # of it: what data say nothing of needs some entropy always
FAR = 2.0  # excess from which on the entropy may be next to nothing, in the second half
MEMORY = 0.95  # of the running distance that the weight listens to
FASTER = 5.0  # learning rate of shifts and matrices, in units of the network's
FEWEST = 16  # valid points, below which a step only leads back to the valid region


@dataclass(frozen=True)
class Spread:
    """A trained population.

    Parameters
    ----------
    generator : PointGenerator
    reached : float
        Distance through the emulator, over what it should be.
    weight : float
        Final weight of the entropy.
    invalid : float
        Share of points that the simulator's rule of validity refuses.
    """

    generator: PointGenerator
    reached: float
    weight: float
    invalid: float


@dataclass(frozen=True)
class Game:
    """What all members of an ensemble play with.

    Parameters
    ----------
    space : Space
    emulate : callable
        From points (n, p) of the unit cube, what is given (n, k) and a generator of noise to columns (n, width).
    slices : Slices
        The data's.
    target : float
        Distance to reach.
    given : Tensor (m, k)
        Of the data, each as often as its weight says.
    frontier : Frontier, optional
        Of the valid region, if it is not the whole box.
    """

    space: Space
    emulate: Callable[[Tensor, Tensor, torch.Generator], Tensor]
    slices: Slices
    target: float
    given: Tensor
    frontier: Frontier | None

    def play(
        self,
        *,
        steps: int,
        batch: int,
        rate: float,
        seed: int,
        weight: float | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> Spread:
        """Train one population.

        Parameters
        ----------
        steps, batch, rate, seed
        weight : float, optional
            Final weight of the entropy, reached after half of the steps; by default it is adapted to the target.
        tick : callable, optional
            Told every step.
        """
        generator = PointGenerator(len(self.space), seed=seed)
        parameters = list(generator.parameters())
        far = [generator.shift, generator.direct]  # have a way of order one to go
        near = [p for p in parameters if all(p is not q for q in far)]
        groups: list[dict[str, Any]] = [{"params": near}, {"params": far, "lr": FASTER * rate}]
        optimiser = torch.optim.Adam(groups, lr=rate, betas=(0.9, 0.99))
        # The rate falls only after the entropy's weight has had time to settle.
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: min(1.0, 2.5 * (1 - k / steps)) ** 2)
        noise = torch.Generator().manual_seed(seed)
        lean, running = START, math.nan
        count = len(self.slices.directions)
        some = min(count, max(FEWEST, count // 8))
        for step in range(steps):
            unit = generator(torch.randn(batch, generator.latent, generator=noise))
            valid = self._valid(unit)
            loss = unit.sum() * 0
            if self.frontier is not None and not bool(valid.all()):
                loss = loss + nn.functional.softplus(-self.frontier(unit))[~valid].sum() / batch
            if int(valid.sum()) >= FEWEST:
                inside = unit[valid]
                given = self.given[torch.randint(len(self.given), (len(inside),), generator=noise)]
                seen = self.emulate(whole_steps(inside, self.space), given, noise)
                chosen = torch.randperm(count, generator=noise)[:some]
                distance = self.slices(seen, chosen)
                # Fewer points scatter more; the target was made for all.
                excess = distance.item() / (self.target * math.sqrt(batch / len(inside)))
                running = excess if math.isnan(running) else MEMORY * running + (1 - MEMORY) * excess
                if weight is None:
                    lean += PACE / steps * min(max(SHARP * (1 - running), -1.0), 1.0)
                    lean = min(max(lean, LOWEST if running < FAR or 2 * step < steps else 2 * LOWEST), HIGHEST)
                    share = 1 / (1 + math.exp(-lean))
                else:
                    share = 1 - (1 - weight) * min(1.0, (step + 1) / (steps / 2))
                loss = loss + (1 - share) * distance.clamp(min=1e-9).log() - share * entropy(inside)
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
            schedule.step()
            tick()
        with torch.no_grad():
            unit = generator(torch.randn(4096, generator.latent, generator=noise))
        return Spread(generator, running, share, 1 - float(self._valid(unit).float().mean()))

    def _valid(self, unit: Tensor) -> Tensor:
        if self.frontier is None:
            return torch.ones(len(unit), dtype=torch.bool)
        return torch.from_numpy(self.space.contains(self.space.from_unit(unit.detach().double().numpy())))

"""Learning a posterior from simulated events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from facsim.models import Draw
from facsim.schema import Block
from facsim.simulators.parametric import Space
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.network import PosteriorNet
from facsim.tuning.posterior.pairs import Pairs, rows_of
from facsim.tuning.posterior.posterior import Posterior
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.training import Progress, train

__all__ = ["fit_posterior"]

MOST_VALIDATED = 2000
APART = 7919  # between the seeds of two members
SHORT = 0.5  # steps of the Gaussian for one of the flow
LATE = 2  # power that brings times closer to 1, where a flow forms its details

Loss = Callable[[Pairs, np.random.Generator, Draw], dict[str, Tensor]]


def fit_posterior(
    space: Space | Region,
    theta: ArrayLike,
    x: ArrayLike,
    *,
    blocks: Sequence[Block] | None = None,
    weights: ArrayLike | None = None,
    settings: PosteriorSettings | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Learn the posterior of parameters from simulated events.

    Parameters
    ----------
    space : Space or Region
        The parameters; the points must be uniform in it.
    theta : array (N, p)
        Parameter points.
    x : array (N, d) or (N, n, d)
        One event of each point, or n; with n the network learns from sets of 1 to n events.
    blocks : sequence of Block, optional
        What the columns of an event are; blocks of 8 x 8 numbers or more are looked at as images.
    weights : array (N, n), optional
        0 where a call failed.
    settings : PosteriorSettings, optional
    seed : int, optional
    progress : callable, optional
        Called with (steps done, steps at most).

    Raises
    ------
    DataError
        If shapes do not fit, values are not finite, or there are too few points.
    RangeError
        If a point is not in the space.
    TrainingError
        If a loss is not finite.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> space = Space((Parameter("mean", -1, 1),))
    >>> theta = space.draw(500, seed=0)
    >>> x = theta + 0.1 * np.random.default_rng(0).normal(size=theta.shape)
    >>> posterior = fit_posterior(space, theta, x, settings=PosteriorSettings(steps=20, hidden=16))
    >>> posterior.sample([[0.3]], n=5).shape
    (5, 1)
    """
    settings = settings or PosteriorSettings()
    region = space if isinstance(space, Region) else Region(space)
    pairs = Pairs.check(region.space, theta, x, weights)
    blocks = tuple(blocks or (Block("x", (pairs.x.shape[2],)),))
    rows_of(pairs.x[pairs.weights != 0], blocks)
    nets, history = [], []
    for member in range(settings.members):
        own = seed + APART * member
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(own)
            net = PosteriorNet(blocks, len(region.space), settings)
        history.append(_fit(net, region, pairs, settings, own, _share(progress, member, settings.members)))
        nets.append(net)
    return Posterior(region, blocks, nets, settings, pairs.events, history)


def _fit(
    net: PosteriorNet, region: Region, pairs: Pairs, settings: PosteriorSettings, seed: int, progress: Progress | None
) -> list[dict[str, float]]:
    """Train one member: the Gaussian, and then the flow. Half of the steps show full sets, the others all sizes."""
    learned, held = pairs.split(settings.validation, MOST_VALIDATED, seed)
    some = learned[: 10 * MOST_VALIDATED]
    for event in (net.first.summary.event, net.summary.event):
        event.fit(torch.from_numpy(some.x[some.weights != 0]))

    def batch(rng: np.random.Generator) -> Pairs:
        most = pairs.events
        size = most if rng.random() < 0.5 else min(int((most + 1) ** rng.random()), most)
        return learned.batch(rng, settings.batch).subsets(size, rng)

    def tensors(part: Pairs, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        z = torch.from_numpy(region.encode(part.theta, rng).astype(np.float32))
        return z, torch.from_numpy(part.x), torch.from_numpy(part.weights)

    def gaussian(part: Pairs, rng: np.random.Generator, _: Draw) -> dict[str, Tensor]:
        return {"gaussian": net.first.loss(*tensors(part, rng))}

    def flow(part: Pairs, rng: np.random.Generator, draw: Draw) -> dict[str, Tensor]:
        noise, time = draw.normal(*part.theta.shape), 1 - (1 - draw.times(len(part))) ** LATE
        return {"flow": net.loss(*tensors(part, rng), noise, time)}

    history = []
    short = settings.model_copy(update={"steps": max(1, round(SHORT * settings.steps))})
    total, before = short.steps + settings.steps, 0
    for loss, trained, chosen, stream in (
        (gaussian, net.first, short, seed),
        (flow, nn.ModuleList([net.summary, net.velocity]), settings, seed + 1),
    ):

        def losses(rng: np.random.Generator, draw: Draw, loss: Loss = loss) -> Mapping[str, Tensor]:
            return loss(batch(rng), rng, draw)

        def validate(loss: Loss = loss) -> Mapping[str, Tensor]:
            return loss(held, np.random.default_rng([seed, 0x7E57]), Draw(seed, -1))

        def tick(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        history += train(trained, losses, validate, chosen, stream, tick)
        before += chosen.steps
        if trained is net.first:  # what the Gaussian looks at is a good start for the flow
            net.summary.load_state_dict(net.first.summary.state_dict())
    net.eval()
    return history


def _share(progress: Progress | None, member: int, members: int) -> Progress | None:
    """Progress of one member as a part of all."""
    if progress is None:
        return None
    tell = progress
    return lambda done, total: tell(member * total + done, members * total)

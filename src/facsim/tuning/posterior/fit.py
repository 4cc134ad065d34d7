"""Learning a posterior from simulated events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.schema import Block
from facsim.simulators.parametric import Space
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.network import PosteriorNet
from facsim.tuning.posterior.posterior import Posterior, rows_of
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.training import Pairs, train

__all__ = ["fit_posterior"]


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
        If shapes do not fit, values are not finite, or a point is not in the space.
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
    pairs = _pairs(region.space, theta, x, weights)
    blocks = tuple(blocks or (Block("x", (pairs.x.shape[2],)),))
    rows_of(pairs.x[pairs.weights != 0], blocks)
    nets, history = [], []
    for member in range(settings.members):
        own = seed + 7919 * member
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(own)
            net = PosteriorNet(blocks, len(region.space), settings)

        def tick(done: int, total: int, member: int = member) -> None:
            if progress is not None:
                progress(done + member * total, total * settings.members)

        history.append(train(net, region, pairs, settings, own, tick))
        nets.append(net.eval())
    return Posterior(region, blocks, nets, settings, pairs.events, history)


def _pairs(space: Space, theta: ArrayLike, x: ArrayLike, weights: ArrayLike | None) -> Pairs:
    points = space.check(theta)
    events = np.asarray(x, np.float32)
    events = events[:, None] if events.ndim == 2 else events
    if events.ndim != 3 or len(events) != len(points) or len(points) < 10:
        msg = f"theta {points.shape} and x {events.shape}: need (N, p) and (N, d) or (N, n, d), N at least 10"
        raise DataError(msg)
    w = np.ones(events.shape[:2], np.float32) if weights is None else np.asarray(weights, np.float32)
    there = (w != 0).any(axis=1)
    return Pairs(points[there], np.where(w[:, :, None] != 0, events, 0)[there], w[there])

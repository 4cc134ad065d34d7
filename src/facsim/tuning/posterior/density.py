"""The density of one event as a function of the parameters, learned; that of many events is the product."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from facsim.errors import DataError
from facsim.events import Events
from facsim.models import Draw
from facsim.nets.mixture import MixtureNet
from facsim.schema import Block
from facsim.simulators.parametric import Space
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.pairs import Pairs, rows_of
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.smc import LEAST_CLOUD, cool
from facsim.tuning.posterior.training import train

__all__ = ["MOST_COLUMNS", "Density", "fit_density"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Rows = NDArray[np.float32]
MOST_COLUMNS = 32
ROWS = 20_000
SMALL_CLOUD = 4000  # where many posteriors are wanted, each not quite so exactly
MOST_VALIDATED = 5000
APART = 0.5  # of the components' means at the start, in units of the spread: equal ones would learn the same


@dataclass
class Density:
    """Learned density of single events; made by `fit_density`.

    Parameters
    ----------
    region : Region
    blocks : tuple of Block
        What an event holds: features, then what is given of it.
    nets : list of MixtureNet
        One per seed.
    rows : int
        Independent draws of one law that an event consists of.
    given : int
        Last columns of an event, which are conditions.
    """

    region: Region
    blocks: tuple[Block, ...]
    nets: list[MixtureNet]
    rows: int = 1
    given: int = 0

    def log_likelihood(self, theta: ArrayLike, x: ArrayLike | Events, weights: ArrayLike | None = None) -> Array:
        r"""Logarithm (n,) of the likelihood :math:`\sum_i w_i \log p(x_i | \theta)` of events (k, d) at points (n, p).

        Members of an ensemble are averaged in density, event by event.
        """
        points = np.atleast_2d(np.asarray(theta, np.float64))
        events = torch.from_numpy(split_rows(rows_of(x, self.blocks), self.rows, self.given))
        if isinstance(x, Events) and weights is None:
            weights = x.weights
        w = np.ones(len(events)) if weights is None else np.repeat(np.asarray(weights, np.float64), self.rows)
        step = max(1, ROWS // len(events))
        out = np.empty(len(points))
        for first in range(0, len(points), step):
            u = _inputs(self.region, points[first : first + step])
            with torch.no_grad():
                each = [net.log_prob(u, events).double().numpy() for net in self.nets]  # (points, events)
            out[first : first + step] = (np.logaddexp.reduce(each, axis=0) - math.log(len(each))) @ w
        return out

    def sample(
        self,
        x: ArrayLike | Events,
        n: int = 1000,
        seed: int = 0,
        weights: ArrayLike | None = None,
        cloud: int = LEAST_CLOUD,
    ) -> Array:
        """Draw parameter points (n, p) given all events x (k, d) of one point; see `facsim.tuning.posterior.smc`."""
        return cool(lambda t: self.log_likelihood(t, x, weights), self.region, n, seed, cloud)

    def sample_each(self, x: ArrayLike, n: int = 1000, seed: int = 0, cloud: int = SMALL_CLOUD) -> Array:
        """Posterior samples (m, n, p) of many sets x (m, k, d), for calibration; (m, d) are single events."""
        sets = np.asarray(x, np.float32)
        sets = sets[:, None] if sets.ndim == 2 else sets
        return np.stack([self.sample(one, n, seed + i, cloud=cloud) for i, one in enumerate(sets)])


def fit_density(
    space: Space | Region,
    theta: ArrayLike,
    x: ArrayLike,
    *,
    blocks: Sequence[Block] | None = None,
    given: int = 0,
    weights: ArrayLike | None = None,
    settings: PosteriorSettings | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Density:
    """Learn the density of one event given parameters; the posterior of any number of events follows.

    Every event may have a point of its own, which makes this the engine for many events and few calls. With
    ``settings.points`` the rows of that block are independent draws of one law, and the density of one row is learned:
    knowledge of the simulator that the data alone do not tell.

    Parameters
    ----------
    space, theta, x, blocks, weights, settings, seed, progress
        As for `fit_posterior`.
    given : int, optional
        Last columns of x that are conditions.

    Raises
    ------
    DataError
        If an event has more than 32 columns: a mixture of normal distributions does not describe them.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> space = Space((Parameter("mean", -1, 1),))
    >>> theta = space.draw(500, seed=0)
    >>> x = theta + 0.1 * np.random.default_rng(0).normal(size=theta.shape)
    >>> fit_density(space, theta, x, settings=PosteriorSettings(steps=20, hidden=16)).sample([[0.3]], n=50).shape
    (50, 1)
    """
    settings = settings or PosteriorSettings()
    region = space if isinstance(space, Region) else Region(space)
    pairs = Pairs.check(region.space, theta, x, weights).single()
    blocks = tuple(blocks or (Block("x", (pairs.x.shape[2],)),))
    rows_of(pairs.x[:, 0], blocks)
    rows = _points(blocks, settings.points, given)
    width = (pairs.x.shape[2] - given) // rows
    if width > MOST_COLUMNS:
        msg = f"the engine 'likelihood' describes up to {MOST_COLUMNS} columns, an event has {width}: use engine 'flow'"
        raise DataError(msg)
    nets = []
    for member in range(settings.members):
        own = seed + 7919 * member
        learned, held = pairs.split(settings.validation, MOST_VALIDATED, own)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(own)
            sizes = (settings.components, settings.hidden, settings.blocks)
            net = MixtureNet(len(region.space) + given, width, *sizes)
            net.scatter(APART)
        y = torch.from_numpy(split_rows(learned.x[:, 0], rows, given))
        net.fit(torch.cat([_inputs(region, learned.theta).repeat_interleave(rows, 0), y[:, :given]], 1), y[:, given:])

        _train(net, region, learned, held, settings, own, (rows, given), progress)
        nets.append(net)
    return Density(region, blocks, nets, rows, given)


def _train(
    net: MixtureNet,
    region: Region,
    learned: Pairs,
    held: Pairs,
    settings: PosteriorSettings,
    seed: int,
    layout: tuple[int, int],
    progress: Callable[[int, int], None] | None,
) -> None:
    rows, given = layout

    def of(part: Pairs) -> Mapping[str, Tensor]:
        u = _inputs(region, part.theta).repeat_interleave(rows, 0)
        y = torch.from_numpy(split_rows(part.x[:, 0], rows, given))
        return {"likelihood": -net.paired(u, y).mean() / net.width}

    def losses(rng: np.random.Generator, _: Draw) -> Mapping[str, Tensor]:
        return of(learned.batch(rng, settings.batch))

    train(net, losses, lambda: of(held), settings, seed, progress)


def split_rows(x: Rows, rows: int, given: int) -> Rows:
    """Events (k, d + given) as independent rows (k * rows, given + d / rows), what is given first."""
    features, known = x[:, : x.shape[1] - given], x[:, x.shape[1] - given :]
    return np.concatenate([np.repeat(known, rows, axis=0), features.reshape(len(x) * rows, -1)], axis=1)


def _points(blocks: Sequence[Block], name: str | None, given: int) -> int:
    """Independent rows of an event."""
    if name is None:
        return 1
    found = [b for b in blocks if b.name == name and len(b.shape) == 2]
    features = sum(b.size for b in blocks) - given
    if not found or found[0].size != features:
        msg = f"points='{name}': must be the only block of features, of two axes; there are {[str(b) for b in blocks]}"
        raise DataError(msg)
    return found[0].shape[0]


def _inputs(region: Region, theta: Array) -> Tensor:
    """Places (n, p) in the box in units of the prior's spread."""
    low, span = region.edges()
    return torch.from_numpy((math.sqrt(12) * ((theta - low) / span - 0.5)).astype(np.float32))

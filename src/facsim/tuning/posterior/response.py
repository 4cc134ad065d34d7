"""Many events of one point: the mean of a learned summary, and how it responds to the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from torch import Tensor

from facsim.errors import DataError
from facsim.events import Events
from facsim.models import Draw
from facsim.schema import Block
from facsim.simulators.parametric import Space
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.pairs import Pairs, rows_of
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.smc import cool
from facsim.tuning.posterior.summary import EventNet
from facsim.tuning.posterior.surface import Summary, Surface, fit_surface
from facsim.tuning.posterior.training import train

__all__ = ["Response", "fit_response"]

Array = NDArray[np.float64]
LEARNED = 0.4  # share of the events that the summary is learned from; the response needs others
MOST_VALIDATED = 5000
TINY = 1e-6  # place: the least width
MOST_SQUARED = 5  # parameters up to which the network guesses their products, too
ROWS = 20_000
CLOUD = 2000  # points to cool down: the mean of many events leaves one mode, or a few that are near
MOST_COMPONENTS, LEAST_COMPONENT = 30, 1e-6  # of the events' own columns; share of the largest variance


@dataclass(frozen=True)
class Tests:
    r"""Posteriors of simulated sets whose parameters are known, and how a posterior is corrected for what they show.

    A polynomial of few terms does not follow every response, and its own errors are the same for all data; many events
    of data see both. Parameter j is moved by the median of :math:`u_j - \bar u_j` over the sets. As with the scale
    factor of the Particle Data Group its error then grows until it is what it should be: by a variance :math:`s_j^2`
    with which half of the sets have the truth in their central 50 % interval. Draws are spread from their mean, so that
    correlations stay. Medians, since polynomials are worst in a few corners.

    Parameters
    ----------
    truth : array (t, p)
        Places.
    draws, places : array (t, n, p)
        Points of the posterior of each set, and their places.
    """

    truth: Array
    draws: Array
    places: Array

    def correction(self, without: int | None = None) -> tuple[Array, Array]:
        """Offsets (p,) in places and standard deviations s (p,) to add; `without` one of the sets."""
        kept = np.arange(len(self.truth)) != without
        places, off = self.places[kept], (self.truth - self.places.mean(axis=1))[kept]
        alone = ~np.eye(len(off), dtype=bool)
        moved = self.truth[kept] - np.array([np.median(off[others], axis=0) for others in alone])
        wider = [_lacking(moved[:, j], places[:, :, j]) for j in range(off.shape[1])]
        return np.median(off, axis=0), np.array(wider)


def _lacking(truth: Array, draws: Array) -> float:
    """Standard deviation that draws (t, n) lack for half of the truths (t,) to lie in the central half of them.

    By the shares of draws below the truth and not by its distance in standard deviations: a posterior that fills the
    region is flat, and lacks nothing.
    """

    def excess(more: float) -> float:
        spread = _spread(draws, more)
        below = (spread < truth[:, None]).mean(axis=1) + 0.5 * (spread == truth[:, None]).mean(axis=1)
        return float(np.median(np.abs(2 * below - 1)) - 0.5)

    if excess(0.0) <= 0:
        return 0.0
    most = float(np.abs(truth[:, None] - draws).max())
    while excess(most) > 0:
        most *= 2
    return float(brentq(excess, 0.0, most, xtol=TINY))


def _spread(draws: Array, more: float | Array) -> Array:
    """Draws (..., n) with a standard deviation that is larger by `more`, in quadrature; their mean and shape stay."""
    middle, width = draws.mean(axis=-1, keepdims=True), draws.std(axis=-1, keepdims=True)
    n = draws.shape[-1]
    normal = ndtri((np.arange(n) + 0.5) / n)  # the shape of what is settled
    shape = np.where(width > TINY, (draws - middle) / np.maximum(width, TINY), normal)
    return np.asarray(middle + shape * np.hypot(width, more))


@dataclass
class Response:
    """Likelihood of the mean summary of many events (`Surface`); made by `fit_response`.

    Parameters
    ----------
    region : Region
    blocks : tuple of Block
        What an event holds: features, then what is given of it.
    surfaces : list of Surface
        One per seed, of one number for each parameter: others say little more, and that with a lack of fit.
    witnesses : tuple of Surface
        Of all that the first network guesses, and of the events' own columns: for a test of the data alone.
    near : Region, optional
        The part of the region that is left to the parameters, and that tests were made in; by default all of it.
    tests : Tests, optional
        What simulated sets tell of the lack of fit.
    """

    region: Region
    blocks: tuple[Block, ...]
    surfaces: list[Surface]
    witnesses: tuple[Surface, ...]
    near: Region | None = None
    tests: Tests | None = None

    def log_likelihood(
        self, theta: ArrayLike, x: ArrayLike | Events, weights: ArrayLike | None = None, member: int = 0
    ) -> Array:
        """Logarithm (n,) of the likelihood of all events x (k, d) at points (n, p), up to a constant."""
        return self._law(x, weights, member)(theta)

    def sample(self, x: ArrayLike | Events, n: int = 1000, seed: int = 0, weights: ArrayLike | None = None) -> Array:
        """Draw parameter points (n, p) given all events x (k, d) of one point; the members' posteriors are mixed."""
        points = self._exact(x, n, seed, weights)
        return points if self.tests is None else self._moved(points, *self.tests.correction())

    def goodness(self, x: ArrayLike | Events, weights: ArrayLike | None = None, seed: int = 0) -> float:
        """p-value of the means of summaries and of columns near the best of posterior samples (`Surface.pvalue`).

        Small where no parameters give these means. The smallest one of the witnesses, times their number; blind to what
        leaves all means as they are.
        """
        u = _place(self.region, self.sample(x, 500, seed, weights))
        pvalues = []
        for surface in self.witnesses:
            mean, share = self._mean(x, weights, surface)
            best = surface.pulls(u, mean, share)[0].argmin()
            pvalues.append(surface.pvalue(u[best], mean, share))
        return min(1.0, len(pvalues) * min(pvalues))

    def tested(self, sets: Pairs, near: Region | None = None, n: int = 200, seed: int = 0) -> Response:
        """The same with the lack of fit that simulated sets show (`Tests`), whose parameters are uniform in `near`."""
        own = replace(self, near=near or self.region)
        draws = np.stack([own._exact(x, n, seed + i, sets.weights[i]) for i, x in enumerate(sets.x)])
        u = _place(self.region, sets.theta)
        witnesses = []
        for surface in self.witnesses:
            means, shares = zip(*(surface.mean(x, w) for x, w in zip(sets.x, sets.weights, strict=True)), strict=True)
            witnesses.append(surface.tested(u, np.array(means), np.array(shares)))
        tests = Tests(_place(own._prior, sets.theta), draws, _place(own._prior, draws))
        return replace(own, witnesses=tuple(witnesses), tests=tests)

    def sample_tests(self) -> Array:
        """Posterior samples (t, n, p) of each of the sets of `tested`, with the lack of fit that the others show."""
        if self.tests is None:
            msg = "this response was not tested: call tested(sets) first"
            raise DataError(msg)
        return np.stack([self._moved(points, *self.tests.correction(i)) for i, points in enumerate(self.tests.draws)])

    def _exact(self, x: ArrayLike | Events, n: int, seed: int, weights: ArrayLike | None = None) -> Array:
        """Points (n, p) as if the polynomials had no lack of fit."""
        parts = []
        for i in range(len(self.surfaces)):
            own = n // len(self.surfaces) + (i < n % len(self.surfaces))
            parts.append(cool(self._law(x, weights, i), self._prior, own, seed + i, CLOUD))
        return np.concatenate(parts)

    def _moved(self, points: Array, offset: Array, wider: Array) -> Array:
        """Points (n, p) moved in places by an offset (p,) and spread; who would leave the region is thrown back."""
        prior, whole = self._prior, self.region.space.whole
        u = _spread(_place(prior, points).T, wider[:, None]).T + offset
        u = np.where(np.abs(u) > 1, np.clip(2 * np.sign(u) - u, -1, 1), u)  # reflected at the edge
        low, span = prior.edges()
        moved = np.where(whole, points, low + span * (u + 1) / 2)
        return np.where(prior.contains(moved)[:, None], moved, points)

    @property
    def _prior(self) -> Region:
        return self.near or self.region

    def _law(self, x: ArrayLike | Events, weights: ArrayLike | None, member: int) -> Callable[[ArrayLike], Array]:
        """The likelihood as a function of points alone: events are summarised once."""
        surface = self.surfaces[member]
        mean, share = self._mean(x, weights, surface)

        def law(theta: ArrayLike) -> Array:
            points = np.atleast_2d(np.asarray(theta, np.float64))
            chi, volume = surface.pulls(_place(self.region, points), mean, share)
            return -0.5 * (chi + volume)

        return law

    def _mean(self, x: ArrayLike | Events, weights: ArrayLike | None, surface: Surface) -> tuple[Array, float]:
        """Mean summary (q,) of the data and its variance in units of an event's."""
        if isinstance(x, Events) and weights is None:
            weights = x.weights
        rows = rows_of(x, self.blocks)
        w = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
        if not w.sum() > 0:
            msg = f"the weights of the data add up to {w.sum():g}: their sum must be positive"
            raise DataError(msg)
        return surface.mean(rows, w)


def fit_response(
    space: Space | Region,
    theta: ArrayLike,
    x: ArrayLike,
    *,
    blocks: Sequence[Block] | None = None,
    weights: ArrayLike | None = None,
    settings: PosteriorSettings | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Response:
    """Learn a summary of single events and the response of its mean to the parameters.

    Every event may have a point of its own: the calls do not depend on how many events the data hold. A network learns
    from 40 % of the events to guess parameters (and, for a test of the data, their products) from one event; with the
    others, the mean guess of the parameters is fitted by polynomials of the parameters, whose degree is chosen by
    cross-validation.

    Parameters
    ----------
    space, theta, x, blocks, weights, settings, seed, progress
        As for `fit_posterior`.

    Raises
    ------
    DataError
        If there are fewer than 100 events per parameter.

    Notes
    -----
    Synthetic likelihood (Wood, Nature 466 (2010) 1102) by a response surface, as tunes of event generators have it
    (Professor, arXiv:0907.2973), for a summary that is learned (Fearnhead and Prangle, arXiv:1004.1112) instead of
    histograms. Right where the mean of the summary is normal: from about 30 events on.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> space, rng = Space((Parameter("mean", -1, 1),)), np.random.default_rng(0)
    >>> theta = space.draw(2000, seed=0)
    >>> x = theta + rng.normal(size=theta.shape)
    >>> response = fit_response(space, theta, x, settings=PosteriorSettings(steps=50))
    >>> points = response.sample(0.3 + rng.normal(size=(1000, 1)), n=500)
    >>> bool(abs(points.mean() - 0.3) < 0.2)
    True
    """
    settings = settings or PosteriorSettings()
    region = space if isinstance(space, Region) else Region(space)
    pairs = Pairs.check(region.space, theta, x, weights).single()
    least = 100 * len(region.space)
    if len(pairs) < least:
        msg = f"{len(pairs)} events are too few for {len(region.space)} parameters: give at least {least}"
        raise DataError(msg)
    blocks = tuple(blocks or (Block("x", (pairs.x.shape[2],)),))
    rows_of(pairs.x[:, 0], blocks)
    surfaces, guesses = [], []
    for member in range(settings.members):
        own = seed + 7919 * member
        rest, learned = pairs.split(LEARNED, len(pairs), own)
        net = _summary(region, learned, blocks, settings, own, progress)
        u, outputs = _place(region, rest.theta), partial(_outputs, net)
        surfaces.append(fit_surface(partial(_first, outputs, u.shape[1]), u, rest.x[:, 0], own))
        if not member:
            guesses.append(fit_surface(outputs, u, rest.x[:, 0], own))
    own_columns = fit_surface(_columns(pairs.x[:, 0]), _place(region, pairs.theta), pairs.x[:, 0], seed)
    return Response(region, blocks, surfaces, (*guesses, own_columns))


def _summary(
    region: Region,
    pairs: Pairs,
    blocks: Sequence[Block],
    settings: PosteriorSettings,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> EventNet:
    """A network that guesses parameters, and their products, from one event."""
    learned, held = pairs.split(settings.validation, MOST_VALIDATED, seed)
    width = _targets(np.zeros((1, len(region.space)))).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EventNet(blocks, width, settings.hidden, settings.summary_blocks, settings.channels)
    net.fit(torch.from_numpy(learned.x[:, 0]))

    def of(part: Pairs) -> Mapping[str, Tensor]:
        wanted = torch.from_numpy(_targets(_place(region, part.theta)).astype(np.float32))
        return {"square": ((net(torch.from_numpy(part.x[:, 0])) - wanted) ** 2).mean()}

    def losses(rng: np.random.Generator, _: Draw) -> Mapping[str, Tensor]:
        return of(learned.batch(rng, settings.batch))

    train(net, losses, lambda: of(held), settings, seed, progress)
    return net


def _place(region: Region, theta: Array) -> Array:
    """Places (n, p) in the box from -1 to 1."""
    low, span = region.edges()
    return np.asarray(2 * (theta - low) / span - 1, np.float64)


def _targets(u: Array) -> Array:
    """Parameters and their products."""
    p = u.shape[1]
    if p > MOST_SQUARED:
        return u
    rows, columns = np.triu_indices(p)
    return np.concatenate([u, u[:, rows] * u[:, columns]], axis=1)


def _first(summary: Summary, columns: int, x: NDArray[np.float32]) -> Array:
    return summary(x)[:, :columns]


@torch.no_grad()
def _outputs(net: EventNet, x: NDArray[np.float32]) -> Array:
    return torch.cat([net(part) for part in torch.split(torch.from_numpy(x), ROWS)]).double().numpy()


def _columns(x: NDArray[np.float32]) -> Summary:
    """Standardised columns of events (n, d), or their largest principal components if they are many."""
    rows = x.astype(np.float64)
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    varies = scale > 0
    centre, scale = centre[varies], scale[varies]
    values, vectors = np.linalg.eigh(np.cov((rows[:, varies] - centre) / scale, rowvar=False).reshape(2 * centre.shape))
    kept = vectors[:, values > LEAST_COMPONENT * values[-1]][:, -MOST_COMPONENTS:]
    return partial(_projected, varies, centre, kept / scale[:, None])


def _projected(varies: NDArray[np.bool_], centre: Array, onto: Array, x: NDArray[np.float32]) -> Array:
    return np.asarray((x[:, varies] - centre) @ onto, np.float64)

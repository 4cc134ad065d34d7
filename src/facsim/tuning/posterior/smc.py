"""Sampling from a likelihood: a cloud of prior points that is cooled down to the posterior."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

from facsim.errors import TrainingError
from facsim.tuning.posterior.coordinates import Region

__all__ = ["LEAST_CLOUD", "cool"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
LEAST_CLOUD = 20_000  # points: modes die out in smaller clouds
KEPT = 0.6  # effective share of the cloud after a step of temperature
MOVED, LAST_MOVED = 5.0, 10.0  # accepted moves of a point, on average, per temperature and at the end
MOST_MOVES = 100  # tried for them
MOST_STEPS = 400
SMALLEST = 1e-5  # of a move, in units of the prior
SCALES = (1.0, 0.5, 0.2)  # of moves, in units of the best one for a normal distribution


def cool(
    log_likelihood: Callable[[Array], Array], region: Region, n: int, seed: int = 0, cloud: int = LEAST_CLOUD
) -> Array:
    r"""Draw points (n, p) from :math:`p(\theta) L(\theta)` with the prior uniform in a region.

    Parameters
    ----------
    log_likelihood : callable
        Takes points (m, p), gives (m,).
    region : Region
    n, seed : int
    cloud : int, optional
        Fewest points to cool; where there is only one mode, a tenth of the default will do.

    Raises
    ------
    TrainingError
        If the likelihood is not finite anywhere, or so sharp that 400 temperatures do not lead to it.

    Notes
    -----
    Sequential Monte Carlo with adaptive temperatures (Del Moral, Doucet and Jasra, J. R. Stat. Soc. B 68 (2006) 411):
    weights from one temperature to the next leave 60 % of the cloud effective, then it is drawn anew and moved by
    Metropolis steps along the differences of other points (ter Braak, Stat. Comput. 16 (2006) 239), which have the
    shape of a mode within it and lead from one to the other between them.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter, Space
    >>> region = Region(Space((Parameter("a", -1, 1),)))
    >>> points = cool(lambda t: -0.5 * ((t[:, 0] - 0.2) / 0.05) ** 2, region, 2000)
    >>> bool(abs(points.mean() - 0.2) < 0.01), bool(abs(points.std() - 0.05) < 0.005)
    (True, True)
    """
    wanted, n = n, max(n, cloud)
    rng = np.random.default_rng([seed, 0xC001])
    theta = region.draw(n, seed)
    z, value, heat = region.encode(theta, rng), _finite(log_likelihood(theta)), 0.0
    if not np.isfinite(value).any():
        msg = "the likelihood is not finite at any point of the prior: data far from everything simulated?"
        raise TrainingError(msg)
    for _ in range(MOST_STEPS):
        step = _step(value, 1 - heat)
        weights = np.exp(step * value - logsumexp(step * value))
        rows = _resampled(weights, rng)
        z, theta, value, heat = z[rows], theta[rows], value[rows], heat + step
        done = heat >= 1 - 1e-12
        moved = 0.0
        for turn in range(MOST_MOVES):
            first, second = rng.permutation(n), rng.permutation(n)
            # every fourth time a whole difference, which is what leads from mode to mode
            size = 1.0 if turn % 4 == 3 else 2.38 / np.sqrt(2 * z.shape[1]) * rng.choice(SCALES, n)[:, None]
            moved_z = z + size * (z[first] - z[second]) + SMALLEST * rng.standard_normal(z.shape)
            points = region.decode(moved_z)
            gain = 0.5 * (z**2 - moved_z**2).sum(axis=1)  # of the prior in these coordinates
            valid = region.contains(points)
            new = np.full(n, -np.inf)
            new[valid] = _finite(log_likelihood(points[valid]))
            taken = np.log(rng.random(n)) < gain + heat * (new - value)
            z[taken], theta[taken], value[taken] = moved_z[taken], points[taken], new[taken]
            moved += float(taken.mean())
            if moved >= (LAST_MOVED if done else MOVED):
                break
        if done:
            return theta[rng.permutation(n)[:wanted]]
    msg = f"after {MOST_STEPS} temperatures the cloud is at {heat:.2g} of 1: the likelihood is too sharp; use rounds"
    raise TrainingError(msg)


def _finite(values: Array) -> Array:
    return np.where(np.isnan(values), -np.inf, values)


def _step(value: Array, most: float) -> float:
    """Largest step of the temperature that leaves the wanted share of the cloud effective."""

    def excess(step: float) -> float:
        w = step * value
        return float(2 * logsumexp(w) - logsumexp(2 * w) - np.log(KEPT * len(value)))

    if excess(most) >= 0:
        return most
    # a step that only leaves out impossible points is always allowed
    least = 1e-12 * most
    return least if excess(least) <= 0 else float(brentq(excess, least, most, xtol=1e-14, rtol=1e-6))


def _resampled(weights: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Systematic resampling: every point about n w times."""
    n = len(weights)
    edges = np.cumsum(weights)
    return np.minimum(np.searchsorted(edges / edges[-1], (np.arange(n) + rng.random()) / n), n - 1)

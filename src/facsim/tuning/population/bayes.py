"""Bayesian optimisation: where a Gaussian process of the divergence has its minimum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facsim.simulators.parametric import Space

if TYPE_CHECKING:
    from facsim.tuning.population.variational import Rolling

__all__ = ["minimise"]

Array = NDArray[np.float64]

FIRST = 5  # points before the process is asked
CANDIDATES = 1000
DRAWN = 200  # functions of the process, each with a minimum


def minimise(
    rolling: Rolling, space: Space, seed: int, tell: Callable[[], None]
) -> tuple[Array, Array, dict[str, Any]]:
    """Search the point of the smallest divergence until the budget is spent.

    Parameters
    ----------
    rolling : Rolling
        Judges a point.
    space : Space
    seed : int
    tell : callable
        Told every point.

    Returns
    -------
    samples : array (200, p)
        Minima of functions that are drawn from the process: where the best point may be.
    estimate : array (p,)
        Minimum of its mean.
    details : dict

    Notes
    -----
    Matern kernel of 5/2 with a length per parameter and white noise, 5 points to begin with, expected improvement
    (Jones, Schonlau and Welch 1998) over 1000 random candidates, half of them near the best point so far.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    place = np.random.default_rng([seed, 0xBA7E5])
    kernel = ConstantKernel(1.0) * Matern([0.3] * len(space), (0.02, 5.0), nu=2.5) + WhiteKernel(1e-2, (1e-5, 1.0))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
    tried, found = list(space.draw(FIRST, seed, stream=0xB0)), list[float]()
    unit = np.empty((0, len(space)))
    for number in range(10_000):
        if not rolling.affordable:
            break
        if number >= FIRST:
            tried.append(_next(process, unit, np.array(found), space, place))
        *_, verdict = rolling.judge(lambda n, point=tried[number]: np.repeat(point[None], n, 0))  # type: ignore[misc]
        found.append(verdict.divergence)
        unit = space.to_unit(np.array(tried[: number + 1]))
        if number + 1 >= FIRST:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a length at the end of its range is an answer, too
                process.fit(unit, np.array(found))
        tell()
    best = unit[int(np.argmin(process.predict(unit) if len(found) >= FIRST else found))]
    around = _candidates(best, space, place)
    if len(found) < FIRST:
        return np.array(tried[: len(found)]), space.from_unit(best), {"points": len(found)}
    mean = process.predict(around)
    drawn = process.sample_y(around, DRAWN, random_state=seed)
    estimate: Array = space.from_unit(around[int(mean.argmin())])
    details = {"divergence": float(mean.min()), "points": len(found), "stopped": "budget"}
    return space.from_unit(around[drawn.argmin(0)]), estimate, details


def _next(process: Any, unit: Array, found: Array, space: Space, place: np.random.Generator) -> Array:
    """The candidate of largest expected improvement."""
    from scipy.stats import norm

    around = _candidates(unit[int(found.argmin())], space, place)
    mean, spread = process.predict(around, return_std=True)
    gain = process.predict(unit).min() - mean
    z = gain / np.maximum(spread, 1e-9)
    expected = gain * norm.cdf(z) + spread * norm.pdf(z)
    chosen: Array = space.from_unit(around[int(np.argmax(expected))])
    return chosen


def _candidates(best: Array, space: Space, place: np.random.Generator) -> Array:
    """Valid points in unit coordinates, half of them near the best."""
    everywhere = space.draw(CANDIDATES // 2, int(place.integers(2**31)))
    width = 10 ** place.uniform(-2.5, -0.7, (4 * CANDIDATES, 1))
    near = space.from_unit(best + width * place.standard_normal((4 * CANDIDATES, len(space))))
    near = near[space.contains(near)][: CANDIDATES // 2]
    return np.asarray(space.to_unit(np.concatenate([everywhere, near, space.from_unit(best[None])])))

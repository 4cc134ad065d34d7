"""Whether posteriors are as wide as they say: ranks, coverage and TARP, from simulated truths and their posteriors.

Everywhere `truth` (m, p) holds the parameters of m simulations and `samples` (m, L, p) the posterior samples of each.
The truths must have been drawn from the prior that the posteriors assume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.metrics.samples import Array
from facsim.metrics.uniform import Uniformity, grid_of, uniformity

__all__ = ["SBC", "TARP", "Coverage", "coverage", "positions", "sbc", "sbc_ranks", "tarp"]

RANKS, REFERENCES, BOOTSTRAP = 0x5BC, 0x7A2F, 0xB007  # purposes of random streams


@dataclass(frozen=True)
class SBC:
    """Simulation-based calibration.

    Parameters
    ----------
    ranks : array (m, p)
        Posterior samples below the truth, from 0 to `draws`.
    draws : int
        Posterior samples of each truth, L.
    tests : tuple of Uniformity
        One per parameter.
    pvalue : float
        Of all parameters together (Bonferroni).
    """

    ranks: NDArray[np.int64] = field(repr=False)
    draws: int
    tests: tuple[Uniformity, ...]
    pvalue: float


@dataclass(frozen=True)
class Coverage:
    """How often central intervals hold the truth.

    Parameters
    ----------
    levels : array (q,)
        What the intervals claim.
    shares : array (q, p)
        What they hold.
    errors : array (q,)
        Binomial error of a share if the claim is right.
    """

    levels: Array
    shares: Array
    errors: Array

    @property
    def deviations(self) -> Array:
        """Shares minus claims in units of the errors (q, p)."""
        return np.asarray((self.shares - self.levels[:, None]) / self.errors[:, None], np.float64)


@dataclass(frozen=True)
class TARP:
    """Expected coverage of regions around random points.

    Parameters
    ----------
    levels : array (k,)
        Credibility.
    coverage : array (k,)
        Share of truths inside the region of that credibility.
    low, high : array (k,)
        Bootstrap band of the coverage, 95 % at each level.
    pvalue : float
        That all levels agree with their claim.
    """

    levels: Array = field(repr=False)
    coverage: Array = field(repr=False)
    low: Array = field(repr=False)
    high: Array = field(repr=False)
    pvalue: float

    @property
    def largest(self) -> float:
        """Largest difference between coverage and credibility."""
        return float(np.abs(self.coverage - self.levels).max())


def sbc_ranks(truth: ArrayLike, samples: ArrayLike, *, seed: int = 0) -> NDArray[np.int64]:
    """Ranks (m, p) of the truths among their posterior samples, from 0 to L; ties of whole parameters at random.

    Parameters
    ----------
    truth : array (m, p)
    samples : array (m, L, p)
    seed : int, optional
        Of the ties.

    Raises
    ------
    DataError
        If shapes do not fit or values are not finite.

    Notes
    -----
    Talts et al., arXiv:1804.06788, algorithm 1. Uniform where the posteriors are right; many ranks at both ends mean
    posteriors that are too narrow, a slope means a bias. It is blind to posteriors that ignore the data and give the
    prior: look at their width, too.

    Examples
    --------
    >>> sbc_ranks([[0.5], [2.0]], [[[0.0], [1.0]], [[0.0], [1.0]]]).ravel()
    array([1, 2])
    """
    t, s = _checked(truth, samples)
    below = (s < t[:, None]).sum(axis=1)
    equal = (s == t[:, None]).sum(axis=1)
    return np.asarray(below + np.random.default_rng([seed, RANKS]).integers(0, equal + 1), np.int64)


def positions(truth: ArrayLike, samples: ArrayLike, *, seed: int = 0) -> Array:
    """Places (m, p) of the truths in their posteriors, (rank + random) / (L + 1): uniform where these are right."""
    ranks = sbc_ranks(truth, samples, seed=seed)
    return _spread(ranks, np.shape(samples)[1], seed)


def sbc(truth: ArrayLike, samples: ArrayLike, *, seed: int = 0) -> SBC:
    """Simulation-based calibration: ranks, and their test for uniformity with its band.

    Parameters as for `sbc_ranks`. At least 100 truths with 100 samples each are worth the effort.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> centre = rng.normal(size=(500, 1))  # of exact posteriors N(centre, 1)
    >>> truth, samples = centre + rng.normal(size=(500, 1)), centre[:, None] + rng.normal(size=(500, 200, 1))
    >>> sbc(truth, samples).pvalue > 0.01, sbc(truth, centre[:, None] + 0.5 * (samples - centre[:, None])).pvalue < 0.01
    (True, True)
    """
    ranks = sbc_ranks(truth, samples, seed=seed)
    draws = np.shape(samples)[1]
    tests = tuple(uniformity(column) for column in _spread(ranks, draws, seed).T)
    return SBC(ranks, draws, tests, min(1.0, len(tests) * min(t.pvalue for t in tests)))


def coverage(
    truth: ArrayLike, samples: ArrayLike, levels: Sequence[float] = (0.68, 0.95), *, seed: int = 0
) -> Coverage:
    """How often the central interval of each parameter holds the truth.

    Parameters
    ----------
    truth, samples, seed
        See `sbc_ranks`.
    levels : sequence of float, optional
        Claimed probabilities, between 0 and 1.

    Raises
    ------
    DataError
        If shapes do not fit, values are not finite, or a level is not between 0 and 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = coverage(rng.normal(size=(4000, 1)), rng.normal(size=(4000, 99, 1)))
    >>> bool((abs(found.deviations) < 3).all())
    True
    """
    wanted = np.asarray(levels, np.float64)
    if not ((wanted > 0) & (wanted < 1)).all():
        msg = f"levels={list(levels)}: each must be between 0 and 1"
        raise DataError(msg)
    place = positions(truth, samples, seed=seed)
    # Equal to quantiles of the samples where these are many, and right for few.
    shares = (np.abs(2 * place - 1)[None] < wanted[:, None, None]).mean(axis=1)
    return Coverage(wanted, shares, np.sqrt(wanted * (1 - wanted) / len(place)))


def tarp(
    truth: ArrayLike,
    samples: ArrayLike,
    *,
    references: ArrayLike | None = None,
    bootstrap: int = 500,
    seed: int = 0,
) -> TARP:
    r"""Tests of accuracy with random points: expected coverage of balls around points that know nothing of the truth.

    .. math:: f_i = \frac{1}{L} \#\{l : |\theta_{il} - r_i| < |\theta_i - r_i|\}

    is uniform for every choice of reference points r exactly where the posteriors are right.

    Parameters
    ----------
    truth, samples
        See `sbc_ranks`. Distances are taken in units of the truths' range.
    references : array (m, p), optional
        One point per truth, in the parameters' units; it may depend on the data, never on the truth. By default
        uniform in the range of the truths.
    bootstrap : int, optional
        Replicas of the band.
    seed : int, optional

    Raises
    ------
    DataError
        If shapes do not fit or values are not finite.

    Notes
    -----
    Lemos et al., arXiv:2302.03026. Sees wrong correlations, which marginal ranks do not; a bias it sees less sharply
    than they do. References that ignore the data are nearly blind to a posterior that is the prior.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> centre = rng.normal(size=(500, 2))
    >>> truth, samples = centre + rng.normal(size=(500, 2)), centre[:, None] + rng.normal(size=(500, 200, 2))
    >>> narrow = centre[:, None] + 0.5 * (samples - centre[:, None])
    >>> tarp(truth, samples).pvalue > 0.01, tarp(truth, narrow).pvalue < 0.01
    (True, True)
    """
    t, s = _checked(truth, samples)
    low, span = t.min(axis=0), np.ptp(t, axis=0)
    span = np.where(span > 0, span, 1.0)
    rng = np.random.default_rng([seed, REFERENCES])
    points = low + span * rng.random(t.shape) if references is None else np.asarray(references, np.float64)
    if points.shape != t.shape:
        msg = f"references have shape {points.shape}, expected {t.shape}: one point per truth"
        raise DataError(msg)
    own = (((t - points) / span) ** 2).sum(axis=1)
    others = (((s - points[:, None]) / span) ** 2).sum(axis=2)
    ranks = sbc_ranks(own[:, None], others[:, :, None], seed=seed)
    share = _spread(ranks, s.shape[1], seed)[:, 0]
    levels = grid_of(len(share))
    held = (share[:, None] <= levels).astype(np.float64)  # (m, k)
    count = np.random.default_rng([seed, BOOTSTRAP]).multinomial(len(t), np.full(len(t), 1 / len(t)), bootstrap)
    band = np.quantile(count @ held / len(t), [0.025, 0.975], axis=0)
    return TARP(levels, held.mean(axis=0), band[0], band[1], uniformity(share).pvalue)


def _spread(ranks: NDArray[np.int64], draws: int, seed: int) -> Array:
    """Ranks as continuous numbers, so that no test has to know of their steps."""
    return np.asarray((ranks + np.random.default_rng([seed, RANKS, 1]).random(ranks.shape)) / (draws + 1), np.float64)


def _checked(truth: ArrayLike, samples: ArrayLike) -> tuple[Array, Array]:
    t, s = np.asarray(truth, np.float64), np.asarray(samples, np.float64)
    if t.ndim != 2 or s.ndim != 3 or s.shape[::2] != t.shape or len(t) < 2 or s.shape[1] < 1:
        msg = f"truth {t.shape} and samples {s.shape} must have shapes (m, p) and (m, L, p), m at least 2"
        raise DataError(msg)
    if not (np.isfinite(t).all() and np.isfinite(s).all()):
        msg = "truth or samples hold values that are not finite; leave these simulations out"
        raise DataError(msg)
    return t, s

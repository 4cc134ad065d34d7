"""How the mean of a summary of events responds to the parameters: a polynomial, and its errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Summary", "Surface", "fit_surface"]

Array = NDArray[np.float64]
Summary = Callable[[NDArray[np.float32]], Array]

DEGREES = (1, 2, 3, 4, 5)
PER_TERM = 30  # events that a term of the response needs
FOLDS = 5
LEAST_VARIANCE = 0.05  # of the mean variance: a polynomial may fall below zero
STEP = 1e-4  # of a derivative


@dataclass(frozen=True)
class Surface:
    r"""Mean and covariance of a summary's columns as polynomials of the place u, from -1 to 1 in every parameter.

    .. math:: \bar s \sim N\left(B \phi(u),\ C(u) \left[\frac{\sum w^2}{(\sum w)^2}
        + \phi^T (\Phi^T \Phi)^{-1} \phi\right]\right)

    The second term is the error of the polynomial, from the finite number of calls. `tested` finds the scatter of what
    no parameters explain.
    """

    summary: Summary
    powers: NDArray[np.intp]  # (terms, p)
    slopes: Array  # (terms, q)
    errors: Array  # (terms, terms): covariance of slopes in units of the events' variance
    variances: Array  # (terms of second order, q)
    floor: Array  # (q,)
    correlation: Array  # (q, q)
    scatter: float = 1.0
    freedom: float = 0.0

    @property
    def width(self) -> int:
        """Columns q of the summary."""
        return int(self.slopes.shape[1])

    def mean(self, x: NDArray[np.float32], weights: Array) -> tuple[Array, float]:
        """Mean summary (q,) of events (k, d) and its variance in units of an event's."""
        return weights @ self.summary(x) / weights.sum(), float((weights**2).sum() / weights.sum() ** 2)

    def pulls(self, u: Array, mean: Array, share: float | Array) -> tuple[Array, Array]:
        """Chi squared (n,) of a mean summary (q,) at places (n, p), and logarithm of the variances' product."""
        basis = polynomials(u, self.powers)
        variance = self._variance(u) * (share + self._error(basis))[:, None]
        pulls = self._whitened((mean - basis @ self.slopes) / np.sqrt(variance))
        return (pulls**2).sum(axis=1), np.log(variance).sum(axis=1)

    def tested(self, u: Array, means: Array, shares: Array) -> Surface:
        """The same with the scatter across the slopes of sets of known places (t, p), by their means (t, q)."""
        across, expected, freedom = np.array([self._across(*one) for one in zip(u, means, shares, strict=True)]).T
        return replace(self, scatter=float(across.sum() / expected.sum()), freedom=float(freedom.sum()))

    def pvalue(self, place: Array, mean: Array, share: float) -> float:
        """How often a mean summary (q,) is farther from what the parameters near a place (p,) can give.

        From the part of the pulls across the slopes; its scale is that of the sets in `tested` (an F distribution),
        else one.
        """
        across, expected, freedom = self._across(place, mean, share)
        if self.freedom:
            return float(stats.f.sf(across / expected / self.scatter, freedom, self.freedom))
        return float(stats.chi2.sf(freedom * across / expected, freedom))

    def _across(self, place: Array, mean: Array, share: float) -> tuple[float, float, float]:
        r"""Chi squared of a mean across the slopes J at a place, what is expected of it, and its degrees of freedom.

        The prior allows u a variance of 1/3, so that pulls have the covariance :math:`v + J J^T / 3` with the variance
        v of the mean: directions that the parameters hardly move are not along J. The sum of squares with weights w has
        :math:`(\sum w)^2 / \sum w^2` degrees of freedom (Satterthwaite, Biometrics Bull. 2 (1946) 110).
        """
        basis = polynomials(place[None], self.powers)
        known = share + float(self._error(basis)[0])
        pull = self._whitened((mean - basis @ self.slopes) / np.sqrt(self._variance(place[None])))[0]
        axes, lengths, _ = np.linalg.svd(self._slope(place), full_matrices=False)
        bound = lengths**2 / (lengths**2 + 3 * known)
        weights = np.concatenate([1 - bound, np.ones(self.width - len(bound))])
        chi = float((pull @ pull - bound @ (axes.T @ pull) ** 2) / known)
        return chi, float(weights.sum()), float(weights.sum() ** 2 / (weights**2).sum())

    def _slope(self, place: Array) -> Array:
        """Derivatives (q, p) of the whitened mean at a place (p,)."""
        step = STEP * np.eye(len(place))
        basis = (polynomials(place + step, self.powers) - polynomials(place - step, self.powers)) / (2 * STEP)
        return self._whitened(basis @ self.slopes / np.sqrt(self._variance(place[None]))).T

    def _whitened(self, pulls: Array) -> Array:
        """Pulls (n, q) without their correlation."""
        return np.asarray(np.linalg.solve(np.linalg.cholesky(self.correlation), pulls.T).T)

    def _variance(self, u: Array) -> Array:
        """Of an event's summary, (n, q)."""
        return np.maximum(polynomials(u, _powers(u.shape[1], 2)) @ self.variances, self.floor)

    def _error(self, basis: Array) -> Array:
        """Of the polynomial (n,), in units of the events' variance."""
        return np.asarray(((basis @ self.errors) * basis).sum(axis=1))  # einsum would not use fast products


def fit_surface(summary: Summary, u: Array, x: NDArray[np.float32], seed: int) -> Surface:
    """Fit the response of a summary of single events (n, d) to their places (n, p).

    The degree is chosen by cross-validation.
    """
    (n, p), s = u.shape, summary(x)
    allowed = [d for d in DEGREES if math.comb(p + d, d) * PER_TERM <= n] or [1]
    fold = np.random.default_rng([seed, 0xF01D]).integers(FOLDS, size=n)
    unit = s.var(axis=0)

    def error(degree: int) -> float:
        basis, total = polynomials(u, _powers(p, degree)), 0.0
        for k in range(FOLDS):
            slopes = np.linalg.lstsq(basis[fold != k], s[fold != k], rcond=None)[0]
            total += float((((s - basis @ slopes)[fold == k] ** 2) / unit).sum())
        return total

    powers = _powers(p, min(allowed, key=error))
    basis = polynomials(u, powers)
    slopes = np.linalg.lstsq(basis, s, rcond=None)[0]
    residual = (s - basis @ slopes) * math.sqrt(n / (n - len(powers)))
    quadratic = polynomials(u, _powers(p, 2))
    variances = np.linalg.lstsq(quadratic, residual**2, rcond=None)[0]
    floor = LEAST_VARIANCE * (residual**2).mean(axis=0)
    scaled = residual / np.sqrt(np.maximum(quadratic @ variances, floor))
    correlation = np.corrcoef(scaled, rowvar=False).reshape(2 * s.shape[1:]) + 1e-6 * np.eye(s.shape[1])
    errors = np.asarray(np.linalg.pinv(basis.T @ basis, hermitian=True), np.float64)  # a whole parameter may be settled
    return Surface(summary, powers, np.asarray(slopes, np.float64), errors, np.asarray(variances), floor, correlation)


def _powers(p: int, degree: int) -> NDArray[np.intp]:
    """Exponents (terms, p) of all monomials up to a degree."""
    found = [
        np.bincount(np.array(c, np.intp), minlength=p)
        for d in range(degree + 1)
        for c in itertools.combinations_with_replacement(range(p), d)
    ]
    return np.array(found, np.intp)


def polynomials(u: Array, powers: NDArray[np.intp]) -> Array:
    """Products (n, terms) of Legendre polynomials, which are independent over the prior."""
    each = np.polynomial.legendre.legvander(u, int(powers.max()))  # (n, p, degree + 1)
    terms = each[:, np.arange(u.shape[1]), powers]  # (n, terms, p)
    return np.asarray(terms.prod(axis=2), np.float64)

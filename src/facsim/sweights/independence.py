"""Test whether sWeights may be used for a variable: it is independent of the mass in signal and background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError

__all__ = ["Independence", "independence"]

Array = NDArray[np.float64]

BINS = 20
PER_BIN = 50
"""Events that a bin of the mass needs for its means to be Gaussian."""


@dataclass(frozen=True)
class Independence:
    """Outcome for one variable."""

    chi2: float
    dof: int
    pvalue: float


def independence(mass: ArrayLike, signal_chance: ArrayLike, control: ArrayLike) -> Independence:
    r"""Test whether a variable t factorises from the mass m in both components of a spectrum, as sPlot asks.

    If it does, the mean of any function of t at a given mass is a mixture of two constants,

    .. math:: E[h(t) \mid m] = p(m)\, \bar h_s + (1 - p(m))\, \bar h_b,

    with p the probability of an event to be signal. The mean rank and the mean of its second Legendre polynomial
    (where t is, and how wide it is) are fitted in this way to bins of the mass; what is left is a chi2.

    Parameters
    ----------
    mass, signal_chance, control : array (n,)
        The variable of the fit; p of every event (`MassFit.signal_chance`); the variable to be tested.

    Returns
    -------
    Independence
        Of a variable that is independent of the mass in both components the p-value is flat between 0 and 1, whatever
        the two distributions are. 2 (b - 2) degrees of freedom for b bins, 20 with 1,000 events or more.

    Raises
    ------
    DataError
        If lengths differ, or there are fewer than 150 events.

    Notes
    -----
    A test of one component's sidebands (as is customary) sees the background alone; this one also sees a signal whose
    variable changes across the peak. It takes the fitted p as known: a poor fit is seen here as well. Blind to changes
    that leave mean and spread of the rank as they are.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.random(5000) < 0.5
    >>> mass = np.where(signal, rng.normal(size=5000), rng.uniform(-5, 5, 5000)).clip(-5, 5)
    >>> peak = np.exp(-mass**2 / 2) / np.sqrt(2 * np.pi)
    >>> good, bad = rng.normal(signal), rng.normal(signal + 0.1 * mass)
    >>> independence(mass, peak / (peak + 0.1), good).pvalue > 0.01
    True
    >>> independence(mass, peak / (peak + 0.1), bad).pvalue < 1e-6
    True
    """
    from scipy import stats

    m, p, t = (np.asarray(v, np.float64) for v in (mass, signal_chance, control))
    if not m.shape == p.shape == t.shape or m.ndim != 1:
        msg = f"mass {m.shape}, signal_chance {p.shape} and control {t.shape}: give one number per event each"
        raise DataError(msg)
    bins = min(BINS, len(m) // PER_BIN)
    if bins < 3:
        msg = f"{len(m)} events: a test of independence needs {3 * PER_BIN}"
        raise DataError(msg)
    u = 2 * (np.asarray(stats.rankdata(t)).reshape(-1) - 0.5) / len(t) - 1
    functions = np.column_stack([u, 1.5 * u**2 - 0.5])
    functions = functions[:, functions.std(0) > 1e-9]  # two values of t have only a mean
    if functions.shape[1] == 2 and abs(np.asarray(np.corrcoef(functions.T))[0, 1]) > 1 - 1e-9:
        functions = functions[:, :1]
    kinds = functions.shape[1]
    if kinds == 0:
        return Independence(0.0, 0, 1.0)  # a constant is independent of everything
    # Second moments are mixtures, too: the covariance at a given mass is known, also where a bin shows one value alone.
    mix = np.column_stack([p, 1 - p])
    first = np.linalg.lstsq(mix, functions, rcond=None)[0]  # (2, kinds)
    products = (functions[:, :, None] * functions[:, None, :]).reshape(len(t), -1)
    second = np.linalg.lstsq(mix, products, rcond=None)[0].reshape(2, kinds, kinds)
    # Generalised least squares of every bin's means: unknown are the constants of both components.
    left, right, squares = np.zeros((2 * kinds, 2 * kinds)), np.zeros(2 * kinds), 0.0
    for rows in np.array_split(np.argsort(m, kind="stable"), bins):
        chance, mean = p[rows].mean(), functions[rows].mean(0)
        share = np.array([chance, 1 - chance])
        spread = np.einsum("c,cij->ij", share, second) - np.outer(share @ first, share @ first)
        least, turn = np.linalg.eigh(spread)
        # One event more or less, which moves a mean by up to 2 / n, is no sign: rare values are not Gaussian.
        inverse = (turn * (len(rows) / np.maximum(least, 4 / len(rows)))) @ turn.T
        design = np.kron(share[None], np.eye(kinds))  # (kinds, 2 kinds)
        left += design.T @ inverse @ design
        right += design.T @ inverse @ mean
        squares += mean @ inverse @ mean
    chi2 = max(0.0, float(squares - right @ np.linalg.lstsq(left, right, rcond=None)[0]))
    dof = kinds * (bins - 2)
    return Independence(chi2, dof, float(stats.chi2.sf(chi2, dof)))

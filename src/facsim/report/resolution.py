"""Energy resolution: the stochastic and the constant term of a calorimeter, fitted to spread against energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit", "measure"]

Array = NDArray[np.float64]

FEWEST_BINS = 4
SPAN = 4.0
"""Highest over lowest energy: below, the two terms cannot be told apart."""


def fit(energy: Array, resolution: Array, error: Array) -> dict[str, float] | None:
    r"""Fit :math:`\sigma/E = a/\sqrt{E} \oplus b` by least squares in :math:`(\sigma/E)^2 = a^2/E + b^2`.

    Parameters
    ----------
    energy : array (n,)
        GeV.
    resolution, error : array (n,)
        Relative, with statistical errors.

    Returns
    -------
    dict or None
        ``a`` (√GeV) and ``b`` with errors, ``chi2`` and ``ndf``. A term whose square comes out negative is 0, without
        an error, and the other is fitted alone. None with fewer than `FEWEST_BINS` points, or energies that span less
        than a factor of `SPAN`.

    Examples
    --------
    >>> energy = np.array([1.0, 4.0, 16.0, 64.0])
    >>> found = fit(energy, np.sqrt(0.1**2 / energy + 0.01**2), np.full(4, 1e-3))
    >>> round(found["a"], 4), round(found["b"], 4), found["ndf"]
    (0.1, 0.01, 2)
    """
    known = np.isfinite(energy) & np.isfinite(resolution) & (resolution > 0) & (error > 0) & (energy > 0)
    e, s, d = energy[known], resolution[known], error[known]
    if len(e) < FEWEST_BINS or e.max() < SPAN * e.min():
        return None
    weight = 1 / (2 * s * d)
    design = np.column_stack([1 / e, np.ones(len(e))])
    terms = [0, 1]
    squares, covariance = _solve(design, s**2, weight)
    if (squares < 0).any():  # they cannot both be
        terms = [int(np.argmax(squares))]
        squares, covariance = _solve(design[:, terms], s**2, weight)
    values, errors = np.zeros(2), np.zeros(2)
    values[terms] = np.sqrt(squares)
    errors[terms] = np.sqrt(np.diag(covariance)) / (2 * values[terms])
    chi2 = float(np.sum((weight * (s**2 - design @ values**2)) ** 2))
    return {
        "a": float(values[0]),
        "a_error": float(errors[0]),
        "b": float(values[1]),
        "b_error": float(errors[1]),
        "chi2": chi2,
        "ndf": len(e) - len(terms),
    }


def measure(response: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Fit the resolution of every role in the outcome of `facsim.report.physics.response`.

    Returns
    -------
    dict or None
        By role, what `fit` gives; None if there is no response or the reference cannot be fitted.
    """
    if response is None:
        return None
    energy = np.array([np.nan if e is None else e for e in response["energy"]], float) / 1e3
    out = {}
    for role in ("reference", "generated", "second_reference"):
        if role in response:
            bins = [
                e if e["mean"] else {"mean": np.nan, "spread": np.nan, "spread_error": np.nan} for e in response[role]
            ]
            mean, spread, error = (np.array([b[k] for b in bins], float) for k in ("mean", "spread", "spread_error"))
            out[role] = fit(energy, spread / mean, error / mean)
    return out if out.get("reference") and out.get("generated") else None


def _solve(design: Array, y: Array, weight: Array) -> tuple[Array, Array]:
    covariance = np.linalg.inv((design * weight[:, None] ** 2).T @ design)
    return np.asarray(covariance @ (design.T @ (weight**2 * y))), np.asarray(covariance)

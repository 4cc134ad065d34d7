"""Distance between the correlation matrices of two samples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, WeightError
from facsim.metrics.blocks import prepare, require_choice
from facsim.metrics.bootstrap import bootstrap
from facsim.metrics.frechet import Moments, group_moments
from facsim.metrics.quadratic import Estimate, squared_distance, summarise
from facsim.metrics.samples import Array

__all__ = ["correlation_distance", "correlation_matrix"]

ROUNDING = 1e-12
"""Share of the mean square that the variance of a constant column may have."""


def correlation_distance(
    x: ArrayLike,
    y: ArrayLike,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    measure: Literal["frobenius", "max"] = "frobenius",
    seed: int = 0,
) -> Estimate:
    r"""Distance between the matrices of Pearson's correlation coefficients.

    .. math:: \sqrt{\sum_{i<j} (\rho^x_{ij} - \rho^y_{ij})^2} \quad\text{or}\quad \max_{i<j} |\rho^x_{ij} - \rho^y_{ij}|

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and other sample, the same columns, at least two that vary in both samples.
    wx, wy : array, optional
        Event weights of any normalisation with a positive sum; may be negative (sWeights).
    measure : {"frobenius", "max"}
        All pairs of columns, or the one that differs most.
    seed : int
        Of the deal into groups and the simulated errors.

    Returns
    -------
    Estimate
        0 for equal matrices; two samples of one truth give `null`, for "frobenius" and uncorrelated Gaussian columns
        about :math:`\sqrt{d (d - 1)/2 \cdot (1/n + 1/m)}`.

    Raises
    ------
    DataError
        If a value is not finite, or a column is constant in one sample only or fewer than two vary.
    WeightError
        If weights sum to zero or below, or leave a column without a positive variance.

    Notes
    -----
    Errors come from 50 groups of each sample, through the influence of an event on a coefficient,
    :math:`z_i z_j - \rho_{ij} (z_i^2 + z_j^2)/2` with standardised z. With heavy tails and few events p-values come out
    too small: of columns with a kurtosis of some hundred, 2,000 events of one truth give p < 0.05 in 12 % of pairs.

    Blind to means, widths and anything beyond linear correlation.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 2000, 3))
    >>> mixed = y + [1, 0, 0] * y[:, [1]]
    >>> result = correlation_distance(x, mixed)
    >>> abs(result.value - 0.5**0.5) < 3 * result.error, result.pvalue < 0.001, correlation_distance(x, y).pvalue > 0.01
    (True, True, True)
    """
    require_choice(measure, "measure", ("frobenius", "max"))
    first, second = prepare(x, y, wx, wy, seed=seed)
    d = first.rows.shape[1]
    if d < 2:
        msg = "there are fewer than two columns that vary: no correlation to compare"
        raise DataError(msg)
    p, q = group_moments(first), group_moments(second)
    embedded = np.concatenate([_influence(p, "wx"), _influence(q, "wy")])
    if measure == "frobenius":
        squared = squared_distance(embedded @ embedded.T, p.weight, q.weight)
        estimate = summarise([squared], seed)
        value = float(np.sqrt(max(0.0, squared.plug_in)))
        # d sqrt(T) = dT / 2 sqrt(T); at the null T is not small but the sum of all variances
        error = estimate.error / (2 * value) if value > 0 else 0.0
        return Estimate(value, error, estimate.pvalue, float(np.sqrt(max(0.0, squared.plug_in - squared.value))))
    return bootstrap(embedded, p.weight, q.weight, lambda difference: np.abs(difference).max(-1), seed)


def correlation_matrix(x: ArrayLike, *, wx: ArrayLike | None = None) -> Array:
    """Pearson's correlation coefficients of the columns of a weighted sample, (d, d).

    Raises
    ------
    DataError, WeightError
        As `correlation_distance`.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> np.allclose(correlation_matrix(x), np.corrcoef(x.T))
    True
    """
    sample, _ = prepare(x, x, wx, wx)
    moments = group_moments(sample)
    covariance = moments.covariance
    widths = _widths(moments, "wx")
    return np.asarray(covariance / np.outer(widths, widths))


def _influence(moments: Moments, name: str) -> Array:
    """Weighted sums over groups whose total are the coefficients of all pairs, (G, d (d - 1) / 2)."""
    covariance = moments.covariance
    widths = _widths(moments, name)
    correlation = covariance / np.outer(widths, widths)
    squares = moments.about_mean()[1] / np.outer(widths, widths)
    own = np.diagonal(squares, axis1=1, axis2=2)
    i, j = np.triu_indices(len(widths), 1)
    rho = correlation[i, j]
    return np.asarray(squares[:, i, j] + rho * (moments.weight[:, None] - (own[:, i] + own[:, j]) / 2))


def _widths(moments: Moments, name: str) -> Array:
    variances = np.diag(moments.covariance)
    rounding = ROUNDING * np.diag(moments.second.sum(0))
    if not np.all(variances > rounding):
        j = int(np.argmin(variances - rounding))
        msg = (
            f"{name}: varying column number {j} has a variance of {variances[j]:.3g}. Leave constant columns out; "
            "with signed weights, use more events"
        )
        raise WeightError(msg) if variances[j] < -rounding[j] else DataError(msg)
    return np.asarray(np.sqrt(variances))

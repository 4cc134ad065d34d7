"""Distance between the correlation matrices of two samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, WeightError
from facsim.metrics.blocks import Sample, prepare
from facsim.metrics.quadratic import Estimate, squared_distance, summarise
from facsim.metrics.samples import Array

__all__ = ["correlation_distance"]


def correlation_distance(
    x: ArrayLike, y: ArrayLike, *, wx: ArrayLike | None = None, wy: ArrayLike | None = None, seed: int = 0
) -> Estimate:
    r"""Squared distance of two Pearson correlation matrices, without bias.

    .. math:: \sum_{i<j} (\rho^x_{ij} - \rho^y_{ij})^2

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and other sample, the same columns, at least two.
    wx, wy : array, optional
        Event weights of any normalisation with a positive sum; may be negative (sWeights).
    seed : int
        Of the deal into groups and the simulated errors.

    Returns
    -------
    Estimate
        Two samples of one truth give 0 within the error (so also negative values); without the correction it would be
        about :math:`\tfrac12 d (d - 1) (1/n + 1/m)` for uncorrelated columns.

    Raises
    ------
    DataError
        If a value is not finite, there are fewer than two columns that vary, or one varies in only one sample.
    WeightError
        If weights sum to zero or below, or leave a column a negative variance.

    Notes
    -----
    To first order a correlation is the mean over events of :math:`z_i z_j - \tfrac12 \rho_{ij} (z_i^2 + z_j^2)`
    with z the column less its mean over its standard deviation, so that the distance is one of mean embeddings, with
    errors as in `facsim.metrics.quadratic`. Blind to the distribution of every column, on purpose, and to dependence
    that is not linear.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 5000, 3))
    >>> y[:, 1] += 0.5 * y[:, 0]  # a correlation of 0.45
    >>> found = correlation_distance(x, y)
    >>> round(found.value, 1), found.pvalue < 0.001
    (0.2, True)
    """
    first, second = prepare(x, y, wx, wy, seed=seed)
    if first.rows.shape[1] < 2:
        msg = "x has one column that varies: a correlation needs two"
        raise DataError(msg)
    pairs = np.triu_indices(first.rows.shape[1], 1)
    means = np.concatenate([_group_sums(first, "x")[:, *pairs], _group_sums(second, "y")[:, *pairs]])
    found = squared_distance(means @ means.T, first.group_weights, second.group_weights)
    return summarise([found], seed)


def _group_sums(sample: Sample, name: str) -> Array:
    """Each group's weighted sum of the first-order terms of the correlations, (G, d, d)."""
    total = sample.values(slice(None))
    mean = sample.weights @ total
    variance = sample.weights @ (total - mean) ** 2
    if np.any(variance <= 0):
        column = int(np.argmin(variance))
        what = "constant" if variance[column] == 0 else "of negative variance after weighting"
        msg = f"{name}: column {column} is {what}, so it has no correlation. Leave it out"
        raise (DataError if variance[column] == 0 else WeightError)(msg)
    del total
    scale = np.sqrt(variance)
    sums = []
    for rows, weights in sample.chunks():
        z = (rows - mean) / scale
        sums.append((z * weights[:, None]).T @ z)
    products = np.array(sums)
    rho = products.sum(0)
    squares = np.diagonal(products, axis1=1, axis2=2)
    weight = sample.group_weights[:, None, None]
    return np.asarray(products - 0.5 * rho * (squares[:, :, None] + squares[:, None, :]) + weight * rho)

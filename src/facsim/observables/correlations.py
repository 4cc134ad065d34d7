"""Pairwise correlations of columns, for weighted events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, WeightError
from facsim.observables.weights import shares

__all__ = ["Correlations", "correlations"]

Array = NDArray[np.float64]

ROUNDING = 1e-12


@dataclass(frozen=True)
class Correlations:
    """Pearson correlations of d columns.

    Parameters
    ----------
    names : tuple of str
    values : array (d, d)
        Symmetric, 1 on the diagonal; 0 for a column that never varies.
    errors : array (d, d)
        Statistical errors.
    """

    names: tuple[str, ...]
    values: Array
    errors: Array

    def pairs(self) -> dict[tuple[str, str], float]:
        """Correlation of every pair, the first name before the second in order."""
        d = len(self.names)
        return {(self.names[i], self.names[j]): float(self.values[i, j]) for i in range(d) for j in range(i + 1, d)}


def correlations(columns: Mapping[str, ArrayLike], weights: ArrayLike | None = None) -> Correlations:
    r"""Correlate columns pair by pair.

    .. math:: r_{ij} = \frac{\sum_e w_e (x_{ei} - \bar x_i)(x_{ej} - \bar x_j)}{s_i s_j},
              \qquad \sum_e w_e = 1

    Parameters
    ----------
    columns : mapping of array (n,)
        As `facsim.observables.compute` gives them.
    weights : array (n,), optional
        Event weights; may be negative (sWeights).

    Returns
    -------
    Correlations
        Independent columns have 0 within the error. Errors are those of linearised weighted sums, which for
        Gaussian columns is :math:`(1 - r^2) / \sqrt{n}`. Blind to dependence that is not linear.

    Raises
    ------
    DataError
        If a value is not finite, columns differ in length, or there are fewer than 3 events.
    WeightError
        If weights leave a column with a negative variance.

    Examples
    --------
    >>> found = correlations({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 2.0], "z": [1.0, 1.0, 1.0]})
    >>> {pair: round(r, 6) for pair, r in found.pairs().items()}
    {('x', 'y'): 1.0, ('x', 'z'): 0.0, ('y', 'z'): 0.0}
    """
    names = tuple(columns)
    sizes = {len(np.asarray(v)) for v in columns.values()}
    if len(sizes) != 1 or min(sizes) < 3:
        msg = f"columns of {sorted(sizes)} events: correlations need columns of one length, at least 3"
        raise DataError(msg)
    x = np.column_stack([np.asarray(v, np.float64) for v in columns.values()])
    if not np.isfinite(x).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(x))[0])
        msg = f"{names[column]}: event {row} is {x[row, column]}. Remove such events first"
        raise DataError(msg)
    w = shares(weights, len(x))
    offset = x - w @ x
    variance = w @ offset**2
    size = np.abs(w) @ offset**2
    if (variance < -ROUNDING * size).any():
        worst = names[int(np.argmin(variance))]
        msg = (
            f"{worst}: the weights leave a negative variance. Too few events for such weights; use more or leave it out"
        )
        raise WeightError(msg)
    varies = variance > ROUNDING * (size + (w @ x) ** 2)
    z = np.where(varies, offset / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    values = (z * w[:, None]).T @ z
    w2, squares = (w**2)[:, None], z**2
    # of the sum over events of w (z_i z_j - r (z_i^2 + z_j^2) / 2), the influence of an event on r
    cross = (w2 * squares).T @ squares
    odd = (w2 * squares * z).T @ z
    even = (w2 * squares**2).sum(axis=0)
    influence = cross - values * (odd + odd.T) + values**2 * (even[:, None] + even + 2 * cross) / 4
    np.fill_diagonal(influence, 0.0)
    values = np.clip(values, -1.0, 1.0) if weights is None else values
    np.fill_diagonal(values, 1.0)
    return Correlations(names, values, np.sqrt(np.maximum(influence, 0.0)))

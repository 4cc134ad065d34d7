"""Energy distance between two samples of many columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facsim.metrics.blocks import Normalise, prepare
from facsim.metrics.kernels import BLOCK, blockwise, squared_distances
from facsim.metrics.quadratic import Estimate, summarise
from facsim.metrics.samples import Array

__all__ = ["energy_distance"]


def energy_distance(
    x: ArrayLike,
    y: ArrayLike,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    block: int = BLOCK,
    seed: int = 0,
) -> Estimate:
    r"""Energy distance (squared), without bias.

    .. math:: D^2 = 2\,E|x - y| - E|x - x'| - E|y - y'|

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and other sample, the same columns; one-dimensional ones are taken as one column.
    wx, wy : array, optional
        Event weights of any normalisation with a positive sum; may be negative (sWeights).
    normalise : {"std", "max", None}
        Unit of each column, see `fpd`.
    block : int
        Events per disjoint block inside which pairs are formed. The time grows in proportion to it, the error of a null
        falls with its square root.
    seed : int
        Of the deal into groups and blocks and the simulated errors.

    Returns
    -------
    Estimate
        In the unit of the columns. Two samples of one truth give 0 within the error (so also negative values). For one
        column and without the correction of the bias this is the square of `scipy.stats.energy_distance`.

    Raises
    ------
    DataError
        If a value is not finite, there are too few events, or a column has no scale in x (see `fpd`).
    WeightError
        If weights sum to zero or below, in total or inside a block.

    Notes
    -----
    Székely and Rizzo 2013. It is an MMD with the kernel -\|x - y\| (Sejdinovic et al. 2013), from which errors and
    blocks follow: see `mmd`. Sees every difference in principle, best those in location; weak against differences in
    correlations.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 1000, 3))
    >>> energy_distance(x, y).pvalue > 0.01, energy_distance(x, y + [0.3, 0, 0]).pvalue < 0.01
    (True, True)
    """
    first, second = prepare(x, y, wx, wy, normalise=normalise, seed=seed)
    return summarise(blockwise(first, second, _negative_distance, block), seed)


def _negative_distance(p: Array, q: Array) -> Array:
    out = squared_distances(p, q)
    np.sqrt(out, out=out)
    return np.negative(out, out=out)

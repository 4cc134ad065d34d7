"""Maximum mean discrepancy (MMD) of two samples of many columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.metrics.blocks import Normalise, Sample, prepare, require_choice, subsets
from facsim.metrics.quadratic import Estimate, SquaredDistance, squared_distance, summarise
from facsim.metrics.samples import Array

__all__ = ["blockwise", "kpd", "median_distance", "mmd", "squared_distances"]

DEGREE = 4
MOST_MONOMIALS = 1000
"""Of second order; up to 43 columns, the moments of fourth order are kept (n x 1000² operations, 8 MB per group)."""
BLOCK = 2000
LEAST_BLOCK = 100  # events of the smaller sample in each block
TILE = 500  # rows of a kernel matrix at a time

Kernel = Callable[[Array, Array], Array]


def kpd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    definition: Literal["facsim", "jetnet"] = "facsim",
    seed: int = 0,
) -> Estimate:
    r"""Kernel physics distance: MMD² with the polynomial kernel :math:`(x \cdot y / d + 1)^4`.

    Parameters
    ----------
    x, y, wx, wy, normalise, seed
        See `mmd`. With "std" the mean of x is subtracted, too; with "max" it is not.
    definition : {"facsim", "jetnet"}
        "jetnet" repeats the numbers of older papers: see `facsim.metrics.jetnet`.

    Returns
    -------
    Estimate
        Two samples of one truth give 0 within the error, and negative values.

    Raises
    ------
    DataError, WeightError
        See `mmd`.

    Notes
    -----
    Kansal et al., arXiv:2211.10295. The kernel compares all moments up to the fourth order and is blind to the rest;
    moments of high order follow the tails.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 5000, 3))
    >>> null, wrong_shape = kpd(x, y), kpd(x, np.where(y > 0, 1, -1))
    >>> abs(null.value) < 3 * null.error, wrong_shape.value > 5 * wrong_shape.error
    (True, True)
    """
    require_choice(definition, "definition", ("facsim", "jetnet"))
    if definition == "jetnet":
        from facsim.metrics.jetnet import kpd as jetnet_kpd

        return jetnet_kpd(x, y, wx=wx, wy=wy)
    return mmd(x, y, "polynomial", wx=wx, wy=wy, normalise=normalise, seed=seed)


def mmd(
    x: ArrayLike,
    y: ArrayLike,
    kernel: Literal["rbf", "polynomial"] = "rbf",
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    bandwidth: float | None = None,
    block: int = BLOCK,
    seed: int = 0,
) -> Estimate:
    r"""Squared maximum mean discrepancy, without bias.

    .. math:: \mathrm{MMD}^2 = E\,k(x, x') + E\,k(y, y') - 2\,E\,k(x, y)

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and other sample, the same columns.
    kernel : {"rbf", "polynomial"}
        :math:`\exp(-|x - y|^2 / 2 h^2)`, or :math:`(x \cdot y / d + 1)^4`.
    wx, wy : array, optional
        Event weights of any normalisation with a positive sum; may be negative (sWeights).
    normalise : {"std", "max", None}
        Unit of each column, see `fpd`; with "std" the mean of x is subtracted.
    bandwidth : float, optional
        h of the RBF kernel, in those units. By default the median distance between events of both samples.
    block : int
        Events per disjoint block inside which pairs are formed, where pairs are formed one by one. The time grows in
        proportion to it, the error of a null falls with its square root.
    seed : int
        Of the deal into groups and blocks and the simulated errors.

    Returns
    -------
    Estimate
        Two samples of one truth give 0 within the error (so also negative values).

    Raises
    ------
    DataError
        If a value is not finite, there are too few events, or a column has no scale in x (see `fpd`).
    WeightError
        If weights sum to zero or below, in total or inside a block.

    Notes
    -----
    Gretton et al., JMLR 13 (2012) 723, lemma 6, with pairs of different groups instead of different events, 50 groups
    of each sample. The polynomial kernel takes all pairs of events at once through moments of up to fourth
    order, in time proportional to n, for up to 43 columns; with more, and for the RBF kernel, pairs are formed inside
    blocks (Zaremba, Gretton and Blaschko 2013). For the errors see `facsim.metrics.quadratic`.

    The RBF kernel sees every difference in principle; in practice those at the scale h, and less in many dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 1000, 3))
    >>> mmd(x, y).pvalue > 0.01, mmd(x, 1.3 * y).pvalue < 0.01
    (True, True)
    """
    require_choice(kernel, "kernel", ("rbf", "polynomial"))
    first, second = prepare(x, y, wx, wy, normalise=normalise, centred=normalise == "std", seed=seed)
    d = first.rows.shape[1]
    if kernel == "polynomial":
        if (d + 1) * (d + 2) // 2 <= MOST_MONOMIALS:
            return summarise([_by_moments(first, second)], seed)
        return summarise(blockwise(first, second, lambda p, q: (p @ q.T / d + 1) ** DEGREE, block), seed)
    width = median_distance(first, second) if bandwidth is None else bandwidth
    if not width > 0:
        msg = f"bandwidth={width}: must be positive. If most events are equal, the median distance is 0: give one"
        raise DataError(msg)
    return summarise(blockwise(first, second, lambda p, q: _rbf(p, q, width), block), seed)


def blockwise(first: Sample, second: Sample, kernel: Kernel, block: int) -> list[SquaredDistance]:
    """Squared distances of a kernel in disjoint blocks of about `block` events of each sample."""
    n, m = len(first), len(second)
    count = max(1, min(round(max(n, m) / block), min(n, m) // LEAST_BLOCK))
    return [
        squared_distance(_group_gram(p, q, kernel), p.group_weights, q.group_weights)
        for p, q in zip(subsets(first, count), subsets(second, count), strict=True)
    ]


def squared_distances(p: Array, q: Array) -> Array:
    """Squared Euclidean distances of all pairs, (n, m)."""
    out = p @ (-2 * q.T)
    out += np.einsum("ij,ij->i", p, p)[:, None]
    out += np.einsum("ij,ij->i", q, q)
    return np.maximum(out, 0, out=out)


def median_distance(first: Sample, second: Sample, events: int = 500) -> float:
    """Median distance between different events of a random part of the pool, each pair with the product of its weights.

    Without the weights, a background that they remove would set the scale.
    """
    parts = [np.concatenate(s.groups)[:events] for s in (first, second)]
    rows = np.concatenate([s.values(part) for s, part in zip((first, second), parts, strict=True)])
    weights = np.concatenate(
        [s.weights[part] / s.weights[part].sum() for s, part in zip((first, second), parts, strict=True)]
    )
    pairs = np.triu_indices(len(rows), 1)
    squares = squared_distances(rows, rows)[pairs]
    if not (np.ptp(first.weights) or np.ptp(second.weights)):
        return float(np.sqrt(np.median(squares)))
    order = np.argsort(squares)
    filled = np.cumsum((weights[pairs[0]] * weights[pairs[1]])[order])
    return float(np.sqrt(squares[order[np.argmax(filled >= filled[-1] / 2)]]))


def _rbf(p: Array, q: Array, width: float) -> Array:
    exponent = squared_distances(p, q)
    exponent *= -0.5 / width**2
    return np.asarray(np.exp(exponent, out=exponent))


def _group_gram(first: Sample, second: Sample, kernel: Kernel) -> Array:
    """Weighted sum of the kernel over all pairs of each two groups, (G, G)."""
    rows = np.concatenate([rows for side in (first, second) for rows, _ in side.chunks()])
    weights = np.concatenate([weights for side in (first, second) for _, weights in side.chunks()])
    sizes = [len(group) for side in (first, second) for group in side.groups]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    gram = np.zeros((len(sizes), len(sizes)))
    step = max(1, TILE * len(sizes) // len(rows))
    for begin in range(0, len(sizes), step):  # pairs with groups before `begin` are known by symmetry
        end = min(begin + step, len(sizes))
        tile = slice(starts[begin], starts[end])
        values = kernel(rows[tile], rows[starts[begin] :]) * weights[starts[begin] :]
        sums = np.add.reduceat(values, starts[begin:-1] - starts[begin], axis=1) * weights[tile, None]
        gram[begin:end, begin:] = np.add.reduceat(sums, starts[begin:end] - starts[begin], axis=0)
        gram[begin:, begin:end] = gram[begin:end, begin:].T
    return gram


def _by_moments(first: Sample, second: Sample) -> SquaredDistance:
    """All pairs at once: with z = (x / sqrt(d), 1), the kernel is the product of all z_i z_j z_k z_l."""
    sums = np.concatenate([_fourth_moments(first), _fourth_moments(second)])
    weights = first.group_weights, second.group_weights
    # the distance does not depend on the origin of the embedding; near it, less is lost to rounding
    sums -= np.concatenate(weights)[:, None] * (sums.sum(0) / 2)
    return squared_distance(sums @ sums.T, *weights)


def _fourth_moments(sample: Sample) -> Array:
    """Weighted sum of the embedding of each group, (G, number of monomials)."""
    d = sample.rows.shape[1]
    i, j = np.triu_indices(d + 1)
    distinct, factor = _monomials(d + 1)
    out = []
    for rows, weights in sample.chunks():
        z = np.column_stack([rows / np.sqrt(d), np.ones(len(rows))])
        products = z[:, i] * z[:, j]
        out.append((products.T @ (products * weights[:, None])).ravel()[distinct] * factor)
    return np.array(out)


@cache
def _monomials(variables: int) -> tuple[NDArray[np.intp], Array]:
    """Position of each distinct z_i z_j z_k z_l among all products of two pairs, and the root of its multiplicity."""
    pairs = np.stack(np.triu_indices(variables), axis=1)
    count = len(pairs)
    four = np.sort(np.concatenate([np.repeat(pairs, count, axis=0), np.tile(pairs, (count, 1))], axis=1), axis=1)
    orders = np.where(pairs[:, 0] == pairs[:, 1], 1.0, 2.0)
    keys = four @ (variables ** np.arange(4))
    _, distinct, which = np.unique(keys, return_index=True, return_inverse=True)
    return distinct, np.sqrt(np.bincount(which, np.outer(orders, orders).ravel()))

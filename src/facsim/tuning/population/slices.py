"""Sliced Wasserstein distance of generated points to fixed data, with gradients and its statistical floor."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.errors import WeightError
from facsim.metrics.samples import effective_size

__all__ = ["Slices"]

Array = NDArray[np.float64]


class Slices:
    r"""Data seen along many directions, as quantiles that generated points are held against.

    .. math:: D = \langle \int |F_\theta^{-1}(q) - G_\theta^{-1}(q)| dq \rangle_\theta

    Parameters
    ----------
    data : array (n, k)
        Columns of comparable scale.
    weights : array (n,), optional
        May be negative (sWeights): the weighted cumulative distribution along each direction is replaced by the closest
        one that does not fall (isotonic regression), whose quantiles exist.
    points : int
        Generated points that will be compared at once.
    directions : int
        Drawn evenly from the unit sphere, the axes among them.
    seed : int

    Attributes
    ----------
    floor : float
        What `points` points of the data's own law have on average, given that the data are a sample, too:
        :math:`\int \sqrt{2 F (1 - F) (1/m + 1/n_{eff}) / \pi}\, dt`.

    Raises
    ------
    WeightError
        If the weights do not add up to more than zero.

    Examples
    --------
    >>> data = np.random.default_rng(0).normal(size=(5000, 2))
    >>> slices = Slices(data, None, points=500, directions=50, seed=1)
    >>> same, other = (torch.tensor(np.random.default_rng(2).normal(m, 1, (500, 2))).float() for m in (0, 1))
    >>> bool(slices(same) < 2 * slices.floor), bool(slices(other) > 10 * slices.floor)
    (True, True)
    """

    def __init__(self, data: Array, weights: Array | None, *, points: int, directions: int, seed: int) -> None:
        share = np.full(len(data), 1 / len(data)) if weights is None else np.asarray(weights, np.float64)
        if not share.sum() > 0:
            msg = f"the weights of the data add up to {share.sum():g}; a comparison needs a positive sum"
            raise WeightError(msg)
        k = data.shape[1]
        normal = np.random.default_rng([seed, 0x51CE]).normal(size=(max(directions - k, 0), k))
        along = np.concatenate([np.eye(k), normal / np.linalg.norm(normal, axis=1, keepdims=True)])[:directions]
        if k == 1:
            along = np.eye(1)
        quantiles = np.stack([_quantiles(row, share / share.sum(), points) for row in along @ data.T])
        self.directions = torch.from_numpy(along).float()  # (s, k)
        self.quantiles = torch.from_numpy(quantiles).float()  # (s, m)
        middle = np.arange(1, points) / points
        spread = np.sqrt(2 / np.pi * middle * (1 - middle) * (1 / points + 1 / effective_size(len(data), weights)))
        self.floor = float((np.diff(quantiles, axis=1) * spread).sum(1).mean())

    def __call__(self, points: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Distance of points (m, k), m as announced or fewer; along all directions, or those of the given numbers."""
        directions = self.directions if chosen is None else self.directions[chosen]
        quantiles = self.quantiles if chosen is None else self.quantiles[chosen]
        if len(points) != quantiles.shape[1]:
            place = (torch.arange(len(points)) + 0.5) / len(points) * quantiles.shape[1] - 0.5
            low = place.floor().clamp(0, quantiles.shape[1] - 2).long()
            part = (place - low).clamp(0, 1)
            quantiles = quantiles[:, low] * (1 - part) + quantiles[:, low + 1] * part
        projected = (directions @ points.T).sort(dim=1).values
        return (projected - quantiles).abs().mean()


def _quantiles(values: Array, share: Array, number: int) -> Array:
    """Quantiles at the middles of equal shares."""
    order = np.argsort(values, kind="stable")
    values, share = values[order], share[order]
    reached = np.cumsum(share)
    if (share < 0).any():
        from sklearn.isotonic import isotonic_regression

        # Each step of the cumulative counts as the stretch of the axis over which it holds.
        stretch = np.diff(values, append=values[-1])
        reached = isotonic_regression(reached, sample_weight=stretch + 1e-9 * (np.ptp(values) or 1.0), y_min=0, y_max=1)
        reached[-1] = 1.0
    wanted = (np.arange(number) + 0.5) / number
    return values[np.minimum(np.searchsorted(reached, wanted), len(values) - 1)]

"""Means over pairs of events, each pair weighted with the product of its weights."""

from __future__ import annotations

import torch
from torch import Tensor

from facsim.errors import DataError

__all__ = ["distances", "lengths", "pair_mean", "squared_distances"]


def lengths(rows: Tensor) -> Tensor:
    """Euclidean length (n,) of every row (n, k)."""
    found: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return found


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m) of rows of `a` (n, k) and `b` (m, k); can be differentiated twice.

    Few columns are subtracted one by one; many go through one matrix product, around their common centre so that
    little is lost where distances are small beside the spread.
    """
    if a.shape[1] <= 8:
        return (a[:, None] - b).square().sum(2)
    centre = b.detach().mean(0)
    a, b = a - centre, b - centre
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (n, m); where two rows coincide the gradient is zero.

    Examples
    --------
    >>> import torch
    >>> distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])).item()
    5.0
    """
    squared = squared_distances(a, b)
    apart = squared > 1e-12 * (1 + squared.detach().amax())
    return torch.where(apart, squared, 1.0).sqrt() * apart


def pair_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean over all pairs of different events of ``w_i w_j values[i, j]``: the weighted U-statistic.

    Parameters
    ----------
    values : Tensor (n, n)
        The diagonal is left out: an event beside itself, or beside the copy that shares its conditions, is no
        independent pair.
    weights : Tensor (n,)
        Mean 1 over the training sample; may be negative.

    Examples
    --------
    >>> import torch
    >>> pair_mean(torch.ones(3, 3), torch.tensor([1.0, 2.0, -1.0])).item()  # (2 - 1 - 2) * 2 / 6
    -0.3333333432674408
    """
    n = len(weights)
    if weights.shape != (n,) or values.shape != (n, n) or n < 2:
        msg = f"pairs {tuple(values.shape)} and weights {tuple(weights.shape)}: give (n, n) and (n,), n at least two"
        raise DataError(msg)
    inner = values - torch.diag(values.diagonal())
    return weights @ inner @ weights / (n * (n - 1))

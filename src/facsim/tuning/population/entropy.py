"""Entropy of a sample, with gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["entropy"]


def entropy(points: Tensor, neighbour: int = 3) -> Tensor:
    r"""Differential entropy of the law that points are drawn from, in nats.

    .. math:: H = \psi(n) - \psi(k) + \ln V_p + \frac{p}{n} \sum_i \ln \epsilon_i

    with the distance :math:`\epsilon_i` of point i to its k-th nearest neighbour and the unit ball's volume
    :math:`V_p`.

    Parameters
    ----------
    points : Tensor (n, p)
    neighbour : int, optional
        k; larger is smoother, and blurs structures of fewer points.

    Returns
    -------
    Tensor ()
        0 for the unit cube, but for points near its border, whose neighbours all lie to one side: a little more.

    Raises
    ------
    ValueError
        From torch, if there are no more points than k.

    Notes
    -----
    Kozachenko and Leonenko, Probl. Inf. Transm. 23 (1987) 95; as an objective: arXiv:2402.07808, section 2.4.

    Examples
    --------
    >>> points = 2 * torch.rand(4000, 1, generator=torch.Generator().manual_seed(0))
    >>> abs(entropy(points).item() - math.log(2)) < 0.1
    True
    """
    n, p = points.shape
    if n <= neighbour:
        msg = f"{n} points have no neighbour number {neighbour}"
        raise ValueError(msg)
    with torch.no_grad():
        exact = "donot_use_mm_for_euclid_dist"  # products in single precision cannot tell near neighbours apart
        partner = torch.cdist(points, points, compute_mode=exact).topk(neighbour + 1, largest=False).indices[:, -1]
    # The distance once more for the chosen pairs alone: the gradient of all n^2 distances would cost ten times as much.
    distance = (points - points[partner]).square().sum(1).add(1e-12).sqrt()
    volume = p / 2 * math.log(math.pi) - math.lgamma(p / 2 + 1)
    digamma = torch.digamma(torch.tensor([float(n), float(neighbour)]))
    return digamma[0] - digamma[1] + volume + p * distance.log().mean()

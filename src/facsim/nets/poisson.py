"""Poisson numbers from normal ones, in operations that ONNX has."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["poisson"]

SMALL = 8.0
LAST = 30
"""Above this, a count of mean 8 has the probability 4e-10."""


def poisson(rate: Tensor, noise: Tensor) -> Tensor:
    r"""Counts whose law is Poisson's, each a rising function of one standard normal number z.

    Up to a mean of 8 the law is inverted exactly: the count is the number of k with :math:`P(n \le k) < \Phi(z)`.
    Above, by its expansion about the normal law,

    .. math::
        n = \Big\lfloor \lambda + \sqrt\lambda z + \tfrac13 + \tfrac{z^2}6
        - \frac{z + z^3 / 2}{36 \sqrt\lambda} + \frac1\lambda \Big( -\tfrac{8}{405} + \tfrac{7}{810} z^2 +
        \tfrac{1}{270} z^4 \Big) \Big\rfloor .

    Parameters
    ----------
    rate : Tensor (n, d)
        Means; not negative.
    noise : Tensor (n, d)

    Returns
    -------
    Tensor (n, d)
        Whole numbers; their law is off by at most 3e-4 in total variation (at a mean of 8), elsewhere by less.

    Notes
    -----
    M. B. Giles, ACM Trans. Math. Softw. 42 (2016) 7, section 2.

    Examples
    --------
    >>> poisson(torch.tensor([[0.0, 3.0, 100.0]]), torch.tensor([[5.0, 0.0, 0.0]])).tolist()
    [[0.0, 3.0, 100.0]]
    """
    small = rate.clamp(max=SMALL)
    below = 0.5 * (1 + torch.erf(noise / math.sqrt(2)))
    term = torch.exp(-small)
    total, count = term, torch.zeros_like(term)
    for k in range(1, LAST + 1):
        count = count + (total < below).to(term.dtype)
        term = term * small / k
        total = total + term
    large = rate.clamp(min=SMALL)
    root = large.sqrt()
    z2 = noise * noise
    value = large + root * noise + (1 / 3 + z2 / 6) - noise * (1 + z2 / 2) / (36 * root)
    value = value + (-8 / 405 + z2 * (7 / 810) + z2 * z2 / 270) / large
    return torch.where(rate > SMALL, value.floor().clamp(min=0), count)

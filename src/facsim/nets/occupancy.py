"""Share of lit cells, as a step and as a function with a gradient."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["hard_occupancy", "soft_occupancy"]

SMALLEST = 1e-6
"""Below this the soft step is continued with this value's, since its slope grows without bound towards zero."""


def hard_occupancy(cells: Tensor) -> Tensor:
    """Share (n, 1) of the cells (n, d) above zero; without a gradient.

    Examples
    --------
    >>> hard_occupancy(torch.tensor([[0.0, 1.0, 2.0, 0.0]]))
    tensor([[0.5000]])
    """
    return (cells > 0).to(cells.dtype).mean(1, keepdim=True)


def soft_occupancy(cells: Tensor) -> Tensor:
    r"""Share (n, 1) of lit cells (n, d), with a gradient at lit cells.

    .. math:: \frac1d \sum_i \Big[\mathrm{softsign}\big(|x_i|^5 + |x_i|^{1/5}\big)\Big]^{1/5}

    as in the public code of arXiv:1711.08813 (cells in GeV). An empty cell gives 0, one of 1 keV 0.57, one of 1 GeV
    0.92.

    Examples
    --------
    >>> round(soft_occupancy(torch.tensor([[0.0, 1.0]])).item(), 3)
    0.461
    """
    size = cells.abs()
    safe = size.clamp(min=SMALLEST)
    y = safe**5 + safe**0.2
    step = (y / (1 + y)) ** 0.2
    return torch.where(size > 0, step, 0.0).mean(1, keepdim=True)

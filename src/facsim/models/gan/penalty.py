"""Penalties that keep a critic smooth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["gradient_penalty"]


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Two-sided gradient penalty (Gulrajani et al., arXiv:1704.00028, eq. 3), without its factor lambda.

    Parameters
    ----------
    critic : callable
        Events (n, d) to scores (n,).
    real, fake : Tensor (n, d)
        Ends of the segments on which the gradient is taken.
    mix : Tensor (n, 1)
        Uniform numbers: the place on each segment.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(4, 3)
    >>> gradient_penalty(lambda x: 3 * x[:, 0], x, x, torch.rand(4, 1)).item()
    4.0
    """
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    excess: Tensor = gradient.norm(dim=1) - 1
    return (excess**2).mean()

"""Conditions that scale and shift what a network computes."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["FiLM"]


class FiLM(nn.Module):
    r"""Feature-wise linear modulation of x (n, channels, ...): :math:`x (1 + \gamma(c)) + \beta(c)`.

    Perez et al., arXiv:1709.07871. The identity before training. After a normalisation it makes a conditional one.

    Parameters
    ----------
    context, channels : int
        Columns of the conditions, and channels of x.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(3, 8, 4, 4)
    >>> torch.equal(FiLM(2, 8)(x, torch.randn(3, 2)), x)
    True
    """

    def __init__(self, context: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(context, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Scaled and shifted x."""
        scale, shift = self.linear(context).view(x.shape[0], -1, *[1] * (x.ndim - 2)).chunk(2, dim=1)
        y: Tensor = x * (1 + scale) + shift
        return y

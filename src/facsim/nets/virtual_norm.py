"""Virtual batch normalisation: every event is normalised with a fixed reference batch and itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Reference", "VirtualBatchNorm"]


class VirtualBatchNorm(nn.Module):
    r"""Normalise (n, channels, ...) per channel; the first `rows` events are the reference batch.

    .. math:: \mu = \tfrac{1}{m+1} \bar x + \tfrac{m}{m+1} \mu_r, \qquad
              \sigma^2 = \tfrac{1}{m+1} \overline{x^2} + \tfrac{m}{m+1} \overline{x_r^2} - \mu^2

    with the event's own means over its places. An event is then treated the same whatever else is in its batch, in
    training and in sampling. The reference itself is normalised as a batch of its own. Salimans et al.,
    arXiv:1606.03498, section 3.4.

    Parameters
    ----------
    channels : int
    rows : int
        m, events of the reference batch; they lead every batch, see `Reference`.
    eps : float, optional
        Added to the variance.

    Examples
    --------
    >>> norm, reference = VirtualBatchNorm(4, rows=8), torch.randn(8, 4)
    >>> one, two = torch.randn(2, 1, 4)
    >>> torch.allclose(norm(torch.cat([reference, one, two]))[8], norm(torch.cat([reference, one]))[8])
    True
    """

    def __init__(self, channels: int, rows: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.rows, self.eps = rows, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised reference and events (rows + n, channels, ...)."""
        places = list(range(2, x.ndim))
        reference = x[: self.rows]
        variance, mean = torch.var_mean(reference, [0, *places], keepdim=True, correction=0)
        shifted = x - mean  # differences to the reference's mean: no cancellation in the variance
        own = shifted[self.rows :]
        share = 1 / (self.rows + 1)
        first = share * (own.mean(places, keepdim=True) if places else own)
        second = share * (own.square().mean(places, keepdim=True) if places else own.square())
        spread = (second + (1 - share) * variance - first.square() + self.eps).rsqrt()
        y = torch.cat([shifted[: self.rows] * (variance + self.eps).rsqrt(), (own - first) * spread])
        shape = [-1] + [1] * len(places)
        return y * self.weight.view(shape) + self.bias.view(shape)


class Reference(nn.Module):
    """The reference batch of a network: put before every batch, and taken off its outputs.

    Parameters
    ----------
    rows : int
        Events of the reference batch; 0 for networks without virtual batch normalisation.
    width, context : int
        Columns of events (or noise) and of conditions.

    Examples
    --------
    >>> reference = Reference(2, width=3, context=1)
    >>> reference.keep(torch.ones(5, 3), torch.zeros(5, 1))
    >>> x, context = reference(torch.zeros(1, 3), torch.zeros(1, 1))
    >>> x.sum(1).tolist(), reference.off(x).shape
    ([3.0, 3.0, 0.0], torch.Size([1, 3]))
    """

    x: Tensor
    context: Tensor

    def __init__(self, rows: int, width: int, context: int) -> None:
        super().__init__()
        self.rows = rows
        self.register_buffer("x", torch.randn(rows, width), persistent=rows > 0)
        self.register_buffer("context", torch.zeros(rows, context), persistent=rows > 0)

    @torch.no_grad()
    def keep(self, x: Tensor, context: Tensor) -> None:
        """Take the first rows of these as reference; too few are repeated."""
        take = torch.arange(self.rows, device=x.device) % len(x)
        self.x.copy_(x[take])
        self.context.copy_(context[take])

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Reference before events, and its conditions before theirs."""
        if not self.rows:
            return x, context
        return torch.cat([self.x, x]), torch.cat([self.context, context])

    def off(self, y: Tensor) -> Tensor:
        """Outputs of the events alone."""
        return y[self.rows :]

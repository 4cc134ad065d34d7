"""Minibatch discrimination: let a critic see how much the events of a batch resemble each other."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from facsim.nets.local import Fans, keras_fans

__all__ = ["MinibatchDiscrimination"]

FAR = 60.0
"""Events further apart count as that far: numbers below 1e-26 would end as denormal ones, which processors hate."""


class MinibatchDiscrimination(nn.Module):
    r"""Closeness of every event to the others of its batch, (n, inputs) -> (n, features).

    .. math:: o_{bf} = \sum_{b'} \exp\Big(-\sum_k |M_{bfk} - M_{b'fk}|\Big), \qquad M = h T + \beta

    Salimans et al., arXiv:1606.03498, section 3.2; with the bias :math:`\beta` and the event itself in the sum, as
    LAGAN and CaloGAN have it, so that o >= 1.

    Parameters
    ----------
    inputs, features, kernels : int
        Sizes of h, f and k.
    fans : {"field", "keras1", "keras2"}, optional
        From which the weights take their scale, glorot_uniform; see `facsim.nets.local.keras_fans`.

    Notes
    -----
    Real and generated events must come in batches of their own, and a batch of one says nothing.

    Examples
    --------
    >>> import torch
    >>> MinibatchDiscrimination(72, 20, 10)(torch.zeros(7, 72))[0, :3]
    tensor([7., 7., 7.], grad_fn=<SliceBackward0>)
    """

    def __init__(self, inputs: int, features: int, kernels: int, fans: Fans = "field") -> None:
        super().__init__()
        self.features, self.kernels = features, kernels
        self.project = nn.Linear(inputs, features * kernels)
        fan_in, fan_out = keras_fans(features, inputs, kernels, fans)
        limit = math.sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(self.project.weight, -limit, limit)
        nn.init.zeros_(self.project.bias)

    def forward(self, h: Tensor) -> Tensor:
        """Closeness (n, features)."""
        places = self.project(h).view(-1, self.features, self.kernels).permute(1, 2, 0)  # (features, kernels, n)
        closeness: Tensor = _Closeness.apply(places.contiguous())  # type: ignore[no-untyped-call]
        return closeness.t()


def _plain(places: Tensor) -> Tensor:
    """Closeness (features, n) of places (features, kernels, n): the formula."""
    far = [(m[:, :, None] - m[:, None, :]).abs().sum(0) for m in places]
    return torch.stack([(-distance.clamp(max=FAR)).exp().sum(0) for distance in far])


class _Closeness(torch.autograd.Function):
    """The formula in pieces that stay in the processor's cache: half the time of `_plain`."""

    @staticmethod
    def forward(places: Tensor) -> Tensor:
        n = places.shape[2]
        out, gap = places.new_empty(places.shape[0], n), places.new_empty(n, n)
        for feature, row in zip(places, out, strict=True):
            torch.sum(_near(feature, gap), 0, out=row)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (gradient,), (places,) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants second derivatives
            return torch.autograd.grad(_plain(places), places, gradient, create_graph=True)[0]
        out, gap = torch.empty_like(places), places.new_empty(places.shape[2], places.shape[2])
        for feature, g, result in zip(places, gradient, out, strict=True):
            pull = _near(feature, gap).mul_(-(g[:, None] + g))  # zero slope beyond FAR: a share of 1e-26, left in
            for m, row in zip(feature, result, strict=True):
                torch.sum(torch.sub(m[:, None], m, out=gap).sign_().mul_(pull), 1, out=row)
        return out


def _near(feature: Tensor, gap: Tensor) -> Tensor:
    """exp(-distance) (n, n) of all pairs, of one feature (kernels, n); `gap` (n, n) is overwritten."""
    distance = torch.zeros_like(gap)
    for m in feature:
        distance += torch.sub(m[:, None], m, out=gap).abs_()
    return distance.clamp_(max=FAR).neg_().exp_()

"""Minibatch discrimination: let a critic see how much the events of a batch resemble each other."""

from __future__ import annotations

import math

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
        """Closeness (n, features); n features (kernels + 1) numbers in memory per event of the batch."""
        places = self.project(h).view(-1, self.features, self.kernels).permute(1, 2, 0)  # (features, kernels, n)
        # One feature at a time stays in the cache: as fast as torch.cdist, which has no second derivative.
        far = [(m[:, :, None] - m[:, None, :]).abs().sum(0) for m in places.contiguous()]
        near = [(-distance.clamp(max=FAR)).exp().sum(0) for distance in far]
        return torch.stack(near, 1)

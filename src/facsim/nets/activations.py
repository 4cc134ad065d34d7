"""Activations by name."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Activation", "Kinked", "Output", "activation", "output"]

Activation = Literal["leaky_relu", "relu", "elu", "silu", "tanh"]
"""What may follow a hidden layer."""

Output = Literal["linear", "relu", "softplus", "sigmoid", "tanh", "kinked"]
"""What may stand at the end of a generator."""


class Kinked(nn.Module):
    r"""A rise from almost nothing to an amplitude of 1, then a straight line: zero suppression at one count.

    For logarithms :math:`\log_{10}(1 + A)` with :math:`v = \log_{10} 2`, :math:`v_0 = v/10` and :math:`s = 0.01`

    .. math:: f(x) = v + x - s \quad (x > s), \qquad
        f(x) = v_0 + \frac{v - v_0}{s} \mathrm{elu}_{v_0 s / (v - v_0)}(x) \quad \text{else},

    continuous, 0 for x to minus infinity. Maevskiy et al., arXiv:2012.04595, and its public code.

    Examples
    --------
    >>> [round(y, 4) for y in Kinked()(torch.tensor([-2.0, 0.0, 0.01, 1.01])).tolist()]
    [0.0041, 0.0301, 0.301, 1.301]
    """

    rise, value = 0.01, math.log10(2)
    foot = value / 10

    def forward(self, x: Tensor) -> Tensor:
        """The logarithms."""
        low, jump = self.foot, self.value - self.foot
        below = low + nn.functional.elu(x, alpha=low * self.rise / jump) * (jump / self.rise)
        return torch.where(x > self.rise, self.value + x - self.rise, below)


_HIDDEN: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU, "tanh": nn.Tanh}
_OUTPUTS: dict[Output, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "kinked": Kinked,
}


def activation(name: Activation, slope: float = 0.2) -> nn.Module:
    """Activation of a hidden layer; `slope` is that of the leaky rectifier, for negative numbers.

    Examples
    --------
    >>> activation("leaky_relu", 0.3)
    LeakyReLU(negative_slope=0.3)
    """
    return nn.LeakyReLU(slope) if name == "leaky_relu" else _HIDDEN[name]()


def output(name: Output) -> nn.Module:
    """Last layer of a generator.

    ``relu`` gives exact zeros (empty cells), ``softplus`` positive values, ``sigmoid`` and ``tanh`` bounded ones,
    ``kinked`` logarithms of amplitudes of which the small ones are suppressed (`Kinked`).

    Examples
    --------
    >>> output("relu")
    ReLU()
    """
    return _OUTPUTS[name]()

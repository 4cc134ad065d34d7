"""Activations by name."""

from __future__ import annotations

from typing import Literal

from torch import nn

__all__ = ["Activation", "Output", "activation", "output"]

Activation = Literal["leaky_relu", "relu", "silu", "tanh"]
"""What may follow a hidden layer."""

Output = Literal["linear", "relu", "softplus", "sigmoid", "tanh"]
"""What may stand at the end of a generator."""

_HIDDEN: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
_OUTPUTS: dict[Output, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
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

    ``relu`` gives exact zeros (empty cells), ``softplus`` positive values, ``sigmoid`` and ``tanh`` bounded ones.

    Examples
    --------
    >>> output("relu")
    ReLU()
    """
    return _OUTPUTS[name]()

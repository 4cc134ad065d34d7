"""Perceptron: the plain stack of dense layers."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from facsim.nets.activations import Activation

__all__ = ["Perceptron"]


class Perceptron(nn.Module):
    """Dense layers (n, inputs) -> (n, outputs).

    Parameters
    ----------
    inputs : int
        Columns in.
    outputs : int
        Columns of a linear layer at the end; 0 leaves it away, and the last hidden layer comes out.
    hidden : int
        Width of the hidden layers.
    layers : int
        How many of them.
    activation : {"leaky_relu", "relu", "silu", "tanh"}, optional
        After every hidden layer.
    slope : float, optional
        Of the leaky rectifier, for negative numbers.

    Examples
    --------
    >>> import torch
    >>> Perceptron(5, 1, hidden=16, layers=2)(torch.randn(3, 5)).shape
    torch.Size([3, 1])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        layers: int,
        activation: Activation = "leaky_relu",
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.outputs = outputs or hidden
        self.activation, self.slope = activation, slope
        widths = [inputs] + [hidden] * layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.leave = nn.Linear(widths[-1], outputs) if outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n, outputs) of x (n, inputs)."""
        for layer in self.hidden:
            x = layer(x)
            match self.activation:
                case "leaky_relu":
                    x = nn.functional.leaky_relu(x, self.slope)
                case "relu":
                    x = x.relu()
                case "silu":
                    x = nn.functional.silu(x)
                case "tanh":
                    x = x.tanh()
        return x if self.leave is None else self.leave(x)

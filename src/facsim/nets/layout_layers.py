"""What layouts need besides torch's own layers: TMVA's activations and first weights, and upsampling."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from facsim.errors import RecipeError, nearest

__all__ = ["INITIALIZATIONS", "Drop", "Function", "Planes", "Repeat", "initialize"]


class Drop(nn.Dropout):
    """Dropout of what enters layer `layer`."""

    def __init__(self, p: float, layer: int) -> None:
        super().__init__(p)
        self.layer = layer


class Function(nn.Module):
    """TMVA's activation of that name; LRELU has the slope 0.2 for negative numbers.

    Examples
    --------
    >>> Function("SOFTSIGN")(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.function = _FUNCTIONS[name]

    def forward(self, x: Tensor) -> Tensor:
        """The function of every number."""
        result: Tensor = self.function(x)
        return result

    def extra_repr(self) -> str:
        """Its name."""
        return self.name


def _gauss(x: Tensor) -> Tensor:
    return torch.exp(-x * x)


def _softsign(x: Tensor) -> Tensor:
    return x / (1 + torch.abs(x))


def _leaky(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu(x, 0.2)


_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "RELU": torch.relu,
    "TANH": torch.tanh,
    "FTANH": torch.tanh,  # TMVA's is a faster approximation
    "SYMMRELU": torch.abs,
    "SOFTSIGN": _softsign,
    "SIGMOID": torch.sigmoid,
    "LINEAR": nn.Identity(),
    "GAUSS": _gauss,
    "LRELU": _leaky,
}


class Planes(nn.Module):
    """Rows (n, numbers) as (n, *shape); constant sizes keep an exported graph free of arithmetic on shapes."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """The same numbers, in the same order."""
        return x.reshape(-1, *self.shape)

    def extra_repr(self) -> str:
        """Its sizes."""
        return ", ".join(map(str, self.shape))


class Repeat(nn.Module):
    """Planes (n, depth, H, W) to (n, depth, H rows, W columns): every number becomes a rectangle.

    By joining copies, since TMVA's SOFIE cannot read torch's own resizing from ONNX.

    Examples
    --------
    >>> Repeat((1, 1, 2), 2, 2)(torch.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(self, shape: tuple[int, int, int], rows: int, columns: int) -> None:
        super().__init__()
        self.shape, self.rows, self.columns = shape, rows, columns

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged planes."""
        depth, height, width = self.shape
        wide = torch.cat([x.reshape(-1, depth * height, width, 1)] * self.columns, 3)
        tall = torch.cat([wide.reshape(-1, depth * height, 1, width * self.columns)] * self.rows, 2)
        return tall.reshape(-1, depth, height * self.rows, width * self.columns)


INITIALIZATIONS = ("XAVIER", "XAVIERUNIFORM", "GAUSS", "UNIFORM", "ZERO", "IDENTITY")


def initialize(weight: Tensor, law: str) -> None:
    r"""Fill `weight` (..., rows, columns) by TMVA's law; columns are what a number is made from.

    ========================  =======================================================================
    XAVIER                    normal, :math:`\sigma^2 = 2 / (rows + columns)`, cut at 2 :math:`\sigma`
    XAVIERUNIFORM             uniform within :math:`\pm\sqrt{6 / (rows + columns)}`
    GAUSS                     normal, :math:`\sigma^2 = 2 / columns`
    UNIFORM                   uniform within :math:`\pm\sqrt{2 / columns}`
    ZERO, IDENTITY            zeros; ones on the diagonal
    ========================  =======================================================================

    Raises
    ------
    RecipeError
        For another name.

    Notes
    -----
    Glorot and Bengio, AISTATS 2010. A convolution's rows are its planes alone: TMVA does not multiply them by the
    filter's size. Its CPU code takes 6 for 2 in XAVIER, against its own documentation, which is followed here.
    """
    rows, columns = weight.shape[-2:]
    if law not in INITIALIZATIONS:
        known = f"{nearest(law.upper(), INITIALIZATIONS)} Known: {', '.join(INITIALIZATIONS)}."
        msg = f"unknown weight initialization '{law}'.{known}"
        raise RecipeError(msg)
    with torch.no_grad():
        if law == "XAVIER":
            sigma = math.sqrt(2 / (rows + columns))
            nn.init.trunc_normal_(weight, std=sigma, a=-2 * sigma, b=2 * sigma)
        elif law == "GAUSS":
            weight.normal_(std=math.sqrt(2 / columns))
        elif law in {"XAVIERUNIFORM", "UNIFORM"}:
            bound = math.sqrt(2 / columns) if law == "UNIFORM" else math.sqrt(6 / (rows + columns))
            weight.uniform_(-bound, bound)
        else:
            weight.copy_(torch.eye(rows, columns) if law == "IDENTITY" else torch.zeros(rows, columns))

"""What a transform is: events to latent intervals, latent numbers to events."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.schema import Schema
from facsim.transforms.context import ConditionContext

__all__ = ["LOGISTIC_STD", "Code", "Transform", "fill"]

LOGISTIC_STD = math.pi / math.sqrt(3)
"""Standard deviation of the logistic distribution: latent numbers are divided by it to have unit variance."""


class Code(NamedTuple):
    """The latent numbers that an event is compatible with: an interval per column.

    A measured amplitude fixes its latent number (low = high). An empty cell only says that the number lies below the
    presence threshold (low = -inf), a count that it lies between two values. Drawing uniformly in probability within
    the interval (`fill`) is the randomised probability integral transform (Ruschendorf, J. Stat. Plan. Inference 139
    (2009) 3921): the latent marginals become continuous although the data have atoms, and no valley between "empty"
    and "lit" is left for a network to fill.

    Attributes
    ----------
    low, high : Tensor (n, width)
    """

    low: Tensor
    high: Tensor


def fill(code: Code, uniform: Tensor) -> Tensor:
    """Latent numbers (n, width) within the intervals of `code`, at the quantiles `uniform` (n, width) of each.

    Examples
    --------
    >>> import torch
    >>> code = Code(torch.tensor([[1.0, -torch.inf]]), torch.tensor([[1.0, 0.0]]))
    >>> latent = fill(code, torch.tensor([[0.5, 0.5]]))
    >>> latent[0, 0].item(), bool(latent[0, 1] < 0)
    (1.0, True)
    """
    low, high = torch.sigmoid(code.low * LOGISTIC_STD), torch.sigmoid(code.high * LOGISTIC_STD)
    drawn = torch.logit(low + uniform * (high - low), eps=1e-6) / LOGISTIC_STD
    return torch.where(code.low == code.high, code.high, torch.minimum(drawn, code.high))


class Transform(nn.Module, ABC):
    """Invertible map between features (n, d) and latent numbers (n, width), given the conditions.

    Latent columns come in stages, one after another: the later ones are generated with the earlier ones known.

    Attributes
    ----------
    schema : Schema
    stages : tuple of int
        Latent columns of each stage; they add up to `width`.
    context_widths : tuple of int
        Columns of `context` for each stage.
    conditions : ConditionContext
        What scales the conditions.
    exact : bool
        No event is coded as an interval: low and high of every `Code` are equal.
    """

    schema: Schema
    stages: tuple[int, ...]
    context_widths: tuple[int, ...]
    conditions: ConditionContext
    exact: bool = False

    @property
    def width(self) -> int:
        """Latent columns."""
        return sum(self.stages)

    @abstractmethod
    def fit(
        self, features: NDArray[np.float32], conditions: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> None:
        """Fit all tables to events; `features` (n, d) and `conditions` (n, k) in physical units."""

    @abstractmethod
    def encode(self, features: Tensor, conditions: Tensor) -> Code:
        """Latent intervals of events."""

    @abstractmethod
    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """Events of latent numbers: the inverse of `encode`, written in operations that ONNX has."""

    @abstractmethod
    def context(self, stage: int, latent: Tensor, conditions: Tensor) -> Tensor:
        """What the network of a stage is told, (n, context_widths[stage]), of order one.

        `latent` holds at least the columns of the earlier stages.
        """

    def mirror(self, permutation: NDArray[np.int64]) -> NDArray[np.int64]:  # noqa: ARG002
        """Permutation of the latent columns that belongs to one of the feature columns; default: none exists."""
        return np.arange(self.width)

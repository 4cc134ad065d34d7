"""Logarithms of counts and charges: what images of pads and of towers with a large range look like to networks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facsim.schema import Schema
from facsim.transforms.base import Code
from facsim.transforms.context import ConditionScales
from facsim.transforms.physical import PhysicalTransform

__all__ = ["LogTransform"]


class LogTransform(PhysicalTransform):
    r"""Features as :math:`\log_b(1 + x/u)`, zero for nothing; what decodes to less than the threshold is nothing.

    Parameters
    ----------
    schema : Schema
        Blocks that are never negative: energies, or whole numbers, which decode to whole numbers. A threshold of a
        block counts both ways; whole numbers have one of 1.
    base : float
        b; 10 for the amplitudes of a time-projection chamber (arXiv:2012.04595), e for a zero-degree calorimeter.
    unit : float, optional
        u, by default 1.
    scales : str or mapping, optional
        Of the conditions; see `ConditionContext`.

    Examples
    --------
    >>> from facsim import Block
    >>> transform = LogTransform(Schema((Block("pads", (2,), "real", threshold=1.0),)), base=10)
    >>> transform.decode(torch.tensor([[0.2, 1.0]]), torch.empty(1, 0)).tolist()
    [[0.0, 9.0]]
    """

    integer: Tensor
    threshold: Tensor

    def __init__(
        self, schema: Schema, *, base: float = 10.0, unit: float | None = None, scales: ConditionScales = "standard"
    ) -> None:
        super().__init__(schema, scales)
        self.rate, self.unit = math.log(base), unit or 1.0
        columns = [b for b in schema.features for _ in range(b.size)]
        whole = [b.kind in {"count", "category", "mask"} for b in columns]
        lowest = [max(b.threshold, float(w)) for b, w in zip(columns, whole, strict=True)]
        self.register_buffer("integer", torch.tensor(whole), persistent=False)
        self.register_buffer("threshold", torch.tensor(lowest), persistent=False)

    def encode(self, features: Tensor, conditions: Tensor) -> Code:  # noqa: ARG002
        """The logarithms."""
        values = torch.where(features < self.threshold, 0.0, features.clamp(min=0))
        scaled = torch.log1p(values / self.unit) / self.rate
        return Code(scaled, scaled)

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """Features in physical units."""
        values = _above_one(latent * self.rate) * self.unit
        values = torch.where(values < self.threshold, 0.0, values.clamp(min=0))
        return torch.where(self.integer, values.round(), values)


def _above_one(x: Tensor) -> Tensor:
    """exp(x) - 1 to 1e-7 of itself, also near zero, in operations that ONNX has."""
    series = x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))))  # misses x^5 / 720
    return torch.where(x.abs() < 0.1, series, torch.exp(x) - 1)

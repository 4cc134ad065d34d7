"""Conditions as a network likes them: energies as logarithms, everything centred and of order one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.schema import Schema

__all__ = ["ConditionContext"]


class ConditionContext(nn.Module):
    """Scale conditions (n, k) to (n, width).

    Energies enter as logarithms: showers develop with log E, so that a smooth network interpolates smoothly between
    the energies it has seen. A schema without conditions gives one column of zeros.
    """

    centre: Tensor
    spread: Tensor
    logarithm: Tensor

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.width = max(schema.condition_width, 1)
        energies = [b.kind == "energy" for b in schema.conditions for _ in range(b.size)]
        self.register_buffer("logarithm", torch.tensor(energies, dtype=torch.bool), persistent=False)
        self.register_buffer("centre", torch.zeros(len(energies)))
        self.register_buffer("spread", torch.ones(len(energies)))

    def fit(self, conditions: NDArray[np.float32]) -> None:
        """Centre and spread of the conditions (n, k); a constant column keeps the spread 1."""
        if conditions.shape[1]:
            values = self._values(torch.from_numpy(np.asarray(conditions)))
            self.centre.copy_(values.mean(0))
            spread = values.std(0, correction=0)
            self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))

    def _values(self, conditions: Tensor) -> Tensor:
        return torch.where(self.logarithm, conditions.clamp(min=1e-9).log(), conditions)

    def forward(self, conditions: Tensor) -> Tensor:
        """Scaled conditions."""
        if not len(self.centre):
            return conditions.new_zeros(len(conditions), 1)
        return (self._values(conditions) - self.centre) / self.spread

"""Conditions as a network likes them: energies as logarithms, categories one by one, everything of order one."""

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
    the energies it has seen. A category with names becomes one column per name, which holds 1 where it is meant. A
    schema without conditions gives one column of zeros.

    Parameters
    ----------
    schema : Schema
    linear : bool, optional
        Energies enter divided by a constant instead.
    energy_unit : float, optional
        That constant; by default the largest energy.

    Attributes
    ----------
    categories : tuple of (int, int)
        First and last-plus-one output column of every named category.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block
    >>> label = Block("label", (), "category", names=("qcd", "wprime"))
    >>> ConditionContext(Schema((Block("x"),), (label,)))(torch.tensor([[1.0], [0.0]])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    centre: Tensor
    spread: Tensor
    energy: Tensor

    def __init__(self, schema: Schema, *, linear: bool = False, energy_unit: float | None = None) -> None:
        super().__init__()
        self.linear, self.energy_unit = linear, energy_unit
        blocks = [b for b in schema.conditions for _ in range(b.size)]
        self.names = [len(b.names) if b.kind == "category" else 0 for b in blocks]
        widths = [n or 1 for n in self.names]
        self.width = max(sum(widths), 1)
        ends = np.cumsum(widths).tolist()
        self.categories = tuple((end - n, end) for end, n in zip(ends, self.names, strict=True) if n)
        self.register_buffer("energy", torch.tensor([b.kind == "energy" for b in blocks]), persistent=False)
        self.register_buffer("centre", torch.zeros(len(blocks)))
        self.register_buffer("spread", torch.ones(len(blocks)))

    def fit(self, conditions: NDArray[np.float32]) -> None:
        """Centre and spread of the conditions (n, k); a constant column keeps the spread 1."""
        if conditions.shape[1]:
            values = self._values(torch.from_numpy(np.asarray(conditions)))
            centre, spread = values.mean(0), values.std(0, correction=0)
            if self.linear:
                largest = torch.full_like(spread, self.energy_unit) if self.energy_unit else values.abs().amax(0)
                centre = torch.where(self.energy, 0.0, centre)
                spread = torch.where(self.energy, largest, spread)
            self.centre.copy_(centre)
            self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))

    def _values(self, conditions: Tensor) -> Tensor:
        if self.linear:
            return conditions
        return torch.where(self.energy, conditions.clamp(min=1e-9).log(), conditions)

    def forward(self, conditions: Tensor) -> Tensor:
        """Scaled conditions."""
        if not len(self.centre):
            return conditions.new_zeros(conditions.shape[0], 1)
        scaled = (self._values(conditions) - self.centre) / self.spread
        if not self.categories:
            return scaled
        columns = []
        for i, names in enumerate(self.names):
            if names:
                which = torch.arange(names, device=conditions.device)
                columns.append((conditions[:, i : i + 1].round() == which).to(scaled.dtype))
            else:
                columns.append(scaled[:, i : i + 1])
        return torch.cat(columns, 1)

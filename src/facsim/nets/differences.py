"""Differences of columns, shown to a critic beside the columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.schema import Schema

__all__ = ["Differences"]


class Differences(nn.Module):
    """asinh((a - b - centre) / spread) for pairs of blocks a and b, (n, d) to (n, width).

    Two log-likelihoods to one reference say by their difference how two other hypotheses compare: what an analysis cuts
    on, and a critic otherwise finds late.

    Parameters
    ----------
    schema : Schema
    pairs : sequence of (str, str)
        Names of feature blocks of one shape.

    Raises
    ------
    SchemaMismatch
        If a name is not that of a feature, or shapes differ.

    Examples
    --------
    >>> from facsim import Block
    >>> seen = Differences(Schema((Block("DLLmu"), Block("DLLe"))), [("DLLmu", "DLLe")])
    >>> seen(torch.tensor([[3.0, 3.0]])).tolist()
    [[0.0]]
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, schema: Schema, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        columns: list[tuple[int, int]] = []
        for pair in pairs:
            one, two = (schema.columns(name) for name in pair)
            for name in pair:
                if schema.is_condition(name):
                    msg = f"model.differences names '{name}', which is a condition: name features, or leave it out"
                    raise SchemaMismatch(msg)
            if schema.block(pair[0]).shape != schema.block(pair[1]).shape:
                msg = f"model.differences: {schema.block(pair[0])} and {schema.block(pair[1])} have different shapes"
                raise SchemaMismatch(msg)
            columns += zip(range(one.start, one.stop), range(two.start, two.stop), strict=True)
        self.width = len(columns)
        for name, side in (("first", 0), ("second", 1)):
            self.register_buffer(name, torch.tensor([c[side] for c in columns], dtype=torch.long), persistent=False)
        self.register_buffer("centre", torch.zeros(self.width))
        self.register_buffer("spread", torch.ones(self.width))

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Median and half the central 68 % of the differences of events (n, d)."""
        levels = torch.tensor([0.16, 0.5, 0.84], dtype=features.dtype)
        low, middle, high = torch.quantile(self._raw(features)[:20_000], levels, dim=0)
        self.centre.copy_(middle)
        self.spread.copy_(torch.where(high > low, (high - low) / 2, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Scaled differences of physical features."""
        return torch.asinh((self._raw(features) - self.centre) / self.spread)

    def _raw(self, features: Tensor) -> Tensor:
        first, second = self.first, self.second
        return features[:, first] - features[:, second]  # type: ignore[index]

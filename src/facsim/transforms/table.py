"""Columns without geometry: quantiles one by one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.schema import Schema
from facsim.transforms.base import Code, Transform
from facsim.transforms.context import ConditionContext
from facsim.transforms.marginals import Marginals

__all__ = ["TableTransform"]


class TableTransform(Transform):
    """Every column through its own quantile table; zeros of energies are atoms, whole numbers are intervals.

    Parameters
    ----------
    schema : Schema
        Columns of kind energy may be exactly zero (or below the block's threshold, which counts as zero); columns of
        kind count, category and mask hold whole numbers.
    """

    integer: Tensor
    atom: Tensor

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.stages = (schema.width,)
        self.marginals = Marginals(schema.width, knots=1)
        self.conditions = ConditionContext(schema)
        self.context_widths = (self.conditions.width,)
        kinds = [b for b in schema.features for _ in range(b.size)]
        self.register_buffer(
            "integer", torch.tensor([b.kind in {"count", "category", "mask"} for b in kinds]), persistent=False
        )
        lowest = [b.threshold if b.kind == "energy" else -np.inf for b in kinds]
        self.register_buffer("atom", torch.tensor(lowest, dtype=torch.float32), persistent=False)

    def fit(
        self, features: NDArray[np.float32], conditions: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> None:
        """Fit tables and the scale of the conditions."""
        spread = np.random.default_rng(0).random(features.shape, dtype=np.float32)
        values = np.where(self.integer.numpy(), np.round(features) + spread, features)
        lit = self._lit(torch.from_numpy(features)).numpy()
        self.marginals.fit(np.where(lit, values, np.nan), np.zeros(len(values), np.float32), weights)
        self.conditions.fit(conditions)

    def _lit(self, features: Tensor) -> Tensor:
        return ~((self.atom > -torch.inf) & ((features <= 0) | (features < self.atom)))

    def encode(self, features: Tensor, conditions: Tensor) -> Code:
        """Latent intervals of events; `conditions` do not enter."""
        driver = conditions.new_zeros(features.shape[0])
        lit = self._lit(features)
        whole = features.round()
        code = self.marginals.encode(torch.where(self.integer, whole, features), lit, driver)
        upper = self.marginals.encode(torch.where(self.integer, whole + 1, features), lit, driver)
        return Code(code.low, upper.high)

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """Features of latent numbers."""
        values, above = self.marginals.decode(latent, conditions.new_zeros(latent.shape[0]))
        values = torch.where(self.integer, values.floor(), values)
        return torch.where(above > 0, values, 0.0)

    def context(self, stage: int, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """The scaled conditions."""
        scaled: Tensor = self.conditions(conditions)
        return scaled

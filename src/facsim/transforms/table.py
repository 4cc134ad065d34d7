"""Columns without geometry: quantiles one by one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.schema import Schema
from facsim.transforms.base import Code, Transform
from facsim.transforms.context import ConditionContext, ConditionScales
from facsim.transforms.marginals import Marginals
from facsim.transforms.ties import atoms, parents

__all__ = ["TableTransform"]


class TableTransform(Transform):
    """Every column through its own quantile table; what many events share exactly is kept exact.

    Zeros of energies are atoms, and so is the value that more than one in a hundred events have in a real column (what
    a detector answers when it has not answered). Two real columns that are equal in more than one in a hundred events
    are told apart by their difference: the later column is coded as the difference to the earlier one, whose zero is an
    atom. Two hypotheses of a Cherenkov detector that are both below threshold have equal likelihoods; no smooth network
    on the columns themselves would draw equal numbers.

    Parameters
    ----------
    schema : Schema
        Columns of kind energy may be exactly zero (or below the block's threshold, which counts as zero); columns of
        kind count, category and mask hold whole numbers.
    scales : str or mapping, optional
        See `ConditionContext`.

    Attributes
    ----------
    parent : Tensor (width,)
        Column to which each is a difference; `width` for none.
    atom, atomic : Tensor (width,)
        Value that is an atom, of column or difference, and whether there is one.
    """

    integer: Tensor
    floor: Tensor
    parent: Tensor
    atom: Tensor
    atomic: Tensor

    def __init__(self, schema: Schema, scales: ConditionScales = "standard") -> None:
        super().__init__()
        self.schema = schema
        self.stages = (schema.width,)
        self.marginals = Marginals(schema.width, knots=1)
        self.conditions = ConditionContext(schema, scales=scales)
        self.context_widths = (self.conditions.width,)
        columns = [b for b in schema.features for _ in range(b.size)]
        self.units = [b.unit if b.kind == "real" else None for b in columns]
        self.register_buffer(
            "integer", torch.tensor([b.kind in {"count", "category", "mask"} for b in columns]), persistent=False
        )
        lowest = [b.threshold if b.kind == "energy" else -np.inf for b in columns]
        self.register_buffer("floor", torch.tensor(lowest, dtype=torch.float32), persistent=False)
        self.register_buffer("parent", torch.full((schema.width,), schema.width))
        self.register_buffer("atom", torch.zeros(schema.width))
        self.register_buffer("atomic", self.floor > -torch.inf)
        self.whole, self.floored = bool(self.integer.any()), bool((self.floor > -torch.inf).any())
        self.generations = 0
        self.register_load_state_dict_post_hook(lambda module, _: module._count_generations())  # type: ignore[no-untyped-call]

    def _count_generations(self) -> None:
        """Longest way of a column to one that is no difference."""
        parent = [*self.parent.tolist(), self.schema.width]
        self.generations, at = 0, parent[:-1]
        while any(p < self.schema.width for p in at):
            self.generations, at = self.generations + 1, [parent[p] for p in at]

    def fit(
        self, features: NDArray[np.float32], conditions: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> None:
        """Find equal columns and atoms; fit tables and the scale of the conditions."""
        used = np.ones(len(features), bool) if weights is None else weights != 0
        self.parent.copy_(torch.from_numpy(parents(features[used], self.units)))
        self._count_generations()
        values = self.apart(torch.from_numpy(features)).numpy()
        common, found = atoms(values[used])
        found &= np.array([unit is not None for unit in self.units])
        self.atom.copy_(torch.from_numpy(np.where(found, common, 0)))
        self.atomic.copy_(torch.from_numpy(found) | (self.floor > -torch.inf))
        lit = self._lit(torch.from_numpy(values)).numpy()
        spread = np.random.default_rng(0).random(features.shape, dtype=np.float32)
        values = np.where(self.integer.numpy(), np.round(values) + spread, values)
        self.marginals.fit(np.where(lit, values, np.nan), np.zeros(len(values), np.float32), weights)
        self.conditions.fit(conditions)

    def apart(self, features: Tensor) -> Tensor:
        """Features, those that are equal to others at times as differences."""
        return features - _looked_up(features, self.parent)

    def _lit(self, values: Tensor) -> Tensor:
        """Whether columns (n, width), or differences, are away from their atom."""
        positive = (values > 0) & (values >= self.floor)
        return torch.where(self.floor > -torch.inf, positive, ~self.atomic | (values != self.atom))

    def encode(self, features: Tensor, conditions: Tensor) -> Code:  # noqa: ARG002
        """Latent intervals of events; `conditions` do not enter."""
        return self.encode_apart(self.apart(features))

    def encode_apart(self, values: Tensor) -> Code:
        """Latent intervals of what `apart` gives; column by column, and differentiable where they are numbers."""
        driver = values.new_zeros(values.shape[0])
        lit = self._lit(values)
        whole = values.round()
        code = self.marginals.encode(torch.where(self.integer, whole, values), lit, driver)
        upper = self.marginals.encode(torch.where(self.integer, whole + 1, values), lit, driver)
        return Code(code.low, upper.high)

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """Features of latent numbers."""
        values, above = self.marginals.decode_rows(latent.T)
        if self.whole:
            values = torch.where(self.integer[:, None], values.floor(), values)
        if self.floored:  # tails go on in straight lines, energies end at zero
            values = torch.maximum(values, self.floor[:, None])
        values = torch.where((above > 0) | ~self.atomic[:, None], values, self.atom[:, None])
        out = values
        for _ in range(self.generations):  # after each pass one more generation of differences is right
            out = values + torch.cat([out, torch.zeros_like(out[:1])])[self.parent]
        return out.T

    def context(self, stage: int, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """The scaled conditions."""
        scaled: Tensor = self.conditions(conditions)
        return scaled


def _looked_up(values: Tensor, columns: Tensor) -> Tensor:
    """The named columns of values (n, d); d means zeros."""
    return torch.cat([values, torch.zeros_like(values[:, :1])], 1)[:, columns]

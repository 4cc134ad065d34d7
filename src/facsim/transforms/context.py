"""Conditions as a network likes them: energies as logarithms, categories one by one, everything of order one."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtr
from torch import Tensor, nn

from facsim.errors import SchemaMismatch, nearest
from facsim.schema import Schema

__all__ = ["ConditionContext", "ConditionScale", "ConditionScales"]

KNOTS, EDGE = 65, 3.2  # of the quantiles, evenly spaced in normal scores; at the edge comes the outermost event
RAMPS = 32
FINEST = 8192  # cells of the even grid on which the scores are looked up
TOLERANCE, OUTSIDE = 0.01, 0.05
"""By how much a score that is looked up may be off; and the same of the outermost hundredth of the events."""
OUTER = 2.5  # scores


class ConditionScale(BaseModel):
    """How one condition x is scaled: (x - centre) / scale, and perhaps x - floor(x) beside or instead of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    centre: float = 0.0
    scale: float = Field(1.0, gt=0)
    fraction: Literal["no", "beside", "alone"] = "no"
    """The fractional part: how far inside its cell of a pad plane or a clock a track is."""


ConditionScales = Literal["standard", "quantiles", "ramps"] | Mapping[str, ConditionScale]


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
    scales : str or mapping, optional
        ``standard``: centred and divided by the spread. ``quantiles``: through 65 quantiles of the training sample to a
        normal law, so that a threshold in the midst of a spectrum with a long tail is no detail. ``ramps``: these and
        32 columns more per condition, how much of each step between quantiles is passed, with which a network finds
        thresholds soon (piecewise linear encoding, Gorishniy et al., arXiv:2203.05556). Or by the names of conditions a
        `ConditionScale`; those that are left out are centred and divided by their spread.

    Attributes
    ----------
    categories : tuple of (int, int)
        First and last-plus-one output column of every named category.

    Raises
    ------
    SchemaMismatch
        If `scales` names something that is no condition.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block
    >>> label = Block("label", (), "category", names=("qcd", "wprime"))
    >>> ConditionContext(Schema((Block("x"),), (label,)))(torch.tensor([[1.0], [0.0]])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    >>> drift = ConditionContext(Schema((Block("x"),), (Block("drift"),)), scales={"drift": {"fraction": "beside"}})
    >>> drift(torch.tensor([[35.25]])).tolist()
    [[35.25, 0.25]]
    """

    centre: Tensor
    spread: Tensor
    energy: Tensor
    knots: Tensor
    scores: Tensor
    grid: Tensor
    rise: Tensor

    def __init__(
        self,
        schema: Schema,
        *,
        linear: bool = False,
        energy_unit: float | None = None,
        scales: ConditionScales = "standard",
    ) -> None:
        super().__init__()
        self.linear, self.energy_unit = linear, energy_unit
        self.quantiles, self.ramps = scales in ("quantiles", "ramps"), RAMPS if scales == "ramps" else 0
        fixed = {} if isinstance(scales, str) else {k: ConditionScale.model_validate(v) for k, v in scales.items()}
        known = [b.name for b in schema.conditions]
        for name in fixed:
            if name not in known:
                msg = f"model.conditions names '{name}'; the conditions are {known}.{nearest(name, known)}"
                raise SchemaMismatch(msg)
        blocks = [b for b in schema.conditions for _ in range(b.size)]
        self.fixed = [fixed.get(b.name) for b in blocks]
        self.names = [len(b.names) if b.kind == "category" else 0 for b in blocks]
        beside = [int(s is not None and s.fraction == "beside") for s in self.fixed]
        widths = [n or 1 + self.ramps + more for n, more in zip(self.names, beside, strict=True)]
        self.width = max(sum(widths), 1)
        ends = np.cumsum(widths).tolist()
        self.categories = tuple((end - n, end) for end, n in zip(ends, self.names, strict=True) if n)
        self.register_buffer("energy", torch.tensor([b.kind == "energy" for b in blocks]), persistent=False)
        self.logarithmic = bool(self.energy.any())
        self.register_buffer("centre", torch.zeros(len(blocks)))
        self.register_buffer("spread", torch.ones(len(blocks)))
        if self.quantiles:
            self.register_buffer("knots", torch.linspace(-1, 1, KNOTS)[:, None].repeat(1, len(blocks)))
            self.register_buffer("scores", torch.linspace(-EDGE, EDGE, KNOTS), persistent=False)
            self.used = [i for i, n in enumerate(self.names) if not n and self.fixed[i] is None]
            self.register_buffer("grid", torch.zeros(0), persistent=False)
            self.register_buffer("rise", torch.zeros(0), persistent=False)
            self._tabulate()
            self.register_load_state_dict_post_hook(lambda module, _: module._tabulate())  # type: ignore[no-untyped-call]

    def fit(self, conditions: NDArray[np.float32]) -> None:
        """Centre and spread of the conditions (n, k), or their quantiles; a constant column keeps the spread 1."""
        if not conditions.shape[1]:
            return
        values = self._values(torch.from_numpy(np.asarray(conditions)))
        centre, spread = values.mean(0), values.std(0, correction=0)
        if self.linear:
            largest = torch.full_like(spread, self.energy_unit) if self.energy_unit else values.abs().amax(0)
            centre = torch.where(self.energy, 0.0, centre)
            spread = torch.where(self.energy, largest, spread)
        self.centre.copy_(centre)
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))
        if self.quantiles:
            knots = np.quantile(values.double().numpy(), ndtr(self.scores.double().numpy()), axis=0)
            knots[[0, -1]] = values.amin(0), values.amax(0)
            # strictly ascending, since whole numbers tie, also in single precision
            quarters = knots[3 * KNOTS // 4] - knots[KNOTS // 4]
            for low, high in pairwise(knots):
                high[:] = np.maximum(high, low + 3e-7 * np.abs(low) + 1e-5 * quarters + 1e-30)
            self.knots.copy_(torch.from_numpy(knots))
            self._tabulate()

    def _tabulate(self) -> None:
        """Scores on even grids, which need no search: the coarsest that are close enough, see `TOLERANCE`.

        Where no grid is fine enough, since values tie, there is none.
        """
        knots, scores = self.knots.double().cpu().numpy().T[self.used], self.scores.double().cpu().numpy()
        cells = 256
        while cells <= FINEST and self.used:
            edges = np.linspace(knots[:, 0], knots[:, -1], cells + 1, axis=1)
            table = np.stack([np.interp(x, own, scores) for x, own in zip(edges, knots, strict=True)])
            # both are straight between knots and edges, and agree at the edges: at the knots they differ most
            found = np.stack([np.interp(own, x, y) for own, x, y in zip(knots, edges, table, strict=True)])
            if (np.abs(found - scores) <= np.where(np.abs(scores) <= OUTER, TOLERANCE, OUTSIDE)).all():
                break
            cells *= 2
        else:
            table = np.zeros((len(self.used), 0))
        for name, values in (("grid", table[:, :-1]), ("rise", np.diff(table))):
            setattr(self, name, torch.from_numpy(np.ascontiguousarray(values)).to(self.knots))

    def _values(self, conditions: Tensor) -> Tensor:
        if self.linear or not self.logarithmic:
            return conditions
        return torch.where(self.energy, conditions.clamp(min=1e-9).log(), conditions)

    def forward(self, conditions: Tensor) -> Tensor:
        """Scaled conditions."""
        if not len(self.centre):
            return conditions.new_zeros(conditions.shape[0], 1)
        values = self._values(conditions)
        passed = None
        if self.quantiles:
            values = values if len(self.used) == values.shape[1] else values[:, self.used]
            if self.ramps or not self.grid.numel():
                passed = self._passed(values)
                scaled = self.scores[0] + passed.sum(1) * (2 * EDGE / (KNOTS - 1))
            else:
                scaled = self._looked_up(values)
        else:
            scaled = (values - self.centre) / self.spread
        if not (self.categories or self.ramps or any(self.fixed)):
            return scaled
        columns = []
        for i, (names, fixed) in enumerate(zip(self.names, self.fixed, strict=True)):
            value = conditions[:, i : i + 1]
            if names:
                which = torch.arange(names, device=conditions.device)
                columns.append((value.round() == which).to(scaled.dtype))
            elif fixed is None:
                place = self.used.index(i) if self.quantiles else i
                columns.append(scaled[:, place : place + 1])
                if self.ramps and passed is not None:
                    columns.append(passed[:, :, place].reshape(passed.shape[0], self.ramps, -1).mean(2))
            else:
                if fixed.fraction != "alone":
                    columns.append((value - fixed.centre) / fixed.scale)
                if fixed.fraction != "no":
                    columns.append(value - value.floor())
        return torch.cat(columns, 1)

    def _looked_up(self, values: Tensor) -> Tensor:
        """Normal scores (n, used columns): straight lines between the edges of the grid."""
        knots, cells = self.knots[:, self.used], self.grid.shape[1]
        # column by column, since engines are slow where they broadcast over short rows
        place = (values.T - knots[0][:, None]) * (cells / (knots[-1] - knots[0]))[:, None]
        place = place.clamp(0.0, cells - 1e-3)
        cell = place.floor()
        index = cell.long() + torch.arange(len(self.used), device=values.device)[:, None] * cells
        found = self.grid.flatten()[index] + self.rise.flatten()[index] * (place - cell)
        return found.T

    def _passed(self, values: Tensor) -> Tensor:
        """How much of every step between quantiles is passed, (n, knots - 1, used); their sum is the normal score."""
        knots = self.knots[:, self.used]
        low, high = knots[:-1], knots[1:]
        return ((values[:, None] - low) / (high - low).clamp(min=1e-30)).clamp(0, 1)

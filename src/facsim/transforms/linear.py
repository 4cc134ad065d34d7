"""Physical values, divided by a constant or moved into an interval: what networks that draw images want to see."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.schema import Schema
from facsim.transforms.base import Code, Transform
from facsim.transforms.context import ConditionContext, ConditionScales

__all__ = ["LinearTransform"]


class LinearTransform(Transform):
    """Features divided by one constant per block, moved into an interval, or centred and scaled column by column.

    Networks then see the event itself: neighbours are neighbours, sums are energies, and an empty cell is an exact
    zero, which a generator reaches with a rectifier at its end.

    Parameters
    ----------
    schema : Schema
        Energies below a block's threshold count as zero, both ways. Columns of kind count, category and mask hold
        whole numbers; they are spread evenly over the half unit around them, and rounded when decoded.
    centred : bool
        Subtract every column's mean and divide by its standard deviation, instead of dividing each block by `unit`.
    unit : float, optional
        Constant by which all blocks are divided; by default the root mean square of each block's values that are not
        zero.
    energy_unit : float, optional
        Constant by which energies among the conditions are divided; by default the largest. If `centred`, they enter
        as `ConditionContext` scales them.
    interval : (float, float), optional
        Where a block's smallest and its largest value shall come to lie; replaces `unit`.
    scales : str or mapping, optional
        See `ConditionContext`.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from facsim import Block
    >>> transform = LinearTransform(Schema((Block("image", (2, 2), "energy", "GeV"),)), unit=100.0)
    >>> transform.fit(np.ones((3, 4), np.float32), np.empty((3, 0), np.float32), None)
    >>> transform.decode(torch.tensor([[-0.1, 0.0, 0.5, 2.0]]), torch.empty(1, 0)).tolist()
    [[0.0, 0.0, 50.0, 200.0]]
    """

    centre: Tensor
    spread: Tensor
    integer: Tensor
    energy: Tensor
    threshold: Tensor

    def __init__(
        self,
        schema: Schema,
        *,
        centred: bool = False,
        unit: float | None = None,
        energy_unit: float | None = None,
        interval: tuple[float, float] | None = None,
        scales: ConditionScales = "standard",
    ) -> None:
        super().__init__()
        self.schema, self.centred, self.unit, self.interval = schema, centred, unit, interval
        self.stages = (schema.width,)
        self.conditions = ConditionContext(schema, linear=not centred, energy_unit=energy_unit, scales=scales)
        self.context_widths = (self.conditions.width,)
        kinds = [b for b in schema.features for _ in range(b.size)]
        whole = [b.kind in {"count", "category", "mask"} for b in kinds]
        self.register_buffer("integer", torch.tensor(whole), persistent=False)
        self.register_buffer("energy", torch.tensor([b.kind == "energy" for b in kinds]), persistent=False)
        self.register_buffer("threshold", torch.tensor([b.threshold for b in kinds]), persistent=False)
        self.exact = not any(whole)
        self.register_buffer("centre", torch.zeros(schema.width))
        self.register_buffer("spread", torch.ones(schema.width))

    def fit(
        self, features: NDArray[np.float32], conditions: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> None:
        """Fit centre and spread; negative weights count as zero, since these only set the scale."""
        share = np.ones(len(features)) if weights is None else np.maximum(weights, 0.0)
        if self.centred:
            mean = np.average(features, axis=0, weights=share)
            spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=share))
            self.centre.copy_(torch.from_numpy(mean))
            self.spread.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))
        elif self.interval is not None:
            self._fit_interval(features[share > 0], self.interval)
        else:
            for block in self.schema.features:
                columns = self.schema.columns(block.name)
                square = features[:, columns].astype(np.float64) ** 2
                lit = share @ (square > 0)
                size = self.unit or np.sqrt((share @ square).sum() / max(lit.sum(), 1e-30)) or 1.0
                self.spread[columns] = float(size)
        self.conditions.fit(conditions)

    def _fit_interval(self, features: NDArray[np.float32], interval: tuple[float, float]) -> None:
        for block in self.schema.features:
            columns = self.schema.columns(block.name)
            values = features[:, columns].astype(np.float64)
            # whole numbers are spread over the half units around them; a little less, so that none is rounded outwards
            beyond = 0.499 if block.kind in {"count", "category", "mask"} else 0.0
            low, high = values.min() - beyond, values.max() + beyond
            spread = (high - low) / (interval[1] - interval[0]) or 1.0
            self.spread[columns] = float(spread)
            self.centre[columns] = float(low - interval[0] * spread)

    def encode(self, features: Tensor, conditions: Tensor) -> Code:  # noqa: ARG002
        """Scaled features; `conditions` do not enter."""
        empty = self.energy & (features < self.threshold)
        values = torch.where(empty, 0.0, features)
        if self.exact:
            scaled = (values - self.centre) / self.spread
            return Code(scaled, scaled)
        half = 0.5 * self.integer
        return Code((values - half - self.centre) / self.spread, (values + half - self.centre) / self.spread)

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """Features in physical units."""
        values = latent * self.spread + self.centre
        if not self.exact:
            values = torch.where(self.integer, values.round(), values)
        empty = self.energy & ((values < self.threshold) | (values < 0))
        return torch.where(empty, 0.0, values)

    def context(self, stage: int, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """The scaled conditions."""
        scaled: Tensor = self.conditions(conditions)
        return scaled

    def mirror(self, permutation: NDArray[np.int64]) -> NDArray[np.int64]:
        """Features are permuted as they are."""
        return permutation

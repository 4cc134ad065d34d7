"""Showers: total energy, then layers, then cells; every energy sum exact by construction."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.errors import DataError
from facsim.observables.kinds import image_block
from facsim.schema import Block, Schema
from facsim.transforms.base import Code, Transform
from facsim.transforms.context import ConditionContext, ConditionScales
from facsim.transforms.marginals import Marginals

__all__ = ["ShowerTransform"]

UNITS_IN_MEV = {"MeV": 1.0, "GeV": 1e3, "keV": 1e-3, "TeV": 1e6}
TINY = 1e-6


class ShowerTransform(Transform):
    r"""Decompose a shower into fractions: total over incident, layer over what remains, cell over layer.

    Stage 0 has one column per layer: the total as :math:`\log(r_{max} - E_{tot}/E_{inc})`, and every layer but one as
    the logit of its share of what the layers before it have left (Krause and Shih, arXiv:2106.05285, section III).
    The layer that is lit most often comes last and takes the remainder, so that the sum is exact. Stage 1 has one
    column per cell: the logarithm of its share of the layer's energy, with presence (`Marginals`), driven by the
    layer's energy. Decoding normalises the cells of a layer to its energy and always lights at least one.

    Cells below ``Block.threshold`` count as empty. Images of energies are taken in the same way, with no incident
    energy to compare their sum with: what is fitted is then the sum itself.

    Parameters
    ----------
    schema : Schema
        Feature blocks must all be layers with a `Grid`, and the first condition of kind energy is the incident energy;
        or they are images of kind energy.
    knots : int, optional
        Knots of the marginals' dependence on energy.
    scales : str or mapping, optional
        Of the conditions; see `ConditionContext`.
    """

    ceiling: Tensor
    order: Tensor
    inverse_order: Tensor
    floors: Tensor
    layer_centre: Tensor
    layer_spread: Tensor

    def __init__(self, schema: Schema, knots: int = 10, scales: ConditionScales = "standard") -> None:
        super().__init__()
        if not self.takes(schema):
            msg = (
                "showers need feature blocks that are all layers with a grid and a condition of kind energy, or images"
            )
            raise DataError(msg)
        self.schema = schema
        self.sizes = [b.size for b in schema.features]
        layers = len(self.sizes)
        self.stages = (layers, schema.width)
        incident = _incident(schema)
        self.energy_column = None if incident is None else schema.columns(incident.name).start
        self.to_unit = 1.0
        if incident is not None:
            self.to_unit = UNITS_IN_MEV[incident.unit] / UNITS_IN_MEV[schema.features[0].unit]
        self.thresholds = [max(b.threshold, TINY) for b in schema.features]
        self.register_buffer("floors", torch.tensor(self.thresholds), persistent=False)
        self.energies = Marginals(layers, knots if incident is not None else 1)
        self.cells = nn.ModuleList(Marginals(size, knots) for size in self.sizes)
        self.conditions = ConditionContext(schema, scales=scales)
        self.context_widths = (self.conditions.width, self.conditions.width + 2 * layers)
        self.register_buffer("ceiling", torch.tensor(1.0))
        self.register_buffer("order", torch.arange(layers))
        self.register_buffer("inverse_order", torch.arange(layers))
        self.register_buffer("layer_centre", torch.zeros(layers))
        self.register_buffer("layer_spread", torch.ones(layers))

    @staticmethod
    def takes(schema: Schema) -> bool:
        """Whether the schema describes showers, or images of energies."""
        if len({b.unit for b in schema.features}) != 1 or any(b.kind != "energy" for b in schema.features):
            return False
        if len(schema.layers) == len(schema.features):
            return _incident(schema) is not None
        return image_block(schema) is not None

    def fit(
        self, features: NDArray[np.float32], conditions: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> None:
        """Fit the marginals of layers and cells to events."""
        cells = self._read_out(torch.from_numpy(features))
        layers = torch.stack([c.sum(1) for c in cells], 1)
        given = torch.from_numpy(conditions)
        incident = self._incident(given)
        ratio = layers.sum(1) / incident
        self.ceiling.copy_(ratio.max() * 1.01)
        brightness = layers.mean(0) / layers.mean(0).sum()
        self.order.copy_(torch.argsort((layers > 0).float().mean(0) + 1e-3 * brightness))
        self.inverse_order.copy_(torch.argsort(self.order))
        logs = layers.clamp(min=min(self.thresholds)).log()
        self.layer_centre.copy_(logs.mean(0))
        self.layer_spread.copy_(logs.std(0).clamp(min=1e-3))
        self.conditions.fit(conditions)
        values, lit = self._shares(layers, incident)
        self.energies.fit(torch.where(lit, values, torch.nan).numpy(), incident.log().numpy(), weights)
        for k, marginals in enumerate(self._marginals()):
            used = layers[:, k] > 0
            if used.any():
                share = torch.where(cells[k] > 0, cells[k] / layers[:, k : k + 1], torch.nan).log()
                used_weights = None if weights is None else weights[used.numpy()]
                marginals.fit(share[used].numpy(), layers[used, k].log().numpy(), used_weights)

    def encode(self, features: Tensor, conditions: Tensor) -> Code:
        """Latent intervals (n, layers + cells)."""
        cells = self._read_out(features)
        layers = torch.stack([c.sum(1) for c in cells], 1)
        incident = self._incident(conditions)
        codes = [self.energies.encode(*self._shares(layers, incident), incident.log())]
        for k, marginals in enumerate(self._marginals()):
            energy = layers[:, k].clamp(min=self.thresholds[k])
            share = (cells[k] / energy[:, None]).clamp(min=1e-30).log()
            codes.append(marginals.encode(share, cells[k] > 0, energy.log()))
        return Code(torch.cat([c.low for c in codes], 1), torch.cat([c.high for c in codes], 1))

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """Cell energies (n, d) of latent numbers."""
        layers = self._layers(latent, conditions)
        parts = []
        start = self.stages[0]
        for k, (marginals, size) in enumerate(zip(self._marginals(), self.sizes, strict=True)):
            energy = layers[:, k : k + 1]
            share, above = marginals.decode(
                latent[:, start : start + size], energy[:, 0].clamp(min=self.thresholds[k]).log()
            )
            start += size
            # A layer with energy has at least one lit cell: the one closest to it.
            lit = (above > 0) | (above >= above.amax(1, keepdim=True))
            amount = torch.where(lit, share.clamp(max=20.0).exp(), 0.0)
            parts.append(amount / amount.sum(1, keepdim=True) * energy)
        return torch.cat(parts, 1)

    def context(self, stage: int, latent: Tensor, conditions: Tensor) -> Tensor:
        """Scaled conditions; for the cells also the latent layer shares and the layer energies' logarithms."""
        given: Tensor = self.conditions(conditions)
        if stage == 0:
            return given
        layers = self._layers(latent, conditions).clamp(min=min(self.thresholds)).log()
        return torch.cat([given, latent[:, : self.stages[0]], (layers - self.layer_centre) / self.layer_spread], 1)

    def mirror(self, permutation: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cells are permuted, the energy columns stay."""
        return np.concatenate([np.arange(self.stages[0]), permutation + self.stages[0]])

    def _marginals(self) -> list[Marginals]:
        return cast("list[Marginals]", list(self.cells))

    def _read_out(self, features: Tensor) -> list[Tensor]:
        """Cells by layer, those below threshold set to zero."""
        parts = torch.split(features, self.sizes, dim=1)
        return [torch.where(p >= t, p, 0.0) for p, t in zip(parts, self.thresholds, strict=True)]

    def _incident(self, conditions: Tensor) -> Tensor:
        if self.energy_column is None:
            return conditions.new_ones(conditions.shape[0])
        return conditions[:, self.energy_column].clamp(min=1e-9) * self.to_unit

    def _shares(self, layers: Tensor, incident: Tensor) -> tuple[Tensor, Tensor]:
        """Columns of stage 0 and which of them are lit."""
        total = layers.sum(1)
        columns = [(self.ceiling - total / incident).clamp(min=TINY).log()]
        lit = [torch.ones_like(total, dtype=torch.bool)]
        left = total
        for energy in layers[:, self.order[:-1]].unbind(1):
            after = left - energy
            columns.append(energy.clamp(min=1e-30).log() - torch.maximum(after, TINY * left).clamp(min=1e-30).log())
            lit.append(energy > 0)
            left = after
        return torch.stack(columns, 1), torch.stack(lit, 1)

    def _layers(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """Layer energies (n, layers) of latent numbers: inverse of `_shares`."""
        incident = self._incident(conditions)
        values, above = self.energies.decode(latent[:, : self.stages[0]], incident.log())
        left = (self.ceiling - values[:, 0].exp()).clamp(min=TINY) * incident
        floors = self.floors[self.order]
        energies = []
        for column in range(1, self.stages[0]):
            # Not torch.sigmoid, which ONNX Runtime gives to 1e-7 absolutely: too little for a share of 1e-3.
            energy = left / (1 + torch.exp(-values[:, column]))
            energy = torch.where((above[:, column] > 0) & (energy >= floors[column - 1]), energy, 0.0)
            energies.append(energy)
            left = left - energy
        return torch.stack([*energies, left], 1)[:, self.inverse_order]


def _incident(schema: Schema) -> Block | None:
    """The condition that says how much energy came in, if the features can be compared with it."""
    block = next((b for b in schema.conditions if b.kind == "energy"), None)
    known = block is not None and {block.unit, *(b.unit for b in schema.features)} <= set(UNITS_IN_MEV)
    return block if known else None

"""Energy consistency: the cells together should hold the energy that came in."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout
from facsim.schema import Block, Schema
from facsim.transforms.shower import UNITS_IN_MEV

__all__ = ["EnergyConsistency", "imbalance"]


def imbalance(features: Tensor, conditions: Tensor, schema: Schema) -> Tensor:
    """Sum of all feature blocks of kind energy minus the incident energy, (n,), in GeV.

    Parameters
    ----------
    features : Tensor (n, d)
    conditions : Tensor (n, k)
        Both in physical units.
    schema : Schema
        Says which columns are energies, in which unit.

    Raises
    ------
    SchemaMismatch
        If there is no energy among features or conditions, or one in a unit that is none of energy.

    Examples
    --------
    >>> import torch
    >>> schema = Schema((Block("cells", (2,), "energy", "MeV"),), (Block("energy", (), "energy", "GeV"),))
    >>> imbalance(torch.tensor([[4000.0, 5000.0]]), torch.tensor([[10.0]]), schema).item()
    -1.0
    """
    incident = _incident(schema)
    total = features.new_zeros(len(features))
    for block in _energies(schema.features):
        total = total + features[:, schema.columns(block.name)].sum(1) * _gev(block)
    return total - conditions[:, schema.columns(incident.name)][:, 0] * _gev(incident)


@AUXILIARIES.register("energy-consistency")
class EnergyConsistency(Auxiliary):
    """The generator pays for the mean difference in GeV between what it deposits and what came in.

    CaloGAN's (arXiv:1712.10321) second term, with its factor 0.05; in the critic's loss the term has no gradient, so it
    is left out there. The mean is not weighted: every event keeps its energy, whatever its weight.
    """

    summary: ClassVar[str] = "mean difference between deposited and incident energy"
    reference: ClassVar[str] = "arXiv:1712.10321"
    needs_critic: ClassVar[bool] = False
    kind: str = "energy-consistency"

    weight: float = Field(0.05, ge=0)
    """Factor, per GeV."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if there is no energy among features or conditions."""
        _incident(layout.schema)
        for block in _energies(layout.schema.features):
            _gev(block)

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:  # noqa: ARG002
        """The mean absolute difference."""
        off = imbalance(game.decode(given(game.fake)), game.conditions, game.layout.schema).abs().mean()
        game.figures["imbalance"] = off.detach()
        return self.weight * off


def _energies(blocks: tuple[Block, ...]) -> list[Block]:
    found = [b for b in blocks if b.kind == "energy"]
    if not found:
        msg = (
            f"energy consistency needs blocks of kind 'energy' among features and conditions; there are "
            f"{[f'{b.name} ({b.kind})' for b in blocks]}. Leave auxiliary 'energy-consistency' out"
        )
        raise SchemaMismatch(msg)
    return found


def _incident(schema: Schema) -> Block:
    found = _energies(schema.conditions)
    return next((b for b in found if b.name == "energy"), found[0])


def _gev(block: Block) -> float:
    if block.unit not in UNITS_IN_MEV:
        msg = f"block '{block.name}' is an energy in '{block.unit}'; energy consistency knows {list(UNITS_IN_MEV)}"
        raise SchemaMismatch(msg)
    return UNITS_IN_MEV[block.unit] / UNITS_IN_MEV["GeV"]

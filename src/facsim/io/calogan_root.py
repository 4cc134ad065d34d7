"""CaloGAN's original ROOT layout: tree ``fancy_tree``, double branches ``cell_0`` ... ``cell_506`` and ``TotalEnergy``.

Cells in MeV: 504 of the three layers, row by row, then the overflow of the three layers. ``TotalEnergy`` is the kinetic
energy of the particle in GeV, not a sum of deposits: in the files of cargicar/CaloGAN the cells sum to 0.994 of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.detectors import calogan
from facsim.events import Events
from facsim.io.calogan import without_rounding
from facsim.io.contents import WEIGHTS, Contents, Pick, same_columns
from facsim.io.layout import Layout
from facsim.io.root import ROOT_MAGIC, RootSource, root_keys
from facsim.io.root_sink import RootSink
from facsim.schema import Schema

__all__ = ["CALOGAN_ROOT"]

TREE = "fancy_tree"
ENERGY = "TotalEnergy"
_ALL = calogan(overflow=True)
_CELLS = [f"cell_{i}" for i in range(_ALL.width)]
_BRANCHES = {b.name: _CELLS[_ALL.columns(b.name)] for b in _ALL.features} | {"energy": [ENERGY], WEIGHTS: [WEIGHTS]}


class _Source(RootSource):
    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        branches = [branch for name in names for branch in _BRANCHES[name]]
        columns = super().load(branches, start, stop)
        return without_rounding({name: np.stack([columns[b] for b in _BRANCHES[name]], axis=1) for name in names})

    def _describe(self, pick: Pick) -> Contents:  # noqa: ARG002 - every file has the same blocks
        self.require([*_CELLS, ENERGY], "calogan-root")
        layers = tuple(b.name for b in calogan().features)
        weights = WEIGHTS if WEIGHTS in self.shapes() else None
        events = int(self.tree.num_entries)
        return Contents.of(self.own_schema() or _ALL, events, default=layers, weights=weights, attrs=self.attrs())


class _Sink(RootSink):
    tree_name = TREE

    def _complete(self, schema: Schema, form: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the layout is known
        return {}

    def _types(self, schema: Schema) -> dict[str, np.dtype[Any]]:  # noqa: ARG002 - the same for all
        return dict.fromkeys([*_CELLS, ENERGY], np.dtype(np.float64))

    def _columns(self, events: Events) -> dict[str, NDArray[Any]]:
        cells = np.zeros((_ALL.width, len(events)))  # the overflow stays zero where the events have none
        cells[: events.schema.width] = events.features.T
        return dict(zip(_CELLS, cells, strict=True)) | {ENERGY: events.conditions[:, 0].astype(np.float64)}


def _refuses(schema: Schema) -> str:
    return same_columns(schema, calogan()) and same_columns(schema, _ALL)


CALOGAN_ROOT = Layout(
    name="calogan-root",
    suffixes=(".root",),
    magic=ROOT_MAGIC,
    recognises=lambda path, pick: pick.tree in {None, TREE} and TREE in root_keys(path),
    refuses=_refuses,
    source=_Source,
    sink=_Sink,
)

"""CaloChallenge's HDF5 layout: ``showers`` (n, voxels) and ``incident_energies`` (n, 1), both in MeV.

The data set (1 photons, 1 pions, 2, 3) is told by the number of voxels; arXiv:2410.21611.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim import detectors
from facsim.errors import FileFormatError
from facsim.events import Events
from facsim.io.contents import WEIGHTS, Contents, Pick, same_columns
from facsim.io.hdf5 import (
    HDF5_MAGIC,
    HDF5_SUFFIXES,
    HDF5Sink,
    HDF5Source,
    check_datasets,
    keys,
    own_schema,
    user_attrs,
)
from facsim.io.layout import Layout
from facsim.schema import Block, Schema

__all__ = ["CALOCHALLENGE"]

SHOWERS, ENERGIES = "showers", "incident_energies"
_DATA_SETS = tuple(name for name in detectors.names() if name.startswith("calochallenge-"))


class _Source(HDF5Source):
    def __init__(self, path: Path, _pick: Pick) -> None:
        super().__init__(path, lambda file: self._describe(path, file))

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        others = {"energy": ENERGIES, WEIGHTS: WEIGHTS}
        voxels = self.file[SHOWERS][start:stop] if any(n not in others for n in names) else None
        return {
            n: self.file[others[n]][start:stop] if voxels is None or n in others else voxels[:, self._all.columns(n)]
            for n in names
        }

    def _describe(self, path: Path, file: Any) -> Contents:
        voxels = file[SHOWERS].shape[-1] if SHOWERS in file and file[SHOWERS].shape else 0
        weights = WEIGHTS if WEIGHTS in file else None
        cure = f"Both '{SHOWERS}' and '{ENERGIES}' are needed; any table of datasets is read with layout='hdf5'."
        blocks = (Block(SHOWERS, (voxels or 1,)), Block(ENERGIES), *((Block(WEIGHTS),) if weights else ()))
        events = check_datasets(path, file, blocks, "calochallenge", cure)
        by_voxels = {detectors.get(name).width: name for name in _DATA_SETS}
        schema = own_schema(file)
        if schema is None and voxels in by_voxels:
            schema = detectors.get(by_voxels[voxels])
        if schema is None or schema.width != voxels:
            known = ", ".join(f"{n} ({name})" for n, name in by_voxels.items())
            msg = f"{path}: dataset '{SHOWERS}' has {voxels} voxels per event; known are {known}. {cure}"
            raise FileFormatError(msg)
        self._all = schema
        return Contents.of(schema, events, weights=weights, attrs=user_attrs(file))


class _Sink(HDF5Sink):
    def _create(self, schema: Schema) -> None:
        for key, width in ((SHOWERS, schema.width), (ENERGIES, 1)):
            self._dataset(key, (width,), np.float32).attrs["unit"] = "MeV"

    def _datasets(self, events: Events) -> dict[str, NDArray[Any]]:
        return {SHOWERS: events.features, ENERGIES: events.conditions}


def _refuses(schema: Schema) -> str:
    for name in _DATA_SETS:
        known = detectors.get(name)
        if schema.width == known.width:
            return same_columns(schema, known)
    return f"{schema.width} feature columns are no CaloChallenge data set"


def _recognises(path: Path, _pick: Pick) -> bool:
    names, layout = keys(path)
    return layout == "calochallenge" or (not layout and not names.isdisjoint({SHOWERS, ENERGIES}))


CALOCHALLENGE = Layout(
    name="calochallenge",
    suffixes=HDF5_SUFFIXES,
    magic=HDF5_MAGIC,
    recognises=_recognises,
    refuses=_refuses,
    source=_Source,
    sink=lambda path, schema, weighted, attrs: _Sink(path, schema, weighted, attrs, layout="calochallenge"),
)

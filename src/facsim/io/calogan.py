"""CaloGAN's HDF5 layout: ``layer_0``, ``layer_1``, ``layer_2``, ``overflow`` in MeV and ``energy`` (n, 1) in GeV.

Format of ``generation/convert.py`` in hep-lbdl/CaloGAN, and of the published files (Mendeley 10.17632/pvn3xc3wy5.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.detectors import calogan
from facsim.io.contents import WEIGHTS, Contents, Pick, block_difference
from facsim.io.hdf5 import (
    HDF5_MAGIC,
    HDF5_SUFFIXES,
    HDF5Sink,
    HDF5Source,
    check_datasets,
    keys,
    numeric_datasets,
    own_schema,
    user_attrs,
)
from facsim.io.layout import Layout
from facsim.schema import Block, Schema

__all__ = ["CALOGAN", "without_rounding"]

ROUNDING_MEV = 0.01  # overflow is a difference of float32 sums of up to 1e5 MeV, so it can be this little below zero


def without_rounding(loaded: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Set the tiny negative values that float32 sums leave in ``overflow`` to zero; larger ones stay, to be refused."""
    if "overflow" not in loaded:
        return loaded
    overflow = loaded["overflow"]
    return {**loaded, "overflow": np.where((overflow < 0) & (overflow > -ROUNDING_MEV), 0, overflow)}


class _Source(HDF5Source):
    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        return without_rounding(super().load(names, start, stop))


def _source(path: Path, pick: Pick) -> HDF5Source:
    layers = tuple(b.name for b in calogan().features)

    def describe(file: Any) -> Contents:
        schema = own_schema(file) or _foreign(file)
        weights = WEIGHTS if WEIGHTS in file else None
        extra = _named_only(file, schema) if pick.features or pick.conditions or pick.weights else ()
        blocks = schema.features + schema.conditions + extra
        cure = "If it is no CaloGAN file, read it with layout='hdf5'."
        events = check_datasets(path, file, (*blocks, *((Block(WEIGHTS),) if weights else ())), "calogan", cure)
        known = Contents.of(schema, events, default=layers, weights=weights, attrs=user_attrs(file))
        return Contents(**{**vars(known), "blocks": blocks})

    return _Source(path, describe)


def _foreign(file: Any) -> Schema:
    """Schema of a file that others wrote: overflow and the argon-only energies of our reference showers if present."""
    schema = calogan(overflow="overflow" in file)
    argon = tuple(
        Block(name, b.shape, b.kind, b.unit, grid=b.grid)
        for k, b in enumerate(schema.layers)
        if (name := f"active_{k}") in file
    )
    return Schema(schema.features + argon, schema.conditions, schema.detector)


def _named_only(file: Any, schema: Schema) -> tuple[Block, ...]:
    """Further datasets, such as ``x0`` or ``px`` of the set with positions and angles: read only if asked for."""
    known = {b.name for b in schema.features + schema.conditions} | {WEIGHTS}
    others = {k: d for k, d in numeric_datasets(file).items() if k not in known}
    return tuple(Block(k, d.shape[1:] if d.shape[1:] != (1,) else ()) for k, d in others.items())


def _refuses(schema: Schema) -> str:
    """Further blocks are welcome: they become further datasets."""
    have = {b.name for b in schema.features + schema.conditions}
    wanted = calogan()
    for block in wanted.features + wanted.conditions:
        role = "condition" if wanted.is_condition(block.name) else "feature"
        if block.name not in have or schema.is_condition(block.name) != wanted.is_condition(block.name):
            return f"it needs the {role} block {block}"
        if reason := block_difference(schema.block(block.name), block):
            return reason
    return ""


def _recognises(path: Path, _pick: Pick) -> bool:
    names, layout = keys(path)
    return layout == "calogan" or (not layout and not names.isdisjoint(b.name for b in calogan().features))


CALOGAN = Layout(
    name="calogan",
    suffixes=HDF5_SUFFIXES,
    magic=HDF5_MAGIC,
    recognises=_recognises,
    refuses=_refuses,
    source=_source,
    sink=partial(HDF5Sink, layout="calogan", flat=(1,)),
)

"""LAGAN's HDF5 layout: ``image`` (n, 25, 25) and, one number per jet, ``signal`` and the quantities of the jet.

Format of the published file (Zenodo record 269622): images in GeV, ``signal`` 1 for W' and 0 for QCD. Only images and
``signal`` are read unless other blocks are asked for by name (or ``"all"``). In files of others, pixels below 1e-3 GeV
are set to 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.detectors import jet_images
from facsim.errors import FileFormatError
from facsim.io.contents import WEIGHTS, Contents, Pick, block_difference
from facsim.io.hdf5 import HDF5_MAGIC, HDF5_SUFFIXES, HDF5Sink, HDF5Source, check_datasets, keys, own_schema, user_attrs
from facsim.io.layout import Layout
from facsim.schema import Block, Schema

__all__ = ["JET_IMAGES"]

NAME, IMAGE, SIGNAL = "jet-images", "image", "signal"


class _Source(HDF5Source):
    def __init__(self, path: Path, _pick: Pick) -> None:
        super().__init__(path, lambda file: self._describe(path, file))

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        loaded = dict(super().load(names, start, stop))
        if (
            self._foreign and IMAGE in loaded
        ):  # what turning an image leaves beside its pixels, as LAGAN's training does
            loaded[IMAGE] = np.where(loaded[IMAGE] < self._threshold, 0, loaded[IMAGE])
        return loaded

    def _describe(self, path: Path, file: Any) -> Contents:
        own = own_schema(file)
        schema = own or _schema(path, file)
        self._foreign, self._threshold = own is None, schema.block(IMAGE).threshold
        weights = WEIGHTS if WEIGHTS in file else None
        blocks = schema.features + schema.conditions + ((Block(WEIGHTS),) if weights else ())
        cure = "If these are no images of jets, read the file with layout='hdf5'."
        events = check_datasets(path, file, blocks, NAME, cure)
        return Contents.of(schema, events, default=(IMAGE,), weights=weights, attrs=user_attrs(file))


def _schema(path: Path, file: Any) -> Schema:
    """Schema of a file that others wrote: images of the one known size, and those quantities that are there."""
    schema = jet_images(quantities=True)
    shape = file[IMAGE].shape[1:] if IMAGE in file else schema.block(IMAGE).shape
    if shape != schema.block(IMAGE).shape:
        size = " x ".join(str(side) for side in shape)
        msg = (
            f"{path}: dataset '{IMAGE}' has images of {size} pixels, layout '{NAME}' those of 25 x 25, whose places it "
            "knows. Read the file with layout='hdf5', conditions=['signal']"
        )
        raise FileFormatError(msg)
    return schema.select(b.name for b in schema.features if b.name == IMAGE or b.name in file)


def _refuses(schema: Schema) -> str:
    """Further blocks are welcome: they become further datasets."""
    have = {b.name for b in schema.features + schema.conditions}
    wanted = jet_images()
    for block in wanted.features + wanted.conditions:
        role = "condition" if wanted.is_condition(block.name) else "feature"
        if block.name not in have or schema.is_condition(block.name) != wanted.is_condition(block.name):
            return f"it needs the {role} block {block}"
        if reason := block_difference(schema.block(block.name), block):
            return reason
    return ""


def _recognises(path: Path, _pick: Pick) -> bool:
    names, layout = keys(path)
    return layout == NAME or (not layout and names >= {IMAGE, SIGNAL, "jet_pt"})


JET_IMAGES = Layout(
    name=NAME,
    suffixes=HDF5_SUFFIXES,
    magic=HDF5_MAGIC,
    recognises=_recognises,
    refuses=_refuses,
    source=_Source,
    sink=partial(HDF5Sink, layout=NAME),
)

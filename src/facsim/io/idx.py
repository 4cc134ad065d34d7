"""IDX files, the format of MNIST: one array of images or of labels, also packed with gzip.

Two zero bytes, the type of the numbers, the number of axes, the length of each axis (32 bits, big-endian), the numbers.
Images become the block ``image`` of kind energy (never negative, mostly zero). Their labels are looked for beside them
(``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``) and become the condition ``label``; a label file elsewhere
is given as a friend.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError
from facsim.io.contents import Contents, Pick
from facsim.io.layout import Layout
from facsim.io.reader import MOST_BYTES
from facsim.schema import Block

__all__ = ["IDX", "IDX_GZ"]

GZIP = b"\x1f\x8b"
IMAGE, LABEL = "image", "label"
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class _File:
    """One IDX file, packed or not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        self.stream = cast("BinaryIO", gzip.open(path) if packed else path.open("rb"))  # noqa: SIM115
        try:
            self._begin(packed=packed)
        except BaseException:
            self.stream.close()
            raise

    def _begin(self, *, packed: bool) -> None:
        begin = self.stream.read(4)
        if len(begin) < 4 or begin[:2] != b"\0\0" or begin[2] not in _TYPES or begin[3] == 0:
            msg = f"{self.path}: begins with {begin!r}, which is no IDX file (as MNIST's): give another file"
            raise FileFormatError(msg)
        self.dtype, axes = np.dtype(_TYPES[begin[2]]), begin[3]
        self.shape = struct.unpack(f">{axes}I", self.stream.read(4 * axes))
        self.offset, self.row = 4 + 4 * axes, self.dtype.itemsize * math.prod(self.shape[1:])
        if self.row > MOST_BYTES:  # packed files do not tell their length
            msg = f"{self.path}: says that an entry has the shape {self.shape[1:]}. The file is damaged: copy it again"
            raise FileFormatError(msg)
        size, want = self.path.stat().st_size, self.offset + self.row * self.shape[0]
        if not packed and size != want:
            msg = f"{self.path}: has {size} bytes, {self.shape} numbers of type {self.dtype} need {want}. "
            raise FileFormatError(msg + "The file is cut short or damaged: copy it again")

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Entries start to stop."""
        self.stream.seek(self.offset + start * self.row)
        data = self.stream.read((stop - start) * self.row)
        return np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])


class _Source:
    def __init__(self, path: Path, pick: Pick) -> None:  # noqa: ARG002 - Contents.choose does what there is to do
        self.files = {}
        try:
            first = _File(path)
            kind = IMAGE if len(first.shape) > 1 else LABEL
            self.files[kind] = first
            if kind == IMAGE and (beside := _labels_of(path)) is not None:
                self.files[LABEL] = _File(beside)
            self.contents = self._describe(first)
        except BaseException:
            self.close()
            raise

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        return {name: self.files[name].rows(start, stop) for name in names}

    def close(self) -> None:
        for file in self.files.values():
            file.stream.close()

    def _describe(self, first: _File) -> Contents:
        if LABEL in self.files and self.files[LABEL].shape != first.shape[:1]:
            labels_file, shape = self.files[LABEL].path, self.files[LABEL].shape
            msg = f"{labels_file}: has shape {shape} beside {first.shape[0]} images in {first.path.name}; "
            raise FileFormatError(msg + "a label per image is needed: take the right file, or move this one away")
        blocks = []
        if IMAGE in self.files:
            blocks.append(Block(IMAGE, first.shape[1:], "energy" if first.dtype.kind == "u" else "real"))
        if LABEL in self.files:
            labels = self.files[LABEL].rows(0, first.shape[0])
            whole = labels.dtype.kind in "iu" and len(labels) and labels.min() >= 0
            names = tuple(str(i) for i in range(int(labels.max()) + 1)) if whole else ()
            blocks.append(Block(LABEL, (), "category" if names else "real", names=names))
        features = tuple(b.name for b in blocks[:1])
        return Contents(first.shape[0], tuple(blocks), features, tuple(b.name for b in blocks[1:]))


def _labels_of(path: Path) -> Path | None:
    """The label file beside a file of images, by MNIST's names."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    base = name.removesuffix(".gz")
    found = (path.with_name(n) for n in (name, base, f"{base}.gz") if n != path.name)
    return next((p for p in found if p.is_file()), None) if "images" in path.name else None


def _layout(name: str, magic: bytes) -> Layout:
    return Layout(
        name=name,
        suffixes=(),
        magic=magic,
        recognises=lambda path, pick: True,  # noqa: ARG005 - what is wrong with it, the source says
        refuses=lambda schema: "IDX files are only read; write .root, .npz or .h5",  # noqa: ARG005
        source=_Source,
    )


IDX = _layout("idx", b"\0\0")
IDX_GZ = _layout("idx-gz", GZIP)

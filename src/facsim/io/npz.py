"""npz files: one array per block, and the schema as a string array ``facsim_schema`` (no pickle).

Both directions stream: a reader unpacks the rows asked for from inside the archive, a writer spools to an unnamed file
in the same folder, since an archive can take only one array at a time. Reading backwards unpacks from the beginning.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest
from facsim.events import Events
from facsim.io.contents import ATTRS, SCHEMA, WEIGHTS, Contents, Pick, listed
from facsim.io.layout import Layout
from facsim.schema import Schema

__all__ = ["NPZ", "NPZ_MAGIC", "NPZSource"]

NPZ_MAGIC = b"PK\x03\x04"
COMPRESSION_LEVEL = 4
COPY_BYTES = 1 << 22


class _Member:
    """One array inside the archive, unpacked as far as it is asked for."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.stream = cast("BinaryIO", archive.open(f"{name}.npy"))
        version = np.lib.format.read_magic(self.stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        self.shape, self.fortran, self.dtype = header(self.stream)
        self.offset = self.stream.tell()

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        row = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=int))
        self.stream.seek(self.offset + start * row)
        data = self.stream.read((stop - start) * row)
        return np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])

    def text(self) -> str:
        self.stream.seek(0)
        return str(np.lib.format.read_array(self.stream, allow_pickle=False))


class NPZSource:
    """The arrays of one archive."""

    def __init__(self, path: Path, pick: Pick) -> None:
        self.path = path
        self.archive = zipfile.ZipFile(path)
        self.members: dict[str, _Member] = {}
        try:
            self.contents = self._describe(pick)
        except BaseException:
            self.close()
            raise

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        """Arrays by name."""
        return {name: self.member(name).rows(start, stop) for name in names}

    def close(self) -> None:
        """Close the file."""
        for member in self.members.values():
            member.stream.close()
        self.archive.close()

    def names(self) -> list[str]:
        """Names of the arrays."""
        return [n.removesuffix(".npy") for n in self.archive.namelist() if n.endswith(".npy")]

    def member(self, name: str) -> _Member:
        """One array, opened once."""
        if name not in self.members:
            self.members[name] = _Member(self.archive, name)
        return self.members[name]

    def _describe(self, pick: Pick) -> Contents:
        names = self.names()
        weights = WEIGHTS if WEIGHTS in names else None
        if SCHEMA not in names:
            shapes = {n: m.shape for n in names if (m := self.member(n)).shape and m.dtype.kind in "biuf"}
            events = self._events(list(shapes))
            return Contents.plain(events, {n: shape[1:] for n, shape in shapes.items() if 0 not in shape[1:]}, pick)
        schema = Schema.from_json(json.loads(self.member(SCHEMA).text()))
        blocks = schema.features + schema.conditions
        for block in blocks:
            if block.name not in names:
                msg = f"{self.path}: lacks the array '{block.name}'; there are {listed(names)}."
                raise FileFormatError(msg + nearest(block.name, names) + " Write the file anew")
            if self.member(block.name).shape[1:] != block.shape:
                shape = self.member(block.name).shape
                msg = (
                    f"{self.path}: array '{block.name}' has shape {shape}, its schema says {block}. Write the file anew"
                )
                raise FileFormatError(msg)
        events = self._events([b.name for b in blocks] + ([weights] if weights else []))
        attrs = json.loads(self.member(ATTRS).text()) if ATTRS in names else {}
        return Contents.of(schema, events, weights=weights, attrs=attrs)

    def _events(self, names: Sequence[str]) -> int:
        shapes = {n: self.member(n).shape for n in names}
        if len({shape[0] for shape in shapes.values()}) > 1:
            msg = f"{self.path}: arrays of different length ({shapes}). A table has one length: remove the others"
            raise FileFormatError(msg)
        for name, shape in shapes.items():
            if self.member(name).fortran and len(shape) > 1:
                msg = f"{self.path}: array '{name}' is stored column by column; save numpy.ascontiguousarray of it"
                raise FileFormatError(msg)
        return next((shape[0] for shape in shapes.values()), 0)


class _Sink:
    def __init__(self, path: Path, schema: Schema, weighted: bool, attrs: Mapping[str, Any]) -> None:
        self.path = path
        self.shapes = {b.name: b.shape for b in schema.features + schema.conditions}
        self.weighted, self.events = weighted, 0
        self.texts = {SCHEMA: json.dumps(schema.to_json()), ATTRS: json.dumps(dict(attrs))}
        self.spool = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed below
        self.pieces: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def put(self, events: Events) -> None:
        for name in self.shapes:
            self._keep(name, np.ascontiguousarray(events[name], "<f4"))
        if events.weights is not None:
            self._keep(WEIGHTS, np.ascontiguousarray(events.weights, "<f8"))
        self.events += len(events)

    def close(self) -> None:
        with (
            self.spool,
            zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as archive,
        ):
            for name, shape in self.shapes.items():
                self._store(archive, name, "<f4", shape)
            if self.weighted:
                self._store(archive, WEIGHTS, "<f8", ())
            for name, text in self.texts.items():
                with archive.open(f"{name}.npy", "w") as target:
                    np.lib.format.write_array(target, np.asarray(text), allow_pickle=False)

    def abandon(self) -> None:
        self.spool.close()

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self.pieces[name].append((self.spool.tell(), values.nbytes))
        self.spool.write(values.data)

    def _store(self, archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
            header = {"descr": dtype, "fortran_order": False, "shape": (self.events, *shape)}
            np.lib.format.write_array_header_1_0(target, header)
            for position, size in self.pieces[name]:
                self.spool.seek(position)
                for done in range(0, size, COPY_BYTES):
                    target.write(self.spool.read(min(COPY_BYTES, size - done)))


NPZ = Layout(
    name="npz",
    suffixes=(".npz",),
    magic=NPZ_MAGIC,
    recognises=lambda path, pick: True,  # noqa: ARG005 - what else there is in zip archives comes before
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=NPZSource,
    sink=_Sink,
)

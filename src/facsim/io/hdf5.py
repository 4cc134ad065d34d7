"""facsim's own HDF5 layout: one dataset per block, the schema as the attribute ``facsim_schema``.

HDF5 files without a schema are read too: every numeric dataset of the root group is a feature of kind real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest
from facsim.events import Events
from facsim.io.contents import ATTRS, LAYOUT, SCHEMA, WEIGHTS, Contents, Pick
from facsim.io.layout import Layout
from facsim.io.writer import CHUNK
from facsim.schema import Block, Schema

__all__ = [
    "HDF5",
    "HDF5_MAGIC",
    "HDF5_SUFFIXES",
    "HDF5Sink",
    "HDF5Source",
    "check_datasets",
    "keys",
    "numeric_datasets",
    "own_schema",
    "user_attrs",
]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_SUFFIXES = (".h5", ".hdf5")
LARGEST_CHUNK_BYTES = 8 << 20  # an event of CaloChallenge 3 has 162 kB; 256 of them are too many to unpack for one


class HDF5Source:
    """An HDF5 file whose blocks are datasets of the same name."""

    def __init__(self, path: Path, describe: Callable[[Any], Contents]) -> None:
        import h5py

        self.path = path
        self.file = h5py.File(path, "r")
        try:
            self.contents = describe(self.file)
        except BaseException:
            self.file.close()
            raise

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        """Datasets by name."""
        return {name: self.file[name][start:stop] for name in names}

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class HDF5Sink:
    """Writes one dataset per block, gzip level 4 with shuffle, in chunks of 256 events.

    Parameters
    ----------
    layout : str
        Stored, so that the file is recognised whatever its keys.
    flat : tuple of int
        Shape in which a block of one number per event is stored: ``()`` or, as in CaloGAN's files, ``(1,)``.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        weighted: bool,
        attrs: Mapping[str, Any],
        *,
        layout: str = "hdf5",
        flat: tuple[int, ...] = (),
    ) -> None:
        import h5py

        self.file = h5py.File(path, "w")
        self.flat = flat
        self._create(schema)
        self._begin(weighted, attrs)
        self.file.attrs[LAYOUT] = layout
        self.file.attrs[SCHEMA] = json.dumps(schema.to_json())

    def put(self, events: Events) -> None:
        """Add events."""
        for key, values in self._datasets(events).items():
            self._extend(key, values)
        if events.weights is not None:
            self._extend(WEIGHTS, events.weights)
        self.file.flush()  # else HDF5 keeps the chunks of every dataset in memory, and fails late on a full disk

    def close(self) -> None:
        """Complete the file."""
        self.file.close()

    abandon = close

    def _create(self, schema: Schema) -> None:
        for block in schema.features + schema.conditions:
            dataset = self._dataset(block.name, block.shape or self.flat, np.float32)
            dataset.attrs.update({"unit": block.unit, "kind": block.kind})

    def _datasets(self, events: Events) -> dict[str, NDArray[Any]]:
        return {b.name: events[b.name] for b in events.schema.features + events.schema.conditions}

    def _begin(self, weighted: bool, attrs: Mapping[str, Any]) -> None:
        if weighted:
            self._dataset(WEIGHTS, (), np.float64)
        plain = {k: v for k, v in attrs.items() if isinstance(v, (str, bool, int, float))}
        self.file.attrs.update(plain)
        self.file.attrs[ATTRS] = json.dumps({k: v for k, v in attrs.items() if k not in plain})

    def _dataset(self, name: str, shape: tuple[int, ...], dtype: type) -> Any:
        bytes_per_event = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        rows = max(1, min(CHUNK, LARGEST_CHUNK_BYTES // bytes_per_event))
        how = {"chunks": (rows, *shape), "compression": "gzip", "compression_opts": 4, "shuffle": True}
        return self.file.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), **how)

    def _extend(self, name: str, values: NDArray[Any]) -> None:
        dataset = self.file[name]
        before = len(dataset)
        dataset.resize(before + len(values), axis=0)
        dataset[before:] = values.reshape(len(values), *dataset.shape[1:])


def own_schema(file: Any) -> Schema | None:
    """The schema that facsim stored in an open HDF5 file, if it did."""
    text = file.attrs.get(SCHEMA)
    return None if text is None else Schema.from_json(json.loads(text))


def user_attrs(file: Any) -> dict[str, Any]:
    """Attributes of an open HDF5 file except facsim's own, as plain Python values."""
    found = {k: _plain_value(v) for k, v in file.attrs.items() if k not in {ATTRS, LAYOUT, SCHEMA}}
    return found | dict(json.loads(file.attrs.get(ATTRS, "{}")))


def keys(path: Path) -> tuple[set[str], str]:
    """Names in the root group of an HDF5 file, and the layout that facsim noted in it (or an empty string)."""
    import h5py

    with h5py.File(path, "r") as file:
        return set(file), str(file.attrs.get(LAYOUT, ""))


def check_datasets(path: Path, file: Any, blocks: Sequence[Block], layout: str, cure: str) -> int:
    """Number of events, after checking that each block has a dataset of its shape and all have equal length.

    Raises
    ------
    FileFormatError
        Naming the file, the key and the cure.
    """
    import h5py

    events: dict[str, int] = {}
    for block in blocks:
        dataset = file.get(block.name)
        if not isinstance(dataset, h5py.Dataset):
            msg = f"{path}: layout '{layout}' needs the dataset '{block.name}'; there are {sorted(file)}."
            raise FileFormatError(msg + nearest(block.name, file) + " " + cure)
        if dataset.dtype.kind not in "biuf":
            msg = f"{path}: dataset '{block.name}' holds {dataset.dtype}, not numbers. {cure}"
            raise FileFormatError(msg)
        allowed = {block.shape} if block.shape else {(), (1,)}
        if dataset.shape[1:] not in allowed or not dataset.shape:
            want = ", ".join(["n", *map(str, block.shape)])
            msg = (
                f"{path}: dataset '{block.name}' has shape {dataset.shape}, layout '{layout}' asks for ({want}). {cure}"
            )
            raise FileFormatError(msg)
        events[block.name] = len(dataset)
    if len(set(events.values())) > 1:
        msg = f"{path}: datasets of different length ({events}). The file is incomplete: write it anew"
        raise FileFormatError(msg)
    return next(iter(events.values()), 0)


def _plain_value(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return [_plain_value(v) for v in value]
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def _source(path: Path, pick: Pick) -> HDF5Source:
    def describe(file: Any) -> Contents:
        schema = own_schema(file)
        if schema is None:
            return _plain(path, file, pick)
        blocks = schema.features + schema.conditions + ((Block(WEIGHTS),) if WEIGHTS in file else ())
        events = check_datasets(path, file, blocks, "hdf5", "Write the file anew.")
        return Contents.of(schema, events, weights=WEIGHTS if WEIGHTS in file else None, attrs=user_attrs(file))

    return HDF5Source(path, describe)


def numeric_datasets(file: Any) -> dict[str, Any]:
    """Datasets in the root group that hold at least one number per event."""
    import h5py

    found = {k: d for k, d in file.items() if isinstance(d, h5py.Dataset) and d.dtype.kind in "biuf"}
    return {k: d for k, d in found.items() if d.shape and 0 not in d.shape[1:]}


def _plain(path: Path, file: Any, pick: Pick) -> Contents:
    found = numeric_datasets(file)
    if not found:
        msg = (
            f"{path}: no numeric dataset in the root group; there are {sorted(file)}. Known HDF5 layouts: CaloGAN "
            "(layer_0, layer_1, layer_2, energy), CaloChallenge (showers, incident_energies), or a table of datasets"
        )
        raise FileFormatError(msg)
    blocks = [Block(k, d.shape[1:]) for k, d in found.items()]
    events = check_datasets(path, file, blocks, "hdf5", "A table has one length: remove the others.")
    return Contents.plain(events, {b.name: b.shape for b in blocks}, pick, attrs=user_attrs(file))


HDF5 = Layout(
    name="hdf5",
    suffixes=HDF5_SUFFIXES,
    magic=HDF5_MAGIC,
    recognises=lambda path, pick: True,  # noqa: ARG005 - any other HDF5 file is a table of datasets
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=_source,
    sink=HDF5Sink,
)

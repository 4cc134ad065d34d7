"""Parquet files (extra ``parquet``): one column per block, fixed-size lists for blocks of several numbers.

The schema stands in the file's metadata. Of other files every column of numbers or of fixed-size lists of numbers is a
block of kind real; missing values become NaN. Both directions stream; reading on from where the last read ended is
fast, anything else starts at the beginning of a row group.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest, require
from facsim.events import Events
from facsim.io.contents import ATTRS, SCHEMA, WEIGHTS, Contents, Pick, listed
from facsim.io.layout import Layout
from facsim.schema import Schema

__all__ = ["PARQUET"]

BATCH = 1024


def _pyarrow(module: str = "pyarrow") -> Any:
    return require(module, "parquet", "reading and writing Parquet files")


class _Source:
    def __init__(self, path: Path, pick: Pick) -> None:
        self.path = path
        self.file = _pyarrow("pyarrow.parquet").ParquetFile(path)
        try:
            self.contents = self._describe(pick)
        except BaseException:
            self.file.close()
            raise
        groups = [self.file.metadata.row_group(i).num_rows for i in range(self.file.num_row_groups)]
        self.starts = np.cumsum([0, *groups])
        self.position, self.names = -1, tuple[str, ...]()
        self.stream: Iterator[Any] = iter(())
        self.rest: Any = None  # read, but not yet asked for

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        if (self.position, self.names) != (start, tuple(names)):
            self._restart(start, names)
        parts = []
        while self.position < stop:
            if self.rest is None:
                self.rest = next(self.stream)
            take = min(stop - self.position, self.rest.num_rows)
            parts.append(self.rest.slice(0, take))
            self.rest = self.rest.slice(take) if take < self.rest.num_rows else None
            self.position += take
        return {n: np.concatenate([_numbers(p.column(i)) for p in parts]) for i, n in enumerate(names)}

    def close(self) -> None:
        self.file.close()

    def _restart(self, start: int, names: Sequence[str]) -> None:
        group = int(np.searchsorted(self.starts, start, "right")) - 1
        self.names, self.rest = tuple(names), None
        self.stream = self._batches(group, list(names))
        self.position = int(self.starts[group])
        while self.position < start:
            self.rest = next(self.stream)
            skip = min(start - self.position, self.rest.num_rows)
            self.rest = self.rest.slice(skip) if skip < self.rest.num_rows else None
            self.position += skip

    def _batches(self, group: int, names: list[str]) -> Iterator[Any]:
        for i in range(group, self.file.num_row_groups):  # one by one: pyarrow reads ahead over the groups it is given
            for batch in self.file.iter_batches(BATCH, row_groups=[i], columns=names, use_threads=False):
                yield batch.select(names)  # pyarrow gives them in the order of the file

    def _describe(self, pick: Pick) -> Contents:
        fields = self.file.schema_arrow
        metadata = {k.decode(): v.decode() for k, v in (fields.metadata or {}).items() if k.startswith(b"facsim_")}
        shapes = {f.name: shape for f in fields if (shape := _shape(f.type)) is not None}
        events = int(self.file.metadata.num_rows)
        if SCHEMA not in metadata:
            return Contents.plain(events, shapes, pick)
        schema = Schema.from_json(json.loads(metadata[SCHEMA]))
        for block in schema.features + schema.conditions:
            if block.name not in shapes or int(np.prod(shapes[block.name], dtype=int)) != block.size:
                has = (
                    f"; it has shape {shapes[block.name]}" if block.name in shapes else f"; there are {listed(shapes)}."
                )
                msg = f"{self.path}: the schema says {block}, but no column holds it{has}{nearest(block.name, shapes)}"
                raise FileFormatError(msg + " Write the file anew")
        weights = WEIGHTS if WEIGHTS in shapes else None
        return Contents.of(schema, events, weights=weights, attrs=json.loads(metadata.get(ATTRS, "{}")))


class _Sink:
    def __init__(self, path: Path, schema: Schema, weighted: bool, attrs: Mapping[str, Any]) -> None:
        pa = _pyarrow()
        self.blocks = schema.features + schema.conditions
        columns = [(b.name, pa.list_(pa.float32(), b.size) if b.shape else pa.float32()) for b in self.blocks]
        metadata = {SCHEMA: json.dumps(schema.to_json()), ATTRS: json.dumps(dict(attrs))}
        self.schema = pa.schema(columns + ([(WEIGHTS, pa.float64())] if weighted else []), metadata)
        writer = _pyarrow("pyarrow.parquet").ParquetWriter
        self.writer = writer(path, self.schema, compression="zstd", use_dictionary=False)

    def put(self, events: Events) -> None:
        pa = _pyarrow()
        columns = []
        for block in self.blocks:
            values = pa.array(np.ascontiguousarray(events[block.name]).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(values, block.size) if block.shape else values)
        if events.weights is not None:
            columns.append(pa.array(events.weights))
        self.writer.write_batch(pa.record_batch(columns, schema=self.schema))

    def close(self) -> None:
        self.writer.close()

    abandon = close


def _shape(kind: Any) -> tuple[int, ...] | None:
    """Shape per event of a column type, None if it does not hold numbers."""
    types = _pyarrow("pyarrow.types")
    if types.is_fixed_size_list(kind):
        inner = _shape(kind.value_type)
        return None if inner is None or kind.list_size == 0 else (kind.list_size, *inner)
    return () if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) else None


def _numbers(column: Any) -> NDArray[Any]:
    shape = _shape(column.type)
    flat = column
    for _ in shape or ():
        flat = flat.flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), *(shape or ()))


PARQUET = Layout(
    name="parquet",
    suffixes=(".parquet", ".pq"),
    magic=b"PAR1",
    recognises=lambda path, pick: True,  # noqa: ARG005 - the only layout in Parquet
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=_Source,
    sink=_Sink,
)

"""Writing: one class for all layouts, over a small sink that each layout provides."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from facsim.errors import DataError, FacsimError, FileFormatError
from facsim.events import Events, concatenate
from facsim.files import atomic
from facsim.schema import Schema

__all__ = ["CHUNK", "Sink", "Writer"]

CHUNK = 256  # events; sinks get multiples of it, except at the end
SPARE_BYTES = 1 << 20  # for what a format adds to the numbers
BUFFER_BYTES = 4 << 20  # appended events are collected up to here


class Sink(Protocol):
    """What a layout provides for writing one file."""

    def put(self, events: Events) -> None:
        """Add events."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...

    def abandon(self) -> None:
        """Release what is open; the file is thrown away."""
        ...


MakeSink = Callable[[Path, Schema, bool, Mapping[str, Any]], Sink]


class Writer:
    """A new file that events are appended to; made by `facsim.io.create`.

    The file gets its name when the ``with`` block ends without an error; else nothing is left behind.

    Attributes
    ----------
    path : Path
    layout : str
        Name of the file layout.
    schema : Schema
        What appended events must have.
    """

    def __init__(self, path: Path, layout: str, make: MakeSink, schema: Schema, attrs: Mapping[str, Any]) -> None:
        self.path, self.layout, self.schema = path, layout, schema
        self._make, self._attrs = make, dict(attrs)
        self._stack: ExitStack | None = None
        self._sink: Sink | None = None
        self._temporary = path
        self._weighted: bool | None = None
        self._pending: list[Events] = []
        self._waiting = self._written = 0
        per_chunk = 4 * CHUNK * (schema.width + schema.condition_width)
        self._rows = CHUNK * max(1, BUFFER_BYTES // max(1, per_chunk))

    def __len__(self) -> int:
        return self._written + self._waiting

    def append(self, events: Events) -> None:
        """Add events.

        Raises
        ------
        SchemaMismatch
            If the events have another schema.
        DataError
            If only some of the appended events have weights, or the writer is not open.
        FileFormatError
            If writing fails, for instance because the disk is full.
        """
        if self._stack is None:
            msg = f"{self.path}: open the writer with 'with facsim.io.create(...) as writer:' before appending"
            raise DataError(msg)
        self.schema.require_same(events.schema, f"{self.path}: the file against the appended events")
        weighted = events.weights is not None
        if self._weighted is not None and weighted != self._weighted:
            msg = f"{self.path}: weighted and unweighted events in one file: give every part weights, or none"
            raise DataError(msg)
        self._weighted = weighted
        for first in range(0, len(events), self._rows):  # in pieces, so that a large sample is not copied whole
            self._pending.append(events[first : first + self._rows])
            self._waiting += len(self._pending[-1])
            if self._waiting >= self._rows:
                self._flush(self._waiting // CHUNK * CHUNK)

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        with _writing(self.path):
            self._temporary = self._stack.enter_context(atomic(self.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        if stack is None:
            return
        with stack.pop_all() as temporary:  # leaving it with an error makes `atomic` throw the file away
            if error is not None:
                self._abandon()
                temporary.__exit__(kind, error, trace)
                return
            try:
                self._flush(self._waiting)
                with _writing(self.path):
                    self._open().close()
            except BaseException:
                self._abandon()
                raise

    def _abandon(self) -> None:
        if self._sink is not None:
            with suppress(Exception):  # the file goes away; only the handle matters
                self._sink.abandon()

    def _flush(self, rows: int) -> None:
        if not self._pending:
            return
        events = self._pending[0] if len(self._pending) == 1 else concatenate(self._pending)
        with _writing(self.path):
            self._require_space(4 * rows * (self.schema.width + self.schema.condition_width))
            if rows:
                self._open().put(events[:rows])
        self._pending = [events[rows:]] if rows < len(events) else []
        self._waiting -= rows
        self._written += rows

    def _require_space(self, size: int) -> None:
        """Stop before the disk is full: the HDF5 library cannot close a file that it could not write, and crashes."""
        need = 2 * size + SPARE_BYTES
        free = shutil.disk_usage(self.path.parent).free
        if free < need:
            msg = f"{need >> 10} kB needed, {free >> 10} kB left on the disk of {self.path.parent}"
            raise OSError(errno.ENOSPC, msg)

    def _open(self) -> Sink:
        if self._sink is None:
            self._sink = self._make(self._temporary, self.schema, bool(self._weighted), self._attrs)
        return self._sink


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (FacsimError, MemoryError):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        msg = f"{path}: writing failed ({what}). Is the folder writable, and the disk not full? Nothing was left behind"
        raise FileFormatError(msg) from error

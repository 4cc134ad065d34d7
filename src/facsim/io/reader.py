"""Reading: one class for all layouts, over a small source that each layout provides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, FacsimError, FileFormatError
from facsim.events import Events, concatenate
from facsim.io.contents import Contents, Pick

__all__ = ["Reader", "Source", "reading"]

SLAB_BYTES = 16 << 20  # read at a time: large enough that a compressed chunk is seldom unpacked twice
MOST_BYTES = 4 * SLAB_BYTES  # read at a time, if the file keeps so many events together
MIXED = 8  # slabs in memory at a time, when events are shuffled


class Source(Protocol):
    """What a layout provides for reading one open file."""

    @property
    def contents(self) -> Contents:
        """What the file holds."""
        ...

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        """Blocks (and weights) by name for events start to stop.

        Each is an array of shape (stop - start, ...), or a list of its columns where the file keeps them apart.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Reader:
    """Events of one file, as a stream or at once; made by `facsim.io.open`.

    Attributes
    ----------
    path : Path
    files : tuple of Path
        All files, where there are several.
    layout : str
        Name of the file layout.
    schema : Schema
        Of the chosen blocks.
    attrs : dict
        Free attributes of the file, such as the provenance.
    form : dict
        How a ROOT file lays its branches out, for `facsim.io.create`; empty for others.

    Examples
    --------
    >>> import tempfile, pathlib, facsim.io
    >>> from facsim import Events, detectors
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "showers.h5"
    >>> facsim.io.write(path, Events(np.ones((5, 504)), np.full((5, 1), 50), detectors.calogan()))
    >>> with facsim.io.open(path) as reader:
    ...     print(reader.layout, len(reader), [len(events) for events in reader.batches(2)])
    calogan 5 [2, 2, 1]
    """

    def __init__(
        self,
        path: Path,
        layout: str,
        source: Source,
        pick: Pick,
        *,
        files: Sequence[Path] = (),
        check: bool = True,
    ) -> None:
        self.path, self.layout, self.files = path, layout, tuple(files) or (path,)
        self._source, self._check = source, check
        self.attrs: dict[str, Any] = dict(source.contents.attrs)
        self.form: dict[str, Any] = dict(source.contents.form)
        self.schema, self._weights = source.contents.choose(pick, str(path))
        self._targets = [
            (b.name, role, self.schema.columns(b.name))
            for role, blocks in enumerate((self.schema.features, self.schema.conditions))
            for b in blocks
        ]

    def __len__(self) -> int:
        return self._source.contents.events

    def __repr__(self) -> str:
        return f"<Reader of {self.path}: {len(self)} events, layout {self.layout}>"

    @property
    def bytes(self) -> int:
        """Size of the file, or of all of them."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def weighted(self) -> bool:
        """Whether the events carry weights."""
        return self._weights is not None

    def read(self, start: int = 0, stop: int | None = None) -> Events:
        """Return events `start` to `stop` (as in a slice).

        Raises
        ------
        DataError
            For NaN, a negative energy or an empty sample (unless opened with ``check=False``).
        FileFormatError
            If the file is damaged.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        return self._gather([(start, max(start, stop))])

    def _gather(self, ranges: Sequence[tuple[int, int]], before: Events | None = None) -> Events:
        """Events of several ranges in one piece of memory, behind others."""
        at = 0 if before is None else len(before)
        total = at + sum(stop - start for start, stop in ranges)
        features = np.empty((total, self.schema.width), np.float32)
        conditions = np.empty((total, self.schema.condition_width), np.float32)
        weights = np.empty(total, np.float64) if self.weighted else None
        if before is not None:
            features[:at], conditions[:at] = before.features, before.conditions
            if weights is not None:
                weights[:at] = before.weights
        events, step = Events(features, conditions, self.schema, weights), self._slab()
        for start, stop in ranges:
            rows = slice(at, at + stop - start)
            for low in range(start, stop, step):
                high = min(low + step, stop)
                here = slice(at + low - start, at + high - start)
                self._fill(features[here], conditions[here], None if weights is None else weights[here], low, high)
            if self._check:
                events[rows].check(f"{self.path}" + (f", counting from event {start}" if start else ""))
            at = rows.stop
        return events

    def batches(self, n: int = 1024) -> Iterator[Events]:
        """Yield all events in order, n at a time (the last batch may be smaller), in bounded memory.

        Raises
        ------
        DataError
            If n is not positive; and as for `read`.
        """
        if n < 1:
            msg = f"n={n}: a batch has at least 1 event"
            raise DataError(msg)
        if len(self) == 0:
            self.read()
        pending: list[Events] = []
        waiting, slab = 0, self._slab()
        step = -(-n // slab) * slab  # where the file's chunks end, however many events are asked for
        for low in range(0, len(self), step):
            events = self.read(low, low + step)
            first = 0
            while first < len(events):
                pending.append(events[first : first + n - waiting])
                first += len(pending[-1])
                waiting += len(pending[-1])
                if waiting == n:
                    yield _together(pending)
                    pending, waiting = [], 0
        if pending:
            yield _together(pending)

    def shuffled(self, n: int = 1024, *, seed: int = 0) -> Iterator[Events]:
        """Yield all events in random order, n at a time (the last batch may be smaller), in bounded memory.

        Parts of the file are taken in random order, eight at a time, and the events of these are mixed: a file of less
        than about 100 MB is shuffled perfectly, a larger one nearly so, at the speed of reading it in order.

        Parameters
        ----------
        n : int
            Events per batch.
        seed : int
            Same seed, same order.

        Raises
        ------
        DataError
            As for `batches`.
        """
        if n < 1:
            msg = f"n={n}: a batch has at least 1 event"
            raise DataError(msg)
        if len(self) == 0:
            self.read()
        rng, step = np.random.default_rng([seed, 0x5F]), self._slab()
        starts = rng.permutation(np.arange(0, len(self), step))
        rest: Events | None = None
        for first in range(0, len(starts), MIXED):
            ranges = [(int(low), min(int(low) + step, len(self))) for low in np.sort(starts[first : first + MIXED])]
            events = self._gather(ranges, rest)
            order = rng.permutation(len(events))
            whole = len(events) if first + MIXED >= len(starts) else len(events) // n * n
            for low in range(0, whole, n):
                yield events[order[low : min(low + n, whole)]]
            rest = events[order[whole:]]

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _slab(self) -> int:
        """Events read at a time: whole chunks of the file, if they are not too large."""
        size = 4 * (self.schema.width + self.schema.condition_width)
        rows, chunk = max(1, SLAB_BYTES // size), self._source.contents.chunk
        if chunk * size > MOST_BYTES:
            return rows
        return max(1, rows // chunk) * chunk

    def _fill(
        self,
        features: NDArray[np.float32],
        conditions: NDArray[np.float32],
        weights: NDArray[np.float64] | None,
        start: int,
        stop: int,
    ) -> None:
        names = [name for name, _, _ in self._targets]
        with reading(self.path):
            loaded = self._source.load(names if self._weights is None else [*names, self._weights], start, stop)
            # numbers beyond float32 become infinite; the check names them
            with np.errstate(over="ignore", invalid="ignore"):
                for name, role, columns in self._targets:
                    target, values = (features, conditions)[role][:, columns], loaded[name]
                    if isinstance(values, list):
                        for column, numbers in enumerate(values):
                            target[:, column] = numbers
                    else:
                        target[:] = values.reshape(stop - start, -1)
                if weights is not None and self._weights is not None:
                    weights[:] = loaded[self._weights].reshape(stop - start)


def _together(parts: Sequence[Events]) -> Events:
    return parts[0] if len(parts) == 1 else concatenate(parts)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a format's library raises for a damaged file into a `FileFormatError` that names it."""
    try:
        yield
    except (FacsimError, MemoryError):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        msg = f"{path}: cannot be read ({what}). The file is cut short or damaged: copy it again or write it anew"
        raise FileFormatError(msg) from error

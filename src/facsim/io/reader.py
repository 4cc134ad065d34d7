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
from facsim.events import Events
from facsim.io.contents import Contents, Pick

__all__ = ["Reader", "Source", "reading"]

SLAB_BYTES = 16 << 20  # read at a time: large enough that a compressed chunk is seldom unpacked twice


class Source(Protocol):
    """What a layout provides for reading one open file."""

    @property
    def contents(self) -> Contents:
        """What the file holds."""
        ...

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        """Blocks (and weights) by name for events start to stop, each of shape (stop - start, ...)."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Reader:
    """Events of one file, as a stream or at once; made by `facsim.io.open`.

    Attributes
    ----------
    path : Path
    layout : str
        Name of the file layout.
    schema : Schema
        Of the chosen blocks.
    attrs : dict
        Free attributes of the file, such as the provenance.

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

    def __init__(self, path: Path, layout: str, source: Source, pick: Pick, *, check: bool = True) -> None:
        self.path, self.layout = path, layout
        self._source, self._check = source, check
        self.attrs: dict[str, Any] = dict(source.contents.attrs)
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
        stop = max(start, stop)
        features = np.empty((stop - start, self.schema.width), np.float32)
        conditions = np.empty((stop - start, self.schema.condition_width), np.float32)
        weights = np.empty(stop - start, np.float64) if self.weighted else None
        step = self._slab()
        for low in range(start, stop, step):
            high = min(low + step, stop)
            rows = slice(low - start, high - start)
            self._fill(features[rows], conditions[rows], None if weights is None else weights[rows], low, high)
        events = Events(features, conditions, self.schema, weights)
        return (
            events.check(f"{self.path}" + (f", counting from event {start}" if start else ""))
            if self._check
            else events
        )

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
        step = max(n, self._slab() // n * n)
        for low in range(0, len(self), step):
            slab = self.read(low, low + step)
            for first in range(0, len(slab), n):
                yield slab[first : first + n]

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
        return max(1, SLAB_BYTES // (4 * (self.schema.width + self.schema.condition_width)))

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
                    (features, conditions)[role][:, columns] = loaded[name].reshape(stop - start, -1)
                if weights is not None and self._weights is not None:
                    weights[:] = loaded[self._weights].reshape(stop - start)


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

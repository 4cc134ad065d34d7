"""Tables as text: a line of names, then a line of numbers per event; the layout ``csv``, and what other tables share.

Commas, tabs, semicolons or blanks part the columns. Reading streams: where every 4,096th line begins is found once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest
from facsim.events import Events
from facsim.io.contents import Contents, Pick, listed
from facsim.io.layout import Layout
from facsim.schema import Block, Schema

__all__ = ["BEGIN_BYTES", "CSV", "Column", "TextSink", "TextTable", "header_of"]

STEP = 4096  # lines between two known places
PIECE = 1 << 22
DELIMITERS = ",\t; "
BEGIN_BYTES = 4096

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """How a block of one number stands in a text file.

    Parameters
    ----------
    block : Block
    name : str
        Of the column.
    factor, offset : float
        ``block = (column - offset) / factor``: from the file's unit to that of the block.
    """

    block: Block
    name: str
    factor: float = 1.0
    offset: float = 0.0


def header_of(begin: bytes) -> tuple[str, list[str]]:
    r"""Delimiter and names of the first line of a text file; no names if it is none, or is cut short.

    Examples
    --------
    >>> header_of(b"x,y\n1,2\n"), header_of(b"PK\x03\x04")[1], header_of(b"1,2\n3,4\n")[1]
    ((',', ['x', 'y']), [], [])
    """
    line, newline, _ = begin.partition(b"\n")
    try:
        text = line.decode().rstrip("\r")
    except UnicodeDecodeError:
        return "", []
    if not newline or not text.replace("\t", "").isprintable() or not text.strip():
        return "", []
    delimiter = max(DELIMITERS, key=text.count)
    names = [name.strip().strip('"') for name in text.split(delimiter)]
    numbers = any(re.fullmatch(r"[-+.\d][-+.\deE]*", name) for name in names)
    return ("", []) if numbers or "params:" in text else (delimiter, names)


class TextTable:
    """One text file of numbers, any piece of it at a time.

    Attributes
    ----------
    names : list of str
        Of the columns of numbers.
    words : list of str
        Of the other columns.
    events : int
        Lines of numbers.

    Raises
    ------
    FileFormatError
        If the file is cut short: its last line does not end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("rb")
        try:
            self.delimiter, self.header = header_of(self.file.readline())
            self.places, self.events = self._places()
            kinds = self._kinds()
        except BaseException:
            self.close()
            raise
        self.place_of = {n: i for i, (n, number) in enumerate(zip(self.header, kinds, strict=True)) if number and n}
        self.words = [n for n, number in zip(self.header, kinds, strict=True) if not number]

    @property
    def names(self) -> list[str]:
        """Names of the columns of numbers."""
        return list(self.place_of)

    def require(self, names: Sequence[str], layout: str) -> None:
        """Raise `FileFormatError` if a column is lacking or holds words."""
        for name in names:
            if name not in self.place_of:
                what = "holds words" if name in self.words else "is not there"
                msg = (
                    f"{self.path}: layout '{layout}' needs the column '{name}', which {what}; there are "
                    f"{listed(self.names)}.{nearest(name, self.names)} Write the file anew"
                )
                raise FileFormatError(msg)

    def rows(self, names: Sequence[str], start: int, stop: int) -> dict[str, Array]:
        """Columns (stop - start,) by name."""
        lines = self._lines(start, stop)
        want = len(self.header) - 1
        for number, line in enumerate(lines):
            if line.count(self.delimiter) != want:
                found = line.count(self.delimiter) + 1
                msg = f"{self.path}, line {start + number + 2}: {found} values instead of {want + 1}. Mend or remove it"
                raise FileFormatError(msg)
        if not lines:
            return {name: np.empty(0) for name in names}
        places = [self.place_of[name] for name in names]
        try:
            table = np.loadtxt(lines, delimiter=self.delimiter, usecols=places, ndmin=2, comments=None)
        except ValueError as error:
            msg = f"{self.path}, between lines {start + 2} and {stop + 1}: {error}. Mend or remove the line"
            raise FileFormatError(msg) from error
        return dict(zip(names, table.T, strict=True))

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _kinds(self) -> list[bool]:
        """Which columns hold numbers, by the first line of them."""
        if not self.header:
            msg = f"{self.path}: begins with no line of names; a table has one, such as 'x,y'. Write it in front"
            raise FileFormatError(msg)
        first = self._lines(0, 1)
        kinds = [_is_number(v) for v in first[0].split(self.delimiter)] if first else [True] * len(self.header)
        if len(kinds) != len(self.header):
            msg = f"{self.path}: {len(self.header)} names, but {len(kinds)} values in the first line of numbers"
            raise FileFormatError(msg + ". Mend the line of names")
        return kinds

    def _lines(self, start: int, stop: int) -> list[str]:
        stop = min(stop, self.events)
        if start >= stop:
            return []
        first, last = start // STEP, -(-stop // STEP)
        self.file.seek(self.places[first])
        end = self.places[last] if last < len(self.places) else -1
        text = self.file.read(-1 if end < 0 else end - self.places[first]).decode()
        return text.splitlines()[start - first * STEP : stop - first * STEP]

    def _places(self) -> tuple[list[int], int]:
        """Where every STEP-th line after the first begins, and how many there are."""
        at = self.file.tell()
        places, count, last = [at], 0, b"\n"
        while piece := self.file.read(PIECE):
            ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n")) + at + 1
            places += ends[STEP - 1 - count % STEP :: STEP].tolist()
            count, at, last = count + len(ends), at + len(piece), piece[-1:]
        if last != b"\n":
            msg = f"{self.path}: the last line does not end; the file is cut short: copy it again"
            raise FileFormatError(msg)
        return places, count


class TextSink:
    """Writes the table: shortest numbers that are read back as the same."""

    def __init__(self, path: Path, columns: Sequence[Column], delimiter: str, weights: str | None) -> None:
        self.columns, self.delimiter, self.weights = columns, delimiter, weights
        self.file = path.open("w", encoding="utf-8", newline="\n")
        names = [c.name for c in columns] + ([weights] if weights else [])
        self.file.write(delimiter.join(names) + "\n")

    def put(self, events: Events) -> None:
        """Add events."""
        table = [events[c.block.name].astype(np.float64) * c.factor + c.offset for c in self.columns]
        if self.weights and events.weights is not None:
            table.append(events.weights)
        self.file.writelines(
            self.delimiter.join(map(repr, row)) + "\n" for row in zip(*(c.tolist() for c in table), strict=True)
        )

    def close(self) -> None:
        """Complete the file."""
        self.file.close()

    abandon = close


class _Source:
    def __init__(self, path: Path, pick: Pick) -> None:
        self.table = TextTable(path)
        words = dict.fromkeys(self.table.words, "the column holds words, not numbers")
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(self.table.names, ())
        self.contents = Contents.plain(self.table.events, shapes, pick, unusable=words, chunk=STEP)

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        return self.table.rows(list(dict.fromkeys(names)), start, stop)

    def close(self) -> None:
        self.table.close()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _begins(begin: bytes) -> bool:
    """Names, and as many values below them, some of which are numbers: other text is no table."""
    delimiter, names = header_of(begin)
    values = begin.split(b"\n", 2)[1].decode(errors="replace").split(delimiter) if names else []
    return len(values) == len(names) > 0 and any(map(_is_number, values))


def _refuses(schema: Schema) -> str:  # noqa: ARG001
    return "text tables are only read, since they have no room for a schema; write .root, .parquet or .npz"


CSV = Layout(
    name="csv",
    suffixes=(),
    magic=b"",
    begins=_begins,
    recognises=lambda path, pick: True,  # noqa: ARG005 - what is wrong with it, the source says
    refuses=_refuses,
    source=_Source,
)

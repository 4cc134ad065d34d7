"""A file layout: how to recognise it, read it and write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facsim.io.contents import Pick
from facsim.io.reader import Source
from facsim.io.writer import MakeSink
from facsim.schema import Schema

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """One way of laying out events in a file.

    Parameters
    ----------
    name : str
        For people, for ``layout=`` and in `facsim.io.info`.
    suffixes : tuple of str
        File names for which the layout is chosen when writing.
    magic : bytes
        How such files begin; empty where that is not fixed.
    recognises : callable
        Whether a file that begins so is of this layout; asked in the order of registration.
    refuses : callable
        Why a schema cannot be written in this layout; an empty string if it can.
    source, sink : callable
        Open a file for reading and for writing; a layout that is only read has no sink, and refuses every schema.
    begins : callable, optional
        Whether the first bytes (4,096 of them) are those of such a file, where a fixed `magic` cannot say it.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: bytes
    recognises: Callable[[Path, Pick], bool]
    refuses: Callable[[Schema], str]
    source: Callable[[Path, Pick], Source]
    sink: MakeSink | None = None
    begins: Callable[[bytes], bool] | None = None

    def may_be(self, begin: bytes) -> bool:
        """Whether a file with these first bytes can be of this layout."""
        return self.begins(begin) if self.begins is not None else bool(self.magic) and begin.startswith(self.magic)

"""Several files as one: parts of a sample one after the other, and friends with further columns side by side."""

from __future__ import annotations

import glob
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, FileFormatError, SchemaMismatch, nearest
from facsim.io.contents import Contents, Pick
from facsim.io.derive import as_array
from facsim.io.reader import Source, reading

__all__ = ["chained", "expand", "with_friends"]

MOST_OPEN = 16  # files
StrPath = str | os.PathLike[str]
Open = Callable[[Path, Pick], Source]


def expand(path: StrPath | Sequence[StrPath]) -> tuple[list[Path], str | None]:
    """Files that a path stands for, sorted, and the tree that it names.

    A path may be a pattern (``runs/*.root``) or a list of paths and patterns; ``file.root:tree`` names a tree.

    Raises
    ------
    FileFormatError
        If a pattern fits no file, or the trees differ.
    """
    if not isinstance(path, (str, os.PathLike)):
        if not path:
            msg = "an empty list of files: give at least one"
            raise FileFormatError(msg)
        each = [expand(p) for p in path]
        if len({tree for _, tree in each}) > 1:
            msg = f"{[str(p) for p in path]}: one sample is read from trees of one name"
            raise FileFormatError(msg)
        return [file for files, _ in each for file in files], each[0][1]
    text, tree = os.fspath(path), None
    if not Path(text).exists() and ".root:" in text:
        text, _, name = text.rpartition(":")
        tree = name or None
    if Path(text).exists() or not glob.has_magic(text):
        return [Path(text)], tree
    found = sorted(Path(p) for p in glob.glob(text, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    if not found:
        folder = Path(text).parent
        beside = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        msg = f"{text}: no file fits this pattern.{nearest(Path(text).name, beside)} Check the folder and the spelling"
        raise FileFormatError(msg)
    return found, tree


def chained(files: Sequence[Path], pick: Pick, open_one: Open) -> Source:
    """Files one after the other as one source; a single file is its own source."""
    if len(files) == 1:
        return open_one(files[0], pick)
    chain = _Chain(files, pick, open_one)
    if pick.length is None and len(set(chain.longest)) > 1:  # jagged branches: the longest of all files counts
        chain.close()
        chain = _Chain(files, replace(pick, length=max(chain.longest)), open_one)
    return chain


def with_friends(source: Source, friends: Sequence[tuple[str, Source]], origin: str) -> Source:
    """A source with further columns from others; where names clash, a friend's column is ``friend.column``.

    Columns keep the types that they have in the friend's file, when they are written.

    Raises
    ------
    DataError
        If a friend has another number of events, or two of them have one file name and a column in common.
    """
    return _Friends(source, friends, origin) if friends else source


class _Chain:
    def __init__(self, files: Sequence[Path], pick: Pick, open_one: Open) -> None:
        self.files, self.pick, self.open_one = files, pick, open_one
        self.open: OrderedDict[int, Source] = OrderedDict()
        counts: list[int] = []
        self.longest: list[int] = []
        first: Contents | None = None
        try:
            for i, file in enumerate(files):
                contents = self._source(i).contents
                first = first or contents
                if self.pick.length is not None or contents.longest == first.longest:
                    _require_same(files[0], first, file, contents)
                counts.append(contents.events)
                self.longest.append(contents.longest)
        except BaseException:
            self.close()
            raise
        assert first is not None  # noqa: S101 - there is a file
        self.starts = np.cumsum([0, *counts])
        self.contents = replace(first, events=int(self.starts[-1]))

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        parts: dict[str, list[Any]] = {n: [] for n in names}
        while start < stop:
            i = int(np.searchsorted(self.starts, start, "right")) - 1
            begin, end = int(self.starts[i]), min(stop, int(self.starts[i + 1]))
            with reading(self.files[i]):
                for name, values in self._source(i).load(names, start - begin, end - begin).items():
                    parts[name].append(values)
            start = end
        return {n: v[0] if len(v) == 1 else _joined(v) for n, v in parts.items()}

    def close(self) -> None:
        for source in self.open.values():
            source.close()
        self.open.clear()

    def _source(self, i: int) -> Source:
        if i not in self.open:
            with reading(self.files[i]):
                self.open[i] = self.open_one(self.files[i], self.pick)
            if len(self.open) > MOST_OPEN:
                self.open.popitem(last=False)[1].close()
        self.open.move_to_end(i)
        return self.open[i]


class _Friends:
    def __init__(self, source: Source, friends: Sequence[tuple[str, Source]], origin: str) -> None:
        self.sources = [source, *(s for _, s in friends)]
        inside = source.contents
        self.where = {b.name: (0, b.name) for b in inside.blocks}
        if inside.weights is not None:
            self.where[inside.weights] = (0, inside.weights)
        blocks, unusable, forms = list(inside.blocks), dict(inside.unusable), dict(inside.form.get("branches", {}))
        for i, (path, friend) in enumerate(friends, 1):
            if friend.contents.events != inside.events:
                msg = (
                    f"{path}: this friend has {friend.contents.events} events, {origin} has {inside.events}; friends "
                    "hold further columns of the same events, in the same order"
                )
                raise DataError(msg)
            for block in friend.contents.blocks:
                form = friend.contents.form.get("branches", {}).get(block.name, {})
                name = block.name
                if name in self.where:
                    name = f"{Path(path).stem}.{name}"
                    form = {k: v for k, v in form.items() if k == "type"}  # numbered branches get the new name, too
                if name in self.where:
                    msg = (
                        f"{path}: the column '{block.name}' would be '{name}', as that of {self._from(name, friends)}; "
                        "give one of the files another name"
                    )
                    raise DataError(msg)
                self.where[name] = (i, block.name)
                forms |= {name: form} if form else {}
                blocks.append(replace(block, name=name))
            unusable = dict(friend.contents.unusable) | unusable
        form = dict(inside.form) | {"branches": forms} if inside.form else {}
        self.contents = replace(inside, blocks=tuple(blocks), unusable=unusable, form=form)

    def _from(self, name: str, friends: Sequence[tuple[str, Source]]) -> str:
        i = self.where[name][0]
        return friends[i - 1][0] if i else "the sample itself"

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        out: dict[str, Any] = {}
        for i, source in enumerate(self.sources):
            own = {name: inner for name in names for k, inner in [self.where[name]] if k == i}
            if own:
                loaded = source.load(list(own.values()), start, stop)
                out |= {name: loaded[inner] for name, inner in own.items()}
        return out

    def close(self) -> None:
        for source in self.sources:
            with suppress(OSError):
                source.close()


def _joined(parts: Sequence[Any]) -> NDArray[Any]:
    return np.concatenate([as_array(p) for p in parts]) if parts else np.empty(0)


def _require_same(first: Path, a: Contents, file: Path, b: Contents) -> None:
    """Raise unless two files of one sample have the same blocks."""
    mine, theirs = ({x.name: x for x in c.blocks} for c in (a, b))
    for name in dict.fromkeys([*mine, *theirs]):
        if mine.get(name) != theirs.get(name):
            has = [f"has {d[name]}" if name in d else f"has no '{name}'" for d in (mine, theirs)]
            msg = f"{file} {has[1]}, {first} {has[0]}: files of one sample have the same columns. Choose the files anew"
            raise SchemaMismatch(msg)
    if (a.weights is None) != (b.weights is None):
        msg = f"{file} and {first}: weights in one of them only: choose the files anew"
        raise SchemaMismatch(msg)

"""Plain ROOT trees: one branch per block, fixed arrays for blocks of several numbers.

Our own trees carry the schema as the string ``facsim_schema`` beside the tree. Of other trees (TTree or RNTuple) every
branch of numbers or of fixed arrays is a block of kind real. Reading and writing stream basket by basket (uproot).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest
from facsim.events import Events
from facsim.io.contents import ATTRS, SCHEMA, WEIGHTS, Contents, Pick, listed
from facsim.io.layout import Layout
from facsim.schema import Schema

__all__ = ["ROOT", "ROOT_MAGIC", "RootSink", "RootSource", "root_keys"]

ROOT_MAGIC = b"root"
TREE = "events"
COMPRESSION_LEVEL = 4


class RootSource:
    """One tree of a ROOT file."""

    def __init__(self, path: Path, pick: Pick) -> None:
        import uproot

        _check_length(path)
        self.path = path
        self.file = uproot.open(path, array_cache=None)  # nothing is asked for twice
        try:
            self.tree = self.file[_choose_tree(path, self.file.classnames(cycle=False), pick.tree)]
            ntuple = self.tree.classname.endswith("RNTuple")
            self._filter = "filter_field" if ntuple else "filter_branch"
            self._branches = self.tree.fields if ntuple else self.tree.branches
            self.contents = self._describe(pick)
        except BaseException:
            self.file.close()
            raise

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        """Branches by name."""
        wanted = set(names)  # a predicate, since uproot would read names as patterns
        choice = {self._filter: lambda branch: branch.name in wanted}
        return dict(self.tree.arrays(entry_start=start, entry_stop=stop, library="np", **choice))

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def own_schema(self) -> Schema | None:
        """The schema that facsim stored beside the tree, if it did."""
        text = self._text(SCHEMA)
        return None if text is None else Schema.from_json(json.loads(text))

    def attrs(self) -> dict[str, Any]:
        """Free attributes that facsim stored beside the tree."""
        return dict(json.loads(self._text(ATTRS) or "{}"))

    def require(self, branches: Sequence[str], layout: str) -> None:
        """Raise `FileFormatError` if the tree lacks a branch."""
        have = {b.name for b in self._branches}
        lacking = [name for name in branches if name not in have]
        if lacking:
            msg = (
                f"{self.path}: layout '{layout}' needs the branch '{lacking[0]}' in tree '{self.tree.name}'; there are "
                f"{listed(have)}.{nearest(lacking[0], have)} Read another tree with tree=, or write the file anew"
            )
            raise FileFormatError(msg)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape per event of every branch that holds numbers or fixed arrays of numbers."""
        import uproot

        if self._filter == "filter_field":
            nothing = self.tree.arrays(entry_stop=0, library="np")
            return {n: a.shape[1:] for n, a in nothing.items() if a.dtype.kind in "biuf" and 0 not in a.shape[1:]}
        found = {b.name: b.interpretation for b in self.tree.branches}
        kinds = {n: i.to_dtype for n, i in found.items() if isinstance(i, uproot.AsDtype)}
        return {n: d.shape for n, d in kinds.items() if d.base.kind in "biuf" and 0 not in d.shape}

    def _describe(self, pick: Pick) -> Contents:
        schema, shapes = self.own_schema(), self.shapes()
        weights = WEIGHTS if WEIGHTS in shapes else None
        events = int(self.tree.num_entries)
        if schema is None or self.tree.name != TREE:
            return Contents.plain(events, shapes, pick)
        self.require([b.name for b in schema.features + schema.conditions], "root")
        return Contents.of(schema, events, weights=weights, attrs=self.attrs())

    def _text(self, key: str) -> str | None:
        return str(self.file[key]) if key in self.file.keys(cycle=False, recursive=False) else None


class RootSink:
    """Writes branches of a tree, zlib level 4."""

    tree_name = TREE

    def __init__(self, path: Path, schema: Schema, weighted: bool, attrs: Mapping[str, Any]) -> None:
        import uproot

        self.file = uproot.recreate(path, compression=uproot.ZLIB(COMPRESSION_LEVEL))
        self.file[SCHEMA] = json.dumps(schema.to_json())
        self.file[ATTRS] = json.dumps(dict(attrs))
        types = self._types(schema)
        self.tree = self.file.mktree(self.tree_name, types | {WEIGHTS: np.dtype(np.float64)} if weighted else types)

    def put(self, events: Events) -> None:
        """Add events."""
        weights = {} if events.weights is None else {WEIGHTS: events.weights}
        self.tree.extend(self._columns(events) | weights)

    def close(self) -> None:
        """Complete the file."""
        self.file.close()

    abandon = close

    def _types(self, schema: Schema) -> dict[str, np.dtype[Any]]:
        return {b.name: np.dtype((np.float32, b.shape)) for b in schema.features + schema.conditions}

    def _columns(self, events: Events) -> dict[str, NDArray[Any]]:
        blocks = events.schema.features + events.schema.conditions
        return {b.name: np.ascontiguousarray(events[b.name]) for b in blocks}


def root_keys(path: Path) -> set[str]:
    """Names of the objects in a ROOT file."""
    import uproot

    _check_length(path)
    with uproot.open(path) as file:
        return set(file.keys(cycle=False, recursive=False))


def _check_length(path: Path) -> None:
    """The header says where the file ends; a shorter file would only fail when its last baskets are read."""
    with path.open("rb") as file:
        header = file.read(24)
    version = struct.unpack(">i", header[4:8])[0]
    end = struct.unpack(">q", header[12:20])[0] if version >= 1_000_000 else struct.unpack(">i", header[12:16])[0]
    if path.stat().st_size < end:
        msg = f"{path}: has {path.stat().st_size} bytes of {end}; the ROOT file is cut short: copy it again"
        raise FileFormatError(msg)


def _choose_tree(path: Path, kinds: Mapping[str, str], wanted: str | None) -> str:
    trees = [name for name, kind in kinds.items() if kind in {"TTree", "ROOT::RNTuple"}]
    if wanted is not None and wanted not in trees:
        msg = f"{path}: no tree '{wanted}'; there are {trees or dict(kinds)}.{nearest(wanted, trees)}"
        raise FileFormatError(msg)
    if wanted is None and len(trees) != 1:
        what = "several trees" if trees else "no tree"
        msg = f"{path}: holds {what} ({trees or dict(kinds)}); choose one with tree=, or give a file that has one"
        raise FileFormatError(msg)
    return trees[0] if wanted is None else wanted


ROOT = Layout(
    name="root",
    suffixes=(".root",),
    magic=ROOT_MAGIC,
    recognises=lambda path, pick: True,  # noqa: ARG005 - any other ROOT file is a table of branches
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=RootSource,
    sink=RootSink,
)

"""ROOT files: TTree and RNTuple, with a branch per block, per number, or jagged branches.

Our own trees carry the schema as the string ``facsim_schema`` beside the tree. Of other trees every branch of numbers
or of fixed arrays is a block of kind real; numbered branches (``x0 ... x783``) make one block, and a jagged branch a
padded block with a mask. Reading and writing stream basket by basket (uproot).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest
from facsim.io.contents import ATTRS, FORM, SCHEMA, WEIGHTS, Contents, Pick, listed
from facsim.io.layout import Layout
from facsim.io.reader import MOST_BYTES
from facsim.io.root_baskets import Baskets
from facsim.io.root_columns import Column, families, survey_ntuple, survey_tree, used
from facsim.io.root_sink import TREE, NtupleSink, PixelSink, RootSink, numbered
from facsim.schema import Block, Schema

__all__ = ["PIXEL_BRANCHES", "RNTUPLE", "ROOT", "ROOT_MAGIC", "RootSource", "root_keys"]

ROOT_MAGIC = b"root"


class RootSource:
    """One tree of a ROOT file."""

    def __init__(self, path: Path, pick: Pick) -> None:
        import uproot

        _check_length(path)
        self.path = path
        self.file = uproot.open(path, array_cache=None)  # nothing is asked for twice
        self.baskets: Baskets | None = None
        try:
            self.tree = self.file[_choose_tree(path, self.file.classnames(cycle=False), pick.tree)]
            self.ntuple = self.tree.classname.endswith("RNTuple")
            if not self.ntuple:
                self.baskets = Baskets(path, self.tree)
            self.plan: dict[str, Column] = {}
            self._window: tuple[frozenset[str], int, int, dict[str, NDArray[Any]]] = frozenset(), 0, 0, {}
            self.survey = survey_ntuple(self.tree) if self.ntuple else survey_tree(self.tree, str(path))
            self.contents = self._describe(pick)
        except BaseException:
            self.close()
            raise

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        """Blocks by name; of numbered branches as a list of columns."""
        columns = {name: self.plan.get(name, Column((name,))) for name in names}
        fixed = dict.fromkeys(b for c in columns.values() if not c.length for b in c.branches)
        arrays = self._fixed(list(fixed), start, stop)
        ragged = dict.fromkeys(b for c in columns.values() if c.length for b in c.branches)
        lists = self._arrays(list(ragged), start, stop, "ak") if ragged else {}
        out: dict[str, Any] = {}
        for name, column in columns.items():
            if column.length:
                out[name] = _padded(lists[column.branches[0]], column)
            elif name in self.plan and len(column.branches) > 1:
                out[name] = [arrays[b] for b in column.branches]
            else:
                out[name] = arrays[column.branches[0]]
        return out

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        if self.baskets:
            self.baskets.close()

    def own_schema(self) -> Schema | None:
        """The schema that facsim stored beside the tree, if it did."""
        text = self._text(SCHEMA)
        return None if text is None else Schema.from_json(json.loads(text))

    def attrs(self) -> dict[str, Any]:
        """Free attributes that facsim stored beside the tree."""
        return dict(json.loads(self._text(ATTRS) or "{}"))

    def require(self, branches: Sequence[str], layout: str) -> None:
        """Raise `FileFormatError` if the tree lacks a branch."""
        have = {*self.survey.shapes, *self.survey.jagged, *self.survey.unusable}
        lacking = [name for name in branches if name not in have]
        if lacking:
            msg = (
                f"{self.path}: layout '{layout}' needs the branch '{lacking[0]}' in tree '{self.tree.name}'; there are "
                f"{listed(have)}.{nearest(lacking[0], have)} Read another tree with tree=, or write the file anew"
            )
            raise FileFormatError(msg)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape per event of every branch that holds numbers or fixed arrays of numbers."""
        return self.survey.shapes

    def _describe(self, pick: Pick) -> Contents:
        schema, form = self.own_schema(), json.loads(self._text(FORM) or "{}")
        if schema is None or self.tree.name != form.get("tree", TREE):
            return self._plain(pick)
        for block in schema.features + schema.conditions:
            names = numbered(block, form.get("branches", {}).get(block.name, {}))
            self.require(names, form.get("layout", "root"))
            self.plan[block.name] = Column(tuple(names))
        weights = form.get("weights", WEIGHTS)
        weights = weights if weights in self.survey.shapes else None
        own = Contents.of(schema, self._events, weights=weights, attrs=self.attrs(), form=form, chunk=self._chunk())
        parts = [n for column in self.plan.values() for n in column.branches if n not in self.plan]
        return replace(own, blocks=own.blocks + tuple(map(Block, parts)))  # a cut may name a single branch

    def _plain(self, pick: Pick) -> Contents:
        """Contents of a tree without a schema."""
        survey, together = self.survey, families(self.survey)
        self.plan = {name: Column(branches) for name, branches in together.items()}
        shapes: dict[str, tuple[int, ...]] = {name: (len(branches),) for name, branches in together.items()}
        joined = dict.fromkeys(b for branches in together.values() for b in branches)
        shapes |= {n: s for n, s in survey.shapes.items() if n not in joined}
        masks, longest = self._jagged(pick)
        shapes |= {n: (c.length,) for n, c in self.plan.items() if c.length}
        unusable = survey.unusable | dict.fromkeys(
            [n for n in survey.jagged if n not in self.plan],
            "a jagged branch whose entries are all empty, or which nothing asked for",
        )
        branches = {n: self._form(together[n][0], family=True) for n in together}
        branches |= {n: self._form(n) for n in shapes if n in survey.types}
        arrays = any(shape and name not in together for name, shape in shapes.items())
        layout = "rntuple" if self.ntuple else "pixel-branches" if together and not arrays else "root"
        plain = Contents.plain(
            self._events,
            shapes,
            pick,
            unusable=unusable,
            form={"layout": layout, "tree": self.tree.name, "branches": branches},
            chunk=self._chunk(),
            longest=longest,
        )
        kinds = tuple(Block(b.name, b.shape, "mask") if b.name in masks else b for b in plain.blocks)
        single = tuple(Block(n) for n in joined if n not in shapes)
        hidden = {counter for counter in survey.jagged.values() if counter}  # masks say the same
        features = tuple(n for n in plain.features if n not in hidden)
        return Contents(**(vars(plain) | {"blocks": kinds + single, "features": features}))

    def _jagged(self, pick: Pick) -> tuple[set[str], int]:
        """Plan padded blocks and their masks; names of the masks, and the longest entry."""
        survey = self.survey
        groups = survey.mask_names()
        texts = [*(pick.conditions or ()), pick.weights or "", pick.cut or "", *pick.define.values()]
        everything = pick.features is None or pick.features == "all"
        wanted = used([*survey.jagged, *groups], texts if everything else [*texts, *(pick.features or ())])
        masks, longest = set(), 0
        for mask, names in groups.items():
            if not everything and not wanted & {mask, *names}:
                continue
            low, high = (0, pick.length) if pick.length is not None else self._lengths(names[0])
            high = max(high, not self._events)  # of no events, so that what is said is that there are none
            if high == 0:
                continue
            longest = max(longest, high)
            self.plan |= {name: Column((name,), high) for name in names}
            if low < high:  # else nothing is padded
                masks.add(mask)
                self.plan[mask] = Column((names[0],), high, mask=True)
        return masks, longest

    def _lengths(self, name: str) -> tuple[int, int]:
        """Shortest and longest entry of a jagged branch, found piece by piece."""
        import awkward as ak

        low, high, counter = math.inf, 0, self.survey.jagged[name]
        step = 1 << 17
        for start in range(0, self._events, step):
            stop = min(start + step, self._events)
            if counter:
                counts = self._arrays([counter], start, stop, "np")[counter]
            else:
                counts = np.asarray(ak.num(self._arrays([name], start, stop, "ak")[name]))
            low, high = min(low, int(counts.min())), max(high, int(counts.max()))
        return int(min(low, high)), high

    def _form(self, branch: str, *, family: bool = False) -> dict[str, Any]:
        first = {"stem": branch[:-1], "first": int(branch[-1])} if family else {}  # a family begins with 0 or 1
        return {"type": str(self.survey.types[branch])} | first

    @property
    def _events(self) -> int:
        return int(self.tree.num_entries)

    def _chunk(self) -> int:
        """Number of events in most baskets (or in the first cluster), at least 1."""
        if self._events == 0:
            return 1
        if self.ntuple:
            return max(1, int(self.tree.cluster_summaries[0].num_entries))
        return max(1, int(np.median(np.diff(self.tree.branches[0].entry_offsets))))

    def _fixed(self, names: Sequence[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Branches of fixed shape; what else was in the baskets is kept for the next call."""
        if not names or self.ntuple or start >= stop:
            return self._arrays(names, start, stop, "np") if names else {}
        key, parts = frozenset(names), []
        while start < stop:
            kept, low, high, arrays = self._window
            if kept != key or not low <= start < high:
                low, high = self._baskets(names, start, stop)
                self._window = frozenset(), 0, 0, {}  # not two of them in memory
                quick = self.baskets.read(names, low, high) if self.baskets else None
                arrays = self._arrays(names, low, high, "np") if quick is None else quick
                self._window = key, low, high, arrays
            end = min(stop, high)
            parts.append((arrays, slice(start - low, end - low)))
            start = end
        if len(parts) == 1:
            return {n: parts[0][0][n][parts[0][1]] for n in names}
        return {n: np.concatenate([arrays[n][rows] for arrays, rows in parts]) for n in names}

    def _baskets(self, names: Sequence[str], start: int, stop: int) -> tuple[int, int]:
        """The events start to stop and those beside them in the same baskets, unless these are too many."""
        offsets = np.asarray(self.tree[names[0]].entry_offsets)
        low = int(offsets[np.searchsorted(offsets, start, "right") - 1])
        high = int(offsets[np.searchsorted(offsets, stop, "left")])
        row = sum(math.prod(self.survey.shapes[n]) * self.survey.types[n].itemsize for n in names)
        return (low, high) if (high - low) * row <= MOST_BYTES else (start, stop)

    def _arrays(self, names: Sequence[str], start: int, stop: int, library: str) -> Any:
        wanted = set(names)  # a predicate, since uproot would read names as patterns
        choice = {"filter_field" if self.ntuple else "filter_branch": lambda branch: branch.name in wanted}
        return self.tree.arrays(entry_start=start, entry_stop=stop, library=library, **choice)

    def _text(self, key: str) -> str | None:
        return str(self.file[key]) if key in self.file.keys(cycle=False, recursive=False) else None


def root_keys(path: Path) -> set[str]:
    """Names of the objects in a ROOT file."""
    import uproot

    _check_length(path)
    with uproot.open(path) as file:
        return set(file.keys(cycle=False, recursive=False))


def _padded(lists: Any, column: Column) -> NDArray[Any]:
    """Jagged numbers as a rectangle, zeros behind the last, or which of them there are; longer entries are cut."""
    import awkward as ak

    lists = lists[:, : column.length]
    there = np.arange(column.length) < np.asarray(ak.num(lists))[:, None]
    if column.mask:
        return there
    flat = np.asarray(ak.flatten(lists))
    out = np.zeros(there.shape, flat.dtype)
    out[there] = flat
    return out


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
        cure = "choose one with tree= or as file.root:tree, or give a file that has one"
        msg = f"{path}: holds {what} ({trees or dict(kinds)}); {cure}"
        raise FileFormatError(msg)
    return trees[0] if wanted is None else wanted


def _written_as(path: Path, pick: Pick) -> str:
    """Layout that facsim noted in a file, for the tree that is wanted; else an empty string."""
    import uproot

    _check_length(path)
    with uproot.open(path) as file:
        form = json.loads(str(file[FORM])) if FORM in file.keys(cycle=False, recursive=False) else {}
    return str(form.get("layout", "")) if pick.tree in {None, form.get("tree")} else ""


ROOT = Layout(
    name="root",
    suffixes=(".root",),
    magic=ROOT_MAGIC,
    recognises=lambda path, pick: True,  # noqa: ARG005 - any other ROOT file is a table of branches
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=RootSource,
    sink=RootSink,
)
PIXEL_BRANCHES = Layout(
    name="pixel-branches",
    suffixes=(),  # written only when asked for
    magic=ROOT_MAGIC,
    recognises=lambda path, pick: _written_as(path, pick) == "pixel-branches",
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=RootSource,
    sink=PixelSink,
)
RNTUPLE = Layout(
    name="rntuple",
    suffixes=(),
    magic=ROOT_MAGIC,
    recognises=lambda path, pick: _written_as(path, pick) == "rntuple",
    refuses=lambda schema: "",  # noqa: ARG005 - holds everything
    source=RootSource,
    sink=NtupleSink,
)

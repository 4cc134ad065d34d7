"""Writing ROOT trees: arrays or numbered branches in a TTree, or an RNTuple; under the names and types of a form.

A form says how a file lays its branches out, so that generated events can be written like the originals::

    {"layout": "pixel-branches", "tree": "train_sig",
     "branches": {"x": {"stem": "x", "first": 0, "type": "float32"}, "label": {"type": "int32"}}, "weights": "sweight"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.io.contents import ATTRS, FORM, SCHEMA, WEIGHTS
from facsim.schema import Block, Schema

__all__ = ["TREE", "NtupleSink", "PixelSink", "RootSink", "numbered"]

TREE = "events"
COMPRESSION_LEVEL = 4


class RootSink:
    """Writes branches of a TTree, zlib level 4: one per block, arrays for blocks of several numbers.

    Parameters
    ----------
    form : mapping, optional
        Names and types of the branches, and the tree's name. A block with a stem has a branch for each number, if the
        form's layout is the sink's.
    """

    layout = "root"
    tree_name = TREE

    def __init__(
        self,
        path: Path,
        schema: Schema,
        weighted: bool,
        attrs: Mapping[str, Any],
        *,
        form: Mapping[str, Any] | None = None,
    ) -> None:
        import uproot

        self.form = self._complete(schema, form or {})
        self.file = uproot.recreate(path, compression=uproot.ZLIB(COMPRESSION_LEVEL))
        self.file[SCHEMA] = json.dumps(schema.to_json())
        self.file[ATTRS] = json.dumps(dict(attrs))
        if self.form:
            self.file[FORM] = json.dumps(self.form)
        self.weights = str(self.form.get("weights", WEIGHTS))
        types = self._types(schema) | ({self.weights: np.dtype(np.float64)} if weighted else {})
        self.tree = self._make(self.form.get("tree", self.tree_name), types)

    def put(self, events: Events) -> None:
        """Add events."""
        weights = {} if events.weights is None else {self.weights: events.weights}
        self.tree.extend(self._columns(events) | weights)

    def close(self) -> None:
        """Complete the file."""
        self.file.close()

    abandon = close

    def _make(self, name: str, types: Mapping[str, Any]) -> Any:
        return self.file.mktree(name, types)

    def _complete(self, schema: Schema, form: Mapping[str, Any]) -> dict[str, Any]:
        """The form, with what it does not say about blocks of the schema."""
        known, alike = form.get("branches", {}), form.get("layout", self.layout) == self.layout
        blocks = schema.features + schema.conditions
        branches = {b.name: self._branch(b, known.get(b.name, {}), alike=alike) for b in blocks}
        named = {"weights": form["weights"]} if "weights" in form else {}
        return {"layout": self.layout, "tree": form.get("tree", self.tree_name), "branches": branches, **named}

    def _branch(self, block: Block, known: Mapping[str, Any], *, alike: bool) -> dict[str, Any]:  # noqa: ARG002
        """How a block is laid out; `alike` if what is known of it stood in a file of this layout."""
        return {"type": "float32", **known} if alike else {"type": known.get("type", "float32")}

    def _parted(self, block: Block) -> bool:
        """Whether each number of a block has a branch of its own."""
        return "stem" in self.form["branches"][block.name]

    def _types(self, schema: Schema) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for block in schema.features + schema.conditions:
            shape = () if self._parted(block) else block.shape
            names = numbered(block, self.form["branches"][block.name])
            out |= dict.fromkeys(names, np.dtype((self._type(block.name), shape)))
        return out

    def _columns(self, events: Events) -> dict[str, NDArray[Any]]:
        out: dict[str, NDArray[Any]] = {}
        for block in events.schema.features + events.schema.conditions:
            values = self._numbers(block.name, events[block.name])
            rows = values.reshape(len(events), -1).T if self._parted(block) else [values]
            names = numbered(block, self.form["branches"][block.name])
            out |= {name: np.ascontiguousarray(row) for name, row in zip(names, rows, strict=True)}
        return out

    def _type(self, name: str) -> np.dtype[Any]:
        return np.dtype(str(self.form["branches"][name]["type"]))

    def _numbers(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Values in the branch's type: a whole number is the nearest one that the type has."""
        dtype = self._type(name)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            values = np.clip(np.rint(values.astype(np.float64)), limits.min, float(limits.max))
            # 2^63 - 1 and 2^64 - 1 have no double: the next below
            values = np.minimum(values, np.nextafter(2.0**limits.bits, 0) if limits.bits > 52 else limits.max)
        elif dtype.kind == "b":
            values = values > 0.5
        return values.astype(dtype)


class PixelSink(RootSink):
    """Writes one branch per number, as TMVA wants its input variables: ``x0``, ``x1``, ...; row by row."""

    layout = "pixel-branches"

    def _branch(self, block: Block, known: Mapping[str, Any], *, alike: bool) -> dict[str, Any]:
        plain = super()._branch(block, known, alike=alike)
        if not block.shape:
            return plain
        stem = block.name + "_" if block.name[-1:].isdigit() else block.name  # layer_0_12, not layer_012
        return plain | {"stem": known.get("stem", stem), "first": known.get("first", 0)}


class NtupleSink(RootSink):
    """Writes an RNTuple: fields as `RootSink` writes branches."""

    layout = "rntuple"

    def _make(self, name: str, types: Mapping[str, Any]) -> Any:
        return self.file.mkrntuple(name, dict(types))


def numbered(block: Block, branch: Mapping[str, Any]) -> list[str]:
    """Names of a block's branches; one where the form has no stem."""
    if "stem" not in branch:
        return [block.name]
    return [f"{branch['stem']}{i + int(branch['first'])}" for i in range(block.size)]

"""Which blocks the branches of a ROOT tree make: numbered branches, arrays, and jagged branches with a mask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facsim.errors import FileFormatError

__all__ = ["Column", "Survey", "families", "survey_ntuple", "survey_tree", "used"]

_NUMBERED = re.compile(r"(?P<stem>.*\D)(?P<number>0|[1-9]\d*)")


@dataclass(frozen=True)
class Column:
    """How one block is made from branches.

    Parameters
    ----------
    branches : tuple of str
        One, or those of all numbers of the block in order.
    length : int
        To which a jagged branch is padded; 0 for branches of fixed shape.
    mask : bool
        Which of the padded numbers there are, instead of the numbers.
    """

    branches: tuple[str, ...]
    length: int = 0
    mask: bool = False


@dataclass
class Survey:
    """What a tree holds.

    Attributes
    ----------
    shapes, types : dict
        Shape per event and type of every branch of numbers or of fixed arrays of numbers.
    jagged : dict of str to str
        Jagged branches, and the branch that counts their numbers (an empty string if there is none).
    unusable : dict of str to str
        Other branches, and why.
    """

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    types: dict[str, np.dtype[Any]] = field(default_factory=dict)
    jagged: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    def mask_names(self) -> dict[str, list[str]]:
        """Names of the mask blocks, each with the jagged branches that it is for: those of one counter share one."""
        out: dict[str, list[str]] = {}
        for name, counter in self.jagged.items():
            mask = f"{counter.removeprefix('n') or counter}_mask" if counter else f"{name}_mask"
            while mask in self.shapes or mask in self.jagged:
                mask += "_"
            out.setdefault(mask, []).append(name)
        return out


def survey_tree(tree: Any, origin: str) -> Survey:
    """Survey of a TTree.

    Raises
    ------
    FileFormatError
        If branches have different lengths.
    """
    import uproot

    found = Survey()
    for branch in tree.branches:
        name, kind = branch.name, branch.interpretation
        if branch.num_entries != tree.num_entries and len(branch.branches) == 0:
            msg = (
                f"{origin}: branch '{name}' has {branch.num_entries} entries, tree '{tree.name}' has "
                f"{tree.num_entries}. The file is incomplete: write it anew"
            )
            raise FileFormatError(msg)
        jagged = isinstance(kind, uproot.AsJagged)
        dtype = getattr(kind.content if jagged else kind, "to_dtype", None)
        if dtype is not None and dtype.base.kind in "biuf" and 0 not in dtype.shape and not (jagged and dtype.shape):
            if jagged:
                counter = branch.count_branch
                found.jagged[name] = "" if counter is None else counter.name
            else:
                found.shapes[name], found.types[name] = dtype.shape, dtype.base.newbyteorder("=")
        else:
            what = "strings" if isinstance(kind, uproot.AsStrings) else f"objects of type '{branch.typename}'"
            found.unusable[name] = f"the branch of tree '{tree.name}' holds {what}, not numbers or arrays of numbers"
    return found


def survey_ntuple(tree: Any) -> Survey:
    """Survey of an RNTuple, by the type of an empty array of each field."""
    import awkward as ak

    found = Survey()
    nothing = tree.arrays(entry_stop=0, library="ak")
    for name in nothing.fields:
        kind, shape = nothing[name].type.content, []
        jagged = isinstance(kind, ak.types.ListType) and not _is_text(kind)
        if jagged:
            kind = kind.content
        while isinstance(kind, ak.types.RegularType):
            shape.append(kind.size)
            kind = kind.content
        number = isinstance(kind, ak.types.NumpyType) and not _is_text(kind)
        dtype = np.dtype(kind.primitive) if number else np.dtype(object)
        if dtype.kind not in "biuf" or 0 in shape or (jagged and shape):
            words = f"'{nothing[name].type.content}'"
            found.unusable[name] = f"the field of '{tree.name}' holds {words}, not numbers or arrays of numbers"
        elif jagged:
            found.jagged[name] = ""
        else:
            found.shapes[name], found.types[name] = tuple(shape), dtype
    return found


def families(found: Survey) -> dict[str, tuple[str, ...]]:
    """Numbered branches that make one block, by its name: ``x0 ... x783`` make ``x``, ``cell_1, cell_2`` make ``cell``.

    They are numbers of one type, numbered without gaps from 0 or 1, and no other branch has the block's name.

    Examples
    --------
    >>> kinds = dict.fromkeys(["x10", "pt", *(f"x{i}" for i in range(10)), "y1", "y3"], np.dtype("f4"))
    >>> families(Survey(dict.fromkeys(kinds, ()), kinds))["x"][-2:]
    ('x9', 'x10')
    """
    stems: dict[str, dict[int, str]] = {}
    for name, shape in found.shapes.items():
        if shape == () and (match := _NUMBERED.fullmatch(name)):
            stems.setdefault(match["stem"], {})[int(match["number"])] = name
    taken = {*found.shapes, *found.jagged, *found.unusable}
    out: dict[str, tuple[str, ...]] = {}
    for stem, numbered in stems.items():
        first = min(numbered)
        whole = first in {0, 1} and len(numbered) > 1 and max(numbered) == first + len(numbered) - 1
        name = stem.rstrip("_.")
        if whole and name and len({found.types[b] for b in numbered.values()}) == 1 and name not in {*taken, *out}:
            out[name] = tuple(numbered[i] for i in sorted(numbered))
    return out


def used(names: Iterable[str], texts: Iterable[str]) -> set[str]:
    """Those of the names that stand in the texts."""
    words = {word for text in texts for word in re.findall(r"[A-Za-z_][\w.]*|`[^`]+`", text)} | set(texts)
    return {n for n in names if n in words or f"`{n}`" in words}


def _is_text(kind: Any) -> bool:
    parameters: Mapping[str, Any] = kind.parameters
    return parameters.get("__array__") in {"string", "bytestring", "char", "byte"}

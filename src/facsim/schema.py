"""What the columns of an event mean: names, shapes, kinds, units and the cells behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch, nearest

__all__ = ["Block", "Grid", "Kind", "Schema"]

Kind = Literal["energy", "real", "angle", "count", "category", "mask"]


@dataclass(frozen=True)
class Grid:
    """A product grid of cells, at one depth of a calorimeter or of an image: the geometry of one block.

    Parameters
    ----------
    axes : tuple of str
        One name per axis of the block, in storage order: ``("x", "y")`` in mm, ``("alpha", "r")`` in rad and mm, or
        ``("phi", "eta")`` for the pixels of a jet image.
    edges : tuple of tuple of float
        Ascending cell edges, one tuple per axis. Those in phi may descend: an image has its first row on top.
    depth : (float, float), optional
        Where the cells begin and end along the shower axis, mm from the front face.

    Examples
    --------
    >>> Grid(("x", "y"), ((-1, 0, 1), (-3, 0, 3)), (0, 90)).shape
    (2, 2)
    """

    axes: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    depth: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(self.axes))
        object.__setattr__(self, "edges", tuple(tuple(float(v) for v in e) for e in self.edges))
        object.__setattr__(self, "depth", tuple(float(v) for v in self.depth))
        if self.axes not in {("x", "y"), ("alpha", "r"), ("phi", "eta")}:
            msg = f"grid axes {self.axes}: known are ('x', 'y'), ('alpha', 'r') and ('phi', 'eta')"
            raise DataError(msg)
        rising = [e[::-1] if a == "phi" and e[:1] > e[-1:] else e for a, e in zip(self.axes, self.edges, strict=False)]
        if len(self.edges) != len(self.axes) or any(len(e) < 2 or np.any(np.diff(e) <= 0) for e in rising):
            msg = f"grid edges must be one ascending sequence per axis of {self.axes}"
            raise DataError(msg)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(len(e) - 1 for e in self.edges)

    def centres(self, axis: str) -> NDArray[np.float64]:
        """Coordinate of every cell centre along x, y, r or alpha (or phi, eta): flat, in storage order, in mm or rad.

        A cylinder's Cartesian coordinates are those of its bin centres: x = r cos(alpha), y = r sin(alpha).
        """
        mids = [np.convolve(e, [0.5, 0.5], "valid") for e in self.edges]
        own: dict[str, NDArray[np.float64]] = dict(
            zip(self.axes, (m.ravel() for m in np.meshgrid(*mids, indexing="ij")), strict=True)
        )
        if "r" in own:
            own |= {"x": own["r"] * np.cos(own["alpha"]), "y": own["r"] * np.sin(own["alpha"])}
        elif "x" in own:
            own |= {"r": np.hypot(own["x"], own["y"]), "alpha": np.arctan2(own["y"], own["x"])}
        return own[axis]


@dataclass(frozen=True)
class Block:
    """Consecutive columns that belong together.

    Parameters
    ----------
    name : str
        Unique within the schema.
    shape : tuple of int, optional
        Shape per event; ``()`` is one number.
    kind : Kind, optional
        ``energy`` (never negative), ``real``, ``angle`` (rad), ``count``, ``category`` or ``mask``.
    unit : str, optional
        ``"MeV"``, ``"GeV"``, ``"mm"``, ...
    names : tuple of str, optional
        Names of a category's values.
    grid : Grid, optional
        Geometry of the cells.
    threshold : float, optional
        Read-out threshold in the block's unit: energies below it count as an empty cell, in fits and in evaluations.
    """

    name: str
    shape: tuple[int, ...] = ()
    kind: Kind = "real"
    unit: str = ""
    names: tuple[str, ...] = ()
    grid: Grid | None = None
    threshold: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(s) for s in self.shape))
        object.__setattr__(self, "names", tuple(self.names))
        if self.kind not in get_args(Kind):
            msg = f"block '{self.name}': unknown kind '{self.kind}'.{nearest(self.kind, get_args(Kind))}"
            raise DataError(msg)
        if any(s < 1 for s in self.shape):
            msg = f"block '{self.name}': every axis of shape {self.shape} must be at least 1"
            raise DataError(msg)
        if self.grid is not None and self.grid.shape != self.shape:
            msg = f"block '{self.name}': shape {self.shape} but a grid of {self.grid.shape} cells"
            raise DataError(msg)

    @property
    def size(self) -> int:
        """Number of columns."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        shape = f" {self.shape}" if self.shape else ""
        unit = f" in {self.unit}" if self.unit else ""
        return f"{self.name}{shape}{unit}"


@dataclass(frozen=True)
class Schema:
    """Blocks of the features and of the conditions, in column order.

    Parameters
    ----------
    features, conditions : tuple of Block
        Names are unique over both.
    detector : str, optional
        Name of the detector or data set, for people and for file layouts.

    Examples
    --------
    >>> schema = Schema((Block("layer_0", (3, 96), "energy", "MeV"),), (Block("energy", (), "energy", "GeV"),))
    >>> schema.width, schema.columns("layer_0")
    (288, slice(0, 288, None))
    """

    features: tuple[Block, ...]
    conditions: tuple[Block, ...] = ()
    detector: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "conditions", tuple(self.conditions))
        names = [b.name for b in self.features + self.conditions]
        if len(set(names)) != len(names):
            msg = f"block names must be unique, got {names}"
            raise DataError(msg)

    @cached_property
    def width(self) -> int:
        """Number of feature columns."""
        return sum(b.size for b in self.features)

    @cached_property
    def condition_width(self) -> int:
        """Number of condition columns."""
        return sum(b.size for b in self.conditions)

    @cached_property
    def _slices(self) -> dict[str, slice]:
        out: dict[str, slice] = {}
        for blocks in (self.features, self.conditions):
            start = 0
            for block in blocks:
                out[block.name] = slice(start, start + block.size)
                start += block.size
        return out

    def block(self, name: str) -> Block:
        """Return the block called `name`; unknown names are a `SchemaMismatch` with the nearest known one."""
        for block in self.features + self.conditions:
            if block.name == name:
                return block
        known = [b.name for b in self.features + self.conditions]
        msg = f"no block '{name}'; there are {known}.{nearest(name, known)}"
        raise SchemaMismatch(msg)

    def columns(self, name: str) -> slice:
        """Columns of a block within the features (or the conditions, if it is a condition)."""
        self.block(name)
        return self._slices[name]

    def is_condition(self, name: str) -> bool:
        """Whether the block is a condition."""
        return self.block(name) in self.conditions

    @property
    def layers(self) -> tuple[Block, ...]:
        """Feature blocks that are calorimeter layers: energies with a geometry, in depth order of storage.

        Images of jets are no layers.
        """
        return tuple(b for b in self.features if b.grid is not None and b.kind == "energy" and "eta" not in b.grid.axes)

    def select(self, names: Iterable[str]) -> Schema:
        """Schema with only the named feature blocks, in the given order."""
        return replace(self, features=tuple(self.block(n) for n in names))

    def first_difference(self, other: Schema) -> str | None:
        """Describe the first block in which `other` differs, or None if both are equal.

        The detector's name is a label and does not count.
        """
        for role in ("features", "conditions"):
            mine, theirs = getattr(self, role), getattr(other, role)
            for a, b in zip(mine, theirs, strict=False):
                if a != b:
                    if str(a) != str(b):
                        return f"{role}: {a} against {b}"
                    field = next(f for f in ("kind", "names", "grid", "threshold") if getattr(a, f) != getattr(b, f))
                    return f"{role}: block {a} differs in its {field}"
            if len(mine) != len(theirs):
                longer, side = (mine, "first") if len(mine) > len(theirs) else (theirs, "second")
                return f"{role}: {longer[min(len(mine), len(theirs))]} is only in the {side}"
        return None

    def require_same(self, other: Schema, what: str, cure: str = "") -> None:
        """Raise `SchemaMismatch` naming the first difference, if any; `what` names both sides."""
        difference = self.first_difference(other)
        if difference:
            msg = f"{what}: {difference}" + (f"\n  {cure}" if cure else "")
            raise SchemaMismatch(msg)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """Inverse of `to_json`."""

        def block(entry: Mapping[str, Any]) -> Block:
            grid = entry.get("grid")
            return Block(**{**entry, "grid": None if grid is None else Grid(**grid)})

        try:
            return cls(
                tuple(block(b) for b in data["features"]),
                tuple(block(b) for b in data["conditions"]),
                str(data.get("detector", "")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"not a schema: {error}"
            raise SchemaMismatch(msg) from error

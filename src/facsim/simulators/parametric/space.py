"""The parameters of a simulator: names, ranges, units, and which combinations are valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, RangeError, nearest
from facsim.schema import Block

__all__ = ["Parameter", "Space"]

Array = NDArray[np.float64]
DRAWN = 0x7A12  # purpose of a random stream
DRAW = 1024  # points drawn at once; part of what a seed means
LEAST_TRIED, LEAST_VALID = 2**20, 1e-5  # a space is given up when fewer of so many points are valid


@dataclass(frozen=True)
class Parameter:
    """One parameter of a simulator.

    Parameters
    ----------
    name : str
    low, high : float
        Range; outside of it the simulator must not be asked.
    default : float, optional
        The simulator's own setting; the middle of the range if not given.
    unit : str, optional
    whole : bool, optional
        Whether it takes whole numbers only.

    Examples
    --------
    >>> Parameter("absorption", 1, 30, default=20, unit="m").default
    20
    """

    name: str
    low: float
    high: float
    default: float | None = None
    unit: str = ""
    whole: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            msg = f"parameter '{self.name}': low={self.low} must lie below high={self.high}, both finite"
            raise DataError(msg)
        if self.whole and (self.low % 1 or self.high % 1):
            msg = f"parameter '{self.name}' is whole: low={self.low} and high={self.high} must be whole numbers"
            raise DataError(msg)
        if self.default is None:
            middle = (self.low + self.high) / 2
            object.__setattr__(self, "default", float(np.floor(middle)) if self.whole else middle)
        elif not self.low <= self.default <= self.high:
            msg = f"parameter '{self.name}': default={self.default} must lie within {self.low} to {self.high}"
            raise DataError(msg)

    @property
    def block(self) -> Block:
        """The parameter as a condition of events."""
        return Block(self.name, (), "count" if self.whole else "real", self.unit)

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} ({self.low:g} to {self.high:g}{unit})"


@dataclass(frozen=True)
class Space:
    """All parameters of a simulator: a box, and which of its points are valid.

    Parameters
    ----------
    parameters : tuple of Parameter
        At least one; names are unique.
    valid : callable, optional
        Takes points (n, p) of the box, returns (n,) bool. By default the whole box is valid.
    rule : str, optional
        What `valid` asks, for messages: ``"lines end inside the image"``.

    Examples
    --------
    >>> space = Space((Parameter("m", -1, 1), Parameter("c", 0, 27)), valid=lambda t: t[:, 0] * 10 + t[:, 1] < 27)
    >>> space.draw(1000, seed=0).shape, space.names
    ((1000, 2), ('m', 'c'))
    """

    parameters: tuple[Parameter, ...]
    valid: Callable[[Array], NDArray[np.bool_]] | None = None
    rule: str = "the simulator's rule"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        names = self.names
        if not names or len(set(names)) < len(names):
            msg = f"parameters {list(names)}: at least one is needed, and names must differ"
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def low(self) -> Array:
        """Lowest values (p,)."""
        return np.array([p.low for p in self], np.float64)

    @property
    def high(self) -> Array:
        """Highest values (p,)."""
        return np.array([p.high for p in self], np.float64)

    @property
    def default(self) -> Array:
        """The simulator's own setting (p,)."""
        return np.array([p.default for p in self], np.float64)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which parameters are whole numbers (p,)."""
        return np.array([p.whole for p in self])

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The parameters as conditions of events."""
        return tuple(p.block for p in self)

    def draw(
        self, n: int, seed: int, stream: int = 0, *, ranges: Mapping[str, tuple[float, float]] | None = None
    ) -> Array:
        """Points (n, p) that are uniform in the valid region; the first of many are those of few.

        They are numbers of single precision, as events keep them: what is valid here is valid there.

        Parameters
        ----------
        n, seed : int
        stream : int, optional
            Draws of different streams are independent.
        ranges : mapping, optional
            Narrower ranges by name; ``(0.5, 0.5)`` fixes a parameter.

        Raises
        ------
        DataError
            If next to nothing of the box is valid, or a range names no parameter.
        RangeError
            If a range leaves the parameter's own.
        """
        low, high = self._narrow(ranges or {})
        rng = np.random.default_rng([seed, stream, DRAWN])
        found, have, tried = [np.empty((0, len(self)))], 0, 0
        while have < n:
            if tried >= LEAST_TRIED and have < tried * LEAST_VALID:
                msg = f"{have} of {tried} points of {self} are valid ({self.rule}): choose other ranges"
                raise DataError(msg)
            points = low + rng.random((DRAW, len(self))) * (high - low)
            points = np.where(self.whole, np.rint(points), points).astype(np.float32).astype(np.float64)
            points = np.clip(points, self.low, self.high)
            found.append(points[self.contains(points)])
            have, tried = have + len(found[-1]), tried + DRAW
        return np.concatenate(found)[:n]

    def _narrow(self, ranges: Mapping[str, tuple[float, float]]) -> tuple[Array, Array]:
        """Edges (p,) of the box to draw from; half a unit more on both sides of whole numbers."""
        low, high = self.low, self.high
        for name, (first, last) in ranges.items():
            if name not in self.names:
                msg = f"no parameter '{name}'; there are {list(self.names)}.{nearest(name, self.names)}"
                raise DataError(msg)
            column = self.names.index(name)
            if not low[column] <= first <= last <= high[column]:
                msg = f"{name} from {first:g} to {last:g}: must lie within {self.parameters[column]}"
                raise RangeError(msg)
            if self.whole[column] and (first % 1 or last % 1):
                msg = f"{name} from {first:g} to {last:g}: it takes whole numbers only"
                raise DataError(msg)
            low[column], high[column] = first, last
        return low - 0.5 * self.whole, high + 0.5 * self.whole

    def contains(self, theta: ArrayLike) -> NDArray[np.bool_]:
        """Which points (n, p) are inside the ranges, whole where they must be, and valid."""
        points = np.atleast_2d(np.asarray(theta, np.float64))
        inside = np.isfinite(points).all(axis=1)
        inside &= ((points >= self.low) & (points <= self.high)).all(axis=1)
        inside &= (points[:, self.whole] % 1 == 0).all(axis=1)
        if self.valid is not None and inside.any():
            inside[inside] = self.valid(points if inside.all() else points[inside])
        found: NDArray[np.bool_] = inside
        return found

    def check(self, theta: ArrayLike) -> Array:
        """Points as an array (n, p), all valid.

        Raises
        ------
        DataError
            If the shape is not (n, p), or a value is not finite or not whole.
        RangeError
            If a value is outside its range, or a point is not valid.

        Examples
        --------
        >>> Space((Parameter("m", -1, 1),)).check([[1.5]])
        Traceback (most recent call last):
        facsim.errors.RangeError: parameter m is 1.5 at point 0: outside m (-1 to 1); choose values inside
        """
        points = np.asarray(theta, np.float64)
        if points.ndim != 2 or points.shape[1] != len(self):
            msg = f"parameters have shape {points.shape}, expected (n, {len(self)}) for {list(self.names)}"
            raise DataError(msg)
        for bad, error, words in (
            (~np.isfinite(points), DataError, "not a finite number"),
            ((points < self.low) | (points > self.high), RangeError, "outside {0}; choose values inside"),
            (self.whole & (points % 1 != 0), DataError, "must be a whole number"),
        ):
            if bad.any():
                row, column = np.argwhere(bad)[0]
                name = self.parameters[column].name
                what = words.format(self.parameters[column])
                msg = f"parameter {name} is {points[row, column]:g} at point {row}: {what}"
                raise error(msg)
        wrong = ~self.contains(points)
        if wrong.any():
            row = int(wrong.argmax())
            point = ", ".join(f"{k}={v:g}" for k, v in zip(self.names, points[row], strict=True))
            msg = f"{int(wrong.sum())} of {len(points)} points are not valid ({self.rule}), the first at {row}: {point}"
            raise RangeError(msg)
        return points

    def to_unit(self, theta: ArrayLike) -> Array:
        """Points of the box, as numbers from 0 to 1; a whole parameter's values lie in the middle of their share."""
        low, span = self._edges()
        return (np.asarray(theta, np.float64) - low) / span

    def from_unit(self, unit: ArrayLike) -> Array:
        """Inverse of `to_unit`; whole parameters are rounded, values beyond the box are moved to its border."""
        low, span = self._edges()
        points = low + np.asarray(unit, np.float64) * span
        points = np.where(self.whole, np.rint(points), points)
        return np.clip(points, self.low, self.high)

    def point(self, values: Mapping[str, float]) -> Array:
        """One checked point (p,) from values by name; parameters left out have their default."""
        for name in values:
            if name not in self.names:
                msg = f"no parameter '{name}'; there are {list(self.names)}.{nearest(name, self.names)}"
                raise DataError(msg)
        row: Array = self.check([[float(values.get(p.name, p.default or 0.0)) for p in self]])[0]
        return row

    def to_dict(self) -> list[dict[str, Any]]:
        """The parameters in plain values (without `valid`, which is code)."""
        keys = ("name", "low", "high", "default", "unit", "whole")
        return [{k: getattr(p, k) for k in keys} for p in self]

    def _edges(self) -> tuple[Array, Array]:
        """Low edge and span; half a unit more on both sides of whole numbers, so that all are drawn as often."""
        low, high = self.low - 0.5 * self.whole, self.high + 0.5 * self.whole
        return low, high - low

    def __str__(self) -> str:
        return ", ".join(map(str, self))

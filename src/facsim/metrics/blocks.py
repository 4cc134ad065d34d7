"""Two samples of many columns, brought to one scale and dealt into groups from which errors are read off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, WeightError, nearest
from facsim.metrics.samples import Array, as_weights, effective_size

__all__ = ["GROUPS", "Normalise", "Sample", "deal", "prepare", "require_choice", "subsets"]

GROUPS = 50
"""Groups of a sample; an error read off them is known to about 1/sqrt(4 GROUPS) = 7 %."""
LEAST_EVENTS = 8
"""Fewer do not allow an error to be estimated."""

Normalise = Literal["std", "max"] | None


@dataclass(frozen=True)
class Sample:
    """Events of one side. What metrics see are the rows ``(rows - centre) / scale``.

    Parameters
    ----------
    rows : array (n, d)
        As given, less the columns that are constant.
    weights : array (n,)
        Sum 1.
    groups : tuple of array
        Indices of the events of each group.
    centre, scale : array (d,)
        The same for both sides.
    """

    rows: NDArray[np.floating]
    weights: Array
    groups: tuple[NDArray[np.intp], ...]
    centre: Array
    scale: Array

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def group_weights(self) -> Array:
        """Sum of weights of each group, (G,)."""
        return np.array([self.weights[g].sum() for g in self.groups])

    def values(self, events: NDArray[np.intp] | slice = slice(None)) -> Array:
        """Scaled rows of some events, float64."""
        return np.asarray((self.rows[events] - self.centre) / self.scale)

    def chunks(self) -> Iterator[tuple[Array, Array]]:
        """Scaled rows and weights, group after group, so that no scaled copy of all events is needed."""
        for group in self.groups:
            yield self.values(group), self.weights[group]


def prepare(
    x: ArrayLike,
    y: ArrayLike,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    *,
    normalise: Normalise = "std",
    centred: bool = True,
    seed: int = 0,
) -> tuple[Sample, Sample]:
    """Check two samples, bring them to one scale and deal each into groups.

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and other sample; one-dimensional ones are taken as one column.
    wx, wy : array, optional
        Event weights, signed, with a positive sum. Events of weight zero are removed.
    normalise : {"std", "max", None}
        Columns are divided by the (weighted) standard deviation or the largest absolute value in `x`.
    centred : bool
        Subtract the (weighted) mean of `x`.
    seed : int
        Of the deal.

    Raises
    ------
    DataError, WeightError
        See `fpd`.
    """
    first, second = _as_table(x, "x"), _as_table(y, "y")
    if first.shape[1] != second.shape[1]:
        msg = f"x has {first.shape[1]} columns, y has {second.shape[1]}: compare the same observables"
        raise DataError(msg)
    (first, u), (second, v) = _drop_weightless(first, wx, "x"), _drop_weightless(second, wy, "y")
    low, high = (np.minimum(first.min(0), second.min(0)), np.maximum(first.max(0), second.max(0)))
    varying = high > low  # what is one and the same value in both samples holds no information
    if not varying.any():
        msg = "every column is one and the same value in both samples: there is nothing to compare"
        raise DataError(msg)
    if not varying.all():
        first, second = (np.ascontiguousarray(table[:, varying]) for table in (first, second))
    span = high[varying].astype(np.float64) - low[varying]
    mean = np.einsum("i,ij->j", u, first)
    scale = _scale(first, u, mean, normalise, np.flatnonzero(varying))
    centre = mean if centred else np.zeros_like(mean)
    return (
        Sample(first, u, deal(first, u, span, [seed, 1]), centre, scale),
        Sample(second, v, deal(second, v, span, [seed, 2]), centre, scale),
    )


def deal(rows: NDArray[np.floating], weights: Array, span: Array, seed: list[int]) -> tuple[NDArray[np.intp], ...]:
    """Deal events into `GROUPS` random groups of equal size, whatever their order in the array.

    The events are brought into an order of their own first (along a fixed direction in the space of columns, in units
    of their `span`), and their values take part in the seed: shuffled events give the same groups, and other events
    another deal. The units come from single values, not from sums, whose rounding depends on the order.
    """
    direction = np.random.default_rng([0xD1EC, rows.shape[1]]).uniform(0.5, 1.5, rows.shape[1]) / span
    along = np.einsum("ij,j->i", rows, direction)
    order = np.lexsort((weights, along))
    generator = np.random.default_rng([*seed, crc32(along[order].tobytes())])
    shuffled = order[generator.permutation(len(order))]
    return tuple(np.array_split(shuffled, min(GROUPS, len(order))))


def subsets(sample: Sample, count: int) -> list[Sample]:
    """Split a sample into random disjoint parts with groups of their own, each with weights of sum 1."""
    if count == 1:
        return [sample]
    order = np.concatenate(sample.groups)
    parts = []
    for events in np.array_split(order, count):
        weights = sample.weights[events]
        if not weights.sum() > 0:
            msg = f"the weights of {len(events)} events sum to {weights.sum():g}: give fewer columns or larger blocks"
            raise WeightError(msg)
        groups = tuple(np.array_split(np.arange(len(events)), min(GROUPS, len(events))))
        parts.append(Sample(sample.rows[events], weights / weights.sum(), groups, sample.centre, sample.scale))
    return parts


def require_choice(value: str, name: str, choices: Sequence[str]) -> None:
    """Raise `DataError` if an option has none of its values."""
    if value not in choices:
        msg = f"{name}={value!r}: must be one of {', '.join(choices)}.{nearest(str(value), choices)}"
        raise DataError(msg)


def _as_table(values: ArrayLike, name: str) -> NDArray[np.floating]:
    table = np.ascontiguousarray(values)  # sums over rows then round the same way whatever the layout was
    if table.dtype not in (np.float32, np.float64):
        table = table.astype(np.float64)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or table.shape[1] == 0 or len(table) < LEAST_EVENTS:
        msg = f"{name} has shape {np.shape(values)}: need (events, columns) with at least {LEAST_EVENTS} events"
        raise DataError(msg)
    finite = np.isfinite(table)
    if not finite.all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        bad = int((~finite.all(1)).sum())
        msg = (
            f"{name}: column {column} of event {row} is {table[row, column]} ({bad} of {len(table)} events are not "
            "finite). Remove these events first"
        )
        raise DataError(msg)
    return table


def _drop_weightless(
    table: NDArray[np.floating], weights: ArrayLike | None, name: str
) -> tuple[NDArray[np.floating], Array]:
    normalised = as_weights(weights, len(table), f"w{name}")
    if effective_size(len(table), normalised) < LEAST_EVENTS:
        size = effective_size(len(table), normalised)
        msg = f"w{name}: the weights leave an effective size of {size:.3g} events: need at least {LEAST_EVENTS}"
        raise WeightError(msg)
    used = normalised != 0
    if used.all():
        return table, normalised
    return table[used], normalised[used]


def _scale(
    rows: NDArray[np.floating], weights: Array, mean: Array, normalise: Normalise, columns: NDArray[np.intp]
) -> Array:
    """Length of a unit of each column."""
    if normalise is None:
        return np.ones(rows.shape[1])
    require_choice(normalise, "normalise", ("std", "max"))
    if normalise == "max":
        scale = np.abs(rows).max(0).astype(np.float64)
    else:
        square = np.zeros(rows.shape[1])
        parts = len(rows) // 10_000 + 1
        for part, share in zip(np.array_split(rows, parts), np.array_split(weights, parts), strict=True):
            square += share @ (part - mean) ** 2
        if np.any(square < 0):
            j = int(columns[np.argmin(square)])
            msg = f"wx: column {j} of x has a negative variance after weighting. Use more events, or normalise=None"
            raise WeightError(msg)
        # a column of one value has a rest of rounding
        scale = np.where(np.ptp(rows, axis=0) > 0, np.sqrt(square), 0.0)
    if np.any(scale == 0):
        j = int(columns[np.argmin(scale)])
        what = "constant" if normalise == "std" else "zero"
        msg = (
            f"column {j} is {what} in x but not in y, so x gives it no scale. Leave it out (and report it: it alone "
            "tells the samples apart), swap the samples, or use normalise=None"
        )
        raise DataError(msg)
    return np.asarray(scale)

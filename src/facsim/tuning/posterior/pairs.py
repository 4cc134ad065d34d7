"""Parameter points with simulated events of each, checked, split and dealt into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.schema import Block
from facsim.simulators.parametric import Space

__all__ = ["LEAST_POINTS", "Pairs", "rows_of"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
LEAST_POINTS = 10


@dataclass(frozen=True)
class Pairs:
    """Parameter points with events of each.

    Parameters
    ----------
    theta : array (N, p)
    x : array (N, n, d), float32
    weights : array (N, n), float32
        0 where a call failed.
    """

    theta: Array
    x: Floats
    weights: Floats

    @classmethod
    def check(cls, space: Space, theta: ArrayLike, x: ArrayLike, weights: ArrayLike | None = None) -> Pairs:
        """Pairs of points (N, p) and events (N, d) or (N, n, d); points without events are left out.

        Raises
        ------
        DataError
            If shapes do not fit or there are too few points.
        """
        points = space.check(theta)
        events = np.asarray(x, np.float32)
        events = events[:, None] if events.ndim == 2 else events
        if events.ndim != 3 or len(events) != len(points) or len(points) < LEAST_POINTS:
            need = f"(N, p), and (N, d) or (N, n, d), N at least {LEAST_POINTS}"
            msg = f"theta {points.shape} and x {np.shape(x)}: need {need}"
            raise DataError(msg)
        w = np.ones(events.shape[:2], np.float32) if weights is None else np.asarray(weights, np.float32)
        if w.shape != events.shape[:2]:
            msg = f"weights have shape {w.shape}, expected {events.shape[:2]}"
            raise DataError(msg)
        there = (w != 0).any(axis=1)
        return cls(points[there], np.where(w[:, :, None] != 0, events, 0)[there], w[there])

    def __len__(self) -> int:
        return len(self.theta)

    def __getitem__(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Pairs:
        return Pairs(self.theta[rows], self.x[rows], self.weights[rows])

    @property
    def events(self) -> int:
        """Events of each point, at most."""
        return int(self.x.shape[1])

    def single(self) -> Pairs:
        """Every event as a pair of its own."""
        there = self.weights != 0
        theta = np.repeat(self.theta, there.sum(axis=1), axis=0)
        return Pairs(theta, self.x[there][:, None], self.weights[there][:, None])

    def split(self, share: float, most: int, seed: int) -> tuple[Pairs, Pairs]:
        """Deal into a part to learn from, and a share that is held out (`most` points at most)."""
        order = np.random.default_rng([seed, 0x5B117]).permutation(len(self))
        held = max(1, min(round(share * len(self)), most))
        return self[order[held:]], self[order[:held]]

    def batch(self, rng: np.random.Generator, size: int) -> Pairs:
        """Points drawn with replacement."""
        return self[rng.integers(len(self), size=min(size, len(self)))]

    def subsets(self, n: int, rng: np.random.Generator) -> Pairs:
        """The same points with a random n of their events."""
        if n >= self.events:
            return self
        # events that are there come first, otherwise at random
        order = np.argsort((self.weights == 0) + rng.random(self.weights.shape), axis=1)[:, :n]
        return Pairs(
            self.theta,
            np.take_along_axis(self.x, order[:, :, None], 1),
            np.take_along_axis(self.weights, order, 1),
        )


def rows_of(x: ArrayLike | Events, blocks: Sequence[Block]) -> Floats:
    """Events as rows (k, d): features, then conditions; checked.

    Raises
    ------
    DataError
        If the width is another one or a value is not finite.
    """
    rows = np.concatenate([x.features, x.conditions], axis=1) if isinstance(x, Events) else np.asarray(x, np.float32)
    width = sum(b.size for b in blocks)
    if rows.ndim != 2 or rows.shape[1] != width or len(rows) < 1:
        msg = f"events have shape {rows.shape}, expected (k, {width}) for {[str(b) for b in blocks]}"
        raise DataError(msg)
    if not np.isfinite(rows).all():
        row = int(np.argwhere(~np.isfinite(rows))[0, 0])
        msg = f"event {row} holds a value that is not finite; leave it out"
        raise DataError(msg)
    return rows

"""Encoded events at random access: in memory where they fit, else in a file of the run folder."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.files import atomic
from facsim.models import Batch, Surrogate
from facsim.transforms import Code

__all__ = ["Rows", "TrainingData", "encode", "members", "require_groups"]

PIECE = 4096  # groups looked at at once


class Rows(Protocol):
    """Rows of float32 numbers at random access."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows (m, columns), in the order asked for."""
        ...


class _Memory:
    def __init__(self, parts: Iterable[NDArray[np.float32]]) -> None:
        self.values = np.concatenate(list(parts))

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[rows]


class _File:
    """Rows in a file, read one by one: mapped memory would count as ours once touched, and soon all of it would be."""

    def __init__(self, path: Path, parts: Iterable[NDArray[np.float32]]) -> None:
        self.columns = self.count = 0
        with atomic(path) as temporary, temporary.open("wb") as sink:
            for part in parts:
                sink.write(np.ascontiguousarray(part).tobytes())
                self.columns, self.count = part.shape[1], self.count + len(part)
        self.handle = os.open(path, os.O_RDONLY)
        path.unlink()  # the space is given back when the process ends, however it ends

    def __len__(self) -> int:
        return self.count

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        size = 4 * self.columns
        pieces = [os.pread(self.handle, size, int(row) * size) for row in rows]
        return np.frombuffer(bytearray().join(pieces), np.float32).reshape(len(rows), self.columns)


def encode(model: Surrogate, source: Iterable[Events], total: int, megabytes: int, scratch: Path) -> Rows:
    """Encode all events of `source` once, into memory or, where they need more than `megabytes`, into a file.

    A row holds low and high latent numbers, the conditions, and the weight.
    """

    def parts() -> Iterable[NDArray[np.float32]]:
        for events in source:
            given = torch.from_numpy(events.conditions)
            with torch.inference_mode():
                code = model.transform.encode(torch.from_numpy(events.features), given)
            weights = np.ones(len(events), np.float32) if events.weights is None else events.weights
            yield np.column_stack([code.low, code.high, events.conditions, weights]).astype(np.float32)

    columns = 2 * model.transform.width + model.schema.condition_width + 1
    if 4 * columns * total <= megabytes * 2**20:
        return _Memory(parts())
    return _File(scratch / f".encoded.{os.getpid()}.f32", parts())


class TrainingData:
    """Batches by step number: a batch depends on (seed, step) alone, so that nothing must be saved to resume.

    Parameters
    ----------
    rows : Rows
        Encoded events.
    model : Surrogate
        Whose transform encoded them.
    images : array (m, width)
        Mirror images of the features to choose from at random (the identity alone for none).
    batch, seed : int
        Events per process and step; seed of the order.
    rank, world : int, optional
        This process and the number of processes: together they take ``batch * world`` events, each its own part.
    device : torch.device, optional
        Where batches are put.
    group : int, optional
        Rows that follow each other, have the same conditions, and are shuffled as one.

    Raises
    ------
    DataError
        If there are no rows, no whole groups of them, or conditions within a group that differ.
    """

    def __init__(
        self,
        rows: Rows,
        model: Surrogate,
        images: NDArray[np.int64],
        batch: int,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
        group: int = 1,
    ) -> None:
        if len(rows) == 0:
            msg = "no event is left to train on: give more events, or a smaller validation_fraction"
            raise DataError(msg)
        require_groups(len(rows), group)
        self.rows, self.seed, self.rank, self.world, self.device = rows, seed, rank, world, device
        self.width, self.given = model.transform.width, model.schema.condition_width
        self.batch, self.group = batch, group
        self.images = torch.from_numpy(np.stack([model.transform.mirror(i) for i in images]))
        self.first = 0
        self._epoch: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        total = 0.0
        for start in range(0, len(rows), PIECE * group):
            piece = rows.take(np.arange(start, min(start + PIECE * group, len(rows))))
            total += float(piece[:, -1].sum(dtype=np.float64))
            self._check_groups(piece[:, 2 * self.width : -1], start)
        self.mean_weight = total / len(rows)
        if total <= 0:
            msg = f"the weights add up to {total:g}; a training needs a positive sum"
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.rows)

    def since(self, step: int, batch: int) -> TrainingData:
        """The same events from step `step` on, in batches of another size, beginning with a new epoch."""
        other = copy.copy(self)
        other.first, other.batch, other._epoch = step, batch, (-1, np.empty(0, np.int64))
        return other

    def __getitem__(self, step: int) -> Batch:
        """Batch of a step, or this process's part of it."""
        together = self.batch * self.world
        since = step - self.first
        rows = self._order(np.arange(since * together, (since + 1) * together))
        own = slice(self.rank * self.batch, (self.rank + 1) * self.batch)
        values = torch.from_numpy(self.rows.take(rows[own]))
        low, high, given, weights = torch.split(values, [self.width, self.width, self.given, 1], dim=1)
        if len(self.images) > 1:
            choice = np.random.default_rng([self.seed, step, 1]).integers(len(self.images), size=together // self.group)
            choice = choice.repeat(self.group)[own]
            image = self.images[torch.from_numpy(choice)]
            low, high = low.gather(1, image), high.gather(1, image)
        low, high, given, weights = (t.to(self.device) for t in (low, high, given, weights[:, 0] / self.mean_weight))
        return Batch(Code(low, high), given, weights)

    def _order(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows at places of an endless sequence of shuffled epochs."""
        epochs, within = np.divmod(places, len(self.rows))
        if epochs[0] == epochs[-1] == self._epoch[0]:
            return self._epoch[1][within]
        out = np.empty(len(places), np.int64)
        for epoch in np.unique(epochs):
            if self._epoch[0] != epoch:
                rng = np.random.default_rng([self.seed, self.first + int(epoch), 0])  # phases have other orders
                shuffled = rng.permutation(len(self.rows) // self.group)
                self._epoch = (int(epoch), members(shuffled, self.group))
            out[epochs == epoch] = self._epoch[1][within[epochs == epoch]]
        return out

    def _check_groups(self, conditions: NDArray[np.float32], start: int) -> None:
        """Whether the conditions of whole groups, from row `start` on, are the same within each."""
        grouped = conditions.reshape(len(conditions) // self.group, self.group, self.given)
        wrong = (grouped != grouped[:, :1]).any(axis=(1, 2))
        if wrong.any():
            first = start + int(wrong.argmax()) * self.group
            msg = (
                f"training.group = {self.group}, but conditions differ within a group (the one that begins with "
                f"training event {first}): let the {self.group} events of equal conditions follow each other"
            )
            raise DataError(msg)


def members(groups: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Rows of groups, in their order.

    Examples
    --------
    >>> members(np.array([2, 0]), 2)
    array([4, 5, 0, 1])
    """
    return groups if size == 1 else (groups[:, None] * size + np.arange(size)).ravel()


def require_groups(count: int, size: int) -> None:
    """Raise `DataError` if `count` events do not make whole groups."""
    if count % size:
        msg = f"{count} events are no multiple of training.group = {size}: give whole groups of events"
        raise DataError(msg)

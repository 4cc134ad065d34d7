"""Handwritten digits of 8 x 8 pixels: small real images with a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.sampler import SHARD
from facsim.schema import Block, Schema
from facsim.simulators.toys.base import Conditions, Toy

__all__ = ["Digits"]


@dataclass(frozen=True)
class Digits(Toy):
    """The 1,797 images that come with scikit-learn (UCI's optical recognition of handwritten digits, test part).

    Images come in random order without repetition; when all of those asked for have been drawn, they come again in
    another order.

    Parameters
    ----------
    bootstrap : bool
        Draw with replacement instead.
    labels : bool
        Tell the digit as a condition.

    Examples
    --------
    >>> events = Digits().sample(1797, seed=1)
    >>> events["image"].shape, len(np.unique(events.features, axis=0))
    ((1797, 8, 8), 1797)
    """

    bootstrap: bool = False
    labels: bool = True

    name = "digits"
    summary = "handwritten digits, 1,797 images of 8 x 8 pixels"

    @property
    def schema(self) -> Schema:
        """One block ``image``, from 0 to 16; condition ``digit``, if wanted."""
        digit = Block("digit", (), "category", names=tuple("0123456789"))
        # kind energy: a pixel is never negative, and most are exactly zero
        return Schema((Block("image", (8, 8), "energy"),), (digit,) if self.labels else ())

    def sample(self, conditions: Conditions, *, seed: int = 0) -> Events:
        """Draw images, of given digits if there are conditions; see `Toy.sample`.

        Raises
        ------
        DataError
            If a digit is not one of 0 to 9.
        """
        images, labels = _data()
        given = self._given(conditions, seed)
        if isinstance(conditions, (int, np.integer)) or not self.labels:
            rows = self._rows(np.arange(len(images)), len(given), np.random.default_rng([seed, 0xD1]))
        else:
            wanted = given[:, 0]
            if not np.isin(wanted, range(10)).all():
                msg = f"{self.name}: a digit must be one of 0 to 9, got {wanted[~np.isin(wanted, range(10))][0]:g}"
                raise DataError(msg)
            rows = np.empty(len(wanted), np.int64)
            for digit in range(10):
                here = wanted == digit
                rng = np.random.default_rng([seed, 0xD1, digit])
                rows[here] = self._rows(np.flatnonzero(labels == digit), int(here.sum()), rng)
        digits = labels[rows, None].astype(np.float32)
        return Events(images[rows], digits if self.labels else digits[:, :0], self.schema)

    def stream(self, conditions: Conditions, *, seed: int = 0, start: int = 0) -> Iterator[Events]:
        """Yield the events of `sample` piece by piece."""
        events = self.sample(conditions, seed=seed)
        for first in range(start, len(events), SHARD):
            yield events[first : first + SHARD]

    def _rows(self, pool: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose n of the pool."""
        if self.bootstrap:
            return pool[rng.integers(len(pool), size=n)]
        rounds = [rng.permutation(pool) for _ in range(-(-n // len(pool)))]
        return np.concatenate(rounds)[:n] if rounds else pool[:0]


@cache
def _data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (1797, 64) and labels (1797,)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.data.astype(np.float32), found.target.astype(np.int64)

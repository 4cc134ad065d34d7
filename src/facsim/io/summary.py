"""What is inside a file, computed by streaming through it once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.io.verbs import open as open_events
from facsim.schema import Block

__all__ = ["info"]

BATCH = 1024


def info(
    path: str | os.PathLike[str],
    *,
    blocks: Sequence[str] | None = "all",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Describe a file of events: layout, blocks, units, ranges, shares of empty cells.

    Parameters
    ----------
    path : path
        Any file that `facsim.io.open` reads.
    blocks : sequence of str or "all"
        Feature blocks to describe.
    progress : callable, optional
        Called with (events done, events in all).
    **options
        As for `facsim.io.open`: ``tree``, ``conditions``, ``weights``, ``cut``, ``layout``, ...

    Returns
    -------
    dict
        ``path``, ``layout``, ``bytes``, ``detector``, ``events``, ``attrs``; ``features`` and ``conditions``, by block:
        ``shape``, ``unit``, ``kind``, ``min``, ``max``, ``mean`` (of the finite values, None without any), ``zeros``
        (share of exact zeros), ``threshold`` and ``below_threshold`` (share of values below it, None without one),
        ``not_finite`` (number of values); ``weights``: None, or ``min``, ``max``, ``sum`` and ``negative`` (share).
        Plain numbers and strings, ready for JSON.

    Raises
    ------
    FileFormatError
        If the file cannot be read. Impossible values are no error here: they are counted.

    Examples
    --------
    >>> import tempfile, pathlib, facsim.io
    >>> from facsim import Events, detectors
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "showers.h5"
    >>> facsim.io.write(path, Events(np.ones((5, 504)), np.full((5, 1), 50), detectors.calogan()))
    >>> summary = facsim.io.info(path)
    >>> summary["layout"], summary["events"], summary["conditions"]["energy"]["max"]
    ('calogan', 5, 50.0)
    """
    with open_events(path, blocks=blocks, check=False, **options) as reader:
        schema = reader.schema
        tallies = {b.name: _Tally(b) for b in schema.features + schema.conditions}
        weights = _Tally(Block("weights"))
        done = 0
        for events in reader.batches(BATCH):
            for name, tally in tallies.items():
                tally.add(events[name])
            if events.weights is not None:
                weights.add(events.weights)
            done += len(events)
            if progress is not None:
                progress(done, len(reader))
        return {
            "path": str(path),
            "layout": reader.layout,
            "bytes": reader.bytes,
            "detector": schema.detector,
            "events": len(reader),
            "attrs": reader.attrs,
            "features": {b.name: tallies[b.name].result() for b in schema.features},
            "conditions": {b.name: tallies[b.name].result() for b in schema.conditions},
            "weights": weights.of_weights() if reader.weighted else None,
        }


class _Tally:
    """Running extremes, sums and counts of one block."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.low, self.high, self.sum = math.inf, -math.inf, 0.0
        self.values = self.finite = self.zeros = self.below = self.negative = 0

    def add(self, values: NDArray[Any]) -> None:
        finite = values[np.isfinite(values)]
        self.values += values.size
        self.finite += finite.size
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            self.sum += float(finite.sum(dtype=np.float64))
            self.zeros += int(np.count_nonzero(finite == 0))
            self.negative += int(np.count_nonzero(finite < 0))
            self.below += int(np.count_nonzero(finite < self.block.threshold)) if self.block.threshold else 0

    def result(self) -> dict[str, Any]:
        some = self.finite > 0
        return {
            "shape": list(self.block.shape),
            "unit": self.block.unit,
            "kind": self.block.kind,
            "min": self.low if some else None,
            "max": self.high if some else None,
            "mean": self.sum / self.finite if some else None,
            "zeros": self.zeros / self.finite if some else None,
            "threshold": self.block.threshold,
            "below_threshold": self.below / self.finite if some and self.block.threshold else None,
            "not_finite": self.values - self.finite,
        }

    def of_weights(self) -> dict[str, Any]:
        some = self.finite > 0
        return {
            "min": self.low if some else None,
            "max": self.high if some else None,
            "sum": self.sum,
            "negative": self.negative / self.finite if some else None,
        }

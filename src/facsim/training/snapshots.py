"""A few generated events over the course of a training, always of the same noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.files import atomic
from facsim.observables import kind_of
from facsim.report.run import SNAPSHOTS_FILE
from facsim.sampler import Sampler

__all__ = ["Snapshots"]

FRAMES = 32
"""Most snapshots that are kept; of more, every second one is."""
VALUES = 2**15
"""Most numbers of one snapshot."""
EVENTS = {"showers": 6, "images": 12, "jets": 200, "table": 200}
LONG = 16  # a table of more columns is drawn as curves

Table = NDArray[np.float32]


class Snapshots:
    """Keep snapshots in a small file of plain arrays, and say how far events have moved since the last one.

    ``snapshots.npz`` holds ``steps (frames,)``, ``features (frames, events, d)``, and of the held-out events under
    whose conditions they were drawn ``truth (events, d)`` and ``conditions (events, k)``; ``schema`` is JSON as bytes.

    Parameters
    ----------
    folder : Path
        Run folder.
    events : Events
        Held-out events; the first few are used.
    seed : int
        Of the noise.
    step : int
        Step from which the training goes on; later snapshots are dropped.
    """

    def __init__(self, folder: Path, events: Events, seed: int, step: int = 0) -> None:
        self.path, self.seed = folder / SNAPSHOTS_FILE, seed
        kind = kind_of(events.schema)
        wanted = EVENTS["images"] if kind == "table" and events.schema.width > LONG else EVENTS[kind]
        self.events = events[: max(1, min(wanted, VALUES // events.schema.width))]
        spread = events.features.std(axis=0, dtype=np.float64)
        self.unit = np.where(spread > 0, spread, np.inf)  # what does not vary does not move
        self.frames: dict[int, Table] = {}
        if step and self.path.is_file():
            with np.load(self.path, allow_pickle=False) as known:
                kept = dict(zip(known["steps"].tolist(), known["features"], strict=True))
                self.frames = {s: f for s, f in kept.items() if s <= step and f.shape == self.events.features.shape}
        else:
            self.path.unlink(missing_ok=True)

    def add(self, model: Sampler, step: int) -> float | None:
        """Take a snapshot; return the mean distance that events have moved, in standard deviations of the truth."""
        drawn = model.sample(self.events, seed=self.seed).features
        last = self.frames[max(self.frames)] if self.frames else None
        self.frames[step] = drawn
        if len(self.frames) > FRAMES:
            steps = sorted(self.frames)
            for thinned in steps[1:-1:2]:
                del self.frames[thinned]
        self._write()
        if last is None or not np.isfinite(drawn).all() or not np.isfinite(last).all():
            return None
        moved = np.abs(drawn.astype(np.float64) - last) / self.unit
        varies = np.isfinite(self.unit)
        return float(moved[:, varies].mean()) if varies.any() else None

    def _write(self) -> None:
        arrays: dict[str, Any] = {
            "steps": np.array(sorted(self.frames), np.int64),
            "features": np.stack([self.frames[s] for s in sorted(self.frames)]),
            "truth": self.events.features,
            "conditions": self.events.conditions,
            "schema": np.frombuffer(json.dumps(self.events.schema.to_json()).encode(), np.uint8),
        }
        with atomic(self.path) as temporary:
            np.savez_compressed(temporary, **arrays)

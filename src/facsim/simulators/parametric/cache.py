"""Every call of a simulator, kept on disk and never made twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, FacsimError
from facsim.events import Events
from facsim.files import atomic, write_json
from facsim.schema import Block, Schema
from facsim.simulators.parametric.answers import Tell, limit_of, nobody
from facsim.simulators.parametric.base import UNKNOWN, Calls, ParametricSimulator

__all__ = ["Cached", "kept_features"]

Array = NDArray[np.float64]
Place = tuple[int, int, int, bytes]  # seed, shard, row, point

MANIFEST = "simulator.json"

log = logging.getLogger(__name__)


class Cached(ParametricSimulator):
    """A simulator whose calls are kept in a folder: asked again with the same points and seed, they come from disk.

    One file per shard, complete or not there at all; nothing is ever changed or removed. A run that was stopped loses
    the shards in work alone.

    Parameters
    ----------
    simulator : ParametricSimulator
    folder : path
        Made if it is not there.
    retry : bool, optional
        Make calls again that have failed (after a licence server was down). One that took too long is made again anyway
        if the simulator's time-out is longer now.
    tell : callable, optional
        Called with how many calls were answered, and the reasons of those that failed; from several threads.

    Raises
    ------
    DataError
        If the folder holds calls of another simulator (another name, space, event, setting, or function), or if nobody
        can say whether it does; see `version` of `FunctionSimulator`.

    Examples
    --------
    >>> import tempfile
    >>> from facsim.simulators.parametric import parametric
    >>> moons = Cached(parametric("two-moons"), tempfile.mkdtemp())
    >>> _ = moons.call(moons.space.draw(100, seed=0), seed=1)
    >>> len(moons.everything())
    100
    """

    def __init__(
        self,
        simulator: ParametricSimulator,
        folder: str | os.PathLike[str],
        *,
        retry: bool = False,
        tell: Tell = nobody,
    ) -> None:
        self.simulator, self.folder, self.retry, self.tell = simulator, Path(folder), retry, tell
        self.timeout, self.trials = simulator.timeout, simulator.trials
        self.name, self.summary = simulator.name, simulator.summary
        self.space, self.features, self.given = simulator.space, simulator.features, simulator.given
        self.stochastic, self.seconds_per_call = simulator.stochastic, simulator.seconds_per_call
        self.repeats = simulator.repeats
        self.shard, self.workers, self.given_ranges = simulator.shard, simulator.workers, simulator.given_ranges
        self.own_suffix, self.own_comment = simulator.own_suffix, simulator.own_comment
        self.made = 0
        """Calls that were made, and not answered from disk, by this object."""
        self._lock = threading.Lock()
        self._require_same()
        self._files = {path.stem.partition("-")[2]: path for path in self._listed()}
        self._next = 1 + max((int(path.stem.partition("-")[0]) for path in self._listed()), default=-1)

    def settings(self) -> dict[str, Any]:
        """Of the simulator."""
        return self.simulator.settings()

    def own_words(self, values: Mapping[str, float]) -> list[str]:
        """Of the simulator."""
        return self.simulator.own_words(values)

    def everything(self) -> Calls:
        """All calls ever made, each once, in the order in which they were made."""
        kept: dict[Place, tuple[Array, NDArray[np.float32], str | None]] = {}
        for seed, shard, rows, values, reasons in self._stored():
            for i, row in enumerate(rows):
                place = (seed, shard, i, row.tobytes())
                if place not in kept or (kept[place][2] is not None and i not in reasons):  # or a second try worked
                    kept[place] = (row, values[i], reasons.get(i))
        width = sum(b.size for b in self.features)
        conditions = np.array([row for row, _, _ in kept.values()], np.float64).reshape(-1, self.schema.condition_width)
        features = np.array([values for _, values, _ in kept.values()], np.float32).reshape(-1, width)
        whys = {i: why for i, (_, _, why) in enumerate(kept.values()) if why is not None}
        failed = np.zeros(len(conditions), bool)
        failed[list(whys)] = True
        events = Events(features[~failed], conditions[~failed].astype(np.float32), self.schema)
        return Calls(events, failed, whys, 0.0, conditions)

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.floating]:
        return self.simulator._simulate(conditions, rng)

    def _shard(
        self, rows: Array, seed: int, shard: int, tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        def told(calls: int, reasons: Iterable[str]) -> None:
            reasons = list(reasons)
            self.tell(calls, reasons)
            tell(calls, reasons)

        key = hashlib.sha256(f"{seed} {shard} {rows.shape}".encode() + rows.tobytes()).hexdigest()[:32]
        path = self._files.get(key)
        stored = None if path is None else _load(path)
        if stored is None:
            values, reasons = self.simulator._shard(rows, seed, shard, told)
            made = len(rows)
        else:
            values, reasons = stored[3], stored[4]
            again = [i for i, why in reasons.items() if self.retry or self._gave_up_early(why)]
            kept = {i: why for i, why in reasons.items() if i not in again}
            told(len(rows) - len(again), kept.values())
            if not again:
                return values, reasons
            anew, still = self.simulator._again(rows, seed, shard, again, told)
            values[again], reasons, made = anew[again], kept | still, len(again)
        with self._lock:
            path = self.folder / "calls" / f"{self._next:08d}-{key}.npz"
            self._next += 1
            self.made += made
        words = np.frombuffer(json.dumps({str(i): why for i, why in reasons.items()}).encode(), np.uint8)
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, place=np.array([seed, shard]), conditions=rows, features=values, reasons=words)
        with self._lock:
            self._files[key] = path
        return values, reasons

    def _gave_up_early(self, reason: str) -> bool:
        """Whether a call was given up that would have more time now."""
        limit = limit_of(reason)
        return limit is not None and (self.timeout is None or float(f"{self.timeout:g}") > limit)

    def _start(self) -> None:
        self.simulator._start()

    def _stop(self) -> None:
        self.simulator._stop()

    def _listed(self) -> list[Path]:
        return sorted((self.folder / "calls").glob("[0-9]*-*.npz"))

    def _stored(self) -> Iterator[tuple[int, int, Array, NDArray[np.float32], dict[int, str]]]:
        for path in self._listed():
            stored = _load(path)
            if stored is not None:
                yield stored

    def _require_same(self) -> None:
        mine = json.loads(json.dumps(self._identity()))
        manifest = self.folder / MANIFEST
        if not manifest.exists():
            if self._listed():
                msg = f"{self.folder}: it holds calls, but simulator.json is gone; choose another folder"
                raise DataError(msg)
            write_json(manifest, {**mine, "trials": self.trials})
            return
        try:
            there = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{manifest}: cannot be read ({error}); choose another folder"
            raise DataError(msg) from error
        self.trials = int(there.get("trials", 0))  # made once, when the folder was new
        unknown = mine["settings"].get(UNKNOWN)
        if unknown and self._listed():
            msg = (
                f"{self.folder} holds calls of {self.name}, but perhaps of another one: {unknown}. Say which one it is "
                "(version='1', to be changed with the function), or choose another folder"
            )
            raise DataError(msg)
        for key, value in mine.items():
            if there.get(key) != value:
                msg = (
                    f"{self.folder} holds calls of another simulator: its {key} is {_short(there.get(key))}, "
                    f"that of {self.name} is {_short(value)}. Choose another folder for this one"
                )
                raise DataError(msg)

    def _identity(self) -> dict[str, Any]:
        schema = Schema(self.features, self.given).to_json()
        return {
            "name": self.name,
            "parameters": self.space.to_dict(),
            "rule": self.space.rule if self.space.valid is not None else "",
            "features": schema["features"],
            "given": schema["conditions"],
            "settings": self.settings(),
            "shard": self.shard,
        }


def kept_features(folder: str | os.PathLike[str]) -> tuple[Block, ...] | None:
    """What an event of the calls in a folder holds; None if there are none, or none that can be read."""
    try:
        there = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
        return Schema.from_json({"features": there["features"], "conditions": []}).features
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FacsimError):
        return None


def _load(path: Path) -> tuple[int, int, Array, NDArray[np.float32], dict[int, str]] | None:
    """Seed, shard, points, features and reasons of a file; None if it is damaged."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            seed, shard = file["place"].tolist()
            reasons = {int(i): why for i, why in json.loads(file["reasons"].tobytes()).items()}
            return seed, shard, file["conditions"], file["features"], reasons
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s is damaged (%s) and left aside; its calls are made again", path, error)
        return None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 160 else f"{text[:157]}..."

"""The folder in which a simulation run collects its shards: lock, manifest, and what is there already."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facsim.errors import SimulationError
from facsim.files import write_json

__all__ = ["Shards", "require_same"]


class Shards:
    """Shards of a run that is to become `output`, beside it.

    Parameters
    ----------
    output : Path
    settings : mapping
        All that decides the events, as JSON; `n` and `events_per_shard` among them. Kept as ``manifest.json``.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self.folder = output.with_name(output.name + ".parts")
        self._settings = dict(settings)

    def __iter__(self) -> Iterator[tuple[int, int, Path]]:
        """First event, event after the last, and file of every shard, there or not."""
        n, size = self._settings["n"], self._settings["events_per_shard"]
        for first in range(0, n, size):
            yield first, min(first + size, n), self.folder / f"{first:09d}.npz"

    @property
    def missing(self) -> list[tuple[int, int, Path]]:
        """Those that are not there yet."""
        return [shard for shard in self if not shard[2].exists()]

    @property
    def events(self) -> int:
        """Number of events that are there."""
        return sum(stop - first for first, stop, path in self if path.exists())

    def __str__(self) -> str:
        return (
            f"{self.events} of {self._settings['n']} events are kept in {self.folder}; "
            f"the same call or command continues from there"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process out of the same run; the lock ends with the process, however it ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                msg = f"another process is simulating into {self.folder}: wait for it, or choose another output"
                raise SimulationError(msg) from error
            try:
                yield
            finally:
                if [p.name for p in self.folder.iterdir()] == ["lock"]:
                    self.remove()

    def open(self) -> None:
        """Write the manifest, or compare with the one that is there."""
        manifest = self.folder / "manifest.json"
        if manifest.exists():
            require_same(json.loads(manifest.read_text(encoding="utf-8")), self._settings, str(self.folder))
        else:
            write_json(manifest, self._settings)

    def clear(self) -> None:
        """Remove all but the lock."""
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)


def require_same(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
    """Raise `SimulationError` naming the first setting of `new` that differs from the `old` one of `where`."""
    before, now = dict(_flatten(old)), dict(_flatten(new))
    for key in sorted(before.keys() | now.keys(), key=lambda k: (k.count("."), k)):
        if before.get(key) != now.get(key):
            msg = (
                f"{where} was begun with {key} = {before.get(key)!r}, this run has {now.get(key)!r}. Repeat the old "
                f"settings, choose another output, or start again with resume=False (--no-resume)"
            )
            raise SimulationError(msg)


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from _flatten(inner, f"{prefix}[{k}]")
    else:
        yield prefix, value

"""Simulation runs on disk: shards with a manifest, which can be killed at any moment and continued."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import facsim.io
from facsim.errors import DataError, FacsimError, FileFormatError, SimulationError
from facsim.events import Events
from facsim.schema import Schema
from facsim.simulators.pool import Job, Pool, Program
from facsim.simulators.shards import Shards, require_same

__all__ = ["Progress", "Run", "check_numbers", "read_part"]

Progress = Callable[[int, int], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A sample that is to become one file.

    Parameters
    ----------
    program : Program
    schema : Schema
        Of the events.
    settings : mapping
        All that decides the events, as JSON; ``n``, ``seed`` and ``events_per_shard`` among them.
    conditions : callable
        Conditions (stop - first, k) of the events from `first` to `stop`.
    attributes : callable
        What the file shall say of its origin, given a finished shard.
    """

    program: Program
    schema: Schema
    settings: Mapping[str, Any]
    conditions: Callable[[int, int], NDArray[np.float32]]
    attributes: Callable[[Path], Mapping[str, Any]]

    def write(self, output: Path, *, workers: int, resume: bool, progress: Progress | None) -> Path:
        """Simulate what is missing, in `workers` processes, and join the shards.

        Parameters
        ----------
        output : Path
        workers : int
        resume : bool
            If False, shards of an earlier attempt are thrown away, and an existing `output` is replaced.
        progress : callable, optional
            Called with (events done, n).

        Raises
        ------
        SimulationError
            If the shards or the output were made with other settings (names the first that differs), another process
            works on them, the simulator fails, or a file cannot be written.
        KeyboardInterrupt
            On Ctrl-C, after the workers have been stopped, with a message that says what is kept.
        """
        facsim.io.create(output, self.schema)  # nothing is written yet, but a wrong suffix is found before the work
        shards = Shards(output, self.settings)
        tell = progress or (lambda _done, _total: None)
        try:
            with shards.locked():
                if not resume:
                    shards.clear()
                    output.unlink(missing_ok=True)
                if output.exists():
                    require_same(_settings_of(output), self.settings, str(output))
                    _log.info("%s is complete", output)
                    tell(self.settings["n"], self.settings["n"])
                else:
                    shards.open()
                    self._simulate_missing(shards, workers, tell)
                    self._merge(shards, output)
                shards.clear()
        except FacsimError:
            raise
        except OSError as error:
            msg = f"cannot write {shards.folder} or {output}: {error}\n{shards}"
            raise SimulationError(msg) from error
        return output

    def _simulate_missing(self, shards: Shards, workers: int, tell: Progress) -> None:
        n, missing, done = self.settings["n"], shards.missing, shards.events
        if done:
            _log.info("continuing: %s", shards)
        tell(done, n)
        if not missing:
            return

        def tick(events: int) -> None:
            nonlocal done
            done += events
            tell(done, n)

        jobs = (Job(first, self.conditions(first, stop), path) for first, stop, path in missing)
        try:
            with Pool(self.program, self.settings["seed"], min(workers, len(missing)), shards.folder) as pool:
                for _ in pool.run(jobs, tick):
                    pass
        except KeyboardInterrupt:
            msg = f"simulation interrupted; {shards}"
            raise KeyboardInterrupt(msg) from None
        except SimulationError as error:
            msg = f"{error}\n{shards}"
            raise SimulationError(msg) from error

    def _merge(self, shards: Shards, output: Path) -> None:
        paths = [path for _, _, path in shards]
        attributes = {**self.attributes(paths[0]), "settings": json.dumps(self.settings)}
        try:
            with facsim.io.create(output, self.schema, attrs=attributes) as writer:
                for path in paths:
                    writer.append(read_part(path, self.schema))
        except FileFormatError as error:
            msg = f"{error}\n{shards}"
            raise SimulationError(msg) from error


def check_numbers(n: int, seed: int) -> None:
    """Raise `DataError` unless there is an event to simulate, and a seed of 0 or more."""
    if n < 1 or seed < 0:
        msg = f"n={n}, seed={seed}: at least one event, and a seed of 0 or more, are needed"
        raise DataError(msg)


def read_part(path: Path, schema: Schema) -> Events:
    """Events of one finished job."""
    with np.load(path, allow_pickle=False) as part:
        return Events(part["features"], part["conditions"], schema)


def _settings_of(output: Path) -> dict[str, Any]:
    with facsim.io.open(output) as reader:
        text = reader.attrs.get("settings")
    if text is None:
        msg = (
            f"{output} exists and was not made by simulate: choose another output, or resume=False (--no-resume) to "
            "replace it"
        )
        raise SimulationError(msg)
    return dict(json.loads(text))

"""A training's folder as plain data: what it logged, what was watched, and the events that were kept."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import CheckpointError, SchemaMismatch
from facsim.report.history import HISTORY_FILE, read_history
from facsim.schema import Schema

__all__ = ["LOG_FILE", "RUN_FILE", "SNAPSHOTS_FILE", "WATCH_FILE", "Film", "Run", "read_run", "read_watch"]

RUN_FILE, LOG_FILE, WATCH_FILE, SNAPSHOTS_FILE = "run.json", "log.csv", "watch.jsonl", "snapshots.npz"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Film:
    """Generated events of the same noise over the course of a training.

    Parameters
    ----------
    schema : Schema
    steps : tuple of int
    features : array (frames, events, d)
    truth : array (events, d)
        True events under the same conditions.
    conditions : array (events, k)
    """

    schema: Schema
    steps: tuple[int, ...]
    features: NDArray[np.float32]
    truth: NDArray[np.float32]
    conditions: NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """All that a run folder tells about its training.

    Parameters
    ----------
    name : str
        Of the folder.
    record : dict
        Of ``run.json``.
    log : dict of str to (array, array)
        Steps and values of every logged figure.
    rows : list of dict
        Of ``watch.jsonl``.
    film : Film or None
    history : dict of str to array
        Columns of ``history.csv``.
    """

    name: str
    record: dict[str, Any]
    log: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    film: Film | None = None
    history: dict[str, Array] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Last step of which something is known."""
        logged = [int(steps[-1]) for steps, _ in self.log.values()]
        return max([0, *logged, *(int(row["step"]) for row in self.rows[-1:])])

    @property
    def steps(self) -> int | None:
        """Steps that were asked for."""
        steps = self.record.get("training", {}).get("steps")
        return None if steps is None else int(steps)

    def figure(self, name: str) -> tuple[Array, Array]:
        """Steps and values of a watched figure, without the looks that lack it."""
        known = [(row["step"], row.get("figures", {}).get(name)) for row in self.rows]
        known = [(step, value) for step, value in known if value is not None]
        return np.array([s for s, _ in known], float), np.array([v for _, v in known], float)


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run folder, also while its training goes on.

    Raises
    ------
    CheckpointError
        If it is not a run folder.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{folder}: no readable {RUN_FILE} here ({error}). Give the folder that facsim fit -o made"
        raise CheckpointError(msg) from error
    name = folder.resolve().name
    log, rows = _read_log(folder / LOG_FILE), read_watch(folder / WATCH_FILE)
    return Run(name, record, log, rows, _read_film(folder), read_history(folder / HISTORY_FILE))


def read_watch(path: Path) -> list[dict[str, Any]]:
    """Rows of a ``watch.jsonl``, none if there is no file. A last line that is still being written does not count."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append(row)
    return rows


def _read_log(path: Path) -> dict[str, tuple[Array, Array]]:
    """Series of a ``log.csv`` (one row per figure: step, name, value)."""
    series: dict[str, list[tuple[int, float]]] = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as source:
            for line in csv.reader(source):
                if len(line) == 3 and line[0].isdigit():
                    try:
                        series.setdefault(line[1], []).append((int(line[0]), float(line[2])))
                    except ValueError:  # still being written
                        break
    return {name: (np.array(points, float)[:, 0], np.array(points, float)[:, 1]) for name, points in series.items()}


def _read_film(folder: Path) -> Film | None:
    path = folder / SNAPSHOTS_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as known:
            schema = Schema.from_json(json.loads(known["schema"].tobytes()))
            steps = tuple(known["steps"].tolist())
            return Film(schema, steps, known["features"], known["truth"], known["conditions"])
    except (OSError, ValueError, KeyError, SchemaMismatch) as error:
        msg = f"{path}: not readable ({error}). Remove it: the next fit makes another"
        raise CheckpointError(msg) from error

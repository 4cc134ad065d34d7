"""Figures of a training as CSV and for TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor

__all__ = ["LOG_FILE", "Log"]

LOG_FILE = "log.csv"
COLUMNS = ("step", "name", "value")


class Log:
    """Collect figures between two writes and append their means.

    ``log.csv`` is long: one row per figure. On resuming, rows beyond the resumed step are dropped, so that nothing
    stands there twice.

    Parameters
    ----------
    folder : Path
        Run folder.
    step : int
        Step from which the training goes on.
    enabled : bool
        Only the first of several processes writes.
    """

    def __init__(self, folder: Path, step: int, *, enabled: bool = True) -> None:
        self.path, self.step, self.enabled = folder / LOG_FILE, step, enabled
        self.held: dict[str, list[Tensor | float]] = {}
        self.board: Any = None

    def __enter__(self) -> Self:
        if not self.enabled:
            return self
        rows: list[list[str]] = []
        if self.step and self.path.is_file():
            with self.path.open(newline="") as source:
                rows = [r for r in csv.reader(source) if len(r) == 3 and r[0].isdigit() and int(r[0]) <= self.step]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", newline="") as sink:
            csv.writer(sink).writerows([COLUMNS, *rows])
        self.board = _tensorboard(self.path.parent / "tensorboard", self.step)
        return self

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()

    def note(self, group: str, figures: Mapping[str, Tensor | float], norm: Tensor | float | None = None) -> None:
        """Hold figures of one update."""
        if self.enabled:
            for name, value in {**figures, **({} if norm is None else {"gradient": norm})}.items():
                held = value.detach() if isinstance(value, Tensor) else value
                self.held.setdefault(f"{group}/{name}", []).append(held)

    def write(self, step: int, rate: float) -> None:
        """Append the means of what was held."""
        if not self.enabled:
            return
        means = {name: sum(map(float, values)) / len(values) for name, values in self.held.items()}
        means["learning_rate"] = rate
        with self.path.open("a", newline="") as sink:
            csv.writer(sink).writerows([step, name, f"{value:.6g}"] for name, value in means.items())
        if self.board is not None:
            for name, value in means.items():
                self.board.add_scalar(name, value, step)
        self.held.clear()


def _tensorboard(folder: Path, step: int) -> Any:
    """A TensorBoard writer, or None where the package is not installed: the CSV has everything."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step or None)

"""Training and test errors of the players, as `facsim.training.history` wrote them, and their figure."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facsim.files import atomic

__all__ = ["HISTORY_FILE", "PLACE", "draw_history", "errors_of", "read_history", "series_name"]

Array = NDArray[np.float64]

HISTORY_FILE = "history.csv"
PLACE = ("phase", "epoch", "step")


def series_name(player: str) -> str:
    """What a player is called in the file: TMVA's words.

    Examples
    --------
    >>> series_name("critic"), series_name("generator")
    ('Discriminator', 'Generator')
    """
    return {"critic": "Discriminator"}.get(player, player.capitalize())


def read_history(path: Path) -> dict[str, NDArray[np.float64]]:
    """Columns of a history by name; empty if there is no file. A last line that is still being written is left out."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as source:
        names, *rows = list(csv.reader(source)) or [[]]
    numbers = []
    for row in rows:
        try:
            if len(row) == len(names):
                numbers.append([float(v) for v in row])
        except ValueError:
            break
    table = np.array(numbers, float).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True))


def errors_of(columns: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, tuple[Array, Array]]]:
    """Figures of a history: by player the training and the test error over the steps.

    Examples
    --------
    >>> one = np.ones(1)
    >>> list(errors_of({"step": one, "Generator training error": one, "Generator test error": one}))
    ['Generator error']
    """
    found: dict[str, dict[str, tuple[Array, Array]]] = {}
    for name, values in columns.items():
        if name not in PLACE:
            player, what, _ = name.rsplit(" ", 2)
            found.setdefault(f"{player} error", {})[what] = columns["step"], values
    return found


def draw_history(path: Path, output: Path) -> Path:
    """Write the figure of a history (SVG, PNG or PDF, by the suffix): one line per series over the steps.

    Examples
    --------
    >>> draw_history(Path("run/history.csv"), Path("errors.png"))  # doctest: +SKIP
    PosixPath('errors.png')
    """
    from matplotlib.figure import Figure

    columns = read_history(path)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for name, values in columns.items():
        if name not in PLACE:
            axes.plot(columns["step"], values, "--" if "test" in name else "-", label=name, marker=".", markersize=3)
    phases = columns.get("phase", np.empty(0))
    for last in np.flatnonzero(np.diff(phases)):
        axes.axvline(columns["step"][last], color="0.7", linewidth=0.8, zorder=0)
    axes.set_xlabel("step")
    axes.set_ylabel("error")
    axes.legend()
    with atomic(output) as temporary:
        figure.savefig(temporary)
    return output

"""``watch.jsonl``: one line of plain numbers per validation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from facsim.files import atomic
from facsim.report.run import WATCH_FILE, read_watch

__all__ = ["Journal"]

Row = dict[str, Any]


class Journal:
    """Append rows to a file; rows beyond the step from which a training goes on are dropped first.

    Parameters
    ----------
    folder : Path
        Run folder.
    step : int
        Step from which the training goes on; 0 begins anew.

    Attributes
    ----------
    rows : list of dict
        All that stands in the file.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / WATCH_FILE
        self.rows: list[Row] = [row for row in read_watch(self.path) if row["step"] <= step] if step else []
        with atomic(self.path) as temporary:
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in self.rows), encoding="utf-8")

    def append(self, row: Row) -> None:
        """Add a row; numbers that JSON does not know become null."""
        self.rows.append(_plain(row))
        with self.path.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps(self.rows[-1], allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value

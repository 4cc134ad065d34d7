"""A run folder belongs to one run: its record is written first, and compared by whoever resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facsim.errors import CheckpointError
from facsim.files import write_json
from facsim.report.run import RUN_FILE
from facsim.training.settings import TrainingSettings

__all__ = ["claim"]


def claim(folder: Path, record: dict[str, Any], *, resume: bool) -> None:
    """Write the record of a new run, or compare it with that of the run to resume."""
    file = folder / RUN_FILE
    if not file.exists():
        write_json(file, record)
        return
    if not resume:
        msg = f"{folder} holds a run already: give another folder, or --resume to continue it"
        raise CheckpointError(msg)
    known = json.loads(file.read_text(encoding="utf-8"))
    new = json.loads(json.dumps(record))
    # A setting that came after the run had its default then.
    known["training"] = json.loads(TrainingSettings.model_validate({}).model_dump_json()) | known.get("training", {})
    for group in ("family", "config", "training", "data"):
        if known.get(group) != new[group]:
            keys = [group]
            if isinstance(new[group], dict):
                keys = [f"{group}.{k}" for k in new[group] if known.get(group, {}).get(k) != new[group][k]]
            msg = f"{folder}: cannot resume, since {', '.join(keys)} differ from the run there. Give another folder"
            raise CheckpointError(msg)

"""A run folder belongs to one run: its record is written first, and compared by whoever resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facsim.errors import CheckpointError
from facsim.files import write_json
from facsim.models.base import MODEL_FILE
from facsim.report.run import RUN_FILE
from facsim.training.settings import TrainingSettings
from facsim.training.state import STATE_FILE

__all__ = ["claim", "claimed"]


@contextmanager
def claimed(folder: Path, record: dict[str, Any], *, resume: bool, first: bool = True) -> Iterator[None]:
    """Hold a folder for a run; one that fails before anything of it was kept gives the folder back.

    Parameters
    ----------
    folder, record, resume
        See `claim`.
    first : bool, optional
        Whether this is the process that writes.
    """
    new = not folder.exists()
    if first:
        claim(folder, record, resume=resume)
    try:
        yield
    except Exception:
        if first and not any(next(folder.rglob(name), None) for name in (STATE_FILE, MODEL_FILE)):
            (folder / RUN_FILE).unlink(missing_ok=True)
            _remove_empty(folder, new=new)
        raise


def _remove_empty(folder: Path, *, new: bool) -> None:
    """Remove the empty folders below, as parts of a composed model leave them, and a new folder that is empty then."""
    for below in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):  # the deepest first
        if not any(below.iterdir()):
            below.rmdir()
    if new and not any(folder.iterdir()):
        folder.rmdir()


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

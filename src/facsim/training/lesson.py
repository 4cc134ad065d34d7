"""What a student is taught with: the events that its teacher draws under the conditions of some data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facsim import io
from facsim.errors import CheckpointError, DataError, RecipeError, SchemaMismatch
from facsim.events import Events
from facsim.models import Surrogate, load
from facsim.sampler import as_conditions

__all__ = ["lesson", "teacher_of"]

Data = str | os.PathLike[str] | Events
PIECE = 65_536  # events read at once


def teacher_of(run: str | None) -> Surrogate:
    """The fitted model of a run folder.

    Raises
    ------
    RecipeError
        If no run is given.
    CheckpointError
        If it holds no model, or is an exported file, which has no layers to look into.
    """
    if not run:
        msg = "a student needs a teacher: --set model.teacher=RUN, the folder of a fitted model"
        raise RecipeError(msg)
    if Path(run).suffix == ".onnx":
        msg = f"model.teacher = {run} is an exported file: give the run folder that it was exported from"
        raise CheckpointError(msg)
    try:
        return load(run)
    except CheckpointError as error:
        msg = f"model.teacher = {run}: {error}"
        raise CheckpointError(msg) from error


def lesson(data: Data, teacher: Surrogate, most: int, seed: int) -> Events:
    """Events of the teacher under the conditions of data, without weights.

    Conditions are only inputs: a track counts whatever its weight, also one of negative weight.

    Parameters
    ----------
    data : path, Selection or Events
        Features may be missing, or others than the teacher's.
    teacher : Surrogate
    most : int
        Conditions that are used at most, chosen evenly at random.
    seed : int
        Of this choice, and of the events.

    Raises
    ------
    SchemaMismatch
        If the data lack a condition of the teacher.
    """
    try:
        conditions = _conditions(data, teacher, most, seed)
    except (SchemaMismatch, KeyError) as error:
        wanted = ", ".join(map(str, teacher.schema.conditions))
        msg = (
            f"the teacher is for other columns than the data: {str(error).strip(chr(34))}. It asks for the conditions "
            f"{wanted}: give such data, or the teacher of these with model.teacher=RUN"
        )
        raise SchemaMismatch(msg) from error
    if len(conditions) < 2:
        msg = f"{len(conditions)} events to learn from: at least two are needed"
        raise DataError(msg)
    return teacher.sample(conditions, seed=seed)


def _conditions(data: Data, teacher: Surrogate, most: int, seed: int) -> NDArray[np.float32]:
    """Conditions (n, k) of the data."""
    if isinstance(data, Events):
        return _chosen(as_conditions(data, teacher.schema), most, seed)
    with io.open(data) as reader:
        parts = [as_conditions(events, teacher.schema) for events in reader.batches(PIECE)]
    return _chosen(np.concatenate(parts), most, seed)


def _chosen(rows: NDArray[np.float32], most: int, seed: int) -> NDArray[np.float32]:
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng([seed, 0x7EAC]).choice(len(rows), most, replace=False))]

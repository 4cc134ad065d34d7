"""Fitting a surrogate that is made of others: part by part, each in a run folder of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import facsim
from facsim.events import Events
from facsim.models import Surrogate, family
from facsim.models.base import load
from facsim.models.composite import Composite
from facsim.report.run import RUN_FILE
from facsim.training.claim import claimed
from facsim.training.fit import data_record
from facsim.training.settings import TrainingSettings
from facsim.training.state import finished

__all__ = ["fit_parts"]

log = logging.getLogger(__name__)

Data = str | os.PathLike[str] | Events
Progress = Callable[[int, int], None]


class Part(Protocol):
    """What is asked of a recipe of a part; `facsim.recipes.Recipe` is one."""

    @property
    def training(self) -> TrainingSettings:
        """Settings of the loop."""

    def fit(self, data: Data, folder: Path, *, resume: bool = False, progress: Progress | None = None) -> Surrogate:
        """Fit it."""


class Whole(Part, Protocol):
    """What is asked of the recipe of the composed model."""

    @property
    def family(self) -> str:
        """Name of the composite family."""

    @property
    def config(self) -> Any:
        """Settings of the composed model."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """Recipes of the parts."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""


def fit_parts(
    data: Data, recipe: Whole, folder: Path, *, resume: bool = False, progress: Progress | None = None
) -> Surrogate:
    """Fit part by part, and write the composed model to ``folder/model.safetensors``.

    Every part has a run folder of its own below (``stages/NAME``, ``members/K``), as `facsim.training.fit_model` makes
    it. A run that was interrupted goes on with `resume`: finished parts are kept, the one that was stopped goes on.

    Parameters
    ----------
    data : path, Selection or Events
        Read part by part: a part of a chain reads its own blocks only.
    recipe : CompositeRecipe
    folder : Path
    resume : bool, optional
    progress : callable, optional
        Called with steps done and steps in all, of all parts together.

    Raises
    ------
    SchemaMismatch
        If the data lack a block that a part asks for.
    CheckpointError
        If the folder holds another run, or one and `resume` is not set.
    """
    cls = cast("type[Composite]", family(recipe.family))
    share = partial(cls.share, recipe.config, data, seed=recipe.training.seed)
    if left := cls.unused(recipe.config, data):
        log.info("no part makes %s: left out", left)
    plain = recipe.to_json()
    record: dict[str, Any] = {
        "facsim_version": facsim.__version__,
        "family": recipe.family,
        "recipe": plain,
        "config": recipe.config.model_dump(),
        "training": recipe.training.model_dump() | {"parts": plain["parts"]},
        "data": {name: data_record(share(name=name)) for name in recipe.parts},
    }
    first = int(os.environ.get("RANK", "0")) == 0
    fitted: dict[str, Surrogate] = {}
    done, total = 0, recipe.training.steps
    with claimed(folder, record, resume=resume, first=first):
        for name, part in recipe.parts.items():
            where = folder / cls.folder / name
            log.info("fitting '%s', %d of %d", name, len(fitted) + 1, len(recipe.parts))
            if finished(where):
                fitted[name] = load(where)
            else:
                begun = (where / RUN_FILE).is_file()
                fitted[name] = part.fit(share(name=name), where, resume=begun, progress=_after(done, total, progress))
            done += part.training.steps
        model = cls.compose(recipe.config, fitted, data)
    model.provenance |= {key: record[key] for key in ("facsim_version", "recipe", "data")}
    if first:
        model.save(folder)
    return model


def _after(done: int, total: int, progress: Progress | None) -> Progress | None:
    """Progress of a part within the whole."""
    return None if progress is None else lambda step, _: progress(done + step, total)

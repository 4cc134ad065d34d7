"""The recipe of a student: what its teacher draws is what it is fitted to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from facsim.events import Events
from facsim.models import StudentConfig, Surrogate
from facsim.recipes.recipe import Recipe
from facsim.training import fit_model
from facsim.training.lesson import lesson, teacher_of

__all__ = ["SPECIAL", "StudentRecipe"]

CONDITIONS = 200_000
"""Conditions that are taken from the data at most."""
KEPT = ("form", "licence", "origin", "particle")
"""What is known of a teacher, and holds for its student."""


@dataclass(frozen=True)
class StudentRecipe(Recipe):
    """A recipe whose events are drawn by the model that ``model.teacher`` names."""

    def fit(
        self,
        data: str | os.PathLike[str] | Events,
        folder: Path,
        *,
        resume: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Surrogate:
        """Fit it to events of the teacher under the conditions of `data`; see `facsim.training.lesson`."""
        config = cast("StudentConfig", self.config)
        teacher = teacher_of(config.teacher)
        taught = lesson(data, teacher, CONDITIONS, self.training.seed)
        config = config.inherit(teacher)
        about = {"family": teacher.name} | {k: teacher.provenance.get(k) for k in ("step", "validation")}
        model = fit_model(
            taught,
            self.family,
            config,
            self.training,
            folder,
            resume=resume,
            recipe=self.to_json() | {"teacher": about},
            progress=progress,
        )
        model.provenance |= {key: teacher.provenance[key] for key in KEPT if key in teacher.provenance}
        if int(os.environ.get("RANK", "0")) == 0:
            model.save(folder)
        return model


SPECIAL: dict[str, type[Recipe]] = {"student": StudentRecipe}
"""Families whose recipes fit in another way."""

"""The page of a training: how the game goes, in one HTML file that needs nothing from outside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facsim.files import atomic
from facsim.report.drawing import markup
from facsim.report.film import draw_film
from facsim.report.page import environment
from facsim.report.run import Run, read_run
from facsim.report.series import drawings, summary

__all__ = ["PAGE_FILE", "render", "watch"]

PAGE_FILE = "page.html"
MOST_ROWS = 40

StrPath = str | os.PathLike[str]


def watch(run: StrPath, *, output: StrPath | None = None) -> Path:
    """Write the page of a training, also while it goes on.

    Parameters
    ----------
    run : path
        Run folder of a fit.
    output : path, optional
        File to write; ``page.html`` in the run folder by default.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CheckpointError
        If `run` is not a run folder, or a file of it cannot be read.

    Examples
    --------
    >>> watch("runs/eplus")  # doctest: +SKIP
    PosixPath('runs/eplus/page.html')
    """
    text = render(read_run(run))
    path = Path(run) / PAGE_FILE if output is None else Path(output)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def render(run: Run) -> str:
    """Fill the template."""
    drawn = drawings(run)
    rows = [row for row in run.rows if row.get("figures", {}).get("true_positive") is not None]
    every = max(1, -(-len(rows) // MOST_ROWS))
    recipe = run.record.get("recipe") or {}
    return str(
        environment()
        .get_template("run.html.j2")
        .render(
            run=run,
            recipe=recipe.get("name", ""),
            drawn=drawn,
            film=markup(draw_film(run.film)) if run.film is not None and len(run.film.steps) else None,
            film_steps=run.film.steps if run.film is not None else (),
            now=run.rows[-1].get("symptoms", []) if run.rows else [],
            past=_past(run.rows),
            table=rows[len(rows) - 1 :: -every][::-1],
            last=rows[-1]["figures"] if rows else None,
            key_figures=summary(run),
            version=run.record.get("facsim_version", ""),
        )
    )


def _past(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Symptoms that have gone: name, first and last step, words."""
    out: list[dict[str, Any]] = []
    still = {s["name"] for s in rows[-1].get("symptoms", [])} if rows else set()
    for row in rows:
        for symptom in row.get("symptoms", []):
            same = next((p for p in out if (p["name"], p["since"]) == (symptom["name"], symptom["since"])), None)
            if same is None:
                out.append({"name": symptom["name"], "since": symptom["since"]})
                same = out[-1]
            same |= {"until": row["step"], "words": symptom["words"]}
    last = rows[-1]["step"] if rows else 0
    return [p for p in out if not (p["name"] in still and p["until"] == last)]

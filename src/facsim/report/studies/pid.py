"""Particle identification species by species: a sample of truth and of copies for each, and pairs across them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import facsim
from facsim.errors import DataError, nearest
from facsim.events import Events
from facsim.files import atomic, write_json
from facsim.metrics import Scored, high_level_auc
from facsim.report import pid_figures, pid_tables
from facsim.report.page import environment
from facsim.report.pid import MOST_SCORED, measure_all
from facsim.report.pid_pairs import Pair
from facsim.report.pid_samples import Binning, Side, Species
from facsim.report.progress import silent

__all__ = ["page", "study", "write"]

Source = str | os.PathLike[str] | Events


def study(
    samples: Mapping[str, Sequence[Source]],
    *,
    binning: str | Sequence[str] | None = None,
    pairs: Sequence[Pair] | None = None,
    bootstraps: int = 200,
    folds: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] = silent,
) -> dict[str, Any]:
    """Evaluate copies of several species, as the collaborations do: one generator and one file for each.

    Parameters
    ----------
    samples : mapping of sequence of path or Events
        By species: truth, copy, and perhaps a second truth for the floors; without it the truth is halved. Weights
        may be negative (sWeights).
    binning : str or sequence of str, optional
        See `Binning.of`; default: by the names of the conditions.
    pairs : sequence of Pair, optional
        Scores and the species that they separate; default: by the names of both (RichDLLk separates K from pi).
    bootstraps : int, optional
        Samples for the errors of the maps; 0: DeLong's formula.
    folds : int, optional
        Of the classifier; 0: none is trained.
    seed : int, optional
    progress : callable, optional
        Told (done, total).

    Returns
    -------
    dict
        See `facsim.report.pid.measure_all`; `page` draws it, `write` saves everything.

    Raises
    ------
    SchemaMismatch, DataError, WeightError
        If schemas differ, there are no conditions to bin in, samples are too small, or weights sum to nothing.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> rng = np.random.default_rng(0)
    >>> schema = Schema((Block("RichDLLk"),), (Block("P"), Block("ETA")))
    >>> def tracks(mean):
    ...     return Events(rng.normal(mean, 1, (4000, 1)), rng.random((4000, 2)), schema)
    >>> found = study({"K": [tracks(1), tracks(1)], "pi": [tracks(0), tracks(0)]}, binning="P:2,ETA:2", folds=0)
    >>> found["usable"], found["bins"], found["pairs"][0]["known"]
    (8, 8, 4)
    """
    if not samples:
        msg = "no species: give {'K': (truth, copy), 'pi': (truth, copy)}"
        raise DataError(msg)
    species: dict[str, Species] = {}
    chosen: Binning | None = None
    first_schema = None
    for k, (name, given) in enumerate(samples.items()):
        events = _three(name, given, seed)
        first_schema = first_schema or events[0].schema
        for e in events:
            first_schema.require_same(e.schema, f"samples of '{name}' have other columns than those of other species")
        if chosen is None:
            chosen = Binning.of(binning, events[0].schema)
        if chosen is None:
            known = [b.name for b in events[0].schema.conditions]
            msg = f"conditions {known} do not look like momentum and pseudorapidity: say binning='P,ETA'"
            raise DataError(msg)
        species[name] = _species(events, chosen, folds, seed)
        progress(k + 1, len(samples) + 1)
    assert chosen is not None  # noqa: S101 - there is a species
    _require_known(pairs or (), samples)
    out = measure_all(species, chosen, pairs=None if pairs is None else list(pairs), bootstraps=bootstraps, seed=seed)
    progress(1, 1)
    return out


def page(data: Mapping[str, Any], title: str = "Particle identification") -> str:
    """Draw what `study` found as one HTML page."""
    table = {
        "header": pid_tables.header(data),
        "rows": list(pid_tables.table_rows(data)),
        "markdown": pid_tables.markdown(data),
        "latex": pid_tables.latex(data),
        "csv": pid_tables.to_csv(data),
    }
    template = environment().get_template("pid_study.html.j2")
    return str(
        template.render(
            title=title,
            version=facsim.__version__,
            metrics={"pid": data},
            drawn={"pid": pid_figures.draw(data)},
            sections_broken={},
            pid_table=table,
        )
    )


def write(data: Mapping[str, Any], folder: str | os.PathLike[str], title: str = "Particle identification") -> Path:
    """Save ``pid.html``, ``pid.json``, ``bins.md``, ``bins.tex`` and ``bins.csv``; return the page's path."""
    out = Path(folder) / "pid.html"
    write_json(out.with_suffix(".json"), dict(data))
    pid_tables.write(data, Path(folder))
    with atomic(out) as temporary:
        temporary.write_text(page(data, title), encoding="utf-8")
    return out


def _three(name: str, given: Sequence[Source], seed: int) -> list[Events]:
    """Truth, copy and second truth."""
    if len(given) not in {2, 3}:
        msg = f"species '{name}': {len(given)} samples; give truth and copy, and perhaps a second truth"
        raise DataError(msg)
    from facsim import io

    events = [e if isinstance(e, Events) else io.read(e) for e in given]
    for e in events:
        e.check(f"samples of '{name}'")
    if len(events) == 3:
        return events
    truth, copy = events
    order = np.random.default_rng([seed, 0x91D2]).permutation(len(truth))
    half = len(truth) // 2
    return [truth[np.sort(order[:half])], copy, truth[np.sort(order[half:])]]


def _species(events: Sequence[Events], binning: Binning, folds: int, seed: int) -> Species:
    sides = [Side.of(e) for e in events]
    if not folds:
        return Species(sides[0], sides[1], sides[2])
    size = min(MOST_SCORED, *map(len, events))
    some = [e[np.sort(np.random.default_rng([seed, i]).permutation(len(e))[:size])] for i, e in enumerate(events)]
    pairs = []
    for other in some[1:]:
        result = high_level_auc(some[0], other, folds=folds, signed=True, seed=seed)
        scores = (result.scores_reference, some[0]), (result.scores_generated, other)
        a, b = (Scored(s, Side.of(e).places(binning), e.weights) for s, e in scores)
        pairs.append((a, b))
    return Species(sides[0], sides[1], sides[2], *pairs)


def _require_known(pairs: Sequence[Pair], samples: Mapping[str, Any]) -> None:
    for pair in pairs:
        for name in (pair.first, pair.second):
            if name not in samples:
                msg = f"pair '{pair}': no species '{name}'; there are {list(samples)}.{nearest(name, list(samples))}"
                raise DataError(msg)

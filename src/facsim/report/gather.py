"""From files to samples: agreement of the schemas, the halves that make the floor, one pass over each file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facsim import io
from facsim.errors import DataError, WeightError
from facsim.events import Events
from facsim.metrics import effective_size
from facsim.report.progress import silent
from facsim.report.sample import MOST_EVENTS, Sample, collect, opened

__all__ = ["Gathered", "gather"]

logger = logging.getLogger(__name__)

Data = str | os.PathLike[str] | Events

FEWEST = 20
MOST_TRAINING = 20_000
"""Training events that generated events are held against, to see whether they were learnt by heart."""


@dataclass(frozen=True)
class Gathered:
    """The three samples of an evaluation.

    Parameters
    ----------
    reference, generated, second : Sample
        `generated` and `second` have the same size.
    halved : bool
        Whether `second` was cut out of the reference file.
    available : dict
        Events in each source.
    names : dict
        Name of each source.
    training : Sample or None
        Truth that the model was fitted to.
    """

    reference: Sample
    generated: Sample
    second: Sample
    halved: bool
    available: dict[str, int]
    names: dict[str, str]
    training: Sample | None = None


def gather(
    reference: str | os.PathLike[str] | Events,
    generated: str | os.PathLike[str] | Events,
    second: str | os.PathLike[str] | Events | None,
    *,
    training: str | os.PathLike[str] | Events | None = None,
    max_events: int,
    seed: int,
    progress: Callable[[int, int], None] = silent,
) -> Gathered:
    """Read the sources once; see `facsim.report.evaluate`."""
    given = {"reference": reference, "generated": generated}
    if second is not None:
        given["second_reference"] = second
    if training is not None:
        given["training"] = training
    names = {role: _name(source, role) for role, source in given.items()}
    given = _of_the_copy(given, names)
    with ExitStack() as stack:
        sources = {role: stack.enter_context(opened(source)) for role, source in given.items()}
        for role in list(sources)[1:]:
            sources["reference"].schema.require_same(
                sources[role].schema,
                f"cannot compare the reference ({names['reference']}) with {role.replace('_', ' ')} ({names[role]})",
                "Both must hold the same blocks: choose them with facsim.io.read(path, blocks=[...]) and pass the "
                "events, or sample a model of this detector",
            )
        available = {role: len(source) for role, source in sources.items()}
        parts = _parts(available, np.random.default_rng([seed, 0x9A27]))
        total, done = sum(available.values()), 0

        def tick(n: int) -> None:
            nonlocal done
            done += n
            progress(done, total)

        out: dict[str, Sample] = {}
        for role, source in sources.items():
            roles = [role, "second_reference"] if second is None and role == "reference" else [role]
            samples = collect(
                source,
                [parts[r] for r in roles],
                [names.get(r, names["reference"]) for r in roles],
                max_events=max_events,
                seed=seed,
                tick=tick,
            )
            out |= dict(zip(roles, samples, strict=True))
    _require_enough(out)
    first, copy, other = (out[role] for role in ("reference", "generated", "second_reference"))
    return Gathered(first, copy, other, second is None, available, names, out.get("training"))


def _of_the_copy(given: dict[str, Data], names: dict[str, str]) -> dict[str, Data]:
    """Leave out what the truth has and the copy lacks, such as the mass that sWeights come from, and say so."""
    schemas = {}
    for role, source in given.items():
        with opened(source) as reader:
            schemas[role] = reader.schema
    wanted = [b.name for b in schemas["generated"].features]
    out = dict(given)
    for role, source in given.items():
        known = [b.name for b in schemas[role].features]
        extra = [name for name in known if name not in wanted]
        if extra and wanted == [name for name in known if name in wanted]:
            logger.info("%s has %s, which %s lacks: left out", names[role], extra, names["generated"])
            out[role] = source.select(wanted) if isinstance(source, Events) else _only(source, wanted)
    return out


def _only(source: str | os.PathLike[str], features: list[str]) -> io.Selection:
    chosen = source if isinstance(source, io.Selection) else io.Selection(source)
    return replace(chosen, pick=replace(chosen.pick, features=features))


def _parts(available: dict[str, int], rng: np.random.Generator) -> dict[str, NDArray[np.intp]]:
    """Ascending event numbers for each role; generated and second truth get equally many."""
    n, generated = available["reference"], available["generated"]
    if "second_reference" in available:
        size = min(generated, available["second_reference"], MOST_EVENTS)
        second = np.sort(rng.permutation(available["second_reference"])[:size])
        first = np.sort(rng.permutation(n)[:MOST_EVENTS])
    else:
        size = min(generated, n // 2, MOST_EVENTS)
        order = rng.permutation(n)
        first, second = np.sort(order[size : size + MOST_EVENTS]), np.sort(order[:size])
    if min(size, len(first)) < FEWEST:
        given = {role: count for role, count in available.items() if role != "training"}
        sizes = ", ".join(f"{count} {role.replace('_', ' ')} events" for role, count in given.items())
        msg = (
            f"{sizes}: at least {FEWEST} per sample are needed, and without a second truth sample (--second) the "
            "reference is halved. Simulate or sample more events"
        )
        raise DataError(msg)
    parts = {
        "reference": first,
        "second_reference": second,
        "generated": np.sort(rng.permutation(generated)[:size]),
    }
    if "training" in available:
        parts["training"] = np.sort(rng.permutation(available["training"])[:MOST_TRAINING])
    return parts


def _require_enough(samples: dict[str, Sample]) -> None:
    """Refuse samples of which the weights leave next to nothing."""
    for role, sample in samples.items():
        size = effective_size(len(sample), sample.weights)
        if size < FEWEST:
            msg = (
                f"{role.replace('_', ' ')} ({sample.name}): its weights leave {len(sample):,} events as much worth as "
                f"{size:.3g} unweighted ones; at least {FEWEST} are needed. Give more events, or weights that vary less"
            )
            raise WeightError(msg)


def _name(source: str | os.PathLike[str] | Events, role: str) -> str:
    return role.replace("_", " ") + " events" if isinstance(source, Events) else Path(source).name

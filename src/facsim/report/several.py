"""The verb `compare`: several surrogates, each held against the same truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from facsim.errors import DataError
from facsim.events import Events
from facsim.report import sidebyside
from facsim.report.evaluate import evaluate
from facsim.report.sidebyside import Comparison

__all__ = ["compare"]

StrPath = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def compare(
    reference: StrPath | Events,
    generated: Sequence[StrPath | Events] | Mapping[str, StrPath | Events],
    *,
    names: Sequence[str] | None = None,
    times: Mapping[str, float] | None = None,
    output: StrPath | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Put several surrogates side by side, each held against the same truth.

    Parameters
    ----------
    reference : path or Events
        Truth.
    generated : sequence or mapping of path or Events
        One per surrogate; a mapping names them.
    names : sequence of str, optional
        Of the surrogates. Default: names of the files without suffix.
    times : mapping, optional
        Seconds per event of a surrogate, as far as known.
    output : path, optional
        Folder for ``compare.html``, ``compare.json`` and, in a folder of its name, the report of each surrogate.
    progress : callable, optional
        Called with (done, total).
    **options
        As for `evaluate`: ``second_reference``, ``seed``, ``low_level``, ``tolerance``, ``max_events``.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        If two surrogates have the same name, or a time belongs to none.

    Examples
    --------
    >>> import facsim
    >>> truth = facsim.read(facsim.datasets.path("calogan-eplus-mini"))
    >>> comparison = facsim.compare(truth[:400], {"b": truth[400:600], "a": truth[600:800]}, low_level=False)
    >>> comparison.names
    ('b', 'a')
    """
    if isinstance(generated, Mapping):
        sources = dict(generated)
    else:
        chosen = list(names) if names is not None else [_stem(source, i) for i, source in enumerate(generated)]
        if len(chosen) != len(generated) or len(set(chosen)) < len(chosen):
            msg = f"names {chosen} for {len(generated)} surrogates: give each a name of its own (--name, once for each)"
            raise DataError(msg)
        sources = dict(zip(chosen, generated, strict=True))
    sidebyside.check(list(sources), times or {})
    reports = {}
    for i, (name, source) in enumerate(sources.items()):
        reports[name] = evaluate(
            reference,
            source,
            progress=partial(_part, progress, i, len(sources)) if progress else None,
            **options,
        )
    comparison = sidebyside.compare(reports, times)
    if output is not None:
        comparison.save(output)
    return comparison


def _part(progress: Progress, i: int, parts: int, done: int, total: int) -> None:
    """Turn the progress of one of equal parts into that of the whole."""
    progress(100 * i + 100 * done // max(1, total), 100 * parts)


def _stem(source: StrPath | Events, index: int) -> str:
    return f"surrogate {index + 1}" if isinstance(source, Events) else Path(source).stem

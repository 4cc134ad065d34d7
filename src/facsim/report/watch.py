"""The verb `monitor`: a running production, tested file by file against a reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from facsim import io
from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics import Monitor, MonitorResult

__all__ = ["monitor"]

BATCH = 4096  # events of a file that are in memory together

StrPath = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def monitor(
    files: Sequence[StrPath],
    *,
    reference: StrPath | Events | None = None,
    state: StrPath | None = None,
    alpha: float = 0.01,
    progress: Progress | None = None,
) -> MonitorResult:
    """Watch a running production: test its files, as they come, against a reference, in bounded memory.

    Parameters
    ----------
    files : sequence of path
        The next files of the production, in order. Their events must be independent of the reference's.
    reference : path or Events, optional
        Truth, or validated events; needed unless `state` exists.
    state : path, optional
        File (``.npz``) that remembers the monitor between calls; made if it does not exist.
    alpha : float, optional
        Chance that good events ever raise an alarm, however long it runs and however often one looks. A state keeps
        the one that it began with.
    progress : callable, optional
        Called with (files done, files).

    Returns
    -------
    MonitorResult

    Raises
    ------
    DataError
        If there is neither a state nor a reference, or both: a monitor keeps the reference that it began with.

    Examples
    --------
    >>> import facsim, tempfile
    >>> known, production = facsim.datasets.load("calogan-eplus-mini").split(0.5, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     facsim.write(f"{folder}/next.h5", production)
    ...     facsim.monitor([f"{folder}/next.h5"], reference=known).alarm
    False
    """
    known = state is not None and Path(state).exists()
    if known == (reference is not None):
        what = (
            f"{state} holds a reference already: leave --reference out, or choose another --state"
            if known
            else ("there is no state yet to go on from: give the reference (--reference)")
        )
        raise DataError(what)
    if known:
        watching = Monitor.load(str(state))
    else:
        assert reference is not None  # noqa: S101 - said above
        watching = Monitor(reference if isinstance(reference, Events) else io.read(reference), alpha=alpha)
    for i, path in enumerate(files):
        with io.open(path) as source:
            for batch in source.batches(BATCH):
                watching.update(batch.check(str(path)))
        if progress:
            progress(i + 1, len(files))
    if state is not None:
        watching.save(state)
    return watching.result()

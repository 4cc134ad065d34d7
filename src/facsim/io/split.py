"""Split a file of events into two."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from facsim.errors import DataError
from facsim.events import split_rows
from facsim.io.selection import all_blocks
from facsim.io.verbs import create
from facsim.io.verbs import open as open_events

__all__ = ["split"]

StrPath = str | os.PathLike[str]


def split(data: StrPath, first: StrPath, second: StrPath, *, fraction: float = 0.5, seed: int = 0) -> tuple[Path, Path]:
    """Split a file of events of any size at random into two; both parts keep the order of the file.

    They have all its blocks, and ROOT files made from a ROOT file keep names and types of tree and branches.

    Parameters
    ----------
    data : path
        File of events.
    first, second : path
        Files to write; ``round(fraction * n)`` events go to the first. The suffixes choose the formats.
    fraction : float, optional
        Between 0 and 1.
    seed : int, optional
        Same seed, same split, and the same as that of `facsim.Events.split`.

    Returns
    -------
    first, second : Path

    Raises
    ------
    DataError
        If a part would be empty, or both have the same name.

    Examples
    --------
    >>> import tempfile, pathlib, numpy, facsim.io
    >>> from facsim import Events, detectors
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> facsim.io.write(folder / "all.h5", Events(numpy.ones((8, 504)), numpy.full((8, 1), 50), detectors.calogan()))
    >>> parts = split(folder / "all.h5", folder / "train.h5", folder / "test.h5", fraction=0.75, seed=1)
    >>> [len(facsim.io.read(part)) for part in parts]
    [6, 2]
    """
    paths = Path(first), Path(second)
    if paths[0].resolve() == paths[1].resolve():
        msg = f"{first} and {second} are the same file: give two names"
        raise DataError(msg)
    with ExitStack() as stack:
        reader = stack.enter_context(open_events(data, features=all_blocks(data)))
        mask = split_rows(len(reader), fraction, seed)
        if mask.all() or not mask.any():
            msg = f"{data}: fraction={fraction} of {len(reader)} events leaves one part empty: choose another"
            raise DataError(msg)
        attrs = {**reader.attrs, "split": {"fraction": fraction, "seed": seed}}
        writers = [stack.enter_context(create(p, reader.schema, attrs=attrs, form=reader.form)) for p in paths]
        start = 0
        for events in reader.batches(1024):
            here = mask[start : start + len(events)]
            start += len(events)
            for writer, rows in zip(writers, (here, ~here), strict=True):
                writer.append(events[rows])
    return paths

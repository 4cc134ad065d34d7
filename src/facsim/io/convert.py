"""Write the events of any file in any other layout."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facsim.io.selection import all_blocks
from facsim.io.verbs import create
from facsim.io.verbs import open as open_events

__all__ = ["convert"]

StrPath = str | os.PathLike[str]
BATCH = 4096


def convert(
    data: StrPath | Sequence[StrPath],
    output: StrPath,
    *,
    layout: str | None = None,
    tree: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Path:
    """Write the events of a file, of any size, in another layout: with all blocks, or with what is selected.

    Parameters
    ----------
    data : path, sequence of path or Selection
        Whatever `facsim.io.open` reads; see `facsim.io.select` for cuts and columns.
    output : path
        The suffix chooses the format. A ROOT file made from a ROOT file keeps names and types of tree and branches.
    layout : str, optional
        See `facsim.io.layouts`: ``pixel-branches`` is what TMVA takes.
    tree : str, optional
        Name of the tree in a ROOT file.
    progress : callable, optional
        Called with (events done, events in all).
    **options
        As for `facsim.io.open`, but for ``tree``, which is that of the output.

    Returns
    -------
    Path

    Examples
    --------
    >>> import tempfile, pathlib, numpy, facsim.io
    >>> from facsim import Block, Events, Schema
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> image = Schema((Block("x", (2, 2), "energy"),))
    >>> facsim.io.write(folder / "images.npz", Events(numpy.eye(4), numpy.empty((4, 0)), image))
    >>> path = convert(folder / "images.npz", folder / "images.root", layout="pixel-branches", tree="train_sig")
    >>> import uproot
    >>> uproot.open(path)["train_sig"].keys()
    ['x0', 'x1', 'x2', 'x3']
    """
    with open_events(data, **({"features": all_blocks(data)} | options)) as reader:
        done = 0
        how = {"attrs": reader.attrs, "layout": layout, "tree": tree, "form": reader.form}
        with create(output, reader.schema, **how) as writer:  # type: ignore[arg-type]
            for events in reader.batches(BATCH):
                writer.append(events)
                done += len(events)
                if progress is not None:
                    progress(done, len(reader))
    return Path(output)

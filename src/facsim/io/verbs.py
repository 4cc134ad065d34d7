"""Read and write files of events, whatever their layout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facsim.errors import DataError
from facsim.events import Events
from facsim.io.contents import Pick
from facsim.io.reader import Reader, reading
from facsim.io.registry import for_reading, for_writing
from facsim.io.writer import Writer
from facsim.schema import Schema

__all__ = ["create", "open", "read", "write"]

StrPath = str | os.PathLike[str]


def open(  # noqa: A001 - facsim.io.open is to files of events what open is to files
    path: StrPath,
    *,
    blocks: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    weights: str | None = None,
    tree: str | None = None,
    layout: str | None = None,
    check: bool = True,
) -> Reader:
    """Open a file of events for streaming.

    Parameters
    ----------
    path : path
        HDF5 (CaloGAN, CaloChallenge, facsim's own or any table of datasets), ROOT tree, npz or Parquet; recognised by
        content, not by name.
    blocks, features : sequence of str or "all", optional
        Feature blocks to read, in this order (two words for the same). By default what the file declares as features;
        of CaloGAN's layouts the three layers, where ``"all"`` adds ``overflow`` and what else there is.
    conditions : sequence of str, optional
        Blocks to read as conditions instead of those that the file declares. A file without a schema declares none.
    weights : str, optional
        Block to read as event weights. Weights that facsim wrote are read unasked.
    tree : str, optional
        Tree of a ROOT file that holds several.
    layout : str, optional
        Overrides the recognition; see `facsim.io.layouts`.
    check : bool
        Refuse NaN, negative energies and empty samples.

    Returns
    -------
    Reader
        A context manager with ``.schema``, ``len()``, ``.batches(n)`` and ``.read(start, stop)``.

    Raises
    ------
    FileFormatError
        If the file is missing, cut short, of no known layout, or lacks a key; names the file, the key and the cure.
    SchemaMismatch
        For an unknown block, with the nearest known name.
    """
    if blocks is not None and features is not None:
        msg = f"blocks={blocks} and features={features}: both choose feature blocks; give one of them"
        raise DataError(msg)
    path = Path(path)
    pick = Pick(blocks if features is None else features, conditions, weights, tree)
    chosen = for_reading(path, pick, layout)
    with reading(path):
        source = chosen.source(path, pick)
    try:
        return Reader(path, chosen.name, source, pick, check=check)
    except BaseException:
        source.close()
        raise


def read(
    path: StrPath,
    *,
    blocks: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    weights: str | None = None,
    tree: str | None = None,
    layout: str | None = None,
    check: bool = True,
) -> Events:
    """Read all events of a file; parameters and errors as for `facsim.io.open`.

    Raises
    ------
    DataError
        For NaN, a negative energy or an empty sample (unless ``check=False``); names the file, the block and the event.

    Examples
    --------
    >>> import tempfile, pathlib, numpy, facsim.io
    >>> from facsim import Events, detectors
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "showers.h5"
    >>> facsim.io.write(path, Events(numpy.ones((5, 504)), numpy.full((5, 1), 50), detectors.calogan()))
    >>> facsim.io.read(path, blocks=["layer_2"])
    Events(5 x [layer_2 (12, 6) in MeV])
    """
    with open(
        path,
        blocks=blocks,
        conditions=conditions,
        features=features,
        weights=weights,
        tree=tree,
        layout=layout,
        check=check,
    ) as reader:
        return reader.read()


def create(
    path: StrPath, schema: Schema, *, attrs: Mapping[str, Any] | None = None, layout: str | None = None
) -> Writer:
    """Make a new file that events are appended to.

    Parameters
    ----------
    path : path
        The suffix chooses the format: ``.h5`` or ``.hdf5``, ``.root``, ``.npz``, ``.parquet``. An existing file is
        replaced when the new one is complete.
    schema : Schema
        Of the events to come; stored in the file. Schemas of CaloGAN and CaloChallenge are written in their own
        layouts, which other programs read.
    attrs : mapping, optional
        Free attributes, such as the provenance: strings, numbers and what JSON can hold.
    layout : str, optional
        Overrides the choice; see `facsim.io.layouts`.

    Returns
    -------
    Writer
        A context manager with ``.append(events)``. The file gets its name when the block ends without an error;
        else nothing is left behind (a killed process leaves a hidden ``.part`` file). Memory stays bounded.

    Raises
    ------
    FileFormatError
        If the suffix is not known.
    SchemaMismatch
        If the layout asked for cannot hold the schema.
    DataError
        If the attributes are not what JSON can hold, or a block has a name that files keep for other things.

    Examples
    --------
    >>> import tempfile, pathlib, numpy, facsim.io
    >>> from facsim import Events, detectors
    >>> path, schema = pathlib.Path(tempfile.mkdtemp()) / "showers.h5", detectors.calogan()
    >>> with facsim.io.create(path, schema, attrs={"seed": 1}) as writer:
    ...     for _ in range(3):
    ...         writer.append(Events(numpy.ones((2, 504)), numpy.full((2, 1), 50), schema))
    >>> len(facsim.io.read(path))
    6
    """
    path = Path(path)
    chosen = for_writing(path, schema, layout)
    return Writer(path, chosen.name, chosen.sink, schema, _plain(attrs or {}))


def write(path: StrPath, events: Events, *, attrs: Mapping[str, Any] | None = None, layout: str | None = None) -> None:
    """Write events to a new file; parameters and errors as for `facsim.io.create`."""
    with create(path, events.schema, attrs=attrs, layout=layout) as writer:
        writer.append(events)


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as plain Python values, so that every layout gives back the same."""

    def from_numpy(value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            return value.tolist()
        raise TypeError(type(value).__name__)

    try:
        return dict(json.loads(json.dumps(dict(attrs), default=from_numpy)))
    except (TypeError, ValueError) as error:
        msg = f"attrs={attrs}: only strings, numbers, lists and dictionaries can be stored ({error})"
        raise DataError(msg) from error

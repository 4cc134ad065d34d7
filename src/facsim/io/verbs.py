"""Read and write files of events, whatever their layout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facsim.errors import DataError
from facsim.events import Events
from facsim.io.contents import Pick
from facsim.io.derive import derived
from facsim.io.layout import Layout
from facsim.io.many import chained, expand, with_friends
from facsim.io.reader import Reader, Source, reading
from facsim.io.registry import for_reading, for_writing
from facsim.io.selection import Selection
from facsim.io.writer import Writer
from facsim.schema import Block, Schema

__all__ = ["create", "open", "read", "write"]

StrPath = str | os.PathLike[str]
FORMED = ("pixel-branches", "rntuple", "root")  # layouts whose trees and branches have names to choose


def open(  # noqa: A001 - facsim.io.open is to files of events what open is to files
    path: StrPath | Sequence[StrPath],
    *,
    blocks: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    weights: str | None = None,
    tree: str | None = None,
    cut: str | None = None,
    define: Mapping[str, str] | None = None,
    friends: Sequence[StrPath] | None = None,
    describe: Mapping[str, str | Block] | None = None,
    length: int | None = None,
    layout: str | None = None,
    check: bool = True,
) -> Reader:
    """Open a file of events for streaming.

    Parameters
    ----------
    path : path, sequence of path or Selection
        HDF5 (CaloGAN, CaloChallenge, facsim's own or any table of datasets), ROOT tree, npz, Parquet, text tables
        (LHCb's calibration samples, pidgan's, any with a line of names), ``digits.dat``, IDX images or a
        folder of PNG images; recognised by content, not by name. A pattern (``runs/*.root``) or several paths are read
        as one sample, ``file.root:tree`` names a tree, and a `facsim.io.Selection` brings the options below with it.
    blocks, features : sequence of str or "all", optional
        Feature blocks to read, in this order (two words for the same). By default what the file declares as features;
        of CaloGAN's layouts the three layers, where ``"all"`` adds ``overflow`` and what else there is. In a ROOT tree
        numbered branches (``x0 ... x783``) are one block, and a jagged branch a padded block with a mask block.
    conditions : sequence of str, optional
        Blocks to read as conditions instead of those that the file declares. A file without a schema declares none.
    weights : str, optional
        Block to read as event weights. Weights that facsim wrote are read unasked.
    tree : str, optional
        Tree of a ROOT file that holds several.
    cut : str, optional
        Expression that events must fulfil, ``"pt > 250 && abs(eta) < 2"``; see `facsim.io.expression.parse`.
    define : mapping of str to str, optional
        Further columns: ``{"m2": "m*m"}``. They are read where they are named.
    friends : sequence of path, optional
        Files with further columns of the same events, in the same order; these too are read where they are named.
    describe : mapping of str to str or Block, optional
        Shape, kind and unit of blocks, in any order: ``{"x": "28x28 energy MeV"}``.
    length : int, optional
        Length to which jagged branches are padded or cut; that of the longest entry by default.
    layout : str, optional
        Overrides the recognition; see `facsim.io.layouts`.
    check : bool
        Refuse NaN, negative energies and empty samples.

    Returns
    -------
    Reader
        A context manager with ``.schema``, ``len()``, ``.batches(n)``, ``.shuffled(n)`` and ``.read(start, stop)``.

    Raises
    ------
    FileFormatError
        If the file is missing, cut short, of no known layout, or lacks a key; names the file, the key and the cure.
    SchemaMismatch
        For an unknown block, with the nearest known name.
    DataError
        For an expression that cannot be understood, a friend of another length, or a cut that no event passes.
    """
    if blocks is not None and features is not None:
        msg = f"blocks={blocks} and features={features}: both choose feature blocks; give one of them"
        raise DataError(msg)
    given: dict[str, Any] = {
        "features": blocks if features is None else features,
        "conditions": conditions,
        "weights": weights,
        "tree": tree,
        "cut": cut,
        "define": define,
        "friends": friends,
        "describe": describe,
        "length": length,
    }
    chosen = path if isinstance(path, Selection) else Selection(path)
    pick = replace(chosen.pick, **{k: v for k, v in given.items() if v is not None})
    layout = chosen.layout if layout is None else layout
    files, named = expand(chosen.path)
    pick = pick if named is None else replace(pick, tree=named)
    kinds: dict[Path, Layout] = {}

    def open_one(file: Path, how: Pick) -> Source:
        kinds[file] = for_reading(file, how, layout)
        with reading(file):
            return kinds[file].source(file, how)

    with ExitStack() as stack:  # closes what was opened, if anything goes wrong
        source = chained(files, pick, open_one)
        stack.callback(source.close)
        beside = []
        for friend in pick.friends:
            paths, own_tree = expand(friend)
            beside.append((os.fspath(friend), chained(paths, Pick("all", tree=own_tree, length=pick.length), _opened)))
            stack.callback(beside[-1][1].close)
        origin = str(chosen)
        with reading(Path(origin)):
            whole = derived(with_friends(source, beside, origin), pick, origin)
            reader = Reader(Path(origin), kinds[files[0]].name, whole, pick, files=files, check=check)
        stack.pop_all()
    return reader


def _opened(file: Path, how: Pick) -> Source:
    with reading(file):
        return for_reading(file, how).source(file, how)


def read(path: StrPath | Sequence[StrPath], **options: Any) -> Events:
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
    with open(path, **options) as reader:
        return reader.read()


def create(
    path: StrPath,
    schema: Schema,
    *,
    attrs: Mapping[str, Any] | None = None,
    layout: str | None = None,
    tree: str | None = None,
    form: Mapping[str, Any] | None = None,
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
        Overrides the choice; see `facsim.io.layouts`. Of ROOT files ``pixel-branches`` (one branch per number, as TMVA
        takes them), ``root`` (one branch per block) or ``rntuple``.
    tree : str, optional
        Name of the tree in a ROOT file.
    form : mapping, optional
        How a ROOT file lays its branches out (``reader.form`` of the file to write alike): layout, tree, and names and
        types of the branches. Files of other formats have none, and leave it away.

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
    alike = dict(form or {})
    if layout is None and path.suffix == ".root" and alike:
        layout = str(alike["layout"])
    if layout is None and path.suffix == ".root" and tree is not None:
        layout = "root"
    chosen = for_writing(path, schema, layout)
    make: Any = chosen.sink
    if chosen.name in FORMED:
        make = partial(make, form=alike | ({} if tree is None else {"tree": tree}))
    elif tree is not None:
        msg = (
            f"{path}: tree='{tree}': layout '{chosen.name}' has no tree to name. Leave it away, or choose from {FORMED}"
        )
        raise DataError(msg)
    return Writer(path, chosen.name, make, schema, _plain(attrs or {}))


def write(path: StrPath, events: Events, **options: Any) -> None:
    """Write events to a new file; parameters and errors as for `facsim.io.create`."""
    with create(path, events.schema, **options) as writer:
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

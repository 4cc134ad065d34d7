"""Files that facsim and another program exchange: parameters out, events in."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import facsim.io
from facsim.errors import FileFormatError, SchemaMismatch, nearest
from facsim.schema import Block
from facsim.simulators.parametric.answers import single

__all__ = ["OUTPUTS", "PARAMS", "read_output", "write_params"]

Array = NDArray[np.float64]
PARAMS = (".json", ".yaml", ".yml", ".csv")
OUTPUTS = (".h5", ".hdf5", ".root", ".npz", ".parquet", ".json", ".csv")


def write_params(path: Path, columns: Mapping[str, Array], parameters: Sequence[str], seed: int) -> None:
    """Write points as a parameter file: a header and rows (CSV), or ``n``, ``seed``, ``parameters`` and ``given``.

    Parameters
    ----------
    path : Path
    columns : mapping
        Values (n, size) by name.
    parameters : sequence of str
        Which of the names are parameters; the others are given.
    seed : int

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "params.json"
    >>> write_params(path, {"m": np.array([[0.5], [0.7]])}, ["m"], seed=3)
    >>> path.read_text()
    '{"n": 2, "seed": 3, "parameters": {"m": [0.5, 0.7]}, "given": {}}'
    """
    n = len(next(iter(columns.values())))
    if path.suffix == ".csv":
        header = [name if v.shape[1] == 1 else f"{name}_{i}" for name, v in columns.items() for i in range(v.shape[1])]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(np.concatenate(list(columns.values()), axis=1).tolist())
        return
    plain = {name: (v[:, 0] if v.shape[1] == 1 else v).tolist() for name, v in columns.items()}
    content: dict[str, Any] = {
        "n": n,
        "seed": seed,
        "parameters": {k: v for k, v in plain.items() if k in parameters},
        "given": {k: v for k, v in plain.items() if k not in parameters},
    }
    if path.suffix == ".json":
        path.write_text(json.dumps(content), encoding="utf-8")
        return
    import yaml

    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def read_output(
    path: Path, features: Sequence[Block] | None, skip: Sequence[str] = ()
) -> tuple[tuple[Block, ...], NDArray[np.float32]]:
    """Read the events (n, d) that a program wrote; NaN is let through.

    Parameters
    ----------
    path : Path
        A file that `facsim.io` reads; or JSON with lists by name of the block; or CSV with a header, whose columns are
        ``name``, or ``name_0``, ``name_1``, ... for a block of several.
    features : sequence of Block, optional
        What to read; by default everything but `skip`.
    skip : sequence of str, optional
        Names that are no features (parameters that the program repeats).

    Raises
    ------
    FileFormatError
        If the file is missing, or cannot be read.
    SchemaMismatch
        If a block is missing, or has another shape.
    """
    if not path.exists():
        msg = f"{path}: the program wrote no such file"
        raise FileFormatError(msg)
    if path.suffix == ".json":
        columns = _json(path)
    elif path.suffix == ".csv":
        columns = _csv(path, features)
    else:
        columns, known = _events(path, features)
        if features is None:
            features = [b for b in known if b.name not in skip]
    if features is None:
        features = [Block(name, v.shape[1:]) for name, v in columns.items() if name not in skip]
    parts = []
    for block in features:
        if block.name not in columns:
            msg = f"{path}: no block '{block.name}'; there are {list(columns)}.{nearest(block.name, columns)}"
            raise SchemaMismatch(msg)
        values = columns[block.name]
        if values[:1].size != block.size * len(values[:1]):
            msg = f"{path}: block '{block.name}' has shape {values.shape[1:]}, expected {block.shape}"
            raise SchemaMismatch(msg)
        parts.append(values.reshape(len(values), block.size))
    if not parts or len({len(p) for p in parts}) > 1:
        msg = f"{path}: blocks have {[len(p) for p in parts]} events; each needs one row per event"
        raise SchemaMismatch(msg)
    return tuple(features), np.concatenate([single(part) for part in parts], axis=1)


def _events(path: Path, features: Sequence[Block] | None) -> tuple[dict[str, NDArray[Any]], tuple[Block, ...]]:
    names = None if features is None else [b.name for b in features]
    with facsim.io.open(path, features=names, check=False) as reader:
        events, blocks = reader.read(), reader.schema.features
    return {b.name: events[b.name] for b in blocks}, blocks


def _json(path: Path) -> dict[str, NDArray[Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): np.asarray(values, np.float64) for name, values in dict(content).items()}
    except (ValueError, TypeError) as error:
        msg = f"{path}: expected lists of numbers by name ({error})"
        raise FileFormatError(msg) from error


def _csv(path: Path, features: Sequence[Block] | None) -> dict[str, NDArray[Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
        table = np.array([[float(cell or "nan") for cell in row] for row in rows], np.float64)
        table = table.reshape(len(rows), len(header))
    except ValueError as error:
        msg = f"{path}: expected a header and rows of numbers ({error})"
        raise FileFormatError(msg) from error
    columns = dict(zip(header, table.T, strict=True))
    for block in features or ():
        several = [f"{block.name}_{i}" for i in range(block.size)]
        if block.name not in columns and set(several) <= set(columns):
            columns[block.name] = np.stack([columns[k] for k in several], axis=1)
    return columns

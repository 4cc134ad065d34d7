"""All file layouts, and the choice among them: by content for reading, by suffix and schema for writing."""

from __future__ import annotations

from pathlib import Path

from facsim.errors import DataError, FileFormatError, SchemaMismatch, nearest
from facsim.io.calibration_tsv import CALIBRATION_TSV
from facsim.io.calochallenge import CALOCHALLENGE
from facsim.io.calogan import CALOGAN
from facsim.io.calogan_root import CALOGAN_ROOT
from facsim.io.contents import RESERVED, Pick
from facsim.io.hdf5 import HDF5
from facsim.io.idx import IDX, IDX_GZ
from facsim.io.jet_images import JET_IMAGES
from facsim.io.layout import Layout
from facsim.io.mlhep_npz import MLHEP_NPZ
from facsim.io.npz import NPZ
from facsim.io.parquet import PARQUET
from facsim.io.pidgan_csv import PIDGAN_CSV
from facsim.io.png import PNG
from facsim.io.reader import reading
from facsim.io.root import PIXEL_BRANCHES, RNTUPLE, ROOT
from facsim.io.text_table import BEGIN_BYTES, CSV
from facsim.io.tpc_digits import TPC_DIGITS
from facsim.schema import Schema

__all__ = ["for_reading", "for_writing", "layouts"]

_LAYOUTS = (
    CALOGAN,
    CALOCHALLENGE,
    JET_IMAGES,
    HDF5,
    CALOGAN_ROOT,
    PIXEL_BRANCHES,
    RNTUPLE,
    ROOT,
    MLHEP_NPZ,
    NPZ,
    PARQUET,
    IDX,
    IDX_GZ,
    PNG,
    TPC_DIGITS,
    CALIBRATION_TSV,
    PIDGAN_CSV,
    CSV,
)  # the particular before the general: the first that fits is taken


def layouts() -> tuple[str, ...]:
    """Names of the file layouts."""
    return tuple(layout.name for layout in _LAYOUTS)


def for_reading(path: Path, pick: Pick, name: str | None = None) -> Layout:
    """Layout of an existing file, by its content.

    Raises
    ------
    FileFormatError
        If the file is missing, cannot be read, or is of no known kind.
    """
    named = None if name is None else _named(name)
    if named in {None, PNG} and PNG.recognises(path, pick):
        return PNG
    try:
        with path.open("rb") as file:
            begin = file.read(BEGIN_BYTES)
    except FileNotFoundError as error:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside) or " Check the folder and the spelling."
        msg = f"{path}: no such file.{hint}"
        raise FileFormatError(msg) from error
    except IsADirectoryError as error:
        msg = f"{path}: a folder without PNG images: give a file, a folder of images, or a pattern, {path}/*.root"
        raise FileFormatError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be opened ({error.strerror}); give the path of a readable file"
        raise FileFormatError(msg) from error
    kin = [x for x in _LAYOUTS if x.may_be(begin)]
    if not kin or (named is not None and named not in kin):
        what = "is empty (0 bytes)" if not begin else f"begins with {begin[:8]!r}"
        known = f"layout '{name}'" if named is not None else f"any known layout ({', '.join(layouts())})"
        msg = f"{path}: {what}, which is not the beginning of {known}. It is cut short, or another kind of file"
        raise FileFormatError(msg)
    if named is not None:
        return named
    with reading(path):
        return next(x for x in kin if x.recognises(path, pick))


def for_writing(path: Path, schema: Schema, name: str | None = None) -> Layout:
    """Layout of a new file: the named one, or the first of its suffix that can hold the schema.

    Raises
    ------
    FileFormatError
        If no layout has this suffix.
    SchemaMismatch
        If the named layout cannot hold the schema.
    DataError
        If a block has a name that files keep for other things.
    """
    blocks = [b.name for b in schema.features + schema.conditions]
    bad = [n for n in blocks if n in RESERVED or not n or "/" in n]
    if bad:
        msg = (
            f"{path}: block names {bad} cannot be written: rename them (not empty, no '/', none of {sorted(RESERVED)})"
        )
        raise DataError(msg)
    if name is not None:
        layout = _named(name)
        if reason := layout.refuses(schema):
            msg = f"{path}: layout '{name}' cannot hold this schema: {reason}. Leave layout away to have one chosen"
            raise SchemaMismatch(msg)
        return layout
    kin = [x for x in _LAYOUTS if path.suffix.lower() in x.suffixes]
    if not kin:
        suffixes = sorted({s for x in _LAYOUTS for s in x.suffixes})
        msg = f"{path}: cannot tell the layout from the suffix '{path.suffix}'. Use one of {suffixes}, or give layout="
        raise FileFormatError(msg)
    return next(x for x in kin if not x.refuses(schema))


def _named(name: str) -> Layout:
    for layout in _LAYOUTS:
        if layout.name == name:
            return layout
    msg = f"layout='{name}': known are {layouts()}.{nearest(name, layouts())}"
    raise FileFormatError(msg)

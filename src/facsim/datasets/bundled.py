"""Samples that come with the package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import facsim.io
from facsim.errors import MissingData, nearest
from facsim.events import Events

__all__ = ["load", "names", "path", "provenance"]

_FOLDER = Path(__file__).parent / "data"


def names() -> list[str]:
    """Names of the bundled samples."""
    return sorted(p.stem for p in _FOLDER.glob("*.h5"))


def path(name: str) -> Path:
    """File of a bundled sample.

    Raises
    ------
    MissingData
        For an unknown name, with the nearest known one.
    """
    known = names()
    if name not in known:
        msg = f"no bundled sample '{name}'; there are {known}.{nearest(name, known)}"
        raise MissingData(msg)
    return _FOLDER / f"{name}.h5"


def load(name: str, *, blocks: Sequence[str] | None = None) -> Events:
    """Read a bundled sample.

    ``calogan-eplus-mini``
        4,000 positron showers, flat in 1-100 GeV, in the calorimeter of CaloGAN (`facsim.detectors.calogan`), simulated
        with Geant4 by ``scripts/make_mini_dataset.py``.

    Parameters
    ----------
    name : str
        See `names`.
    blocks : sequence of str or "all", optional
        As in `facsim.io.read`: ``"all"`` adds ``overflow``.

    Returns
    -------
    Events
        Cells in MeV; condition ``energy`` in GeV.

    Raises
    ------
    MissingData
        For an unknown name.

    Examples
    --------
    >>> events = load("calogan-eplus-mini")
    >>> len(events), events["layer_1"].shape
    (4000, (4000, 12, 12))
    """
    return facsim.io.read(path(name), blocks=blocks)


def provenance(name: str) -> dict[str, Any]:
    """How a bundled sample was made: program, versions, settings, checksum, means.

    Examples
    --------
    >>> provenance("calogan-eplus-mini")["particle"]
    'e+'
    """
    return dict(json.loads(path(name).with_suffix(".json").read_text(encoding="utf-8")))

"""Reader of the binning XML files that accompany CaloChallenge data."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any
from xml.parsers import expat

from facsim.detectors.meshes import layered, sectors
from facsim.errors import DataError, FileFormatError, nearest
from facsim.schema import Grid, Schema

__all__ = ["read_binning_xml"]

_LARGEST_FILE = 1 << 22  # the published files have a few kB


def read_binning_xml(
    path: str | os.PathLike[str],
    particle: str | int | None = None,
    *,
    threshold: float = 0.0,
    thickness: float = 1.0,
    detector: str = "",
) -> Schema:
    """Read voxel edges from a binning XML (``<Bins><Bin name pid><Layer id r_edges n_bin_alpha/></Bin></Bins>``).

    Parameters
    ----------
    path : path
        The XML file.
    particle : str or int, optional
        ``name`` or ``pid`` of the ``<Bin>``; needed where the file holds several.
    threshold : float
        Read-out threshold per voxel, MeV (the file does not say).
    thickness : float
        Thickness of a layer, mm (the file does not say): layer k lies at k to k + 1 thicknesses.
    detector : str, optional
        Label of the schema; the particle's name by default.

    Returns
    -------
    Schema
        As `calochallenge` gives. Layers without voxels (``r_edges="0"``) are left out.

    Raises
    ------
    FileFormatError
        If the file is missing, not XML, lacks an attribute, or has a document type or entities, which are refused:
        nothing in the file is expanded and nothing outside it is read.
    DataError
        If the particle is not in the file, or not given where it must be.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "binning.xml"
    >>> _ = file.write_text('<Bins><Bin name="e" pid="11"><Layer id="0" r_edges="0,1,3" n_bin_alpha="4"/></Bin></Bins>')
    >>> read_binning_xml(file).block("layer_0").shape
    (4, 2)
    """
    path = Path(path)
    bins = _parse(path)
    if not bins:
        msg = f"{path}: no <Bin> in the file; a binning XML is <Bins><Bin name= pid=><Layer .../></Bin></Bins>"
        raise FileFormatError(msg)
    names = [b["name"] for b in bins]
    if particle is None and len(bins) > 1:
        msg = f"{path}: holds {len(bins)} particles; choose one: particle={' | '.join(map(repr, names))}"
        raise DataError(msg)
    chosen = [b for b in bins if particle is None or str(particle) in {b["name"], b["pid"]}]
    if not chosen:
        msg = f"{path}: no particle '{particle}'; there are {names}.{nearest(str(particle), names)}"
        raise DataError(msg)
    grids = {}
    for layer in chosen[0]["layers"]:
        k, edges, n_alpha = _layer(path, layer)
        if len(edges) > 1:
            grids[k] = Grid(("alpha", "r"), (sectors(n_alpha), edges), (k * thickness, (k + 1) * thickness))
    return layered(grids, threshold=threshold, energy_unit="MeV", detector=detector or chosen[0]["name"])


def _parse(path: Path) -> list[dict[str, Any]]:
    """Bins of the file, each with name, pid and the attributes of its layers."""
    bins: list[dict[str, Any]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Bin":
            bins.append({"name": attributes.get("name", ""), "pid": attributes.get("pid", ""), "layers": []})
        elif tag == "Layer" and bins:
            bins[-1]["layers"].append(attributes)

    def refuse(*_: object) -> None:
        msg = f"{path}: has a document type (<!DOCTYPE ...>), which a binning XML does not need; remove it"
        raise FileFormatError(msg)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give the path of a binning XML"
        raise FileFormatError(msg) from error
    if len(text) > _LARGEST_FILE:
        msg = f"{path}: more than {_LARGEST_FILE} bytes; a binning XML has a few kB. Is it another file?"
        raise FileFormatError(msg)
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        msg = f"{path}: not well-formed XML ({error}); is it cut short, or another kind of file?"
        raise FileFormatError(msg) from error
    return bins


def _layer(path: Path, attributes: dict[str, str]) -> tuple[int, tuple[float, ...], int]:
    try:
        number = int(attributes["id"])
        edges = tuple(float(v) for v in attributes["r_edges"].split(","))
        n_alpha = int(attributes.get("n_bin_alpha", "1"))
        sound = n_alpha >= 1 and all(a < b < math.inf for a, b in itertools.pairwise(edges))
    except (KeyError, ValueError):
        sound = False
    if not sound:
        msg = (
            f"{path}: layer {attributes} cannot be understood; it needs id (a number), r_edges (ascending numbers with "
            "commas) and n_bin_alpha (at least 1)"
        )
        raise FileFormatError(msg)
    return number, edges, n_alpha

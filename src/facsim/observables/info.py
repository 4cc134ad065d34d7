"""What an observable is called on a plot, in which unit, and on which axis it is best looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from facsim.observables.kinds import image_block, kind_of
from facsim.observables.tables import column_names
from facsim.schema import Schema

__all__ = ["ObservableInfo", "describe"]

ObservableKind = Literal["energy", "fraction", "ratio", "length", "depth", "count", "power", "column"]


@dataclass(frozen=True)
class ObservableInfo:
    """Description of one observable.

    Parameters
    ----------
    name : str
        Key in the dictionary of observables.
    symbol : str
        What it is called on an axis, matplotlib mathtext.
    unit : str
        ``"MeV"``, ``"mm"``, or empty.
    kind : str
        ``energy`` (also momentum, mass, intensity), ``fraction`` (within 0 to 1), ``ratio``, ``length``, ``depth`` (in
        layers), ``count``, ``power`` or ``column`` (of a table).
    log : bool
        Whether the values span decades, so that the axis should be logarithmic; values of 0 (empty layers) do not
        appear there and must be counted beside the plot.
    discrete : bool
        Whether only few values exist, so that bins should be centred on them.
    """

    name: str
    symbol: str
    unit: str = ""
    kind: ObservableKind = "column"
    log: bool = False
    discrete: bool = False

    @property
    def label(self) -> str:
        """Symbol with the unit, for an axis."""
        return f"{self.symbol} [{self.unit}]" if self.unit else self.symbol


# pattern, symbol (\\1, \\2: what the pattern found), unit, kind, log, discrete
FAMILIES: tuple[tuple[str, str, str, ObservableKind, bool, bool], ...] = (
    (r"E_tot", r"$E_\\mathrm{tot}$", "MeV", "energy", False, False),
    (r"E_ratio_(\w+)", r"$E_{\\mathrm{ratio},\\mathrm{\1}}$", "", "fraction", False, False),
    (r"E_(\w+)", r"$E_\\mathrm{\1}$", "MeV", "energy", True, False),
    (r"f_(\w+)", r"$f_\\mathrm{\1} = E_\\mathrm{\1} / E_\\mathrm{tot}$", "", "fraction", False, False),
    (r"occupancy_(\w+)", r"occupancy of layer \1", "", "fraction", False, False),
    (r"max_depth", r"deepest layer $d$", "", "depth", False, True),
    (r"l_d", r"depth-weighted energy $l_d$", "MeV", "energy", True, False),
    (r"s_d", r"shower depth $s_d$ (layers)", "", "depth", False, False),
    (r"sigma_sd", r"depth width $\\sigma_{s_d}$ (layers)", "", "depth", False, False),
    (r"width_([xyr])_(\w+)", r"$\\sigma_{\1}$ of layer \2", "mm", "length", False, False),
    (r"centre_([xyr])_(\w+)", r"$\\langle \1 \\rangle$ of layer \2", "mm", "length", False, False),
    (r"brightest(\d+)_(\w+)", r"brightest cell \1 / $E_\\mathrm{\2}$", "", "fraction", False, False),
    (r"response", r"$E_\\mathrm{tot} / E_\\mathrm{inc}$", "", "ratio", False, False),
)
# units of energies here are those of the block
JETS: tuple[tuple[str, str, str, ObservableKind, bool, bool], ...] = (
    (r"jet_pt", r"jet $p_\\mathrm{T}$", "", "energy", False, False),
    (r"jet_mass", r"jet mass", "", "energy", False, False),
    (r"jet_eta", r"jet $\\eta$", "", "ratio", False, False),
    (r"multiplicity", r"constituents", "", "count", False, True),
    (r"tau(\d)", r"$\\tau_\1$", "", "ratio", False, False),
    (r"tau21", r"$\\tau_2 / \\tau_1$", "", "ratio", False, False),
    (r"efp_(\d+)", r"energy-flow polynomial, degree \1", "", "power", True, False),
    (r"efp_(\d+)_(\d+)", r"energy-flow polynomial \2, degree \1", "", "power", True, False),
)
IMAGES: tuple[tuple[str, str, str, ObservableKind, bool, bool], ...] = (
    (r"intensity", r"sum of pixels", "", "energy", False, False),
    (r"brightest", r"brightest pixel", "", "energy", False, False),
    (r"occupancy", r"occupancy", "", "fraction", False, False),
    (r"centre_(row|column)", r"centre, \1", "pixels", "length", False, False),
    (r"width_(row|column)", r"width, \1", "pixels", "length", False, False),
    (r"power_(\d+)", r"$\\log_{10}$ of the power at wave number \1", "", "power", False, False),
    (r"mean([01])", r"$\\mu_\1$", "pixels", "length", False, False),
    (r"sigma([01])\^2", r"$\\sigma_\1^2$", "pixels$^2$", "power", False, False),
    (r"cov01", r"$\\mathrm{cov}_{01}$", "pixels$^2$", "power", False, False),
    (r"sum", r"sum of pixels", "", "energy", False, False),
    (r"channel_(\d)", r"channel \1", "", "energy", False, False),
    (r"asymmetry_(along|across)", r"asymmetry \1 the track", "", "ratio", False, False),
    (r"width_(along|across)", r"width \1 the track", "cells", "length", False, False),
    (r"cells_above_(\d+)", r"cells above the share \1 of 20", "", "fraction", False, False),
)


def describe(name: str, schema: Schema | None = None) -> ObservableInfo:
    r"""Describe an observable by its name.

    Parameters
    ----------
    name : str
        As in the result of `facsim.observables.compute`.
    schema : Schema, optional
        Of the events; gives the unit of a table's column, whose name alone does not say it.

    Returns
    -------
    ObservableInfo
        A name that no family knows is taken as a column that is its own label.

    Examples
    --------
    >>> describe("E_1").label
    '$E_\\mathrm{1}$ [MeV]'
    >>> describe("dll_k").label
    'dll_k'
    """
    kind = None if schema is None else kind_of(schema)
    known = {"showers": FAMILIES, "jets": JETS, "images": JETS + IMAGES, "table": (), None: FAMILIES + JETS + IMAGES}[
        kind
    ]
    for pattern, symbol, unit, family, log, discrete in known:
        found = re.fullmatch(pattern, name)
        if found:
            own = _own_unit(schema) if family == "energy" and not unit and schema else unit
            return ObservableInfo(name, found.expand(symbol), own, family, log, discrete)
    for block in schema.features if schema else ():
        if name in column_names(block):
            few = block.kind in {"category", "mask", "count"}
            return ObservableInfo(name, name, block.unit, "column", discrete=few)
    return ObservableInfo(name, name)


def _own_unit(schema: Schema) -> str:
    """Unit of the intensities of images, or of the momenta of jets."""
    name = image_block(schema) or next((b.name for b in schema.features if b.name in {"pt", "ptrel"}), None)
    return schema.block(name).unit if name else ""

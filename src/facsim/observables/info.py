"""What an observable is called on a plot, in which unit, and on which axis it is best looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from facsim.observables.tables import column_names
from facsim.schema import Schema

__all__ = ["ObservableInfo", "describe"]

ObservableKind = Literal["energy", "fraction", "ratio", "length", "depth", "column"]


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
        ``energy``, ``fraction`` (within 0 to 1), ``ratio``, ``length``, ``depth`` (in layers) or
        ``column`` (of a table).
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
    if schema is None or schema.layers:
        for pattern, symbol, unit, kind, log, discrete in FAMILIES:
            found = re.fullmatch(pattern, name)
            if found:
                return ObservableInfo(name, found.expand(symbol), unit, kind, log, discrete)
    for block in schema.features if schema else ():
        if name in column_names(block):
            few = block.kind in {"category", "mask", "count"}
            return ObservableInfo(name, name, block.unit, "column", discrete=few)
    return ObservableInfo(name, name)

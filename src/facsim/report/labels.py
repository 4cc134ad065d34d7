"""How quantities are written: symbols in plain Unicode, words for sentences, numbers with their error."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from facsim.observables import describe
from facsim.schema import Schema

__all__ = ["SUPERSCRIPT", "Label", "label", "number", "power_of_ten", "with_error"]

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# pattern of the name -> symbol, words; {0}, {1} are the groups, {sub} the last one as a subscript
KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"E_tot", "Eₜₒₜ", "total deposited energy"),
    (r"E_(\d+)", "E{sub}", "energy in layer {0}"),
    (r"f_(\d+)", "f{sub} = E{sub} / Eₜₒₜ", "energy fraction of layer {0}"),
    (r"occupancy_(\d+)", "occupancy of layer {0}", "occupancy of layer {0}"),
    (r"max_depth", "deepest layer", "deepest layer with energy"),
    (r"l_d", "depth-weighted energy", "depth-weighted energy"),
    (r"s_d", "shower depth s [layers]", "shower depth"),
    (r"sigma_sd", "depth width σₛ [layers]", "shower depth width"),
    (r"width_([xyr])_(\d+)", "width along {0} of layer {1}", "lateral width along {0} in layer {1}"),
    (r"centre_([xyr])_(\d+)", "centre along {0} of layer {1}", "centre of energy along {0} in layer {1}"),
    (r"E_ratio_(\d+)", "(I₁ − I₂)/(I₁ + I₂) of layer {0}", "brightest-cell contrast in layer {0}"),
    (r"brightest(\d)_(\d+)", "brightest cell {0} / E{sub}", "energy share of brightest cell {0} in layer {1}"),
    (r"response", "Eₜₒₜ / E", "energy response"),
)


@dataclass(frozen=True)
class Label:
    """What a quantity is called and how its axis looks.

    Parameters
    ----------
    name : str
        Its key.
    symbol : str
        For axes: ``"E₁"``.
    words : str
        For sentences: ``"energy in layer 1"``.
    unit : str
        Unit of the values.
    log, discrete : bool
        Logarithmic axis; bins centred on the few values that exist.
    """

    name: str
    symbol: str
    words: str
    unit: str
    log: bool
    discrete: bool


def label(name: str, schema: Schema | None = None) -> Label:
    """Look an observable up by its name; names that no family knows stand for themselves.

    Examples
    --------
    >>> label("E_1").symbol, label("occupancy_2").words, label("momentum").symbol
    ('E₁', 'occupancy of layer 2', 'momentum')
    """
    info = describe(name, schema)
    if info.kind != "column":
        for pattern, symbol, words in KNOWN:
            match = re.fullmatch(pattern, name)
            if match:
                groups = match.groups()
                sub = groups[-1].translate(SUBSCRIPT) if groups else ""
                names = symbol.format(*groups, sub=sub), words.format(*groups)
                return Label(name, *names, info.unit, info.log, info.discrete)
    return Label(name, name, name, info.unit, info.log, info.discrete)


def power_of_ten(value: float) -> str:
    """Write a rounded number as a power of ten with a Unicode exponent.

    Examples
    --------
    >>> power_of_ten(0.001), power_of_ten(1), power_of_ten(20), power_of_ten(1e4), power_of_ten(2e-5)
    ('10⁻³', '1', '20', '10⁴', '2×10⁻⁵')
    """
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    if int(exponent) in {0, 1}:
        return f"{float(f'{value:.0e}'):g}"
    factor = "" if mantissa == "1" else f"{mantissa}×"
    return f"{factor}10{str(int(exponent)).translate(SUPERSCRIPT)}"


def number(value: float | None, digits: int = 3) -> str:
    """Round to significant digits for people; None is an en dash.

    Examples
    --------
    >>> number(0.0123456), number(1234.5), number(None), number(2.5e-7), number(0)
    ('0.0123', '1230', '–', '2.5×10⁻⁷', '0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    value = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 5:
        return f"{value:.{max(0, digits - 1 - exponent)}f}".replace("-", "−")
    mantissa = f"{value / 10.0**exponent:.{digits - 1}f}".rstrip("0").rstrip(".")
    factor = {"1": "", "-1": "−"}.get(mantissa, f"{mantissa}×")
    return f"{factor}10{str(exponent).translate(SUPERSCRIPT)}".replace("-", "−")


def with_error(value: float | None, error: float | None) -> str:
    """Value and error to two digits of the error.

    Examples
    --------
    >>> with_error(0.51234, 0.0123), with_error(0.9, None), with_error(0.5, 7e-17)
    ('0.512 ± 0.012', '0.900', '0.500')
    """
    if value is None or error is None or not math.isfinite(error) or not error > 1e-12 * abs(value):  # rounding
        return number(value)
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}".replace("-", "−")

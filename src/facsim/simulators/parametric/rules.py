"""Linear rules between parameters, such as ``x0 + xsteps <= 28``, read as text; nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, nearest

__all__ = ["LinearRules", "read_rules"]

Array = NDArray[np.float64]
COMPARED = re.compile(r"(<=|>=|<|>)")
NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
PIECE = re.compile(rf"\s*(?:(?P<number>{NUMBER})|(?P<name>[A-Za-z_]\w*)|(?P<sign>[-+*/]))")


@dataclass(frozen=True, eq=False)
class LinearRules:
    """Half-spaces of parameter space, as the `valid` of a `Space`.

    Parameters
    ----------
    slopes : array (r, p)
    least : array (r,)
        A point is valid where ``slopes @ theta >= least`` (or ``>``) for all rules.
    strict : array (r,), bool
        Which rules exclude equality.
    texts : tuple of str, optional
        What was read: `read_rules` makes the same rules of it.

    Examples
    --------
    >>> rules = read_rules(["x0 + xsteps <= 28"], ("x0", "xsteps"))
    >>> rules(np.array([[10.0, 18.0], [11.0, 18.0]]))
    array([ True, False])
    """

    slopes: Array
    least: Array
    strict: NDArray[np.bool_]
    texts: tuple[str, ...] = ()

    def __call__(self, theta: Array) -> NDArray[np.bool_]:
        """Which points (n, p) are valid."""
        height = theta @ self.slopes.T - self.least
        return np.asarray(np.where(self.strict, height > 0, height >= 0).all(axis=1))


def read_rules(texts: Sequence[str], names: Sequence[str]) -> LinearRules:
    """Read rules: sums of ``number``, ``name`` and ``number * name`` (or ``name / number``), compared; chains are fine.

    Parameters
    ----------
    texts : sequence of str
        Such as ``"x0 + xsteps <= 28"`` or ``"0 <= 27*m + c < 28"``.
    names : sequence of str
        Of the parameters.

    Raises
    ------
    DataError
        If a rule is not linear, or names no parameter.
    """
    slopes, least, strict = [], [], []
    for text in texts:
        sides = COMPARED.split(text)
        if len(sides) < 3:
            msg = f"rule '{text}': it compares nothing; write something like '{names[0]} <= 1'"
            raise DataError(msg)
        parsed = [_side(side, text, names) for side in sides[::2]]
        for left, sign, right in zip(parsed[:-1], sides[1::2], parsed[1:], strict=True):
            away = right - left if sign in {"<=", "<"} else left - right
            slopes.append(away[:-1])
            least.append(-away[-1])
            strict.append(len(sign) == 1)
    return LinearRules(np.array(slopes).reshape(-1, len(names)), np.array(least), np.array(strict, bool), tuple(texts))


def _side(side: str, rule: str, names: Sequence[str]) -> Array:
    """Coefficients (p + 1,) of one side; the last is the constant."""
    total = np.zeros(len(names) + 1)
    for sign, factors in _terms(side, rule):
        scale, column = sign, len(names)
        for divide, factor in factors:
            if factor[0].isalpha() or factor[0] == "_":
                if factor not in names:
                    msg = f"rule '{rule}': no parameter '{factor}'; there are {list(names)}.{nearest(factor, names)}"
                    raise DataError(msg)
                if column < len(names) or divide:
                    msg = f"rule '{rule}': it must be linear, a product of parameters or a division by one is not"
                    raise DataError(msg)
                column = names.index(factor)
            elif divide and float(factor) == 0:
                msg = f"rule '{rule}': division by zero"
                raise DataError(msg)
            else:
                scale *= 1 / float(factor) if divide else float(factor)
        total[column] += scale
    return total


def _terms(side: str, rule: str) -> list[tuple[float, list[tuple[bool, str]]]]:
    """Terms of a sum: sign, and factors with whether they divide."""
    terms: list[tuple[float, list[tuple[bool, str]]]] = []
    place, sign, operator = 0, 1.0, "+"  # an operator waits for its operand
    side = side.rstrip()
    while place < len(side):
        piece = PIECE.match(side, place)
        if piece is None:
            msg = f"rule '{rule}': cannot read '{side[place:].strip()}'; allowed are numbers, names, + - * / < <= > >="
            raise DataError(msg)
        place = piece.end()
        symbol, operand = piece["sign"], piece["number"] or piece["name"]
        if symbol and operator and (symbol in "*/" or operator in "*/"):
            break
        if symbol in {"+", "-"}:
            sign = (sign if operator else 1.0) * (-1.0 if symbol == "-" else 1.0)
            operator = "+"
        elif symbol:
            operator = symbol
        elif operator == "+":
            terms.append((sign, [(False, operand)]))
            operator, sign = "", 1.0
        elif operator:
            terms[-1][1].append((operator == "/", operand))
            operator = ""
        else:
            break
    else:
        if terms and not operator:
            return terms
    msg = f"rule '{rule}': '{side.strip()}' is no sum of numbers, names and products such as 27*m"
    raise DataError(msg)

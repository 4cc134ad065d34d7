"""Widths as formulas in the number of input variables N: ``(N+100)*2``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NoReturn

from facsim.errors import OptionStringError

__all__ = ["WIDEST", "check", "evaluate", "is_formula"]

WIDEST = 2**24
"""No layer has more numbers than this; 16 million are four million-pixel images side by side."""

_TOKEN = re.compile(r"\s*(?:([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)|([Nn])|(\*\*|[-+*/^()]))")
_DEEPEST = 40  # brackets within brackets


def is_formula(text: str) -> bool:
    """Whether `text` is made of the characters of a formula alone (a misspelt word is not).

    Examples
    --------
    >>> is_formula("(N+100)*2"), is_formula("TANG")
    (True, False)
    """
    return bool(text.strip()) and not re.search(r"[^0-9Nn+\-*/^().\s]", re.sub(r"(?<=[0-9.])[eE](?=[-+0-9])", "", text))


def check(formula: str) -> None:
    """Raise `OptionStringError` where `formula` cannot be read, whatever N is."""
    _Reader(formula, math.nan).value()


def evaluate(formula: str, variables: int) -> int:
    """Width that `formula` gives for N = `variables`, cut to a whole number as TMVA does.

    Numbers, N (or n), ``+ - * / ^ **`` and brackets; nothing else.

    Raises
    ------
    OptionStringError
        If it cannot be read, or gives no width between 0 and `WIDEST`.

    Examples
    --------
    >>> evaluate("(N+100)*2", 4), evaluate("N/2", 5)
    (208, 2)
    """
    value = _Reader(formula, float(variables)).value()
    if not (math.isfinite(value) and -1 < value < WIDEST + 1):
        where = f" for N = {variables}" if "N" in formula.upper() else ""
        msg = f"the width '{formula}' is {value:g}{where}"
        raise OptionStringError(msg, formula, 0, f"Widths lie between 0 and {WIDEST}.")
    return int(value)


class _Reader:
    """Recursive descent, one function per rank of operation."""

    def __init__(self, formula: str, n: float) -> None:
        self.formula, self.n, self.place, self.depth = formula, n, 0, 0

    def value(self) -> float:
        result = self.sum()
        if self.formula[self.place :].strip():
            self.fail("this does not belong to the width formula")
        return result

    def fail(self, problem: str) -> NoReturn:
        rest = self.formula[self.place :]
        at = min(self.place + len(rest) - len(rest.lstrip()), max(len(self.formula) - 1, 0))
        raise OptionStringError(problem, self.formula, at, "Write arithmetic with N, such as (N+100)*2.")

    def next(self) -> str:
        found = _TOKEN.match(self.formula, self.place)
        return (found[1] or found[2] or found[3]).upper() if found else ""

    def take(self) -> str:
        found = _TOKEN.match(self.formula, self.place)
        if not found:
            self.fail("a number or N is missing in the width formula")
        self.place = found.end()
        return (found[1] or found[2] or found[3]).upper()

    def sum(self) -> float:
        value = self.product()
        while self.next() in ("+", "-"):
            value += self.product() if self.take() == "+" else -self.product()
        return value

    def product(self) -> float:
        value = self.signed()
        while self.next() in ("*", "/"):
            value = value * self.signed() if self.take() == "*" else _over(value, self.signed())
        return value

    def signed(self) -> float:
        sign = 1.0
        while self.next() in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
        base = self.atom()
        if self.next() in ("^", "**"):
            self.take()
            base = _power(base, self.nested(self.signed))
        return sign * base

    def atom(self) -> float:
        if self.next() in ("", ")", "*", "/", "^", "**"):
            self.fail("a number or N is missing in the width formula")
        word = self.take()
        if word == "N":
            return self.n
        if word != "(":
            return float(word)
        value = self.nested(self.sum)
        if self.next() != ")":
            self.fail("a bracket of the width formula is not closed")
        self.take()
        return value

    def nested(self, rule: Callable[[], float]) -> float:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"more than {_DEEPEST} brackets within brackets")
        value = rule()
        self.depth -= 1
        return value


def _over(a: float, b: float) -> float:
    return a / b if b else math.nan


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except (OverflowError, ValueError):
        return math.nan

"""Expressions over columns, as in TTree::Draw: ``pt > 250 && abs(eta) < 2``.

A recursive-descent parser and a numpy evaluator; nothing is ever handed to Python's own interpreter. From the loosest
to the tightest: ``||``, ``&&``, comparisons, ``+ -``, ``* / %``, signs and ``!``, ``^`` or ``**`` (from the right).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, nearest

__all__ = ["FUNCTIONS", "Expression", "parse"]

Array = NDArray[Any]
Columns = Mapping[str, Array]
Node = Callable[[Columns], Array]

DEEPEST = 50  # levels of brackets, signs and powers; far below Python's limit of recursion


def _aligned(function: Callable[..., Any]) -> Callable[..., Array]:
    """Let numbers per event meet blocks per event: shape (n,) counts as (n, 1, 1) beside (n, 28, 28)."""

    def apply(*arguments: Array) -> Array:
        doubles = [np.asarray(a, np.float64) for a in arguments]  # a yes counts as 1, and can be added
        most = max(a.ndim for a in doubles)
        shaped = (a if a.ndim == 0 else a.reshape(a.shape + (1,) * (most - a.ndim)) for a in doubles)
        return np.asarray(function(*shaped))

    return apply


def _total(values: Array) -> Array:
    """Sum over everything but the events."""
    return values if values.ndim < 2 else values.sum(axis=tuple(range(1, values.ndim)))


FUNCTIONS: dict[str, tuple[Callable[..., Array], int, int]] = {  # name: (function, fewest and most arguments)
    **{name: (_aligned(np.abs), 1, 1) for name in ("abs", "fabs")},
    **{n: (_aligned(getattr(np, n)), 1, 1) for n in ("sqrt", "exp", "log", "log10", "sin", "cos", "tan", "sinh")},
    **{n: (_aligned(getattr(np, n)), 1, 1) for n in ("cosh", "tanh", "floor", "ceil")},
    **{n: (_aligned(getattr(np, n.replace("a", "arc", 1))), 1, 1) for n in ("asin", "acos", "atan")},
    "atan2": (_aligned(np.arctan2), 2, 2),
    "pow": (_aligned(np.power), 2, 2),
    "min": (_aligned(lambda *a: reduce(np.minimum, a)), 2, 99),
    "max": (_aligned(lambda *a: reduce(np.maximum, a)), 2, 99),
    "sum": (_total, 1, 1),
}

_COMPARISONS = {
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_SUMS = {"+": np.add, "-": np.subtract}
_PRODUCTS = {"*": np.multiply, "/": np.divide, "%": np.fmod}  # the remainder has the sign of the dividend, as in C++
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>(?:TMath::)?[A-Za-z_][\w.]*|`[^`]+`)"
    r"|(?P<sign>\|\||&&|>=|<=|==|!=|\*\*|[-+*/%^()!<>,\[\]])|(?P<end>$))"
)

_MEANT = {
    **dict.fromkeys(("&", "and"), " Write '&&'."),
    **dict.fromkeys(("|", "or"), " Write '||'."),
    "=": " Write '=='.",
    ":": " Functions have plain names: abs(x), or TMath::Abs(x).",
    "?": " Choose by a product: x*(y > 0).",
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression; made by `parse`.

    Attributes
    ----------
    text : str
    names : tuple of str
        Columns that it needs, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    _node: Node
    _places: Mapping[str, int]

    def __str__(self) -> str:
        return self.text

    def require(self, known: Iterable[str], origin: str, unusable: Mapping[str, str] | None = None) -> None:
        """Raise `DataError` with a caret below the first name that is not among the known ones.

        For `unusable` names, it says why.
        """
        known = list(known)
        for name in self.names:
            if name in (unusable or {}):
                raise _wrong(
                    self.text, self._places[name], f"{origin}: '{name}' is no column: {(unusable or {})[name]}"
                )
            if name not in known:
                some = ", ".join(known[:20]) + (f", ... ({len(known)} in all)" if len(known) > 20 else "")
                say = f"{origin}: no column '{name}'; there are {some}.{nearest(name, known)}"
                raise _wrong(self.text, self._places[name], say)

    def __call__(self, columns: Columns) -> Array:
        """Evaluate.

        Parameters
        ----------
        columns : mapping of str to array (n, ...)
            Values by column; numbers are taken in double precision.

        Returns
        -------
        array
            Of the shape that the columns have together: ``(n,)`` where all are one number per event. What has no value,
            such as ``log(-1)``, is NaN or infinite; a NaN passes no comparison but ``!=``.

        Raises
        ------
        DataError
            If blocks of different shape meet, or an index is outside its block.
        """
        doubles = {name: np.asarray(columns[name], np.float64) for name in self.names}
        with np.errstate(all="ignore"):
            try:
                return self._node(doubles)
            except DataError:
                raise
            except (ValueError, IndexError) as error:
                shapes = ", ".join(f"{n} {v.shape[1:]}" for n, v in doubles.items())
                msg = f"'{self.text}': the shapes do not fit together ({shapes}; {error})"
                raise DataError(msg) from error


def parse(text: str) -> Expression:
    """Parse an expression.

    Numbers, names of columns, ``+ - * / % ^ **``, comparisons, ``&& || !``, brackets and the functions `FUNCTIONS`.
    ``x[3]`` and ``x[1][2]`` pick numbers of a block; ``sum(x)`` adds up a block. A name with blanks or signs stands in
    backquotes; ``TMath::Abs(x)`` is ``abs(x)``. ``-a^2`` is ``-(a^2)``; ``1/2`` is 0.5.

    Raises
    ------
    DataError
        With a caret under what cannot be understood, and the cure.

    Examples
    --------
    >>> cut = parse("pt > 250 && abs(eta) < 2")
    >>> cut.names, cut({"pt": np.array([300, 300, 10]), "eta": np.array([-1, 3, 0])})
    (('pt', 'eta'), array([ True, False, False]))
    >>> parse("pt >> 250")
    Traceback (most recent call last):
    facsim.errors.DataError: a number, a name or a bracket is expected
      pt >> 250
          ^
    """
    return _Parser(re.sub(r"\s", " ", text)).parse()  # on one line, for the caret


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def _wrong(text: str, place: int, say: str) -> DataError:
    return DataError(f"{say}\n  {text}\n  {' ' * place}^")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, place)
        if match is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            hint = _MEANT.get(text[start], "")
            raise _wrong(text, start, f"'{text[start]}' has no meaning here.{hint}")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
        place = match.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = self.depth = 0
        self.places: dict[str, int] = {}

    def parse(self) -> Expression:
        node = self._or()
        if self._now.kind != "end":
            say = "unbalanced bracket" if self._now.text in {")", "]"} else "an operator is expected"
            hint = _MEANT.get(self._now.text, "")
            raise _wrong(self.text, self._now.place, f"{say}.{hint}" if hint else say)
        return Expression(self.text, tuple(self.places), node, dict(self.places))

    @property
    def _now(self) -> _Token:
        return self.tokens[self.at]

    def _take(self, *signs: str) -> str:
        """The next token if it is one of these signs, which is then behind us; else an empty string."""
        if self._now.kind == "sign" and self._now.text in signs:
            self.at += 1
            return self.tokens[self.at - 1].text
        return ""

    def _close(self, bracket: str, opened: int) -> None:
        if not self._take(bracket):
            raise _wrong(self.text, opened, f"the bracket that opens here is not closed by '{bracket}'")

    def _or(self) -> Node:
        return self._deeper(lambda: self._chain(self._and, {"||": np.logical_or}))

    def _and(self) -> Node:
        return self._chain(self._comparison, {"&&": np.logical_and})

    def _comparison(self) -> Node:
        node = self._chain(self._product, _SUMS)
        if sign := self._take(*_COMPARISONS):
            node = _binary(_COMPARISONS[sign], node, self._chain(self._product, _SUMS))
            if self._now.text in _COMPARISONS:
                say = "two comparisons in a row compare a yes or no with a number: write a < b && b < c"
                raise _wrong(self.text, self._now.place, say)
        return node

    def _product(self) -> Node:
        return self._chain(self._signed, _PRODUCTS)

    def _chain(self, part: Callable[[], Node], operators: Mapping[str, Callable[..., Any]]) -> Node:
        first, rest = part(), []
        while sign := self._take(*operators):
            rest.append((_aligned(operators[sign]), part()))
        if not rest:
            return first

        def node(columns: Columns) -> Array:  # a loop, so that a sum of a thousand columns is not a thousand calls deep
            value = first(columns)
            for together, other in rest:
                value = together(value, other(columns))
            return value

        return node

    def _signed(self) -> Node:
        sign = self._take("-", "+", "!")
        if not sign:
            return self._power()
        node = self._deeper(self._signed)
        if sign == "+":
            return node
        function = _aligned(np.negative if sign == "-" else np.logical_not)
        return lambda columns: function(node(columns))

    def _power(self) -> Node:
        node = self._atom()
        if self._take("^", "**"):
            return _binary(np.power, node, self._deeper(self._signed))
        return node

    def _deeper(self, part: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _wrong(self.text, self._now.place, f"more than {DEEPEST} levels deep: define columns for its parts")
        node = part()
        self.depth -= 1
        return node

    def _atom(self) -> Node:
        token = self._now
        if self._take("("):
            node = self._or()
            self._close(")", token.place)
            return node
        if token.kind == "number":
            self.at += 1
            value = np.float64(token.text)
            return lambda columns: np.asarray(value)  # noqa: ARG005 - the same for all events
        if token.kind == "name":
            self.at += 1
            return self._call(token) if self._now.text == "(" else self._column(token)
        raise _wrong(self.text, token.place, "a number, a name or a bracket is expected")

    def _column(self, token: _Token) -> Node:
        name = token.text.strip("`")
        self.places.setdefault(name, token.place)
        index: list[int] = []
        while (opened := self._now.place) >= 0 and self._take("["):
            if not self._now.text.isdigit():
                raise _wrong(self.text, self._now.place, "an index is a whole number, counting from 0")
            index.append(int(self._now.text))
            self.at += 1
            self._close("]", opened)
        if not index:
            return lambda columns: columns[name]
        return lambda columns: _element(name, columns[name], index)

    def _call(self, token: _Token) -> Node:
        name = token.text
        if name.startswith("TMath::"):  # ROOT's names for the same
            name = name.removeprefix("TMath::").lower().replace("power", "pow")
        if name not in FUNCTIONS:
            say = f"no function '{token.text}'; allowed are {', '.join(sorted(FUNCTIONS))}."
            raise _wrong(self.text, token.place, say + nearest(name, FUNCTIONS))
        function, fewest, most = FUNCTIONS[name]
        opened = self._now.place
        self._take("(")
        arguments = [] if self._now.text == ")" else [self._or()]
        while self._take(","):
            arguments.append(self._or())
        self._close(")", opened)
        if not fewest <= len(arguments) <= most:
            wanted = f"{fewest}" if fewest == most else f"at least {fewest}"
            raise _wrong(self.text, token.place, f"{token.text} takes {wanted} arguments, not {len(arguments)}")
        return lambda columns: function(*(a(columns) for a in arguments))


def _binary(function: Callable[..., Any], left: Node, right: Node) -> Node:
    together = _aligned(function)
    return lambda columns: together(left(columns), right(columns))


def _element(name: str, values: Array, index: list[int]) -> Array:
    whole = shape = values.shape[1:]
    if len(index) == 1 and len(shape) > 1:  # one number counts through the block row by row
        shape = (int(np.prod(shape)),)
        values = values.reshape(len(values), *shape)
    if len(index) != len(shape) or any(i >= s for i, s in zip(index, shape, strict=True)):
        picked = "".join(f"[{i}]" for i in index)
        msg = f"{name}{picked}: the block '{name}' has shape {whole}"
        raise DataError(msg)
    place: tuple[Any, ...] = slice(None), *index
    return np.asarray(values[place])

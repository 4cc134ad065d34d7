"""Pieces of an option string that know where they stand, so that every finding has a position."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from facsim.errors import OptionStringError, nearest

__all__ = ["FINDINGS", "Piece", "TmvaWarning"]

FINDINGS = {
    "batch-layout": "BatchLayout contradicts InputLayout or the first layer",
    "batch-size": "BatchLayout contradicts a BatchSize",
    "duplicate-key": "a key stands twice in a phase",
    "duplicate-option": "an option stands twice with one value",
    "empty-layer": "nothing between two commas of a layout",
    "empty-phase": "nothing between two bars of a TrainingStrategy",
    "empty-setting": "nothing between two commas of a phase",
    "generator-output": "the generator makes another number of values than the discriminator takes",
    "glued-architecture": "CPU or GPU is glued to the last value",
    "ignored-key": "a setting without effect",
    "leading-blank": "a blank beside a layer or before a key, for which TMVA drops or misreads it",
    "lower-case": "a layer in lower case",
    "missing-flat": "a dense layer gets planes",
    "negative-size": "a size below 0, of which TMVA takes the absolute value",
    "old-architecture": "STANDARD or OPENCL",
    "renormalize": "Renormalize where Regularization is meant",
    "short-conv": "a convolution without all its sizes",
    "single-hash": "one # between generator and discriminator",
    "stray-layout": "Layout= before a layer",
    "unnamed-layer": "a layer of MethodGAN without DENSE",
    "unprefixed-key": "a setting of MethodGAN without Generator or Discriminator",
    "value-case": "a value in another case",
}
"""Names of the warnings, and what they say."""

MANY = 20  # known words, or characters of one, that a message does not list in full


class TmvaWarning(UserWarning):
    """Something in an option string that TMVA would drop or read otherwise, and what facsim makes of it.

    Attributes
    ----------
    name : str
        Short name of the finding, such as ``"leading-blank"``; `facsim.tmva.FINDINGS` lists them.
    string : str
        The whole string.
    position : int
        Index of the first character concerned.
    repair : str
        How facsim reads it, and what to write.
    """

    def __init__(self, name: str, problem: str, string: str, position: int, repair: str) -> None:
        self.name, self.string, self.position, self.repair = name, string, position, repair
        self._given = (name, problem, string, position, repair)
        super().__init__(f"[{name}] {OptionStringError(problem, string, position, repair)}")

    def __reduce__(self) -> tuple[type[TmvaWarning], tuple[str, str, str, int, str]]:
        return type(self), self._given


@dataclass(frozen=True)
class Piece:
    """Characters `start` to ``start + len(text)`` of a string.

    Examples
    --------
    >>> whole = Piece.of("DENSE| 64")
    >>> [(p.text, p.start) for p in whole.split("|")], whole.split("|")[1].strip().start
    ([('DENSE', 0), (' 64', 6)], 7)
    """

    text: str
    start: int
    whole: str

    @classmethod
    def of(cls, string: str) -> Piece:
        """The whole of a string."""
        return cls(string, 0, string)

    def cut(self, first: int, last: int | None = None) -> Piece:
        """The part ``[first:last]``."""
        text = self.text[first:last]
        return Piece(text, self.start + first, self.whole)

    def split(self, separators: str) -> list[Piece]:
        """Parts between any of the characters `separators`; neighbours leave empty parts."""
        places = [m.start() for m in re.finditer(f"[{re.escape(separators)}]", self.text)]
        return [self.cut(a, b) for a, b in zip([0, *(p + 1 for p in places)], [*places, None], strict=True)]

    def strip(self) -> Piece:
        """Without blanks at both ends."""
        text = self.text.lstrip()
        return Piece(text.rstrip(), self.start + len(self.text) - len(text), self.whole)

    def fail(self, problem: str, cure: str = "", *, known: Iterable[str] = ()) -> NoReturn:
        """Raise an error about this piece; `known` words give a nearest name, else the list of all."""
        words = {word.upper(): word for word in known}  # the nearest in any case
        if words:
            guess = re.sub("'(.*)'", lambda m: f"'{words[m[1]]}'", nearest(self.text.upper(), words).strip())
            listed = f"Known: {', '.join(words.values())}." if len(words) < MANY or not guess else ""
            cure = " ".join(filter(None, [cure, guess, listed]))
        if len(self.text) > MANY:
            problem = problem.replace(self.text, f"{self.text[:MANY]}...")
        raise OptionStringError(problem, self.whole, self.start, cure)

    def warn(self, name: str, problem: str, repair: str) -> None:
        """Emit a `TmvaWarning` about this piece."""
        warnings.warn(TmvaWarning(name, problem, self.whole, self.start, repair), stacklevel=2)

    def integer(self, what: str, *, least: int = 0, most: int = 2**31 - 1) -> int:
        """The whole number that stands here; TMVA's Atoi would make 0 of a word, and 1 of ``1e3``."""
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", self.text):
            self.fail(f"{what} must be a whole number, not '{self.text}'")
        value = int(self.text)
        if not least <= value <= most:
            self.fail(f"{what} must lie between {least} and {most}, not {value}")
        return value

    def number(self, what: str, *, least: float = 0.0, most: float = 1e30) -> float:
        """The number that stands here."""
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", self.text):
            self.fail(f"{what} must be a number, not '{self.text}'")
        value = float(self.text)
        if not least <= value <= most:
            self.fail(f"{what} must lie between {least:g} and {most:g}, not {self.text}")
        return value

    def choice(self, what: str, known: Iterable[str], *, default: str = "") -> str:
        """The word of `known` that stands here; another case is read with a warning, as TMVA compares exactly.

        `default` is what TMVA takes for a word that it does not know: no warning where that is the word meant.
        """
        words = list(known)
        upper = self.text.upper()
        if self.text in words:
            return self.text
        if upper not in words:
            self.fail(f"{what} '{self.text}' is unknown", known=words)
        if upper != default:
            problem = f"TMVA does not know the {what} '{self.text}', and says nothing"
            self.warn("value-case", problem, f"Read as {upper}.")
        return upper

    def boolean(self, what: str) -> bool:
        """True or False, as TMVA writes it."""
        words = {"TRUE": True, "T": True, "1": True, "FALSE": False, "F": False, "0": False}
        if self.text.upper() not in words:
            self.fail(f"{what} must be True or False, not '{self.text}'")
        return words[self.text.upper()]

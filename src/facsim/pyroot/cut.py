"""Cuts that can be added."""

from __future__ import annotations

from facsim.pyroot.missing import Calls

__all__ = ["TCut"]


class TCut(Calls):
    """A cut; ``+`` and ``&`` ask for both, ``|`` for one, ``*`` multiplies.

    Parameters
    ----------
    text : str or TCut, optional
        An expression of `facsim.io.expression`; empty for all events.
    title : str, optional
        The expression, where the first argument is a name: ``TCut("barrel", "abs(eta) < 1.4")``.

    Examples
    --------
    >>> print(TCut("pt > 250") + "abs(eta) < 2" + TCut())
    (pt > 250)&&(abs(eta) < 2)
    """

    def __init__(self, text: str | TCut = "", title: str | None = None) -> None:
        self._text = str(text if title is None else title).strip()

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"TCut({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (str, TCut)) and str(other) == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __add__(self, other: str | TCut) -> TCut:
        return _joined(self, "&&", other)

    def __radd__(self, other: str | TCut) -> TCut:
        return _joined(other, "&&", self)

    __and__, __rand__ = __add__, __radd__

    def __or__(self, other: str | TCut) -> TCut:
        return _joined(self, "||", other) if str(self) and str(other) else TCut()

    def __mul__(self, other: str | TCut) -> TCut:
        return _joined(self, "*", other)

    def GetTitle(self) -> str:
        """Return the expression."""
        return self._text


def _joined(left: str | TCut, sign: str, right: str | TCut) -> TCut:
    """Both in brackets; one alone where the other says nothing."""
    texts = [str(t) for t in (left, right) if str(t)]
    return TCut(sign.join(f"({t})" for t in texts) if len(texts) > 1 else "".join(texts))

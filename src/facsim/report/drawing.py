"""A figure with its words: what sections hand to the page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Drawing", "capital", "identifier", "markup"]


@dataclass(frozen=True)
class Drawing:
    """A figure with its words.

    Parameters
    ----------
    title : str
    svg : Markup
        One ``<svg>`` element.
    notes : tuple of str
        Sentences under the figure.
    differs : bool or None
        Whether a test sees a difference here; None if none was made.
    large : bool
        Whether it needs more room than others in a row.
    """

    title: str
    svg: Markup
    notes: tuple[str, ...] = ()
    differs: bool | None = None
    large: bool = False


def markup(text: str) -> Markup:
    """Mark our own drawing as safe; its texts were escaped when it was drawn."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - texts were escaped by the drawing functions


def capital(words: str) -> str:
    """Begin with a capital letter.

    Examples
    --------
    >>> capital("energy in layer 1")
    'Energy in layer 1'
    """
    return words[:1].upper() + words[1:]


def identifier(name: str) -> str:
    """Replace what an id must not contain.

    Examples
    --------
    >>> identifier("p (GeV)")
    'p--GeV-'
    """
    return re.sub(r"\W", "-", name)

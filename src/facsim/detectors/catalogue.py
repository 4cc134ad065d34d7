"""Detectors by name."""

from __future__ import annotations

from collections.abc import Callable

from facsim.detectors.calochallenge import calochallenge
from facsim.detectors.calogan import calogan
from facsim.detectors.jet_images import jet_images
from facsim.errors import DataError, nearest
from facsim.schema import Schema

__all__ = ["get", "names"]

_DETECTORS: dict[str, Callable[[], Schema]] = {
    "calogan": calogan,
    "calochallenge-1-photons": lambda: calochallenge("1-photons"),
    "calochallenge-1-pions": lambda: calochallenge("1-pions"),
    "calochallenge-2": lambda: calochallenge("2"),
    "calochallenge-3": lambda: calochallenge("3"),
    "jet-images": jet_images,
}


def names() -> list[str]:
    """Names that `get` knows."""
    return list(_DETECTORS)


def get(name: str) -> Schema:
    """Return a detector by its name.

    Raises
    ------
    DataError
        For an unknown name, with the nearest known one.

    Examples
    --------
    >>> get("calochallenge-2").block("layer_44").shape
    (16, 9)
    """
    if name not in _DETECTORS:
        msg = f"no detector '{name}'; there are {names()}.{nearest(name, _DETECTORS)}"
        raise DataError(msg)
    return _DETECTORS[name]()

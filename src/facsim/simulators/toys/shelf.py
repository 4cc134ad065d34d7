"""Toys by name: what a command line or a file says about one becomes a toy, and its events a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import facsim.io
from facsim.errors import DataError, SimulationError, nearest
from facsim.simulators.toys.base import Toy

__all__ = ["Shelf", "read_value"]

FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Shelf:
    """Toys of one kind.

    Parameters
    ----------
    kind : str
        What messages and files call them.
    made : mapping of str to type
        Classes by name; all are data classes, whose fields are their options.

    Examples
    --------
    >>> from facsim.simulators.toys import Ring
    >>> Shelf("toy", {"ring": Ring}).get("ring", count="5", std=0.1)
    Ring(count=5, radius=2.0, std=0.1)
    """

    kind: str
    made: Mapping[str, type[Toy]]

    def names(self) -> list[str]:
        """All of them."""
        return list(self.made)

    def options(self, name: str) -> dict[str, Any]:
        """Options of one with their defaults.

        Raises
        ------
        SimulationError
            For an unknown name, with the nearest.
        """
        if name not in self.made:
            msg = f"unknown {self.kind} '{name}'; there are {self.names()}.{nearest(name, self.made)}"
            raise SimulationError(msg)
        return {f.name: f.default for f in fields(self.made[name])}  # type: ignore[arg-type]

    def get(self, name: str, **settings: Any) -> Toy:
        """Make one.

        Parameters
        ----------
        name : str
            See `names`.
        **settings
            See `options`; numbers may be text (of a command line).

        Raises
        ------
        SimulationError
            For an unknown name, with the nearest.
        DataError
            For an unknown option or an impossible value.
        """
        known, values = self.options(name), {}
        for key, given in settings.items():
            if key not in known:
                msg = f"{name} has no option '{key}'; it has {list(known)}.{nearest(key, known)}"
                raise DataError(msg)
            wanted = type(known[key])
            try:
                values[key] = read_value(given, wanted)
            except (KeyError, ValueError) as error:
                msg = f"{name}: {key}={given!r} must be of type {wanted.__name__}, such as {known[key]!r}"
                raise DataError(msg) from error
        return self.made[name](**values)

    def write(
        self,
        name: str,
        *,
        n: int,
        output: str | os.PathLike[str],
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        **settings: Any,
    ) -> Path:
        """Draw `n` events of one into one file; returns its path.

        Parameters
        ----------
        name, **settings
            See `get`.
        n, seed : int
        output : path
            The suffix chooses the format. It appears only when it is complete.
        progress : callable, optional
            Called with (events done, n).
        """
        toy = self.get(name, **settings)
        used = {key: value for key in self.options(name) if (value := getattr(toy, key)) != ""}
        attributes = {"simulator": f"{self.kind} {name}", "seed": seed, **used}
        with facsim.io.create(output, toy.schema, attrs=attributes) as writer:
            for events in toy.stream(n, seed=seed):
                writer.append(events)
                if progress is not None:
                    progress(len(writer), n)
        return Path(output)


def read_value(given: Any, wanted: type) -> Any:
    """A value of the wanted type: from one of it, from a number where it loses nothing, or from text."""
    if isinstance(given, str):
        if wanted is bool:
            return FLAGS[given.lower()]
        return wanted(given)
    taken = (int, float) if wanted in {float, str} else (wanted,)
    if type(given) not in taken:
        raise ValueError(given)
    return wanted(given)

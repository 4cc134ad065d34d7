"""All toys by name, with their options as text or values."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import facsim.io
from facsim.errors import DataError, SimulationError, nearest
from facsim.simulators.toys.base import Toy
from facsim.simulators.toys.digits import Digits
from facsim.simulators.toys.gaussians import GaussianGrid, Ring
from facsim.simulators.toys.light_curves import LightCurves
from facsim.simulators.toys.mixture import SWeightsMixture
from facsim.simulators.toys.transport import LogTransport

__all__ = ["get", "names", "options", "write"]

TOYS: dict[str, type[Toy]] = {
    toy.name: toy for toy in (Ring, GaussianGrid, LogTransport, SWeightsMixture, LightCurves, Digits)
}


def names() -> list[str]:
    """Names of all toys."""
    return list(TOYS)


def options(name: str) -> dict[str, Any]:
    """Options of a toy with their defaults.

    Examples
    --------
    >>> options("ring")
    {'count': 8, 'radius': 2.0, 'std': 0.02}
    """
    return {f.name: f.default for f in fields(_class(name))}  # type: ignore[arg-type]  # all are data classes


def get(name: str, **settings: Any) -> Toy:
    """Make a toy.

    Parameters
    ----------
    name : str
        See `names`.
    **settings
        See `options`; text (of a command line) is read as YAML.

    Raises
    ------
    SimulationError
        For an unknown name, with the nearest.
    DataError
        For an unknown option or an impossible value.

    Examples
    --------
    >>> get("ring", count="5", std=0.1)
    Ring(count=5, radius=2.0, std=0.1)
    """
    import yaml

    known = options(name)
    values = {}
    for key, given in settings.items():
        if key not in known:
            msg = f"{name} has no option '{key}'; it has {list(known)}.{nearest(key, known)}"
            raise DataError(msg)
        value = yaml.safe_load(given) if isinstance(given, str) else given
        wanted = type(known[key])
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted:
            msg = f"{name}: {key}={given!r} must be of type {wanted.__name__}, such as {known[key]}"
            raise DataError(msg)
        values[key] = value
    return _class(name)(**values)


def write(
    name: str,
    *,
    n: int,
    output: str | os.PathLike[str],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Path:
    """Draw `n` events of a toy into one file; returns its path.

    Parameters
    ----------
    name, **settings
        See `get`.
    n, seed : int
    output : path
        The suffix chooses the format. It appears only when it is complete.
    progress : callable, optional
        Called with (events done, n).

    Examples
    --------
    >>> write("grid", n=10_000, output="grid.h5", spacing=1.0)  # doctest: +SKIP
    """
    toy = get(name, **settings)
    made_with = {key: getattr(toy, key) for key in options(name)}
    with facsim.io.create(output, toy.schema, attrs={"simulator": f"toy {name}", "seed": seed, **made_with}) as writer:
        for events in toy.stream(n, seed=seed):
            writer.append(events)
            if progress is not None:
                progress(len(writer), n)
    return Path(output)


def _class(name: str) -> type[Toy]:
    if name not in TOYS:
        msg = f"unknown toy '{name}'; there are {names()}.{nearest(name, TOYS)}"
        raise SimulationError(msg)
    return TOYS[name]

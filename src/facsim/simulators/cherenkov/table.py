"""All detectors that answer with numbers or images by name, with their options as text or values."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import facsim.io
from facsim.errors import DataError, SimulationError, nearest
from facsim.simulators.cherenkov.calibration import MuonCalibration, PIDCalibration, RichCalibration
from facsim.simulators.cherenkov.dirc import Dirc
from facsim.simulators.cherenkov.muon import Muon
from facsim.simulators.cherenkov.pid import GlobalPID
from facsim.simulators.cherenkov.rich import Rich
from facsim.simulators.images import Tpc, Zdc
from facsim.simulators.toys.base import Toy

__all__ = ["DETECTORS", "detector", "detector_names", "detector_options", "write_detector"]

DETECTORS: dict[str, type[Toy]] = {
    made.name: made
    for made in (Dirc, Rich, Muon, GlobalPID, RichCalibration, MuonCalibration, PIDCalibration, Tpc, Zdc)
}


def detector_names() -> list[str]:
    """Names of all detectors.

    Examples
    --------
    >>> "rich" in detector_names()
    True
    """
    return list(DETECTORS)


def detector_options(name: str) -> dict[str, Any]:
    """Options of a detector with their defaults.

    Examples
    --------
    >>> detector_options("rich")["particle"]
    'K'
    """
    if name not in DETECTORS:
        msg = f"unknown detector '{name}'; there are {detector_names()}.{nearest(name, DETECTORS)}"
        raise SimulationError(msg)
    return {f.name: f.default for f in fields(DETECTORS[name])}  # type: ignore[arg-type]  # all are data classes


def detector(name: str, **settings: Any) -> Toy:
    """Make a detector.

    Parameters
    ----------
    name : str
        See `detector_names`.
    **settings
        See `detector_options`; numbers may be text (of a command line).

    Raises
    ------
    SimulationError
        For an unknown name, with the nearest.
    DataError
        For an unknown option or an impossible value.

    Examples
    --------
    >>> detector("rich", particle="pi", P="10:60").particle
    'pi'
    """
    known, values = detector_options(name), {}
    for key, given in settings.items():
        if key not in known:
            msg = f"{name} has no option '{key}'; it has {list(known)}.{nearest(key, known)}"
            raise DataError(msg)
        wanted = type(known[key])
        try:
            values[key] = wanted(given)
        except (TypeError, ValueError) as error:
            msg = f"{name}: {key}={given!r} must be of type {wanted.__name__}, such as {known[key]!r}"
            raise DataError(msg) from error
    return DETECTORS[name](**values)


def write_detector(
    name: str,
    *,
    n: int,
    output: str | os.PathLike[str],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Path:
    """Draw `n` events of a detector into one file; returns its path.

    Parameters
    ----------
    name, **settings
        See `detector`.
    n, seed : int
    output : path
        The suffix chooses the format. It appears only when it is complete.
    progress : callable, optional
        Called with (events done, n).

    Examples
    --------
    >>> write_detector("rich", n=100_000, output="kaons.root", particle="K")  # doctest: +SKIP
    """
    made = detector(name, **settings)
    used = {key: value for key in detector_options(name) if (value := getattr(made, key)) != ""}
    attributes = {"simulator": f"detector {name}", "seed": seed, **used}
    with facsim.io.create(output, made.schema, attrs=attributes) as writer:
        for events in made.stream(n, seed=seed):
            writer.append(events)
            if progress is not None:
                progress(len(writer), n)
    return Path(output)

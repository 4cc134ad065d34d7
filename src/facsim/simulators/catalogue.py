"""All simulators by name: what the verb `simulate` takes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from facsim.errors import DataError, SimulationError, nearest
from facsim.simulators import calorimeter, cherenkov, jets, lhcb_calorimeter, showers, toys
from facsim.simulators.parametric import table
from facsim.simulators.toys.shelf import read_value

__all__ = ["simulate", "simulators"]

StrPath = str | os.PathLike[str]


def _table() -> Mapping[str, Callable[..., Path]]:
    """Function by name: takes ``n``, ``output``, ``seed``, ``progress`` and options of its own; returns the file."""
    calorimeters: dict[str, Callable[..., Path]] = {
        name: partial(showers.simulate_showers, name) for name in calorimeter.presets()
    }
    calorimeters["lhcb-calorimeter"] = lhcb_calorimeter.simulate_lhcb_calorimeter
    problems = {name: partial(toys.write, name) for name in toys.names()}
    tunable = {name: partial(table.write, name) for name in table.parametric_names()}
    detectors = {name: partial(cherenkov.write_detector, name) for name in cherenkov.detector_names()}
    return calorimeters | {"jets": jets.simulate_jets} | problems | tunable | detectors


def simulators() -> list[str]:
    """Names of all simulators.

    Examples
    --------
    >>> {"calogan", "ring"} <= set(simulators())
    True
    """
    return list(_table())


def simulate(
    simulator: str | calorimeter.SamplingCalorimeter,
    *,
    n: int,
    output: StrPath,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Path:
    """Simulate `n` events into one file.

    Parameters
    ----------
    simulator : str or SamplingCalorimeter
        A name that `simulators` lists, or a calorimeter of your own.
    n : int
        Number of events.
    output : path
        File to write; the suffix chooses the format (``.h5``).
    seed : int, optional
        Event i depends on (seed, i) alone.
    progress : callable, optional
        Called with (events done, n).
    **options
        Of the simulator: for calorimeters those of `facsim.simulators.simulate_showers` (``particle``, ``energy``,
        ``workers``, ...) or, for ``lhcb-calorimeter``, of `facsim.simulators.simulate_lhcb_calorimeter`, for ``jets``
        those of `facsim.simulators.simulate_jets` (``process``, ``workers``, ...), for toys those that
        `facsim.simulators.toys.options` lists, for particle identification, ``tpc`` and ``zdc`` those of
        `facsim.simulators.cherenkov.detector_options`, for simulators with parameters those of
        `facsim.simulators.parametric.write`, such as ``m=0.5``. Numbers may be text (of a command line).

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    SimulationError
        For an unknown name, with the nearest.
    DataError
        For an unknown option or an impossible value.

    Examples
    --------
    >>> simulate("calogan", n=100, particle="gamma", energy="1:100", output="showers.h5")  # doctest: +SKIP
    >>> simulate("jets", n=10_000, process="both", output="jets.h5")  # doctest: +SKIP
    >>> simulate("ring", n=10_000, std=0.05, output="ring.h5")  # doctest: +SKIP
    """
    table = _table()
    if not isinstance(simulator, str):
        call: Callable[..., Path] = partial(showers.simulate_showers, simulator)
    elif simulator in table:
        call = table[simulator]
    else:
        msg = f"unknown simulator '{simulator}'; there are {list(table)}.{nearest(simulator, table)}"
        raise SimulationError(msg)
    parameters = inspect.signature(call).parameters
    known = [p for p in parameters if p not in {"name", "calorimeter", "n", "output", "seed", "progress"}]
    unknown = [key for key in options if key not in known]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        msg = f"{simulator} has no option '{unknown[0]}'; it has {known}.{nearest(unknown[0], known)}"
        raise DataError(msg)
    for key, value in options.items():
        wanted = type(parameters[key].default) if key in parameters else str
        if isinstance(value, str) and wanted in {bool, int, float}:
            try:
                options[key] = read_value(value, wanted)
            except (KeyError, ValueError) as error:
                msg = f"{simulator}: {key}={value!r} must be of type {wanted.__name__}"
                raise DataError(msg) from error
    return call(n=n, output=output, seed=seed, progress=progress, **options)

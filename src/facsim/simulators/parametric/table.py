"""All simulators with parameters by name; a simulator's module is imported when it is asked for."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

import numpy as np

import facsim.io
from facsim.errors import DataError, SimulationError, nearest
from facsim.sampler import draw_conditions, parse_range
from facsim.schema import Schema
from facsim.simulators.parametric.base import Calls, ParametricSimulator

__all__ = ["options", "parametric", "parametric_names", "write"]

log = logging.getLogger(__name__)

HERE = "facsim.simulators.parametric"
GROUP = "facsim.simulators"
"""Entry points of other packages: each a `ParametricSimulator`, a class of one, or a function that makes one."""
CASES: dict[str, str] = {  # module below HERE : class
    "lines": "lines:Lines",
    "lines-noisy": "lines:NoisyLines",
    "lines-poisson": "lines:PoissonLines",
    "tracks": "tracks:Tracks",
    "two-moons": "two_moons:TwoMoons",
    "slcp": "slcp:SLCP",
    "gaussian-linear": "gaussian_linear:GaussianLinear",
    "gaussian-linear-uniform": "gaussian_linear:GaussianLinearUniform",
    "pythia-tune": "pythia_tune:PythiaTune",
    "light": "light:Light",
    "plates": "plates:Plates",
}


def parametric_names() -> list[str]:
    """Names of all simulators with parameters, those of installed plug-ins included.

    Examples
    --------
    >>> parametric_names()[:3]
    ['lines', 'lines-noisy', 'lines-poisson']
    """
    return [*CASES, *(name for name in _plugins() if name not in CASES)]


def options(name: str) -> dict[str, Any]:
    """Options of a simulator with their defaults (its parameters are its `space`).

    Examples
    --------
    >>> options("lines")
    {'m_max': 1.0, 'shortest': 5, 'clip': False, 'width': 1}
    """
    return {key: p.default for key, p in inspect.signature(_maker(name)).parameters.items()}


def parametric(name: str, **settings: Any) -> ParametricSimulator:
    """Make a simulator with parameters.

    Parameters
    ----------
    name : str
        See `parametric_names`.
    **settings
        See `options`; text (of a command line) is read as YAML.

    Raises
    ------
    SimulationError
        For an unknown name, with the nearest, or a plug-in that cannot be loaded or makes something else.
    DataError
        For an unknown option or an impossible value.

    Examples
    --------
    >>> lines = parametric("lines", shortest=14)
    >>> lines.sample(lines.space.draw(3, seed=0), seed=1)["image"].shape
    (3, 28, 28)
    """
    import yaml

    known, values = options(name), {}
    for key, given in settings.items():
        if key not in known:
            msg = f"{name} has no option '{key}'; it has {list(known)}.{nearest(key, known)}"
            raise DataError(msg)
        value, default = (yaml.safe_load(given) if isinstance(given, str) else given), known[key]
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if isinstance(default, (bool, int, float, str)) and type(value) is not type(default):
            msg = f"{name}: {key}={given!r} must be of type {type(default).__name__}, such as {default}"
            raise DataError(msg)
        values[key] = value
    made = _maker(name)(**values)
    if not isinstance(made, ParametricSimulator):
        msg = f"{name}: its entry point makes a {type(made).__name__}, it must be a ParametricSimulator"
        raise SimulationError(msg)
    return made


def write(
    name: str,
    *,
    n: int,
    output: str | os.PathLike[str],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Path:
    """Simulate `n` events, each at a point of parameter space of its own, into one file; returns its path.

    Calls that fail are left out: the file then holds fewer events. The log says how many, why, and where.

    Parameters
    ----------
    name : str
        See `parametric_names`.
    n, seed : int
    output : path
        The suffix chooses the format. It appears only when it is complete.
    progress : callable, optional
        Called with (events done, n).
    **settings
        Options (see `options`), and what parameters are: ``m=0.5`` or ``m="-0.5:0.5"``; the others are drawn from the
        whole space. What is given of every event besides parameters (an energy) is drawn likewise.

    Raises
    ------
    DataError, RangeError
        For an unknown setting or an impossible value.
    SimulationError
        If all calls fail.

    Examples
    --------
    >>> write("lines", n=1000, output="lines.h5", m=0.5)  # doctest: +SKIP
    """
    if n < 1 or seed < 0:
        msg = f"n={n}, seed={seed}: at least one event, and a seed of 0 or more, are needed"
        raise DataError(msg)
    known = options(name)
    chosen = {key: value for key, value in settings.items() if key in known}
    simulator = parametric(name, **chosen)
    ranges = {key: value for key, value in settings.items() if key not in known}
    conditions = _draw(simulator, known, n, seed, ranges)
    attrs = {"simulator": name, "seed": seed, "ranges": {k: str(v) for k, v in ranges.items()}, **simulator.settings()}
    records: list[Calls] = []
    with facsim.io.create(output, simulator.schema, attrs=attrs) as writer:
        for calls in simulator.calls(conditions, seed=seed):
            writer.append(calls.events)
            if calls.failed.any() and not any(r.failed.any() for r in records):
                log.warning("%s: %s; they are left out", name, calls.summary())
            records.append(replace(calls, events=calls.events[:0]))
            if progress is not None:
                progress(sum(map(len, records)), n)
        record, written = Calls.join(records), len(writer)
        if not written:
            msg = f"{name}: {record.summary()}; nothing is written"
            raise SimulationError(msg)
    if written < n:
        log.warning("%s: %s, in %s; %d events are written", name, record.summary(), record.region(), written)
    return Path(output)


def _draw(
    simulator: ParametricSimulator, options: Mapping[str, Any], n: int, seed: int, ranges: Mapping[str, Any]
) -> np.ndarray[Any, Any]:
    """Conditions (n, p + k): parameters from the space, narrowed; then what is given of every event."""
    parameters, given = list(simulator.space.names), [b.name for b in simulator.given]
    for key in ranges:
        if key not in parameters + given:
            known = [*options, *parameters, *given]
            msg = f"{simulator.name} has no option or parameter '{key}'; it has {known}.{nearest(key, known)}"
            raise DataError(msg)
    narrow = {}
    for key in parameters:
        if key in ranges:
            low, high, law = parse_range(str(ranges[key]), positive=False)
            if law == "log":
                msg = f"{key}={ranges[key]}: parameters are drawn flat; write {low:g}:{high:g}"
                raise DataError(msg)
            narrow[key] = (low, high)
    theta = simulator.space.draw(n, seed, ranges=narrow)
    if not given:
        return theta
    wanted = {**simulator.given_ranges, **{key: ranges[key] for key in given if key in ranges}}
    return np.concatenate([theta, draw_conditions(Schema((), simulator.given), wanted, n, seed)], axis=1)


def _maker(name: str) -> Callable[..., object]:
    """The class of a simulator, or what a plug-in makes one with."""
    if name in CASES:
        module, _, cls = CASES[name].partition(":")
        own: type[ParametricSimulator] = getattr(importlib.import_module(f"{HERE}.{module}"), cls)
        return own
    known = parametric_names()
    if name not in known:
        msg = f"unknown simulator with parameters '{name}'; there are {known}.{nearest(name, known)}"
        raise SimulationError(msg)
    entry = _plugins()[name]
    try:
        found = entry.load()
    except Exception as error:
        msg = f"{name}: its entry point {entry.value} cannot be loaded: {type(error).__name__}: {error}"
        raise SimulationError(msg) from error
    if isinstance(found, ParametricSimulator):
        return lambda: found
    if not callable(found):
        msg = f"{name}: its entry point {entry.value} is of type {type(found).__name__}, it must make a simulator"
        raise SimulationError(msg)
    return cast("Callable[..., object]", found)


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}

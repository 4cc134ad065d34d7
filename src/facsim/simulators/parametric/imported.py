"""A simulator named as ``module:name``: a Python function, or a simulator that is ready."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facsim.errors import DataError, SimulationError, nearest
from facsim.schema import Block, Schema
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.callee import evaluate
from facsim.simulators.parametric.function import Function, FunctionSimulator
from facsim.simulators.parametric.space import Space

__all__ = ["find", "imported"]


def imported(
    place: str, space: Space | None, data: Schema, *, workers: int = 1, timeout: float | None = None
) -> ParametricSimulator:
    """Make a simulator of what stands at a place; a function is tried once.

    Parameters
    ----------
    place : str
        ``module:name``, see `find`. A function of parameters (p,) and a random generator returns one event: the numbers
        of all features of the data in their order, or a mapping from names of some of them to arrays. A
        `ParametricSimulator`, or a class of one that needs no arguments, is taken as it is.
    space : Space or None
        Parameters of a function.
    data : Schema
        Of the data: what a function returns.
    workers : int, optional
        Processes that call the function.
    timeout : float, optional
        Seconds for one call of the function.

    Raises
    ------
    DataError
        If there is no such module or name, it cannot be called, or a function has no space.
    SimulationError
        If the call at the default point fails, or gives something else than an event of the data.

    Examples
    --------
    >>> imported("facsim.simulators.parametric.two_moons:TwoMoons", None, Schema((Block("x", (2,)),))).name
    'two-moons'
    """
    found = find(place)
    if isinstance(found, type) and issubclass(found, ParametricSimulator):
        try:
            found = found()
        except TypeError as error:
            msg = f"{place} cannot be made without arguments ({error}): name a simulator that is made, module:object"
            raise DataError(msg) from error
    if isinstance(found, ParametricSimulator):
        if space is not None:
            msg = f"{place} is a simulator with parameters of its own: leave --parameters out"
            raise DataError(msg)
        return found
    if not callable(found):
        msg = f"{place} is of type {type(found).__name__}: it must be a function of parameters and rng, or a simulator"
        raise DataError(msg)
    if space is None:
        msg = f"{place} is a function: its parameters are needed, --parameters space.yaml with names and ranges"
        raise DataError(msg)
    features = _features(place, found, space, data)
    start: Literal["fork", "spawn"] = "spawn" if workers > 1 or timeout else "fork"  # torch may have threads by then
    return FunctionSimulator(found, space, features, workers=workers, timeout=timeout, start=start)


def find(place: str) -> Any:
    """What ``module:name`` says, as Python itself would import it: modules of the current directory come first.

    Raises
    ------
    DataError
        If the place is written otherwise, or there is no such module or name, with the nearest.

    Examples
    --------
    >>> find("math:hypot")(3, 4)
    5.0
    """
    module, _, name = place.partition(":")
    if not (module and name) or module.endswith(".py") or os.sep in module:
        stem = Path(module).stem or "my_simulator"
        msg = f"'{place}': write module:name, such as {stem}:{name or 'simulate'}, from the folder that holds {stem}.py"
        raise DataError(msg)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # and it stays: processes that are begun later import from there, too
    importlib.invalidate_caches()
    try:
        found = importlib.import_module(module)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module}.".startswith(f"{missing}."):
            beside = [p.stem for p in Path(here).glob("*.py")]
            msg = f"'{place}': there is no module '{missing}' in {here} or among those installed."
            raise DataError(msg + nearest(missing, beside)) from error
        msg = f"'{place}': the module cannot be imported: {type(error).__name__}: {error}"
        raise DataError(msg) from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key in dir(found) if not key.startswith("_")]
            whose = getattr(found, "__file__", None) or getattr(found, "__name__", module)
            msg = f"'{place}': {whose} has no '{part}'.{nearest(part, known)}"
            raise DataError(msg)
        found = getattr(found, part)
    return found


def _features(place: str, function: Function, space: Space, data: Schema) -> tuple[Block, ...]:
    """What the function returns, as blocks of the data; tried at the default point."""
    where = ", ".join(f"{k}={v:g}" for k, v in zip(space.names, space.default, strict=True))
    try:
        answer = function(space.default.copy(), np.random.default_rng(0))
    except Exception as error:
        msg = f"{place} fails at {where}: {type(error).__name__}: {error}"
        raise SimulationError(msg) from error
    features = data.features
    if isinstance(answer, Mapping):
        known = [b.name for b in features]
        for name in answer:
            if name not in known:
                msg = f"{place} returns '{name}', the data have {known}.{nearest(str(name), known)}"
                raise DataError(msg)
        features = tuple(b for b in features if b.name in answer)
    try:
        evaluate(lambda *_: answer, False, features, space.default[None], (0,))
    except SimulationError as error:
        msg = f"{place} at {where}: {error}. An event of the data is {', '.join(map(str, features)) or 'empty'}"
        raise SimulationError(msg) from error
    return features

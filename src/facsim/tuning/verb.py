"""The verb: a simulator and data in; tuned parameters, their trust, and a page out."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

import facsim.io
from facsim.errors import DataError, RecipeError, nearest
from facsim.events import Events
from facsim.report.tuning import write_page
from facsim.simulators.parametric import ParametricSimulator, Space, parametric
from facsim.simulators.parametric.base import TooFewCalls
from facsim.simulators.parametric.cache import Cached
from facsim.tuning.calls import Account, Watch, observed
from facsim.tuning.page import judged
from facsim.tuning.result import Tuned, require_suffix

__all__ = ["CALLS_FOLDER", "METHODS", "PAGE_FILE", "settings_of", "tune"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
StrPath = str | os.PathLike[str]

METHODS: dict[str, tuple[str, str, str]] = {  # name: module, function and settings
    "posterior": ("facsim.tuning.posterior", "tune_posterior", "PosteriorSettings"),
    "population": ("facsim.tuning.population", "tune_source", "SourceSettings"),
    "variational": ("facsim.tuning.population", "tune_variational", "VariationalSettings"),
    "best-fit": ("facsim.tuning.local", "tune_local", "LocalSettings"),
    "magan": ("facsim.tuning.magan", "tune_magan", "MaganSettings"),
}
PAGE_FILE, CALLS_FOLDER = "report.html", "calls"

SHOWN = (200, 2000)
"""Fewest and most events of the default and of the tuned simulation on the page."""
SHARE = 10
"""Either of them takes one call in so many, at most."""


def tune(
    simulator: str | ParametricSimulator,
    data: StrPath | Events,
    *,
    output: StrPath,
    method: str = "posterior",
    calls: int = 10_000,
    seed: int = 0,
    settings: BaseModel | Mapping[str, Any] | None = None,
    truth: Mapping[str, float] | None = None,
    apply: StrPath | None = None,
    retry: bool = False,
    progress: Callable[[int, int], None] | None = None,
    calls_progress: Callable[[int, int, int], None] | None = None,
) -> Tuned:
    """Tune the parameters of a simulator to data.

    Parameters
    ----------
    simulator : str or ParametricSimulator
        A name (`facsim.simulators.parametric.parametric_names`), or a simulator of your own: a function
        (`FunctionSimulator`), a program (`CommandSimulator`), a subclass.
    data : path or Events
        Events with the simulator's features, all from one set of parameters (``population``, ``magan``: from several).
    output : path
        Folder for the result (``tuned.json``, ``samples.npz``), the page ``report.html``, and every call of the
        simulator (``calls``), which are not made again when the same command is given again.
    method : str, optional
        ``posterior``: probable values of one set of parameters, with a tested uncertainty. ``population``: the widest
        distribution of parameters that gives the data. ``variational``: the same as a Gaussian, by trial, for few
        parameters and simulators that are hard to learn. ``best-fit``: one best point, for many parameters. ``magan``:
        the Model-Assisted GAN, for comparison.
    calls : int, optional
        Budget: events that the simulator may be asked for in all.
    seed : int, optional
    settings : mapping or settings of the method, optional
        See `settings_of`.
    truth : mapping, optional
        True parameters by name, those that are known: they are marked on the page.
    apply : path, optional
        File to which the parameters are written in the simulator's own terms; see `Tuned.apply`.
    retry : bool, optional
        Make calls again that failed in an earlier run. Those that took too long are made again anyway, if the time-out
        is longer now.
    progress : callable, optional
        Called with (steps done, steps in all) while networks are trained.
    calls_progress : callable, optional
        Called with (calls done, `calls`, failed calls) while the simulator runs, from its threads.

    Returns
    -------
    Tuned

    Raises
    ------
    DataError, SchemaMismatch
        If the data do not fit the simulator, or the budget is too small for the method.
    RecipeError
        For an unknown method or setting, with the nearest.
    SimulationError
        If the simulator is unknown, or each of its first 20 calls fails.

    Examples
    --------
    >>> import facsim
    >>> facsim.tune("lines", "data.h5", calls=20_000, output="runs/lines").lines()  # doctest: +SKIP
    ['m = 0.312 (0.281 to 0.340)', 'c = 7.9 (7.4 to 8.5)', 'x0 = 3 (3 to 3)', 'xsteps = 17 (17 to 17)']
    """
    function, chosen = _method(method, settings)
    made = parametric(simulator) if isinstance(simulator, str) else simulator
    if apply is not None:
        require_suffix(apply, made)
    known = None if truth is None else _known(made.space, truth)
    events, name = (data, "the data") if isinstance(data, Events) else (facsim.io.read(data), os.fspath(data))
    events = observed(made, events.check(name), least=1)
    folder = Path(output)
    kept = Cached(made, folder / CALLS_FOLDER, retry=retry, tell=Watch(made.name, calls, calls_progress))
    shown = _shown(len(events), calls)
    for_page = 2 * shown  # default and tuned
    left = calls - for_page - kept.trials
    try:
        found = function(kept, events, calls=left, seed=seed, settings=chosen, progress=progress)
    except TooFewCalls as error:
        raise _in_all(error, len(events), calls, kept.trials) from error

    account = Account(kept, for_page, seed + 1)
    points = found.estimate[None] if found.kind == "point" else found.samples
    simulations = {
        "default": account.call(*_rows(made, made.space.default[None], events, shown, seed)),
        "tuned": account.call(*_rows(made, points, events, shown, seed)),
    }
    found = replace(found, calls=found.calls + account.spent + kept.trials, failed=found.failed + account.failed)
    region = kept.everything().region() if found.failed else ""
    found = replace(found, method=method)
    found, page = judged(made, found, events, simulations, truth=known, region=region, seed=seed)
    found.save(folder)
    write_page(page, folder / PAGE_FILE)
    if apply is not None:
        found.apply(apply, simulator=made)
    if found.verdict["level"] == "alarm":
        written = "" if apply is None else f"; '{os.fspath(apply)}' is written, but should not be used"
        log.warning("%s: %s%s", made.name, found.verdict["headline"], written)
    return found


def settings_of(method: str, values: Mapping[str, Any] | None = None) -> BaseModel:
    """Settings of a method, some of them changed.

    Raises
    ------
    RecipeError
        For an unknown method or setting, or an impossible value.

    Examples
    --------
    >>> settings_of("posterior", {"members": "2"}).members
    2
    """
    if method not in METHODS:
        msg = f"unknown method '{method}'; there are {list(METHODS)}.{nearest(method, METHODS)}"
        raise RecipeError(msg)
    module, _, name = METHODS[method]
    cls: type[BaseModel] = getattr(importlib.import_module(module), name)
    import yaml

    read = {k: yaml.safe_load(v) if isinstance(v, str) else v for k, v in (values or {}).items()}
    for key in read:
        if key not in cls.model_fields:
            fields = list(cls.model_fields)
            msg = f"method {method} has no setting '{key}'; it has {fields}.{nearest(key, fields)}"
            raise RecipeError(msg)
    try:
        return cls(**read)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"method {method}: {'.'.join(map(str, first['loc']))}={first.get('input')!r}: {first['msg']}"
        raise RecipeError(msg) from error


def _shown(events: int, calls: int) -> int:
    """Events of the default and of the tuned simulation on the page, each."""
    return max(0, min(int(np.clip(events, *SHOWN)), calls // SHARE))


def _in_all(error: TooFewCalls, events: int, calls: int, trials: int) -> TooFewCalls:
    """The error about a method's share of the calls, in terms of all of them."""
    enough = (n for n in itertools.count(error.least) if n - 2 * _shown(events, n) - trials >= error.least)
    least = next(enough)
    return TooFewCalls(calls, least, error.method, f", the page's {2 * _shown(events, least):,} included")


def _known(space: Space, truth: Mapping[str, float]) -> Array:
    """Checked true point (p,), NaN where nothing is known; the rule of validity asks for all parameters."""
    given = [name in truth for name in space.names]
    return np.where(given, (space if all(given) else Space(space.parameters)).point(truth), np.nan)


def _method(method: str, settings: BaseModel | Mapping[str, Any] | None) -> tuple[Callable[..., Tuned], BaseModel]:
    chosen = settings if isinstance(settings, BaseModel) else settings_of(method, settings)
    if method not in METHODS:
        settings_of(method)
    module, name, wanted = METHODS[method]
    found = importlib.import_module(module)
    if not isinstance(chosen, getattr(found, wanted)):
        msg = f"method {method} takes {wanted}, not {type(chosen).__name__}"
        raise RecipeError(msg)
    return cast("Callable[..., Tuned]", getattr(found, name)), chosen


def _rows(
    simulator: ParametricSimulator, points: Array, data: Events, n: int, seed: int
) -> tuple[Array, NDArray[np.float32] | None]:
    """As many valid points of those given, and what is given of n events of the data."""
    rng = np.random.default_rng([seed, 0x5709])
    valid = points[simulator.space.contains(points)]
    if len(valid) == 0:
        msg = f"no tuned point is valid ({simulator.space.rule}): raise --calls, or choose another method"
        raise DataError(msg)
    theta = valid[rng.integers(len(valid), size=n)]
    return theta, data.conditions[rng.integers(len(data), size=n)] if simulator.given else None

"""Calls of a simulator over its space of parameters, and any conditional family fitted to them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facsim import recipes
from facsim.errors import SimulationError
from facsim.events import Events
from facsim.models import Surrogate
from facsim.sampler import draw_conditions
from facsim.schema import Schema
from facsim.simulators.parametric import ParametricSimulator, require_calls
from facsim.training import fit_model
from facsim.tuning.calls import region

__all__ = ["points_of", "train_emulator", "training_events"]

log = logging.getLogger(__name__)

LEAST = 100  # calls


def train_emulator(
    simulator: ParametricSimulator,
    *,
    calls: int,
    recipe: str | Path = "regression",
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Surrogate:
    """Fit a surrogate to a simulator over its whole space of parameters.

    Parameters
    ----------
    simulator : ParametricSimulator
    calls : int
        Budget of the simulator, at least 100.
    recipe : str or Path, optional
        Any recipe whose family takes such events; ``magan`` is the siamese game, ``cfm`` takes any randomness,
        ``regression`` none but independent noise. Where the recipe trains on groups (``training.group``), every point
        is called that often; without randomness once, since all answers are the same.
    overrides : mapping, optional
        Recipe values to change, by dotted key.
    seed : int, optional
        Of points, calls and training.
    folder : path, optional
        Run folder; by default the run is not kept.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Surrogate
        Its conditions are the parameters, then what is given of every event.

    Raises
    ------
    DataError
        If the budget is too small, or the recipe does not fit the events.
    SimulationError
        If next to all calls fail.

    Examples
    --------
    >>> from facsim.simulators.parametric import parametric
    >>> train_emulator(parametric("lines"), calls=50_000, recipe="regression")  # doctest: +SKIP
    """
    chosen = recipes.load(recipe, {"training.seed": seed, **(overrides or {})})
    events = training_events(simulator, calls, chosen.training.group, seed)
    with tempfile.TemporaryDirectory() as temporary:
        model = fit_model(
            events,
            chosen.family,
            chosen.config,
            chosen.training,
            Path(folder or temporary),
            recipe=chosen.to_json(),
            progress=progress,
        )
    # Made for the whole space: points at its border, beyond the outermost training event, are nobody's mistake.
    p = len(simulator.space)
    for bound, edge, widen in (
        (model.low, simulator.space.low, torch.minimum),
        (model.high, simulator.space.high, torch.maximum),
    ):
        bound[:p] = widen(bound[:p], torch.from_numpy(edge).float())
    model.provenance |= {"simulator": simulator.name, "calls": calls}
    if folder:
        model.save(Path(folder))
    return model


def training_events(simulator: ParametricSimulator, calls: int, group: int, seed: int) -> Events:
    """Events at points that are uniform in the valid region, `group` of them at every point; failed calls are left out.

    Raises
    ------
    DataError
        If there are fewer than 100 calls.
    SimulationError
        If there is hardly an event.
    """
    require_calls(calls, LEAST, "an emulator")
    again = group if simulator.stochastic else 1
    points = points_of(simulator, calls // again, seed)
    answers = simulator.call(points.repeat(again, axis=0), seed=seed)
    failed = answers.failed.reshape(-1, again)
    if failed.any():
        where = region(simulator, points[failed.any(axis=1), : len(simulator.space)])
        log.warning("%s: %s; left out, in the region %s", simulator.name, answers.summary(), where)
    whole = ~failed.any(axis=1).repeat(again)  # a point of which a call failed is left out altogether
    events = answers.events[whole[~answers.failed]]
    if len(events) < LEAST // 2:
        msg = f"{simulator.name}: {answers.summary()}; {len(events)} events are left, too few for an emulator"
        raise SimulationError(msg)
    return events[np.arange(len(events)).repeat(group // again)]


def points_of(simulator: ParametricSimulator, n: int, seed: int, stream: int = 0) -> NDArray[np.float64]:
    """Conditions (n, p + k): parameters uniform in the valid region, then what is given, drawn from its ranges.

    Examples
    --------
    >>> from facsim.simulators.parametric import parametric
    >>> points_of(parametric("lines"), 5, seed=1).shape
    (5, 4)
    """
    theta = simulator.space.draw(n, seed, stream)
    if not simulator.given:
        return theta
    ranges = dict(simulator.given_ranges)
    given = draw_conditions(Schema((), simulator.given), ranges, n, seed + 0x9E37 * (stream + 1))
    return np.column_stack([theta, given])

"""The best point of many parameters: down the gradient of a surrogate that is only asked about its neighbourhood."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from facsim.errors import DataError, SimulationError
from facsim.events import Events, concatenate
from facsim.simulators.parametric import ParametricSimulator, require_calls
from facsim.tuning.calls import Account, observed
from facsim.tuning.energy import EnergyGenerator
from facsim.tuning.near import Generated, Quadratic, Surface, descend
from facsim.tuning.objective import Distance, DistanceKind, Objective, measure
from facsim.tuning.result import Tuned

__all__ = ["LocalSettings", "tune_local"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

ROUNDS = 25  # that a budget is meant for, if the number of events is not set
REACH = 2.0  # half-widths of the box, up to which older points are used again
GENERATED = 64  # features that a generated surrogate takes at most


class LocalSettings(BaseModel):
    """Settings of `tune_local`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surrogate: Literal["quadratic", "generative"] = "quadratic"
    """A polynomial through measured values of the objective, or a generator of events through which the objective (a
    function of torch tensors, or a sliced distance) is differentiated."""
    distance: DistanceKind = "sliced"
    """To the data, where no objective is given. ``chi2`` of histograms is flat where they do not overlap, so it needs a
    start near the data; ``generative`` takes ``sliced`` only."""
    points: int | None = Field(default=None, ge=2)
    """New points per round; by default one more than parameters, but at least 4."""
    events: int | None = Field(default=None, ge=1)
    """Events per point; by default such that the budget is enough for 25 rounds. 1 if the simulator has no noise."""
    width: float = Field(default=0.15, gt=0, le=0.5)
    """First half-width of the box, in units of the ranges."""
    narrowest: float = Field(default=0.005, gt=0)
    """Half-width at which the search ends."""
    steps: int = Field(default=600, ge=10)
    """Of a generative surrogate's training, per round."""


def tune_local(
    simulator: ParametricSimulator,
    data: Events | None = None,
    *,
    calls: int,
    objective: Objective | None = None,
    given: ArrayLike | None = None,
    start: ArrayLike | None = None,
    seed: int = 0,
    settings: LocalSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    r"""Find the parameters at which an objective of the simulator's events is smallest.

    .. math:: \theta_{t+1} = \arg\min_{|\theta - \theta_t|_\infty \le \epsilon_t} \hat f_t(\theta)

    with a surrogate of the objective that is fitted inside the box alone: to new points (a Latin hypercube) and to all
    earlier ones that lie near. The box moves with the best point, grows where a step kept its promise, and shrinks
    where it did not, or where the minimum lies inside; but not before the surrogate is determined.

    Parameters
    ----------
    simulator : ParametricSimulator
    data : Events, optional
        Whose distance is made small, if no objective is given.
    calls : int
        Budget of events.
    objective : callable, optional
        ``objective(events)`` gives one number for the events of a point, or one per event whose mean counts; their
        conditions hold the parameters. With ``surrogate="generative"`` it is ``objective(features, given)`` of tensors
        (n, d), (n, k), and must be differentiable.
    given : array (m, k), optional
        What is given of the events, in turns: a beam energy. By default that of the data.
    start : array (p,), optional
        By default the simulator's default.
    seed : int, optional
    settings : LocalSettings, optional
    progress : callable, optional
        Called with (calls spent, calls in all).

    Returns
    -------
    Tuned
        ``kind="point"``, without an uncertainty: what a box that has shrunk around the minimum says of it is far too
        little. ``details``: ``value`` and ``error`` of the objective at the best point that was simulated,
        ``start_value``, ``rounds``, ``path``, ``stopped``.

    Raises
    ------
    DataError
        If neither data nor an objective are given, the budget is too small, or the objective's result has a wrong
        shape.

    Notes
    -----
    Shirobokov et al., arXiv:2002.04632 (L-GSO). The polynomial is the default since it needs fewest calls where the
    objective is one smooth number; boxes that adapt are those of derivative-free trust-region methods (Powell 2009).

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter, Space
    >>> from facsim.schema import Block
    >>> class Bowl(ParametricSimulator):
    ...     name, summary = "bowl", "a bowl with noise"
    ...     space = Space((Parameter("a", -1, 1), Parameter("b", -1, 1)))
    ...     features = (Block("y"),)
    ...
    ...     def _simulate(self, conditions, rng):
    ...         return ((conditions - 0.5) ** 2).sum(1, keepdims=True) + 0.1 * rng.normal(size=(len(conditions), 1))
    >>> found = tune_local(Bowl(), calls=4000, objective=lambda events: events["y"], seed=1)
    >>> bool(np.abs(found.estimate - 0.5).max() < 0.1)
    True
    """
    chosen = settings or LocalSettings()
    begun = time.perf_counter()
    space, p = simulator.space, len(simulator.space)
    count = chosen.points or max(p + 1, 4)
    each = chosen.events or (max(calls // (ROUNDS * (count + 1)), 10) if simulator.stochastic else 1)
    require_calls(calls, 3 * (count + 1) * each, f"a local search with {count} points of {each} events per round")
    data = None if data is None else observed(simulator, data)
    account = Account(simulator, calls, seed)
    search = _Search(account, data, objective, given, chosen, each, seed)
    centre = space.to_unit(space.default if start is None else space.check(np.atleast_2d(np.asarray(start)))[0])
    width, path, stopped, rounds = chosen.width, [space.from_unit(centre).tolist()], "budget", 0
    best = search.ask(centre)
    first = best.value
    while account.left >= (count + 1) * each:
        rounds += 1
        for unit in search.around(centre, width, count):
            search.ask(unit)
        surface = search.surface(centre, width, rounds)
        low, high = np.maximum(-1, -centre / width), np.minimum(1, (1 - centre) / width)
        step = descend(surface, np.zeros(p), low, high)
        tried = search.nearest_valid(centre, width * step)
        now = search.ask(tried)
        noise = np.hypot(now.error, best.error)
        known = len(search.near(centre, width)) > 1 + p + p * (p + 1) // 2  # else a better surface comes first
        border = bool((np.abs(step) > 0.95).any())
        if now.value < best.value + noise:
            path.append(space.from_unit(now.unit).tolist())
            if border:
                width = min(1.6 * width, 0.5)
            elif known and search.tells(surface, low, high):
                width *= 0.7
            centre, best = now.unit, now
        elif known:
            width *= 0.6
        lowest = min(search.asked, key=lambda a: a.value + a.error)
        if lowest.value + lowest.error < best.value - noise:
            centre, best = lowest.unit, lowest
        if progress:
            progress(account.spent, calls)
        if width < chosen.narrowest:
            stopped = "box"
            break
    estimate = search.lowest(best, max(width, 2 * chosen.narrowest))
    return Tuned(
        method="best-fit",
        kind="point",
        space=space,
        samples=estimate[None],
        estimate=estimate,
        calls=account.spent,
        failed=account.failed,
        seconds=time.perf_counter() - begun,
        label="local surrogate",
        details={
            "value": best.value,
            "error": best.error,
            "start_value": first,
            "rounds": rounds,
            "path": path,
            "stopped": stopped,
            "half_width": width,
        },
    )


@dataclass(frozen=True)
class _Asked:
    """A point that was simulated, what the objective is there, and its events."""

    unit: Array
    value: float
    error: float
    events: Events = field(repr=False)


class _Search:
    """All points that were asked about, and what can be made of them."""

    def __init__(
        self,
        account: Account,
        data: Events | None,
        objective: Objective | None,
        given: ArrayLike | None,
        settings: LocalSettings,
        each: int,
        seed: int,
    ) -> None:
        if objective is None and data is None:
            msg = "nothing to make small: give data, or objective="
            raise DataError(msg)
        self.account, self.space, self.settings, self.each, self.seed = (
            account,
            account.simulator.space,
            settings,
            each,
            seed,
        )
        self.data = data if objective is None else None
        k = sum(b.size for b in account.simulator.given)
        if given is None and data is None and k:
            msg = f"given= is needed: {account.simulator.name} asks for {[b.name for b in account.simulator.given]}"
            raise DataError(msg)
        known = np.zeros((1, 0)) if not k else data.conditions if given is None and data is not None else given
        self.given = np.asarray(known, np.float64).reshape(-1, k) if k else np.zeros((1, 0))
        self.place = np.random.default_rng([seed, 0x10CA])
        self.asked: list[_Asked] = []
        self.model: EnergyGenerator | None = None
        self.smooth = self._smooth(objective) if settings.surrogate == "generative" else None
        if objective is not None and settings.surrogate == "generative":
            self.objective: Objective = self._numbers
        else:
            self.objective = objective or Distance(data, self._kind, points=each, seed=seed)  # type: ignore[arg-type]

    @property
    def _kind(self) -> DistanceKind:
        return "sliced" if self.settings.surrogate == "generative" else self.settings.distance

    def ask(self, unit: Array) -> _Asked:
        """Simulate a valid point and note its objective; a point whose calls all fail counts as very bad."""
        theta = self.space.from_unit(unit)
        rows = self.given[self.place.integers(len(self.given), size=self.each)] if self.given.shape[1] else None
        try:
            events = self.account.call(np.repeat(theta[None], self.each, 0), rows)
        except SimulationError as failure:
            if not self.asked:
                raise
            log.warning("%s; the point counts as bad as the worst one", failure)
            worst = max(self.asked, key=lambda a: a.value)
            events, value, error = worst.events[:0], worst.value, worst.error
        else:
            value, error = measure(self.objective, events, self.seed)
        self.asked.append(_Asked(self.space.to_unit(theta), value, error, events))
        return self.asked[-1]

    def around(self, centre: Array, width: float, n: int) -> Array:
        """Valid points (n, p) of a Latin hypercube in the box."""
        low, high = np.maximum(centre - width, 0), np.minimum(centre + width, 1)
        found = np.empty((0, len(centre)))
        for _ in range(100):
            cells = np.stack([self.place.permutation(n) for _ in centre], 1)
            unit = low + (cells + self.place.random(cells.shape)) / n * (high - low)
            theta = self.space.from_unit(unit)
            found = np.concatenate([found, self.space.to_unit(theta[self.space.contains(theta)])])
            if len(found) >= n:
                return found[:n]
        msg = f"next to no point near {self.space.from_unit(centre)} is valid ({self.space.rule}): start elsewhere"
        raise DataError(msg)

    def nearest_valid(self, centre: Array, step: Array) -> Array:
        """The end of a step, or of half of it and so on, until it is valid."""
        for part in (1, 0.5, 0.25, 0.1):
            theta = self.space.from_unit(centre + part * step)
            if self.space.contains(theta)[0]:
                return np.asarray(self.space.to_unit(theta))
        return centre

    def near(self, centre: Array, width: float) -> list[_Asked]:
        """Points that were asked about in and beside the box."""
        return [a for a in self.asked if np.abs(a.unit - centre).max() <= REACH * width]

    def surface(self, centre: Array, width: float, number: int) -> Surface:
        """The local surrogate."""
        near = self.near(centre, width)
        places = np.stack([(a.unit - centre) / width for a in near])
        if self.smooth is None:
            return Quadratic(places, np.array([a.value for a in near]), np.array([a.error for a in near]))
        events = concatenate([a.events for a in near if len(a.events)])
        p = len(self.space)
        where = (self.space.to_unit(events.conditions[:, :p]) - centre) / width
        inputs = np.column_stack([where, events.conditions[:, p:]])
        model = EnergyGenerator(inputs.shape[1], events.features.shape[1], seed=self.seed + number)
        model.fit(inputs, events.features, steps=self.settings.steps, seed=self.seed + number)
        return Generated(model.requires_grad_(requires_grad=False), self.smooth, self.given, self.seed)

    def tells(self, surface: Surface, low: Array, high: Array) -> bool:
        """Whether the objective varies over the box by more than its scatter, so that a smaller box still shows it."""
        places = low + (high - low) * self.place.random((64, len(low)))
        values = [surface.slope(t)[0] for t in places]
        errors = [a.error for a in self.asked[-len(self.space) :]]
        return bool(np.ptp(values) > 4 * float(np.median(errors)))

    def lowest(self, best: _Asked, width: float) -> Array:
        """The minimum (p,) of a surface through all values near the best point, where these are enough; else that."""
        p = len(self.space)
        near = self.near(best.unit, width)
        while len(near) < 2 * (1 + p + p * (p + 1) // 2) and width < 0.5:
            width *= 1.3
            near = self.near(best.unit, width)
        if len(near) <= 1 + p + p * (p + 1) // 2:  # only a surface that is well determined knows better
            return self.space.from_unit(best.unit)
        places = np.stack([(a.unit - best.unit) / width for a in near])
        values, errors = np.array([a.value for a in near]), np.array([a.error for a in near])
        errors = np.maximum(errors, Quadratic(places, values, errors).scatter)
        low, high = np.maximum(-1, -best.unit / width), np.minimum(1, (1 - best.unit) / width)
        step = descend(Quadratic(places, values, errors), np.zeros(p), low, high)
        return np.asarray(self.space.from_unit(self.nearest_valid(best.unit, width * step)))

    def _smooth(self, objective: Objective | None) -> Callable[[Tensor, Tensor], Tensor]:
        """The objective as a function of tensors."""
        width = self.account.simulator.schema.width
        if width > GENERATED:
            msg = f"{width} features: surrogate='generative' takes at most {GENERATED}; choose 'quadratic'"
            raise DataError(msg)
        if objective is not None:
            return objective  # type: ignore[return-value]
        assert self.data is not None  # noqa: S101 - one of them is there
        distance = Distance(self.data, "sliced", points=512, seed=self.seed)
        slices = distance.slices
        assert slices is not None  # noqa: S101
        middle, scale = torch.from_numpy(distance.middle).float(), torch.from_numpy(distance.scale).float()
        return lambda x, given: (slices((torch.cat([x, given], 1) - middle) / scale) / slices.floor) ** 2

    def _numbers(self, events: Events) -> float | Array:
        assert self.smooth is not None  # noqa: S101
        p = len(self.space)
        with torch.no_grad():
            found = self.smooth(torch.from_numpy(events.features), torch.from_numpy(events.conditions[:, p:]))
        return np.asarray(found.double().numpy())

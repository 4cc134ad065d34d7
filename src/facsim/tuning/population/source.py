"""The population of parameters behind data: of all that give the data, the one of largest entropy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from facsim.errors import DataError, WeightError
from facsim.events import Events
from facsim.models import Surrogate
from facsim.simulators.parametric import ParametricSimulator, Space, require_calls
from facsim.tuning.calls import Account, observed
from facsim.tuning.population.copies import Copy, Trained, Wrapped, bare
from facsim.tuning.population.entropy import entropy
from facsim.tuning.population.generator import Frontier
from facsim.tuning.population.reweight import refine
from facsim.tuning.population.slices import Slices
from facsim.tuning.population.spread import Game, Spread
from facsim.tuning.population.view import View, ViewKind
from facsim.tuning.pushforward import pushforward
from facsim.tuning.result import Tuned, central_point

__all__ = ["SourceSettings", "tune_source"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

LEAST = 300  # calls
MENDED = 0.95  # effective share of points, above which a refinement is but noise
ENOUGH = 0.4  # above which another one is not needed
REFINED = 3  # times at most
FEWEST = 20  # points that a refinement must leave
SLACK = 1.03  # times the distance that a sample of the same law has on average
CLOSE = 2e-3  # distance that is enough, in units of the prior's spread: data of one image have no floor
WIDER = 0.08  # spread by which the second round's points are moved, in units of the box


class SourceSettings(BaseModel):
    """Settings of `tune_source`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: ViewKind = "auto"
    """What is compared: ``features``, or a network's ``summary`` of them (images); ``auto`` chooses by their number."""
    entropy: float | None = Field(default=None, ge=0, lt=1)
    """Final weight of the entropy against the logarithm of the distance (the publication takes 0.35). By default it is
    adapted until the distance is what a sample of the data's own law would have."""
    rounds: int = Field(default=2, ge=1)
    """Of calls for the emulator: the first over the whole space, later ones where the population is."""
    refine: bool = True
    """Accept points at last by how well the real simulator's events at them fit the data, where that is needed."""
    ensemble: int = Field(default=3, ge=1)
    """Populations that are trained from different seeds, and pooled."""
    steps: int = Field(default=1200, ge=10)
    """Of each population's network."""
    batch: int = Field(default=512, ge=32)
    """Points per step."""
    rate: float = Field(default=5e-3, gt=0)
    """Learning rate."""
    directions: int = Field(default=128, ge=1)
    """Along which data and events are compared; an eighth of them at a step, but at least 16."""
    emulator_steps: int = Field(default=1500, ge=10)
    """Of the emulator, per round."""
    summary_steps: int = Field(default=1500, ge=10)
    """Of the network that reads parameters from events."""
    samples: int = Field(default=5000, ge=1)
    """Points of the answer."""
    tested: int = Field(default=2000, ge=0)
    """Most calls for the last test."""


def tune_source(
    simulator: ParametricSimulator,
    data: Events,
    *,
    calls: int,
    seed: int = 0,
    settings: SourceSettings | None = None,
    emulator: Surrogate | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    r"""Estimate the population of parameters from which data come.

    .. math:: \min_q \; (1 - \lambda) \ln D\Big(\int p(x|\theta) q(\theta) d\theta, \; p_{data}\Big) - \lambda H(q)

    with the sliced Wasserstein distance D, through an emulator of p(x|theta), and the entropy H. lambda starts near one
    and is adapted such that D becomes its statistical floor: among all populations that cannot be told from the data's,
    the widest.

    Parameters
    ----------
    simulator : ParametricSimulator
    data : Events
        Features of the simulator (and what is given); weights may be negative, if nothing is given.
    calls : int
        Budget of the simulator, at least 300; emulator, refinement and the last test share it.
    seed : int, optional
    settings : SourceSettings, optional
    emulator : Surrogate, optional
        Of the simulator's events given parameters, differentiable; by default one of what is compared is trained from
        half of the calls or more (`EnergyGenerator`).
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Tuned
        ``kind="population"``; its width is that of the population, no uncertainty. ``details``: ``pushforward``
        (through the real simulator, see `facsim.tuning.pushforward`), ``seeds`` (median and width of what each
        member of the ensemble found, if there are several), ``entropy`` in nats against a uniform law on the box,
        ``reached`` (distance over its floor through the emulator; above 1 the emulator is too rough or no population
        gives the data, which ``pushforward`` tells), ``kept`` (effective share of points after each refinement; above
        0.95 there was nothing to refine), ``invalid`` (share of points that the simulator's rule of validity refused).

    Raises
    ------
    DataError
        If the budget is too small, or the data or the emulator do not fit.
    WeightError
        For negative weights where something is given.

    Notes
    -----
    Vetter et al., arXiv:2402.07808 (Sourcerer). Ours: the adapted lambda, the starting point, calls in rounds, and the
    refinement, which is one step of expectation maximisation with the real simulator: it removes what is left of the
    emulator's error, and does not change directions that events know nothing of.

    Examples
    --------
    >>> from facsim.simulators.parametric.table import parametric
    >>> simulator = parametric("gaussian-linear-uniform")
    >>> truth = simulator.sample(np.full((500, 10), 0.3), seed=1)
    >>> tune_source(simulator, truth, calls=4000).estimate  # doctest: +SKIP
    """
    require_calls(calls, LEAST, "the population of largest entropy")
    chosen = settings or SourceSettings()
    begun = time.perf_counter()
    data = _weighable(simulator, observed(simulator, data))
    account, space = Account(simulator, calls, seed), simulator.space
    plan = _Plan.of(calls, len(data), chosen, trained=emulator is None)
    kind = View(data.schema, len(space), chosen.space).kind
    tick = _ticks(chosen, plan, progress, read=kind == "summary")
    place = np.random.default_rng([seed, 0x50C5])
    given = _given(data, place)

    def simulated(points: Array) -> Events:
        rows = given[place.integers(len(given), size=len(points))] if simulator.given else None
        return account.call(points, rows)

    frontier = Frontier(space, seed) if space.valid is not None else None
    if emulator is None:
        copy: Copy = Trained(simulator, data.schema, simulated(space.draw(plan.rounds[0], seed)), chosen, seed, tick)
    else:
        copy = Wrapped(simulator, data.schema, emulator, given, chosen, seed, tick)
    slices = Slices(copy.view.array(data), data.weights, points=chosen.batch, directions=chosen.directions, seed=seed)

    def spread(number: int) -> Spread:
        game = Game(
            space, copy, slices, max(SLACK * slices.floor + copy.misfit, CLOSE), torch.from_numpy(given), frontier
        )
        return game.play(
            steps=chosen.steps,
            batch=chosen.batch,
            rate=chosen.rate,
            seed=seed + 7919 * number,
            weight=chosen.entropy,
            tick=tick,
        )

    for number, n in enumerate(plan.rounds[1:], 1):
        near = spread(-number).generator.draw(space, n, seed + number)
        moved = space.from_unit(space.to_unit(near) + WIDER * place.standard_normal(near.shape))
        copy.learn(simulated(moved[space.contains(moved)]), seed + number)

    found = [spread(number) for number in range(chosen.ensemble)]
    members = [f.generator.draw(space, max(chosen.samples, plan.refine), seed + i) for i, f in enumerate(found)]
    pool = np.concatenate(members)
    if len(pool) < 2:
        msg = f"next to no point of the population is valid ({space.rule}): raise steps, or --calls"
        raise DataError(msg)
    pool = pool[place.permutation(len(pool))]
    details: dict[str, Any] = {
        "seeds": _each([m for m in members if len(m)]),
        "reached": float(np.mean([f.reached for f in found])),
        "weight_of_entropy": float(np.mean([f.weight for f in found])),
        "invalid": float(np.mean([f.invalid for f in found])),
        "emulator_misfit": copy.misfit,
        "floor": slices.floor,
    }
    points = pool[: chosen.samples]
    details["kept"] = []
    unrefined = points
    for _ in range(REFINED if plan.refine else 0):
        events = simulated(pool[: plan.refine // REFINED])
        tried, seen = events.conditions[:, : len(space)].astype(np.float64), copy.view.array(bare(events, data.schema))
        accepted, kept = refine(tried, seen, copy.view.array(data), data.weights, seed=seed)
        details["kept"].append(kept)
        if kept > MENDED:
            points = pool[: chosen.samples]
            break
        if len(accepted) < FEWEST:
            points = unrefined
            break
        points = space.from_unit(space.to_unit(accepted))[: chosen.samples]
        pool = _beside(points, space, plan.refine, place)
        if kept > ENOUGH:
            break
    else:
        points = unrefined  # no point gives the data: better so than a handful of accidents
    with torch.no_grad():
        some = torch.from_numpy(space.to_unit(points[:2000]))
        details["entropy"] = entropy(some).item() if len(some) > 3 else None
    if plan.test:
        events = simulated(points[: plan.test])  # no point twice: a classifier would know its events again
        details["pushforward"] = pushforward(data, bare(events, data.schema), view=copy.view.array, seed=seed)
    return Tuned(
        method="population",
        kind="population",
        space=space,
        samples=points,
        estimate=central_point(points, space),
        calls=account.spent,
        failed=account.failed,
        seconds=time.perf_counter() - begun,
        label="largest entropy",
        details=details,
    )


def _each(members: list[Array]) -> dict[str, Any] | None:
    """Medians and standard deviations of the populations that each member of the ensemble found."""
    if len(members) < 2:
        return None
    return {
        "words": "the answer mixes them all and is refined by the simulator",
        "middle": [np.median(points, axis=0).tolist() for points in members],
        "width": [points.std(axis=0).tolist() for points in members],
    }


def _beside(points: Array, space: Space, n: int, place: np.random.Generator) -> Array:
    """Valid points near given ones, which are many copies of few: moved by a third of their spread."""
    unit = space.to_unit(points[place.integers(len(points), size=4 * n)])
    moved = space.from_unit(unit + unit.std(axis=0) / 3 * place.standard_normal(unit.shape))
    return moved[space.contains(moved)][:n]


class _Plan(NamedTuple):
    """How the budget is shared out: rounds of the emulator, refinement, last test."""

    rounds: tuple[int, ...]
    refine: int
    test: int

    @classmethod
    def of(cls, calls: int, events: int, settings: SourceSettings, *, trained: bool) -> _Plan:
        test = min(events, settings.tested, calls // (8 if trained else 2))
        refine = min(calls // 5 if trained else calls - test, 8 * LEAST + settings.samples) if settings.refine else 0
        if not trained:
            return cls((), refine, test)
        rest, later = calls - test - refine, settings.rounds - 1
        each = rest * 2 // 5 // later if later else 0
        return cls((rest - later * each, *[each] * later), refine, test)


def _weighable(simulator: ParametricSimulator, data: Events) -> Events:
    if simulator.given and data.weights is not None and (data.weights < 0).any():
        msg = (
            f"{int((data.weights < 0).sum())} negative weights, while {[b.name for b in simulator.given]} are given of "
            "every event: put facsim.training.sweights.class_probabilities(data) in their place"
        )
        raise WeightError(msg)
    return data


def _given(data: Events, place: np.random.Generator) -> NDArray[np.float32]:
    """What is given of the data's events, each as often as its weight says."""
    if data.weights is None or not data.schema.condition_width:
        return data.conditions
    share = data.weights / data.weights.sum()
    return data.conditions[place.choice(len(data), size=max(len(data), 4096), p=share)]


def _ticks(
    settings: SourceSettings, plan: _Plan, progress: Callable[[int, int], None] | None, *, read: bool
) -> Callable[[], None]:
    """A counter of all training steps; `progress` hears every tenth."""
    rounds = len(plan.rounds)
    total = settings.summary_steps * read + 2 * rounds * settings.emulator_steps
    total += (max(rounds - 1, 0) + settings.ensemble) * settings.steps
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress and (done % 10 == 0 or done == total):
            progress(done, total)

    return tick

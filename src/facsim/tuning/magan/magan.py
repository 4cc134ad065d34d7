"""The Model-Assisted GAN as a tuner: emulator, game, and a choice by the real simulator."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from facsim import recipes
from facsim.errors import DataError, WeightError
from facsim.events import Events
from facsim.metrics import high_level_auc
from facsim.models import Surrogate
from facsim.observables.kinds import image_block
from facsim.simulators.parametric import ParametricSimulator, Space, require_calls
from facsim.tuning.calls import Account, observed
from facsim.tuning.emulator import train_emulator
from facsim.tuning.magan.duel import Duel, Round, draw_points
from facsim.tuning.magan.networks import ParameterGenerator
from facsim.tuning.population.generator import Frontier
from facsim.tuning.pushforward import pushforward
from facsim.tuning.result import Tuned, central_point

__all__ = ["MaganSettings", "tune_magan"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

LEAST = 1000  # calls
FEWEST = 50  # events that a classifier is asked about, of data and of simulation
CHECKED = 100  # fewest calls of a check
MOST_CHECKED = 2000  # most events of a check, and of the last test
LABEL = "MAGAN-style re-implementation: a population of parameters; its width is no uncertainty"


class MaganSettings(BaseModel):
    """Settings of `tune_magan`; all are our own, since those of the publication were not available."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str = "auto"
    """Of the emulator: ``magan`` for images, ``wgan-gp`` for other events, or any that takes conditions."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Values of the recipe to change, by dotted key."""
    emulator_steps: int = Field(8000, ge=1)
    """Of the emulator's training; the publication took 500,000."""
    emulator_share: float = Field(0.7, gt=0, lt=1)
    """Share of the calls that the emulator is trained with."""
    seeds: int = Field(5, ge=1)
    """Games through one emulator; their spread is the training's own uncertainty."""
    steps: int = Field(2000, ge=1)
    """Of each game."""
    checks: int = Field(5, ge=1)
    """Of each game, by the real simulator; the state that passes best is kept."""
    batch: int = Field(128, ge=8)
    rate: float = Field(2e-4, gt=0)
    """Learning rate of both players."""
    r1: float = Field(1.0, ge=0)
    """Factor of the judge's squared slope at data (arXiv:1801.04406)."""
    smoothing: float = Field(0.1, ge=0, lt=0.5)
    """What the judge's label of data lacks to 1."""
    average: float = Field(0.999, ge=0, lt=1)
    """Decay of the generator's moving average."""
    channels: int = Field(16, ge=1)
    """Of the judge's first convolution, and of both networks of the recipe ``magan`` (whose own are 64): for a CPU."""
    samples: int = Field(5000, ge=2)
    """Points of the answer."""

    def changes(self, recipe: str) -> dict[str, Any]:
        """Values of the emulator's recipe: our defaults, then the user's."""
        own: dict[str, Any] = {"training.steps": self.emulator_steps}
        if recipe == "magan":
            own |= {f"model.{player}.channels": self.channels for player in ("generator", "critic")}
        return own | self.overrides


def tune_magan(
    simulator: ParametricSimulator,
    data: Events,
    *,
    calls: int,
    seed: int = 0,
    settings: MaganSettings | None = None,
    emulator: Surrogate | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    r"""Estimate the population of parameters behind data by the Model-Assisted GAN's second stage.

    A generator of parameters G and a judge D of events play through an emulator E that is frozen:

    .. math:: \min_G \max_D \; E_{x \sim data} \ln D(x) + E_z \ln (1 - D(E(G(z))))

    (the generator in its non-saturating form). Every so many steps the real simulator is called at G(z); the state
    whose events a classifier (C2ST) tells least from the data is kept. Invalid points are not simulated; their share is
    told.

    Parameters
    ----------
    simulator : ParametricSimulator
    data : Events
        Features of the simulator (and what is given); weights must not be negative.
    calls : int
        Budget of the simulator, at least 1,000: emulator, checks and last test share it.
    seed : int, optional
    settings : MaganSettings, optional
    emulator : Surrogate, optional
        By default one is trained from 70 % of the calls (`facsim.tuning.emulator.train_emulator`).
    progress : callable, optional
        Called with (steps done, steps in all), the emulator's and those of all games.

    Returns
    -------
    Tuned
        ``kind="population"``: of the best game. Data of a single point are fitted by any population that gives the same
        events, so the width is neither a resolution nor an uncertainty. ``details``: ``pushforward`` (through the real
        simulator), ``games`` (of each seed: ``c2st`` and ``step`` of the state kept, ``invalid`` share, ``median``,
        ``width`` in units of the box, and the ``history`` of all checks with the judge's ``accuracy``),
        ``seed_spread`` (standard deviation of the medians over seeds), ``seeds`` (median and width of each),
        ``collapsed`` (games that ended narrower than a hundredth of the box in every parameter), ``recipe``.

    Raises
    ------
    DataError
        If the budget or the data are too small, or the data or the emulator do not fit.
    WeightError
        For negative weights.

    Notes
    -----
    Alonso-Monsalve and Whitehead, arXiv:1812.00879: the actors and the order of the stages. Networks, losses, rates and
    the choice of the state are our own; the publication's were not available. Results are not the authors'.

    Examples
    --------
    >>> from facsim.simulators.parametric import parametric
    >>> lines = parametric("lines", clip=True)
    >>> data = lines.sample(np.tile([0.5, 5, 3, 15], (1000, 1)), seed=1)
    >>> tune_magan(lines, data, calls=50_000).details["games"]  # doctest: +SKIP
    """
    if emulator is None:
        require_calls(calls, LEAST, "the Model-Assisted GAN")
    chosen, begun, space = settings or MaganSettings.model_validate({}), time.perf_counter(), simulator.space
    data = observed(simulator, data)
    if data.weights is not None and (data.weights < 0).any():
        msg = "the judge of the Model-Assisted GAN cannot take negative weights: use the method 'population'"
        raise WeightError(msg)
    if len(data) < FEWEST:
        msg = f"{len(data)} events are too few for a game: give at least {FEWEST}, or use the method 'posterior'"
        raise DataError(msg)
    plan = _Plan.of(calls, len(data), chosen, trained=emulator is None)
    recipe = chosen.recipe if chosen.recipe != "auto" else "magan" if image_block(data.schema) else "wgan-gp"
    changes = chosen.changes(recipe)
    before = recipes.load(recipe, changes).training.steps if emulator is None else 0
    total = before + chosen.seeds * chosen.steps

    def told(done: int) -> None:
        if progress:
            progress(done, total)

    if emulator is None:
        emulator = train_emulator(
            simulator,
            calls=plan.emulator,
            recipe=recipe,
            overrides=changes,
            seed=seed,
            progress=lambda done, _: told(done),
        )
    emulator.schema.require_same(simulator.schema, f"the emulator does not fit the simulator {simulator.name}")
    account = Account(simulator, calls - plan.emulator, seed)
    frontier = Frontier(space, seed) if space.valid is not None else None
    keys = {"batch", "rate", "r1", "smoothing", "average", "channels"}
    duel = Duel(space, emulator, data, frontier, **chosen.model_dump(include=keys))
    place = np.random.default_rng([seed, 0x3A6A])

    def simulated(points: Array) -> Events | None:
        """The real simulator's events, without their parameters; None if there are next to none."""
        if len(points) < FEWEST:
            return None
        rows = data.conditions[place.integers(len(data), size=len(points))] if simulator.given else None
        events = account.call(points, rows)
        return observed(simulator, events) if len(events) >= FEWEST else None

    def check(state: Round, number: int) -> dict[str, float]:
        points, valid = draw_points(state.generator, space, plan.check, seed + 31 * number)
        events = simulated(points[valid])
        c2st = 1.0  # for want of events
        if events is not None:
            found = high_level_auc(data[: len(events)], events, seed=seed).auc
            c2st = max(found, 1 - found)
        width = float((points / (space.high - space.low)).std(axis=0).mean())
        invalid = float(1 - valid.mean())
        return {"step": state.step, "c2st": c2st, "invalid": invalid, "width": width, "accuracy": state.accuracy}

    every, done = -(-chosen.steps // plan.checks), before
    games: list[tuple[dict[str, Any], ParameterGenerator]] = []

    def tick() -> None:
        nonlocal done
        done += 1
        if done % 10 == 0 or done == total:
            told(done)

    for number in range(chosen.seeds):
        rounds = [(check(s, number), s.generator) for s in duel.play(chosen.steps, every, seed + 7919 * number, tick)]
        best, generator = min(rounds, key=lambda r: r[0]["c2st"] + r[0]["invalid"])
        points, valid = draw_points(generator, space, chosen.samples, seed)
        spread = (points / (space.high - space.low)).std(axis=0)
        games.append(
            (
                {
                    **best,
                    "median": np.median(points, axis=0).tolist(),
                    "width": spread.tolist(),
                    "history": [r[0] for r in rounds],
                },
                generator,
            )
        )
    record, generator = min(games, key=lambda g: g[0]["c2st"] + g[0]["invalid"])
    points, valid = draw_points(generator, space, chosen.samples, seed)
    if valid.sum() < 2:
        msg = f"the game ended outside the valid region ({space.rule}): raise steps, or --calls for a better emulator"
        raise DataError(msg)
    points = points[valid]
    found = simulated(points[place.integers(len(points), size=min(plan.test, account.left))])
    details = {
        "recipe": recipe,
        "games": [g[0] for g in games],
        "chosen": games.index((record, generator)),
        "invalid": float(1 - valid.mean()),
        "seed_spread": np.std([g[0]["median"] for g in games], axis=0).tolist(),
        "seeds": _each([g[0] for g in games], games.index((record, generator)), space),
        "collapsed": sum(max(g[0]["width"]) < 0.01 for g in games),
        "emulator_calls": plan.emulator,
        "pushforward": pushforward(data, found, seed=seed) if found is not None else {},
    }
    return Tuned(
        method="magan",
        kind="population",
        space=space,
        samples=points,
        estimate=central_point(points, space),
        calls=plan.emulator + account.spent,
        failed=account.failed,
        seconds=time.perf_counter() - begun,
        label=LABEL,
        details=details,
    )


def _each(games: list[dict[str, Any]], chosen: int, space: Space) -> dict[str, Any] | None:
    """What each game found, for the page."""
    if len(games) < 2:
        return None
    return {
        "words": "the game that a classifier tells least from the data is taken",
        "middle": [g["median"] for g in games],
        "width": [(np.asarray(g["width"]) * (space.high - space.low)).tolist() for g in games],
        "notes": [f"C2ST {g['c2st']:.2f}, {100 * g['invalid']:.0f} % invalid" for g in games],
        "chosen": chosen,
    }


class _Plan(NamedTuple):
    """How the budget is shared out: emulator, checks of each game and events of each, last test."""

    emulator: int
    checks: int
    check: int
    test: int

    @classmethod
    def of(cls, calls: int, events: int, settings: MaganSettings, *, trained: bool) -> _Plan:
        emulator = int(settings.emulator_share * calls) if trained else 0
        rest = calls - emulator
        test = min(events, MOST_CHECKED, rest // 4)
        checks = min(settings.checks, (rest - test) // (settings.seeds * CHECKED))
        if checks < 1:
            need = settings.seeds * CHECKED * 4 // 3
            msg = (
                f"{rest} calls are left for checks by the real simulator, {settings.seeds} games need at least {need}: "
                "raise --calls, or lower seeds or emulator_share"
            )
            raise DataError(msg)
        return cls(emulator, checks, min((rest - test) // (settings.seeds * checks), MOST_CHECKED), test)

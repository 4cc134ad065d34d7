"""The verb: from a simulator and data to a posterior, in rounds, within a budget of calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.simulators.parametric import ParametricSimulator
from facsim.tuning.calls import Account, observed
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.density import Density, fit_density
from facsim.tuning.posterior.fit import fit_posterior
from facsim.tuning.posterior.pairs import Pairs
from facsim.tuning.posterior.plan import Engine, Plan, check_points
from facsim.tuning.posterior.posterior import Posterior
from facsim.tuning.posterior.response import Response, fit_response
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.truncation import truncated
from facsim.tuning.posterior.trust import calibration, closeness
from facsim.tuning.result import Tuned, central_point

__all__ = ["Learned", "learn_posterior", "tune_posterior"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

HELD = 0.1  # share of the points that calibration is tested with; 300 at most
MOST_HELD = 300
EACH = 1000  # samples of each member of an ensemble


@dataclass(frozen=True)
class Learned:
    """A posterior learned for data, and the simulations that it was not shown.

    Parameters
    ----------
    engine : {"flow", "likelihood", "mean"}
    posterior : Posterior, Density or Response
        All of them have ``sample(x, n, seed)``.
    shown, held : Pairs
        Points with events that the last round learned from; points of the last round that no network saw, None if the
        calls did not allow any.
    account : Account
        Calls that were spent.
    rounds : tuple of dict
        Points of each round, and the share of the prior's ranges that was left.
    """

    engine: Engine
    posterior: Posterior | Density | Response
    shown: Pairs
    held: Pairs | None
    account: Account
    rounds: tuple[dict[str, float], ...]


def tune_posterior(
    simulator: ParametricSimulator,
    data: Events,
    *,
    calls: int,
    seed: int = 0,
    settings: PosteriorSettings | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Find the probable parameters of data that all come from one parameter point.

    Parameters
    ----------
    simulator : ParametricSimulator
    data : Events
        The simulator's features, and what is given of every event; weights may be negative (sWeights).
    calls : int
        Budget.
    seed : int, optional
    settings : PosteriorSettings, optional
    progress : callable, optional
        Called with (steps done, steps at most).

    Returns
    -------
    Tuned
        With ``details``: ``calibration`` (from simulations that were not shown to the networks: as many as there were
        to spare), ``misspecified`` (a p-value for data from within the simulator's reach), ``leakage``,
        ``disagreement`` of the members and ``seeds`` (``middle`` and ``width`` of each) if there are several, the
        engine and the rounds.

    Raises
    ------
    DataError, SchemaMismatch
        If the data do not fit the simulator, or the budget is too small: before a call is spent.
    SimulationError
        If all calls fail.

    Examples
    --------
    >>> from facsim.simulators.parametric.table import parametric
    >>> moons = parametric("two-moons")
    >>> data = moons.sample([[0.3, 0.4]], seed=1)
    >>> quick = PosteriorSettings(steps=30, hidden=16, samples=200)
    >>> tune_posterior(moons, data, calls=1000, settings=quick).samples.shape
    (200, 2)
    """
    settings, begun = settings or PosteriorSettings(), time.perf_counter()
    learned = learn_posterior(simulator, data, calls=calls, seed=seed, settings=settings, progress=progress)
    seen = _seen(simulator, data)
    samples = learned.posterior.sample(seen, settings.samples, seed)
    details: dict[str, Any] = {"engine": learned.engine, "events": len(seen), "rounds": list(learned.rounds)}
    if isinstance(learned.posterior, Posterior):
        details["leakage"] = learned.posterior.leakage(seen, seed=seed)
        details["validation"] = [h[-1] for h in learned.posterior.history]
        if settings.members > 1:
            details["disagreement"] = learned.posterior.disagreement(seen)
    details["seeds"] = _each(learned.posterior, seen, seed)
    details["calibration"] = calibration(learned.posterior, learned.held, simulator.space, len(seen), seed)
    details["misspecified"] = closeness(learned.posterior, seen, learned.shown, learned.held, seed)
    details = {name: value for name, value in details.items() if value is not None}
    account = learned.account
    return Tuned(
        method="posterior",
        kind="posterior",
        space=simulator.space,
        samples=samples,
        estimate=central_point(samples, simulator.space),
        calls=account.spent,
        failed=account.failed,
        seconds=time.perf_counter() - begun,
        label=f"posterior ({learned.engine})",
        details=details,
    )


def _each(posterior: Posterior | Density | Response, data: Events, seed: int) -> dict[str, Any] | None:
    """Means and standard deviations of what each member of an ensemble says alone; None for a single one."""
    key = "surfaces" if isinstance(posterior, Response) else "nets"
    members: list[Any] = getattr(posterior, key)
    if len(members) < 2:
        return None
    kwargs: list[dict[str, Any]] = [{key: [member]} for member in members]
    found = [replace(posterior, **own).sample(data, EACH, seed) for own in kwargs]
    return {
        "words": "the answer mixes them all",
        "middle": [points.mean(axis=0).tolist() for points in found],
        "width": [points.std(axis=0).tolist() for points in found],
    }


def learn_posterior(
    simulator: ParametricSimulator,
    data: Events,
    *,
    calls: int,
    seed: int = 0,
    settings: PosteriorSettings | None = None,
    progress: Progress | None = None,
) -> Learned:
    """Simulate and train as `tune_posterior`; the posterior is returned as it is, for other data, too.

    With one round it holds for any data of as many events; later rounds make it one for these data.
    """
    settings = settings or PosteriorSettings()
    seen = _seen(simulator, data)
    check_points(settings, simulator.features)
    plan = Plan.make(len(seen), calls, settings, simulator.repeats)
    engine, turns = plan.engine, len(plan.tests)
    account = Account(simulator, calls, seed)
    region, known, rounds = Region(simulator.space), None, []
    blocks, given = (*simulator.features, *simulator.given), sum(b.size for b in simulator.given)
    posterior: Posterior | Density | Response | None = None
    held: Pairs | None = None
    for turn, tests in enumerate(plan.tests):
        if posterior is not None and known is not None:
            region = truncated(posterior, region, seen, settings.truncation, seed + turn)
            known = known[region.contains(known.theta)]
        shown = _simulate(account, region.draw(plan.points, seed + 31 * turn), seen, plan.size, seed + turn)
        if engine != "mean" and not tests:
            shown, held = shown.split(HELD, MOST_HELD, seed + 0x4E1D)
        known = shown if known is None else _join(known, shown)
        rounds.append({"points": float(len(known)), "ranges": region.share})
        common: dict[str, Any] = {
            "blocks": blocks,
            "weights": known.weights,
            "settings": settings,
            "seed": seed + 101 * turn,
            "progress": _part(progress, turn, turns),
        }
        if engine == "flow":
            posterior = fit_posterior(region, known.theta, known.x, **common)
        elif engine == "likelihood":
            posterior = fit_density(region, known.theta, known.x, given=given, **common)
        else:
            posterior = fit_response(region, known.theta, known.x, **common)
        if tests:
            # A response lacks different things at different places: in rounds for these data it is tested near them.
            near = isinstance(posterior, Response) and turns > 1
            place = truncated(posterior, region, seen, settings.truncation, seed + turn) if near else region
            held = _simulate(account, place.draw(tests, seed + 17 + turn), seen, plan.of, seed + 17 + turn)
            if isinstance(posterior, Response):
                posterior = posterior.tested(held, place)
    if posterior is None or known is None:  # there is at least one round
        raise AssertionError
    return Learned(engine, posterior, known, held, account, tuple(rounds))


def _seen(simulator: ParametricSimulator, data: Events) -> Events:
    """What the data tell: without randomness, many events of one point are one event, again and again."""
    seen = observed(simulator, data, least=1)
    if simulator.stochastic or simulator.given or seen.weights is not None:
        return seen
    if (seen.features == seen.features[0]).all():
        return seen[:1]
    log.warning(
        "%s has no randomness, but the events of the data differ: they are not of one set of parameters, or hold noise "
        "that the simulator does not know; the method 'population' finds a spread of parameters",
        simulator.name,
    )
    return seen


def _simulate(account: Account, theta: Array, data: Events, size: int, seed: int) -> Pairs:
    """Events of each point (N, size), with what is given of random events of the data; failed calls have no weight."""
    rng, n, p = np.random.default_rng([seed, 0x51DE]), len(theta), theta.shape[1]
    given = None
    if data.conditions.shape[1]:
        given = data.conditions[rng.integers(len(data), size=n * size)]
    rows = np.repeat(theta, size, axis=0)
    calls = account.record(rows, given)
    events, failed = calls.events, calls.failed
    x = np.zeros((n * size, data.features.shape[1] + data.conditions.shape[1]), np.float32)
    x[~failed] = np.concatenate([events.features, events.conditions[:, p:]], axis=1)
    pairs = Pairs(theta, x.reshape(n, size, -1), (~failed).astype(np.float32).reshape(n, size))
    return pairs[(pairs.weights != 0).any(axis=1)]


def _join(a: Pairs, b: Pairs) -> Pairs:
    return Pairs(np.concatenate([a.theta, b.theta]), np.concatenate([a.x, b.x]), np.concatenate([a.weights, b.weights]))


def _part(progress: Progress | None, turn: int, rounds: int) -> Progress | None:
    """Progress of one round as a part of all."""
    if progress is None:
        return None
    tell = progress
    return lambda done, total: tell(turn * total + done, rounds * total)

"""How a budget of calls is shared out between rounds, points, and sets of events for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from facsim.errors import DataError, nearest
from facsim.schema import Block
from facsim.simulators.parametric import require_calls
from facsim.tuning.posterior.settings import PosteriorSettings

__all__ = ["Engine", "Plan", "check_points"]

Engine = Literal["flow", "likelihood", "mean"]

LEAST_POINTS = {"flow": 200, "likelihood": 200, "mean": 500}
ENOUGH_POINTS = 1000  # with as many events each as the data, from which on the engine is the flow
TESTED = 0.3  # share of the calls for sets of events that a posterior of many events is tested with
FEW_TESTS, LEAST_TESTS, MOST_TESTS = 10, 20, 100  # such sets, in an early round and in the last
LEAST_EVENTS = 30  # of a set: its mean is to be normal


class Plan(NamedTuple):
    """Calls of a posterior.

    Parameters
    ----------
    engine : {"flow", "likelihood", "mean"}
    points : int
        New points of every round.
    size : int
        Events of each point: those of the data, or as many as the simulator likes.
    tests : tuple of int
        Sets of events that each round is tested with; where there are none, points are held out.
    of : int
        Events of such a set: those of the data if the calls allow it.
    """

    engine: Engine
    points: int
    size: int
    tests: tuple[int, ...]
    of: int

    @classmethod
    def make(cls, events: int, calls: int, settings: PosteriorSettings, repeats: int = 1) -> Plan:
        """Share out.

        Raises
        ------
        DataError
            If the calls are too few.

        Examples
        --------
        >>> [Plan.make(events, 20_000, PosteriorSettings()) for events in (10, 200)]
        [Plan(engine='flow', points=2000, size=10, tests=(0,), of=0), \
Plan(engine='mean', points=7000, size=1, tests=(10, 20), of=200)]
        """
        rounds = settings.rounds or 1
        engine = settings.engine
        if engine == "auto":
            engine = "flow" if events == 1 or calls >= ENOUGH_POINTS * rounds * events else "mean"
        size = repeats if engine == "mean" else 1
        tests, of = (0,) * rounds, 0
        if engine == "flow":
            size = max(1, min(events, calls // (ENOUGH_POINTS * rounds)))
        elif engine == "mean":
            tests, of = _sets(events, calls, settings.rounds)
        elif events > 1:
            of = min(events, int(TESTED * calls) // LEAST_TESTS)
            tests = (*tests[1:], LEAST_TESTS if of > 1 else 0)
        rounds = len(tests)
        least = LEAST_POINTS[engine] * (size if engine == "flow" else 1) * rounds
        require_calls(calls, least, f"{engine} in {rounds} rounds")
        return cls(engine, (calls - sum(tests) * of) // (size * rounds), size, tests, of)


def check_points(settings: PosteriorSettings, features: Sequence[Block]) -> None:
    """Raise `DataError` before a call is spent, if ``points`` names no block (m, d) that is the only one of an event.

    Examples
    --------
    >>> check_points(PosteriorSettings(engine="likelihood", points="hit"), [Block("hits", (9, 2))])
    Traceback (most recent call last):
    facsim.errors.DataError: points='hit': no such block; there are ['hits']. Did you mean 'hits'?
    """
    name, names = settings.points, [b.name for b in features]
    if name is None:
        return
    if name not in names:
        msg = f"points='{name}': no such block; there are {names}.{nearest(name, names)}"
        raise DataError(msg)
    if len(names) > 1 or len(features[0].shape) != 2:
        msg = (
            f"points='{name}': must be the only block of features, of two axes; there are {[str(b) for b in features]}"
        )
        raise DataError(msg)
    if settings.engine != "likelihood":
        msg = f"points='{name}' is for engine=likelihood alone, not for {settings.engine}: set both, or none"
        raise DataError(msg)


def _sets(events: int, calls: int, rounds: int | None) -> tuple[tuple[int, ...], int]:
    """Sets of each round and events of a set."""
    if rounds is None:
        rounds = 2
        if (1 - TESTED) * calls < 2 * LEAST_POINTS["mean"] or _size(events, calls, rounds) < LEAST_EVENTS:
            rounds = 1
    of = _size(events, calls, rounds)
    if of < LEAST_EVENTS:
        return (0,) * rounds, 0
    early = FEW_TESTS * (rounds - 1)
    return (*[FEW_TESTS] * (rounds - 1), min(MOST_TESTS, int(TESTED * calls) // of - early)), of


def _size(events: int, calls: int, rounds: int) -> int:
    return min(events, int(TESTED * calls) // (LEAST_TESTS + FEW_TESTS * (rounds - 1)))

"""The response of a mean summary: what it does not follow widens its errors."""

import numpy as np
import pytest

from facsim.simulators.parametric import Parameter, Space
from facsim.tuning.posterior import PosteriorSettings, fit_response
from facsim.tuning.posterior.pairs import Pairs
from facsim.tuning.posterior.plan import Plan
from facsim.tuning.posterior.trust import calibration

NOISE, EVENTS, SETS = 0.2, 100, 40
SPACE = Space((Parameter("u", -1, 1),))


def sets_of(law, seed, sets=SETS):
    """Sets of events of known parameters: the event is the law of the parameter, and noise."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-1, 1, (sets, 1))
    x = law(theta)[:, None] + NOISE * rng.standard_normal((sets, EVENTS, 1))
    return Pairs(theta, x.astype(np.float32), np.ones((sets, EVENTS), np.float32))


def response_of(law):
    rng = np.random.default_rng(5)
    theta = rng.uniform(-1, 1, (3000, 1))
    x = law(theta) + NOISE * rng.standard_normal((3000, 1))
    return fit_response(SPACE, theta, x, settings=PosteriorSettings(steps=150, hidden=16))


def test_a_response_that_a_polynomial_follows_is_hardly_moved():
    tested = response_of(lambda u: 0.5 * u + 0.1 * u**2).tested(sets_of(lambda u: 0.5 * u + 0.1 * u**2, 1))
    # errors of the parameter: 0.2 / 0.5 / root 100 = 0.04; the median of 40 squared pulls scatters by a third
    offset, wider = tested.tests.correction()
    assert abs(offset[0]) < 0.04
    assert wider[0] < 0.05
    assert 0 < tested.witnesses[0].scatter < 2  # of what the parameter does not explain; summaries are not quite normal


def test_every_set_tests_the_errors_and_a_parameter_is_answered_by_one_number():
    blind, sets = response_of(lambda u: 0.5 * u), sets_of(lambda u: 0.5 * u, 3, sets=60)
    assert [s.width for s in (*blind.surfaces, *blind.witnesses)] == [1, 2, 1]
    found = calibration(blind.tested(sets), sets, SPACE, EVENTS)
    assert (found["tests"], found["events"]) == (60, EVENTS)
    assert found["pvalue"] > 1e-3


def test_a_response_that_a_polynomial_does_not_follow_has_larger_errors():
    def law(u):
        return 0.5 * u + 0.15 * np.sin(9 * u)

    blind, fresh = response_of(law), sets_of(law, 2)
    tested, pulls = blind.tested(sets_of(law, 1)), []
    for posterior in (blind, tested):
        draws = np.stack([posterior.sample(x, 200, seed=i) for i, x in enumerate(fresh.x)])
        pulls.append(np.median(np.abs(draws.mean(axis=1) - fresh.theta) / draws.std(axis=1)))
    assert tested.tests.correction()[1][0] > 0.05
    assert pulls[0] > 1.2
    assert pulls[1] == pytest.approx(0.67, abs=0.35)  # median of a normal pull, of 40
    each = tested.sample_tests()
    assert each.shape == (SETS, 200, 1)
    assert each.min() >= -1
    assert each.max() <= 1


def test_the_calls_are_never_more_than_the_budget_and_sets_are_as_large_as_it_allows():
    for events, calls in [(50, 2000), (200, 20_000), (1000, 50_000), (2000, 20_000), (5000, 3000)]:
        plan = Plan.make(events, calls, PosteriorSettings())
        spent = len(plan.tests) * plan.points * plan.size + sum(plan.tests) * plan.of
        assert plan.engine == "mean"
        assert 0.95 * calls < spent <= calls
        assert plan.of <= events
        assert plan.of == 0 or plan.tests[-1] >= 20
    assert Plan.make(1000, 50_000, PosteriorSettings()).of == 500  # two rounds
    assert Plan.make(1000, 50_000, PosteriorSettings(rounds=1)).of == 750
    assert Plan.make(5000, 1200, PosteriorSettings()).tests == (0,)  # sets of 18 events would not be normal

"""The response of a mean summary: what it does not follow widens its errors."""

import numpy as np
import pytest

from facsim.tuning.posterior import PosteriorSettings
from facsim.tuning.posterior.plan import Plan
from facsim.tuning.posterior.surface import fit_surface

RNG = np.random.default_rng(5)
NOISE, EVENTS, SETS = 0.2, 100, 200


def sets_of(law):
    """Places (t, 1), mean summaries (t, 1) of sets of events, and their variances in units of an event's."""
    u = RNG.uniform(-1, 1, (SETS, 1))
    return u, law(u) + NOISE / np.sqrt(EVENTS) * RNG.standard_normal(u.shape), np.full(SETS, 1 / EVENTS)


def surface_of(law):
    u = RNG.uniform(-1, 1, (3000, 1))
    return fit_surface(lambda x: x.astype(np.float64), u, (law(u) + NOISE * RNG.standard_normal(u.shape)), seed=0)


def test_a_response_that_a_polynomial_follows_has_next_to_no_misfit():
    surface = surface_of(lambda u: 0.5 * u + 0.2 * u**2)
    # chi squared per set scatters by root 2/200 = 0.1 about 1, so the misfit by a tenth of an event's share at most
    assert surface.tested(*sets_of(lambda u: 0.5 * u + 0.2 * u**2)).misfit < 0.3 / EVENTS


def test_a_response_with_a_step_is_known_to_misfit():
    def law(u):
        return np.where(u > 0.2, 1.0, 0.0)

    surface = surface_of(law)
    tested = surface.tested(*sets_of(law))
    # a polynomial of fifth order is off by about 0.1 to 0.4 near the step: a tenth of 1 on average, noise is 0.02
    assert tested.misfit > 5 / EVENTS
    chi = [tested.pulls(u[None], mean, share)[0][0] for u, mean, share in zip(*sets_of(law), strict=True)]
    assert np.mean(chi) == pytest.approx(1, abs=0.35)  # other sets; chi squared is dominated by those near the step
    blind = [surface.pulls(u[None], mean, share)[0][0] for u, mean, share in zip(*sets_of(law), strict=True)]
    assert np.mean(blind) > 5


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

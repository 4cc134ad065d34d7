"""Foreign data are found; the simulator's own are not, and the p-value is flat for them."""

import numpy as np
import pytest

from facsim.errors import DataError
from facsim.metrics.uniform import uniformity
from facsim.simulators.parametric.lines import Lines, NoisyLines
from facsim.tuning.misspecified import column_view, misspecification, views_of


@pytest.fixture(scope="module", params=[Lines(), NoisyLines()], ids=["lines", "noisy"])
def lines(request):
    simulator = request.param
    images = simulator.sample(simulator.space.draw(1500, seed=1), seed=2).features
    return simulator, images[:, None]


def test_lines_two_pixels_wide_are_found_and_others_are_not(lines):
    simulator, sets = lines
    views = views_of(simulator.features)
    foreign = type(simulator)(width=2)
    wide = foreign.sample(foreign.space.draw(4, seed=3), seed=4).features
    own = simulator.sample(simulator.space.draw(4, seed=5), seed=6).features
    found = [misspecification(x[None], sets, views).pvalue for x in wide]
    assert max(found) < 0.01
    # of four flat p-values two are below 0.01 with a chance of 0.06 %
    assert np.sum([misspecification(x[None], sets, views).pvalue < 0.01 for x in own]) < 2


def test_the_level_holds_for_sets_of_events():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(600, 1, 1))
    sets = theta + rng.normal(size=(600, 5, 3))
    views = {"columns": column_view, "first": lambda x: x[:, :, 0].mean(axis=1, keepdims=True)}
    found = [misspecification(x, sets[100:], views, seed=i).pvalue for i, x in enumerate(sets[:100])]
    assert uniformity(np.clip(found, 0, 1)).pvalue > 0.01
    # columns that are more spread than any of the simulated sets
    assert misspecification(3 * sets[0], sets[100:], views).views["columns"] < 0.02


def test_what_never_varies_must_not_vary():
    sets = np.concatenate([np.random.default_rng(1).normal(size=(200, 1, 1)), np.ones((200, 1, 1))], axis=2)
    assert misspecification([[0.0, 1.1]], sets, {"columns": column_view}).pvalue < 0.02
    assert misspecification([[0.0, 1.0]], sets, {"columns": column_view}).pvalue > 0.02


def test_bad_input_says_so():
    sets = np.zeros((60, 2, 3))
    with pytest.raises(DataError, match=r"\(N, k, d\)"):
        misspecification(np.zeros((1, 3)), sets, {"columns": column_view})
    with pytest.raises(DataError, match="at least 50"):
        misspecification(np.zeros((2, 3)), sets[:10], {"columns": column_view})
    with pytest.raises(DataError, match="not finite"):
        misspecification(np.full((2, 3), np.nan), sets, {"columns": column_view})

"""Posteriors against closed forms: one and many events, borders, whole numbers, signed weights, rounds."""

import logging

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema
from facsim.errors import CheckpointError, DataError
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space, parametric
from facsim.tuning.posterior import (
    Posterior,
    PosteriorSettings,
    fit_density,
    fit_posterior,
    fit_response,
    learn_posterior,
    tune_posterior,
)
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.smc import cool

SMALL = PosteriorSettings(
    steps=500,
    batch=128,
    learning_rate=5e-3,
    hidden=32,
    blocks=1,
    summary=8,
    summary_blocks=1,
    validate_every=100,
    ema=0.98,
    samples=2000,
    solver_steps=8,
)


class Normal(ParametricSimulator):
    """x ~ N(a, 0.5): the posterior of k events is N(mean, 0.25 / k), cut at the borders."""

    name, summary = "normal", "a mean to be found"
    space = Space((Parameter("a", -3, 3, unit="mm"),))
    features = (Block("x", (), "real", "mm"),)

    def _simulate(self, conditions, rng):
        return conditions[:, :1] + 0.5 * rng.standard_normal((len(conditions), 1))


class Steps(Normal):
    """A whole number and a real one, valid below a diagonal; some calls fail."""

    space = Space(
        (Parameter("n", 0, 3, whole=True), Parameter("b", 0, 4)), valid=lambda t: t.sum(axis=1) <= 5, rule="n + b <= 5"
    )
    features = (Block("x", (2,)),)

    def _simulate(self, conditions, rng):
        x = conditions[:, :2] + 0.3 * rng.standard_normal((len(conditions), 2))
        x[conditions[:, 1] > 3.8] = np.nan
        return x


def pairs(simulator, n, events=1, seed=1):
    theta = simulator.space.draw(n, seed)
    x = simulator.call(np.repeat(theta, events, axis=0), seed=seed + 1).events.features
    return theta, x.reshape(n, events, -1)


@pytest.fixture(scope="module")
def normal():
    """Posterior for 1 to 5 events."""
    return fit_posterior(Normal.space, *pairs(Normal(), 3000, 5), settings=SMALL, seed=0)


@pytest.mark.parametrize("events", [1, 5])
def test_the_gaussian_posterior_of_one_and_of_five_events(normal, events):
    x = 0.7 + 0.1 * np.arange(events)[:, None] - 0.05 * (events - 1)
    found = normal.sample(x, 4000, seed=3)
    width = 0.5 / np.sqrt(events)
    # small networks, seconds of training: 0.3 widths are allowed for the mean, 30 % for the width (the prior's is 1.7)
    assert found.mean() == pytest.approx(0.7, abs=0.3 * width)
    assert found.std() == pytest.approx(width, rel=0.3)


def test_nothing_leaks_and_the_border_cuts(normal):
    found = normal.sample([[3.2]], 2000)
    assert found.max() <= 3
    assert normal.leakage([[3.2]]) == 0
    # mean of N(3.2, 0.5) below 3: 3.2 - 0.5 phi(0.4) / Phi(-0.4) = 2.666
    assert found.mean() == pytest.approx(2.666, abs=0.15)


def test_the_density_is_that_of_the_samples_and_normalised(normal):
    grid = np.linspace(-2.999, 2.999, 601)[:, None]
    density = np.exp(normal.log_prob(grid, [[0.5]]))
    step = grid[1, 0] - grid[0, 0]
    assert density.sum() * step == pytest.approx(1, abs=0.02)
    samples = normal.sample([[0.5]], 4000, seed=1)
    assert (density * grid[:, 0]).sum() * step == pytest.approx(samples.mean(), abs=0.03)
    assert normal.log_prob([[3.1]], [[0.5]])[0] == -np.inf


def test_the_same_seed_gives_the_same_and_sets_have_no_order(normal):
    x = np.array([[0.1], [0.9], [0.4]])
    np.testing.assert_array_equal(normal.sample(x, 50, seed=4), normal.sample(x, 50, seed=4))
    np.testing.assert_allclose(normal.sample(x, 50, seed=4), normal.sample(x[::-1], 50, seed=4), atol=1e-4)
    each = normal.sample_each(x, 3, seed=5)
    assert each.shape == (3, 3, 1)
    again = fit_posterior(Normal.space, *pairs(Normal(), 100), settings=SMALL.model_copy(update={"steps": 5}), seed=3)
    once = fit_posterior(Normal.space, *pairs(Normal(), 100), settings=SMALL.model_copy(update={"steps": 5}), seed=3)
    np.testing.assert_array_equal(again.sample(x[:1], 9), once.sample(x[:1], 9))


def test_an_ensemble_is_the_mixture_of_its_members(normal):
    settings = SMALL.model_copy(update={"members": 2, "steps": 20})
    both = fit_posterior(Normal.space, *pairs(Normal(), 200), settings=settings, seed=0)
    x = [[0.5]]
    parts = [Posterior(both.region, both.blocks, [net], settings) for net in both.nets]
    theta = np.array([[0.0], [1.0]])
    mean = np.mean([np.exp(part.log_prob(theta, x)) for part in parts], axis=0)
    np.testing.assert_allclose(np.exp(both.log_prob(theta, x)), mean, rtol=1e-5)
    assert both.disagreement(x)["shift"] > 0.01
    assert normal.disagreement(x) == {"shift": 0.0, "ratio": 1.0}


def test_negative_weights_cancel_what_they_were_meant_to_cancel(normal):
    signal, background = np.array([[0.4], [0.6], [0.5]]), np.array([[2.5], [2.5]])
    x, w = np.concatenate([signal, background]), np.array([1, 1, 1, 0.5, -0.5])
    mixed = normal.nets[0].summary(*(torch.from_numpy(a[None].astype("f4")) for a in (x, w)))[0].detach().numpy()
    # the mean embedding is the same; the effective number of events is lower: 9 / 3.5 instead of 3
    alone = normal.sample(signal, 2000, seed=1).mean()
    assert normal.sample(x, 2000, seed=1, weights=w).mean() == pytest.approx(alone, abs=0.06)
    # the last column is the mean of the plain column itself
    assert mixed[-1] == pytest.approx(normal.summaries(signal[None])[0, -1], abs=1e-5)
    with pytest.raises(DataError, match="positive sum"):
        normal.sample(signal, weights=[1, -1, 0])


def test_saved_and_loaded_is_the_same(normal, tmp_path):
    file = normal.save(tmp_path)
    back = Posterior.load(tmp_path, Normal.space)
    np.testing.assert_array_equal(back.sample([[0.3]], 20), normal.sample([[0.3]], 20))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="not a posterior"):
        Posterior.load(tmp_path)


def test_whole_parameters_validity_and_failures(caplog):
    simulator = Steps()
    data = Events([[2.1, 1.5]], np.empty((1, 0)), Schema(simulator.features))
    with caplog.at_level(logging.WARNING):
        tuned = tune_posterior(simulator, data, calls=3000, seed=1, settings=SMALL)
    assert "failed" in caplog.text
    assert "b 3.8" in caplog.text
    assert tuned.failed > 0
    assert tuned.calls == 3000
    assert simulator.space.contains(tuned.samples).all()
    n, counts = np.unique(tuned.samples[:, 0], return_counts=True)
    # 0.1 from 2 and 0.9 from 3 with a width of 0.3: odds exp(-0.8 / 0.18) = 1 %
    assert n[counts.argmax()] == 2
    assert counts.max() > 0.6 * len(tuned.samples)  # a quarter before training
    # b has the mean 1.5 of N(1.5, 0.3): the border at 3 for n = 2 is far away
    assert tuned.samples[:, 1].mean() == pytest.approx(1.5, abs=0.1)
    assert set(tuned.details["calibration"]) == {"tests", "events", "levels", "coverage", "pvalue", "ranks", "tarp"}
    assert tuned.details["calibration"]["pvalue"] > 1e-3
    assert tuned.details["misspecified"]["pvalue"] > 0.01
    foreign = Events([[-9.0, 1.5]], np.empty((1, 0)), Schema(simulator.features))
    untrained = SMALL.model_copy(update={"steps": 5})
    assert tune_posterior(simulator, foreign, calls=3000, settings=untrained).details["misspecified"]["pvalue"] < 0.01


def test_rounds_go_where_the_posterior_is_and_keep_it():
    simulator = Normal()
    data = Events([[0.5]], np.empty((1, 0)), Schema(simulator.features))
    quick = SMALL.model_copy(update={"rounds": 2, "steps": 300})
    learned = learn_posterior(simulator, data, calls=2000, seed=1, settings=quick)
    assert learned.account.spent == 2000
    # 99.9 % of N(0.5, 0.5) lie within 3.3 widths: 3.3 of 6 mm, and the margin
    assert 0.4 < learned.rounds[1]["ranges"] < 0.8
    samples = learned.posterior.sample(data, 4000)
    assert samples.mean() == pytest.approx(0.5, abs=0.1)
    assert samples.std() == pytest.approx(0.5, rel=0.3)


def test_the_likelihood_of_one_event_gives_the_posterior_of_many():
    theta, x = pairs(Normal(), 3000)
    density = fit_density(Normal.space, theta, x, settings=SMALL.model_copy(update={"components": 2}))
    data = 0.7 + np.linspace(-0.8, 0.8, 9)[:, None]
    found = density.sample(data, 2000, seed=1)
    assert found.mean() == pytest.approx(0.7, abs=0.05)
    assert found.std() == pytest.approx(0.5 / 3, rel=0.2)
    ratio = np.diff(density.log_likelihood([[0.0], [1.0]], [[0.2]]))[0]
    # -((0.2 - 1)^2 - 0.2^2) / (2 * 0.25)
    assert ratio == pytest.approx(-1.2, abs=0.3)


def test_rows_of_an_event_as_independent_draws():
    rng = np.random.default_rng(0)
    space = Space((Parameter("a", -1, 1),))
    theta = space.draw(2000, seed=0)
    x = theta[:, None] + 0.3 * rng.normal(size=(2000, 4, 2))
    settings = SMALL.model_copy(update={"points": "x", "components": 1})
    density = fit_density(space, theta, x.reshape(2000, 8), blocks=[Block("x", (4, 2))], settings=settings)
    assert density.nets[0].width == 2
    found = density.sample(np.full((1, 8), 0.2), 1000)
    # eight numbers of width 0.3
    assert found.std() == pytest.approx(0.3 / np.sqrt(8), rel=0.2)
    with pytest.raises(DataError, match="points='y'"):
        fit_density(space, theta, x.reshape(2000, 8), settings=settings.model_copy(update={"points": "y"}))


def test_the_mean_of_many_events_with_weights_and_goodness():
    theta, x = pairs(Normal(), 6000)
    response = fit_response(Normal.space, theta, x, settings=SMALL)
    rng = np.random.default_rng(1)
    data = 0.7 + 0.5 * rng.normal(size=(2000, 1))
    found = response.sample(data, 1000)
    # data: 0.5 / sqrt(2000) = 0.011; response of 3,600 events near the middle: 0.5 sqrt(2 / 3600) = 0.012
    assert abs(found.mean() - 0.7) < 0.06
    assert 0.011 < found.std() < 0.04
    assert response.goodness(data) > 0.01
    # a background that signed weights remove: the mean comes back
    mixed = np.concatenate([data, np.full((500, 1), 2.5), np.full((500, 1), 2.5)])
    weights = np.concatenate([np.ones(2500), -np.ones(500)])
    assert abs(response.sample(mixed, 1000, weights=weights).mean() - found.mean()) < 0.02
    # no mean fits a sample of which half lies on either side: the square tells
    assert response.goodness(np.concatenate([data - 2.5, data + 2.5])) < 0.01


def test_the_cloud_finds_both_modes_and_their_shares():
    region = Region(Space((Parameter("a", -1, 1), Parameter("b", -1, 1))))

    def log_likelihood(t):
        left, right = (-0.5 * ((t - c) ** 2).sum(axis=1) / 0.02**2 for c in (-0.5, 0.5))
        return np.logaddexp(left + np.log(0.3), right + np.log(0.7))

    found = cool(log_likelihood, region, 4000, seed=2)
    # error of a share after about 8 temperatures, each of sqrt(0.21 / 4000) = 0.007 and more
    assert (found[:, 0] < 0).mean() == pytest.approx(0.3, abs=0.08)
    assert found[found[:, 0] > 0].std(axis=0) == pytest.approx([0.02, 0.02], rel=0.1)


def test_bad_input_says_so():
    theta, x = pairs(Normal(), 50)
    with pytest.raises(DataError, match=r"\(N, n, d\)"):
        fit_posterior(Normal.space, theta, x[:20])
    with pytest.raises(DataError, match="not finite"):
        fit_posterior(Normal.space, theta, np.full_like(x, np.nan))
    with pytest.raises(DataError, match="at least"):
        fit_posterior(Normal.space, theta[:5], x[:5])
    data = Events([[0.5]], np.empty((1, 0)), Schema(Normal.features))
    with pytest.raises(DataError, match="raise --calls"):
        tune_posterior(Normal(), data, calls=50)


def test_events_of_a_simulator_without_randomness_are_one_event():
    lines = parametric("lines")
    data = lines.sample(np.tile([0.3, 6, 3, 12], (300, 1)), seed=1)
    quick = SMALL.model_copy(update={"steps": 20, "members": 1})
    assert learn_posterior(lines, data, calls=600, settings=quick).engine == "flow"
    mixed = learn_posterior(lines, lines.sample(lines.space.draw(300, 1), seed=1), calls=1200, settings=quick)
    assert mixed.engine == "mean"  # they differ: all are looked at

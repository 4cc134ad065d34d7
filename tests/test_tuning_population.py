"""Populations of parameters: known sources are found, through smearing, at borders, and where data say nothing."""

import logging
import math

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema
from facsim.errors import DataError, SchemaMismatch, SimulationError, WeightError
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space
from facsim.tuning.calls import Account, observed
from facsim.tuning.energy import EnergyGenerator
from facsim.tuning.population import SourceSettings, VariationalSettings, tune_source, tune_variational
from facsim.tuning.population.divergence import Networks, Trees
from facsim.tuning.population.entropy import entropy
from facsim.tuning.population.generator import Frontier, PointGenerator, whole_steps
from facsim.tuning.population.reweight import refine
from facsim.tuning.population.slices import Slices
from facsim.tuning.population.view import View
from facsim.tuning.pushforward import pushforward

QUICK = SourceSettings(ensemble=1, steps=400, emulator_steps=250, batch=256, directions=32, samples=2000)
QUICKER = QUICK.model_copy(update={"rounds": 1, "steps": 150, "emulator_steps": 100, "refine": False, "tested": 200})


class Smeared(ParametricSimulator):
    """x = a and y = c, smeared by 1; nothing depends on b."""

    name, summary = "smeared", "Gaussian smearing of two of three parameters"
    space = Space((Parameter("a", 0, 20), Parameter("b", 0, 1), Parameter("c", 0, 10)))
    features = (Block("x"), Block("y"))

    def _simulate(self, conditions, rng):
        return conditions[:, [0, 2]] + rng.normal(size=(len(conditions), 2))


class Shifted(ParametricSimulator):
    """A place known of every event, plus one parameter, smeared by 1; fails for a < 1 on demand."""

    name, summary = "shifted", "smearing around a known place"
    features, given = (Block("x"),), (Block("place"),)

    def __init__(self, fails=False, high=10.0):
        self.fails = fails
        self.space = Space((Parameter("a", 0, high, unit="mm"),))

    def _simulate(self, conditions, rng):
        x = conditions.sum(1, keepdims=True) + rng.normal(size=(len(conditions), 1))
        return np.where(self.fails & (conditions[:, :1] < 1), np.nan, x)


class Plain(ParametricSimulator):
    name, summary = "plain", "smearing"
    space = Space((Parameter("a", 0, 10),))
    features = (Block("x"),)

    def _simulate(self, conditions, rng):
        return conditions + rng.normal(size=conditions.shape)


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    """Classifiers of 40 trees instead of 200: a fifth of the time, and as sharp in one or two columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facsim.metrics.high_level.ITERATIONS", 40)
        yield


@pytest.fixture(scope="module")
def population():
    """a bimodal, c at the edge of its range: the truth, and what is found."""
    rng, n = np.random.default_rng(1), 3000
    a = np.where(rng.random(n) < 0.5, rng.normal(5, 1, n), rng.normal(15, 1, n))
    truth = np.column_stack([a, rng.random(n) < 0.5, np.abs(rng.normal(0, 0.8, n))])
    data = Smeared().sample(np.clip(truth, Smeared.space.low, Smeared.space.high), seed=2)
    heard = []
    found = tune_source(
        Smeared(), data, calls=3500, seed=3, settings=QUICK, progress=lambda done, of: heard.append((done, of))
    )
    return truth, found, heard


def test_two_modes_are_kept_and_the_smearing_is_taken_away(population):
    a, found = population[0][:, 0], population[1].samples[:, 0]
    upper = found > 10
    # 3000 events: 0.01 of a share, 0.04 of a mean; the emulator knows means to about a tenth of the smearing
    assert abs(upper.mean() - 0.5) < 0.05
    assert abs(found[upper].mean() - a[a > 10].mean()) < 0.3
    assert abs(found[~upper].mean() - a[a < 10].mean()) < 0.3
    # the source has 1; a flat half would have 2.9. With 256 points a step the distance may exceed what equal laws have
    # by 0.07, so that entropy widens the smeared modes from 1.41 to 1.6 at most, and these to 1.25; refinement scatters
    assert 0.7 < found[upper].std() < 1.6
    # a network is continuous: some points lie between the modes, where the truth has none
    assert np.mean((found > 8.5) & (found < 11.5)) < 0.06


def test_a_source_at_the_edge_of_its_range_is_found(population):
    truth, found, _ = population
    assert abs(found.samples[:, 2].mean() - truth[:, 2].mean()) < 0.25
    assert found.samples[:, 2].min() >= 0


def test_where_data_say_nothing_the_source_stays_flat(population):
    b = population[1].samples[:, 1]
    # the truth is two spikes, which the data do not show: largest entropy is uniform, sd sqrt(1/12) = 0.289
    assert abs(b.mean() - 0.5) < 0.07
    assert abs(b.std() - math.sqrt(1 / 12)) < 0.05


def test_the_answer_says_what_it_cost_and_how_close_it_is(population):
    found, heard = population[1:]
    assert found.kind == "population"
    assert found.calls <= 3500
    test = found.details["pushforward"]
    assert test["auc"] < 0.5 + 3 * test["auc_error"] + 0.05
    assert Smeared.space.contains(found.samples).all()
    assert heard[-1][0] == heard[-1][1]


def test_negative_weights_take_background_away():
    rng = np.random.default_rng(0)
    signal = Plain().sample(rng.normal(3, 0.5, (3000, 1)), seed=1)
    junk = Plain().sample(rng.uniform(6, 9, (2000, 1)), seed=2)
    same = Plain().sample(rng.uniform(6, 9, (2000, 1)), seed=3)
    weights = np.repeat([1.0, 1.0, -1.0], [3000, 2000, 2000])
    data = Events(
        np.concatenate([e.features for e in (signal, junk, same)]), np.empty((7000, 0)), Schema((Block("x"),)), weights
    )
    found = tune_source(Plain(), data, calls=2000, seed=0, settings=QUICKER)
    # effective number 3000^2 / 7000: the error of the mean is about 0.05, that of the emulator 0.1
    assert abs(found.estimate[0] - 3) < 0.3
    assert np.mean(found.samples > 6) < 0.05
    assert found.details["pushforward"]["auc"] is None


def test_what_is_given_is_used_and_failures_are_named(caplog):
    simulator, rng = Shifted(fails=True), np.random.default_rng(0)
    place = rng.uniform(-20, 20, 1000)
    data = Shifted().sample(np.column_stack([np.full(1000, 4.0), place]), seed=1)
    with caplog.at_level(logging.WARNING, "facsim"):
        found = tune_source(simulator, data, calls=2000, seed=0, settings=QUICKER)
    assert found.failed > 0
    assert "in the region a 0" in caplog.text
    assert abs(found.estimate[0] - 4) < 0.4  # the place alone has a spread of 11.5
    weighted = data.with_weights(np.where(np.arange(1000) < 10, -1.0, 1.0))
    with pytest.raises(WeightError, match="class_probabilities"):
        tune_source(simulator, weighted, calls=1000)


def test_a_users_emulator_is_taken_and_checked():
    from facsim.models import family

    model = family("cfm")(Plain().schema, family("cfm").config_type(hidden=8, blocks=1, solver_steps=1))
    events = Plain().sample(Plain.space.draw(500, seed=0), seed=1)
    model.prepare(events)
    settings = SourceSettings(ensemble=1, steps=10, batch=64, refine=False, tested=100, samples=200)
    data = observed(Plain(), events)
    found = tune_source(Plain(), data, calls=400, settings=settings, emulator=model)
    assert found.calls == 100  # the emulator is there: only the last test asks the simulator
    with pytest.raises(SchemaMismatch, match="emulator"):
        tune_source(Shifted(), Shifted().sample(np.ones((300, 2))), calls=400, emulator=model)


@pytest.mark.parametrize(("critic", "calls", "rate"), [("trees", 1200, 0.04), ("network", 2000, 0.02)])
def test_the_variational_search_finds_a_point(critic, calls, rate):
    data = Plain().sample(np.full((1000, 1), 7.0), seed=1)
    found = tune_variational(
        Plain(), data, calls=calls, seed=2, settings=VariationalSettings(critic=critic, rate=rate, most=256, tight=0.02)
    )
    # the score-function gradient is noisy: within half of the smearing
    assert abs(found.estimate[0] - 7) < 0.5
    assert found.calls <= calls
    assert found.kind == "population"


def test_bayesian_optimisation_finds_a_point():
    data = Plain().sample(np.full((1000, 1), 7.0), seed=1)
    found = tune_variational(Plain(), data, calls=1500, seed=2, settings=VariationalSettings(engine="bayes"))
    assert abs(found.estimate[0] - 7) < 0.7
    assert found.kind == "point"


def test_the_adaptive_divergence_asks_for_few_trees_when_samples_are_far():
    rng = np.random.default_rng(0)
    real, far, near = (rng.normal(m, 1, (400, 2)) for m in (0, 4, 0))
    assert Trees(0)(real, far).capacity < Trees(0)(real, near).capacity
    assert Trees(0, adaptive=False)(real, far).capacity == 1
    assert Trees(0)(real, far).gap < 0.02 < Trees(0, adaptive=False)(real, near).gap
    network = Networks(2, seed=0)
    before = network(real, far).capacity
    for _ in range(3):
        network(real, near)
    assert before < network(real, near).capacity


def test_the_entropy_of_a_gaussian():
    points = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)).double()
    # ln(2 pi e) for two dimensions; the estimator's error is about sqrt(1 / 4000) times a few
    assert abs(entropy(points).item() - math.log(2 * math.pi * math.e)) < 0.08
    points.requires_grad_()
    (gradient,) = torch.autograd.grad(entropy(points), points)
    # entropy grows with spread: H(s x) = H(x) + p ln s, so that x grad H = p
    assert abs((points * gradient).sum().item() - 2) < 1e-3


def test_slices_give_the_distance_of_shifted_points_and_its_gradient():
    data = np.random.default_rng(0).normal(size=(4000, 1))
    slices = Slices(data, None, points=1000, directions=8, seed=0)
    moved = torch.from_numpy(np.quantile(data, (np.arange(1000) + 0.5) / 1000) + 0.7).float()[:, None].requires_grad_()
    distance = slices(moved)
    (gradient,) = torch.autograd.grad(distance, moved)
    assert abs(distance.item() - 0.7) < 0.01
    assert abs(gradient.sum().item() - 1) < 1e-5
    doubled = Slices(np.concatenate([data, data]), np.repeat([1.5, -0.5], 4000), points=1000, directions=8, seed=0)
    inner = slice(10, -10)  # the weights 1.5 - 0.5 = 1 leave, between neighbours, steps of half an event
    np.testing.assert_allclose(doubled.quantiles[:, inner], slices.quantiles[:, inner], atol=0.03)
    with pytest.raises(WeightError, match="positive sum"):
        Slices(data, -np.ones(4000), points=10, directions=2, seed=0)


def test_refinement_keeps_points_whose_events_are_in_the_data():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 10, (2000, 2))
    data = rng.uniform(0, 5, (2000, 1))  # the simulator is x = a: only points with a < 5 give such events
    left, kept = refine(points, points[:, :1], data, None, seed=0)
    assert np.mean(left[:, 0] < 5.1) > 0.97
    assert abs(kept - 0.5) < 0.1
    assert abs(left[:, 1].mean() - 5) < 0.4  # b was not looked at


def test_points_stay_valid_and_whole():
    space = Space((Parameter("n", 0, 4, whole=True), Parameter("a", 0, 1)), valid=lambda t: t[:, 0] / 4 + t[:, 1] < 1)
    unit = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    moved = whole_steps(unit, space)
    assert set((moved[:, 0] * 5 - 0.5).detach().round(decimals=4).tolist()) <= {0, 1, 2, 3, 4}
    (gradient,) = torch.autograd.grad(moved.sum(), unit)
    assert (gradient == 1).all()
    points = PointGenerator(2, seed=0).draw(space, 300, seed=1)
    assert len(points) == 300
    assert space.contains(points).all()
    logit = Frontier(space, seed=0)(unit)
    right = (logit > 0).numpy() == space.contains(space.from_unit(unit.detach().numpy()))
    assert right.mean() > 0.95


def test_a_summary_of_images_reads_the_parameter():
    rng = np.random.default_rng(0)
    place = rng.uniform(1, 9, 600)
    images = np.exp(-((np.arange(10) - place[:, None, None]) ** 2)) * np.ones((1, 10, 1))
    events = Events(images.reshape(600, 100), np.empty((600, 0)), Schema((Block("image", (10, 10)),)))
    view = View(events.schema, 1).fit(events, place[:, None] / 10, steps=150, batch=64)
    assert view.kind == "summary"
    assert np.corrcoef(view.array(events)[:, 0], place)[0, 1] > 0.99


def test_bad_input_is_said_before_calls_are_spent():
    data = Plain().sample(np.full((100, 1), 5.0))
    with pytest.raises(DataError, match="too few for the population"):
        tune_source(Plain(), data, calls=100)
    with pytest.raises(DataError, match="too few for adversarial"):
        tune_variational(Plain(), data, calls=100)
    with pytest.raises(SchemaMismatch, match="place"):
        observed(Shifted(), data)
    with pytest.raises(DataError, match="at least 2"):
        observed(Plain(), data[:1])
    account = Account(Shifted(fails=True), calls=10, seed=0)
    with pytest.raises(SimulationError, match="check the simulator"):
        account.call(np.full((5, 1), 0.5), np.zeros((5, 1)))
    with pytest.raises(DataError, match="5 of 10 are left"):
        account.call(np.full((6, 1), 0.5), np.zeros((6, 1)))
    with pytest.raises(DataError, match="at least 20"):
        EnergyGenerator(1, 1).fit(np.ones((5, 1)), np.ones((5, 1)))


def test_the_same_seed_gives_the_same_population():
    data = Plain().sample(np.full((300, 1), 5.0))
    settings = SourceSettings(ensemble=1, steps=20, emulator_steps=20, rounds=1, samples=100, tested=0)
    one, two = (tune_source(Plain(), data, calls=400, seed=4, settings=settings).samples for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_the_pushforward_test_has_a_floor():
    data, same, other = (Plain().sample(np.full((600, 1), m), seed=i) for i, m in enumerate((5.0, 5.0, 5.5)))
    bare = [observed(Plain(), e) for e in (data, same, other)]
    near, far = pushforward(bare[0], bare[1]), pushforward(bare[0], bare[2])
    # shift by half a sigma: AUC = Phi(0.5 / sqrt 2) = 0.638
    assert abs(near["auc"] - 0.5) < 0.07  # three errors
    assert abs(far["auc"] - 0.638) < 0.08
    assert abs(near["auc_floor"] - 0.5) < 0.1
    assert far["sliced_wasserstein"] > 3 * far["sliced_wasserstein_null"]

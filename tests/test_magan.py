"""The Model-Assisted GAN's second stage: it finds populations through a frozen emulator, and tells how it went."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from facsim import Block, Schema
from facsim.errors import DataError, WeightError
from facsim.models import ModelConfig, Surrogate
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space
from facsim.tuning import Tuned
from facsim.tuning.magan import MaganSettings, tune_magan
from facsim.tuning.magan.duel import Duel, draw_points
from facsim.tuning.magan.networks import Judge, ParameterGenerator
from facsim.tuning.population.generator import Frontier

QUICK = MaganSettings(seeds=2, steps=100, checks=2, rate=6e-3, average=0.9, batch=32, samples=500)


class Cloud(ParametricSimulator):
    """Two columns around a point; points below the diagonal are not valid."""

    name, summary = "cloud", "a cloud"
    space = Space(
        (Parameter("a", -1, 1), Parameter("n", 0, 4, whole=True)), lambda t: t[:, 0] > -0.9, "a lies above -0.9"
    )
    features = (Block("x", (2,)),)
    asked = 0

    def _simulate(self, conditions, rng):
        type(self).asked += len(conditions)
        return conditions + [0.05, 0.2] * rng.normal(size=conditions.shape)


class Exact(Surrogate):
    """The same, differentiable."""

    name, latent = "exact", 2

    def forward(self, conditions, noise):
        return conditions + torch.tensor([0.05, 0.2]) * noise

    def players(self):
        return {}

    def turns(self, batch, step, draw):  # noqa: ARG002 - the interface
        yield from ()


def exact():
    return Exact(Cloud().schema, ModelConfig(transform="standard"))


def population(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    theta = np.column_stack([rng.normal(0.4, 0.1, n).clip(-0.8, 1), rng.integers(2, 4, n)])
    return Cloud().sample(theta, seed=seed)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Classifiers of 40 trees instead of 200, as sharp in one or two columns; a coarse frontier, which is straight."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facsim.metrics.high_level.ITERATIONS", 40)
        patch.setattr("facsim.tuning.magan.magan.Frontier", partial(Frontier, steps=50))
        yield


@pytest.fixture(scope="module")
def tuned():
    Cloud.asked = 0
    return tune_magan(Cloud(), population(), calls=3000, settings=QUICK, emulator=exact(), seed=1)


def test_a_population_is_found_and_called_one(tuned):
    assert tuned.kind == "population"
    assert "no uncertainty" in tuned.label
    assert "re-implementation" in tuned.label
    # From the middle of the box (0, 2) towards (0.4, 2.5); a game of 100 steps leaves some of the way.
    assert tuned.samples[:, 0].mean() == pytest.approx(0.4, abs=0.15)
    assert tuned.samples[:, 1].mean() == pytest.approx(2.5, abs=0.5)
    assert Cloud.space.contains(tuned.samples).all()


def test_every_call_counts_and_stays_within_the_budget(tuned):
    asked = Cloud.asked - 1000  # the data's own
    assert asked <= tuned.calls <= 3000
    assert tuned.calls == pytest.approx(asked, abs=0)


def test_details_show_the_games(tuned, tmp_path):
    games = tuned.details["games"]
    assert len(games) == 2
    for game in games:
        assert [h["step"] for h in game["history"]] == [50, 100]
        assert game["c2st"] + game["invalid"] == min(h["c2st"] + h["invalid"] for h in game["history"])
        assert 0.5 <= game["c2st"] <= 1
    seeds = tuned.details["seeds"]
    assert seeds["middle"] == [game["median"] for game in games]
    assert np.std(seeds["middle"], axis=0) == pytest.approx(tuned.details["seed_spread"])
    taken = seeds["width"][seeds["chosen"]]  # with the points that are not valid
    assert tuned.samples.std(0) == pytest.approx(taken, rel=0.05)
    assert tuned.details["pushforward"]["auc"] < 0.9
    again = Tuned.load(tuned.save(tmp_path / "tuned"))
    assert json.loads(json.dumps(again.details["games"])) == games


def test_the_same_seed_gives_the_same_population():
    settings = QUICK.model_copy(update={"steps": 6, "checks": 1, "seeds": 1})
    one, other, third = (
        tune_magan(Cloud(), population(200), calls=1000, settings=settings, emulator=exact(), seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.samples, other.samples)
    assert not np.array_equal(one.samples[:100], third.samples[:100])


def test_the_emulator_stays_as_it_is_and_invalid_points_are_pushed_back():
    space, emulator = Cloud.space, exact()
    data = population(200)[:100]
    bare = type(data)(data.features - [1.4, 0], np.empty((100, 0)), Schema(Cloud.features, ()))  # a near -1: not valid
    frontier = Frontier(space, 0, steps=100)
    shares = []
    for guard in (None, frontier):
        duel = Duel(space, emulator, bare, guard, batch=32, rate=6e-3, average=0.9)
        *_, last = duel.play(60, 60, seed=0)
        shares.append(1 - draw_points(last.generator, space, 500, 0)[1].mean())
    assert shares[0] > 0.5
    assert shares[1] < shares[0] - 0.3


def test_whole_parameters_are_relaxed_for_the_emulator_and_rounded_for_the_simulator():
    points, _ = draw_points(ParameterGenerator(2), Cloud.space, 50, seed=0)
    assert (points[:, 1] % 1 == 0).all()
    assert (points[:, 0] % 1 != 0).any()


def test_the_judge_sees_events_in_units_of_the_data():
    data = population(100)
    bare = type(data)(data.features, np.empty((100, 0)), Schema(Cloud.features, ()))
    scaled = type(data)(1000 * data.features, bare.conditions, bare.schema)
    judges = []
    for events in (bare, scaled):
        torch.manual_seed(0)
        judges.append(Judge(events).eval())
    x, none = torch.from_numpy(bare.features), torch.empty(100, 0)
    assert torch.allclose(judges[0](x, none), judges[1](1000 * x, none), atol=1e-4)


def test_an_emulator_is_trained_if_none_is_given():
    changes = {"training.steps": 10, "training.validate_every": 10, "training.batch": 32}
    settings = QUICK.model_copy(update={"overrides": changes, "steps": 6, "checks": 1, "seeds": 1})
    found = tune_magan(Cloud(), population(200), calls=2000, settings=settings)
    assert found.details["recipe"] == "wgan-gp"
    assert found.details["emulator_calls"] == 1400


def test_what_cannot_work_is_said_before_calls_are_spent():
    before = Cloud.asked
    with pytest.raises(DataError, match=r"900 calls .* too few"):
        tune_magan(Cloud(), population(200), calls=900)
    with pytest.raises(DataError, match=r"300 calls are left for checks.*raise --calls"):
        tune_magan(Cloud(), population(200), calls=1000)
    with pytest.raises(DataError, match=r"20 events are too few.*'posterior'"):
        tune_magan(Cloud(), population(20), calls=3000)
    with pytest.raises(WeightError, match=r"negative weights.*'population'"):
        tune_magan(Cloud(), population(200).with_weights(np.resize([2.0, -1.0], 200)), calls=3000)
    assert Cloud.asked == before + 620  # the data's own

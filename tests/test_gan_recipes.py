"""Every recipe trains, saves, loads, resumes, samples and exports; what does not fit is named."""

import json
import os
import signal

import numpy as np
import pytest

from facsim import Block, Events, Schema, api, detectors, recipes
from facsim.errors import RecipeError, SchemaMismatch, WeightError
from facsim.simulators import cherenkov

QUICK = {
    "training.steps": 3,
    "training.batch": 8,
    "training.validate_every": 3,
    "training.checkpoint_every": 1,
    "training.validation_events": 20,
    "training.warmup": 0,
}
LABEL = Block("label", (), "category", names=("qcd", "wprime"))
ENERGY = Block("energy", (), "energy", "GeV")


def pictures(n, side, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.exponential(1.0, (n, side * side)) * (rng.random((n, side * side)) < 0.3)
    schema = Schema((Block("image", (side, side), "energy", "GeV", threshold=1e-3),), (LABEL,))
    return Events(100 * pixels, rng.integers(0, 2, (n, 1)), schema)


def pairs(n, seed=0):
    """Two pictures for every point of parameters."""
    theta = np.random.default_rng(seed).choice([1.0, 2.0, 3.0], (n // 2, 1)).repeat(2, axis=0)
    schema = Schema((Block("image", (9, 8)),), (Block("scale"),))
    return Events(theta * np.random.default_rng(seed).random((n, 72)), theta, schema)


def columns(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (n, 1)) / 2
    schema = Schema((Block("dll", (3,)), Block("hits", (), "count")), (Block("eta"), LABEL))
    features = np.column_stack([x + rng.normal(size=(n, 3)), rng.poisson(3, n)])
    return Events(features, np.column_stack([x, rng.integers(0, 2, n)]), schema)


def plane(n, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return Events(x, np.empty((n, 0)), Schema((Block("x", (2,)),)))


def showers(n, seed=0):
    schema = detectors.get("calogan")
    rng = np.random.default_rng(seed)
    energies = rng.choice([10.0, 50.0, 90.0], (n, 1))  # few, so that no split leaves the range
    cells = rng.exponential(1.0, (n, schema.width)) * (rng.random((n, schema.width)) < 0.5)
    return Events(1000 * energies * cells / cells.sum(1, keepdims=True), energies, schema)


def tracks(n, seed=0, detector="rich", particle="K"):
    """Few values of the conditions, so that no split leaves the range."""
    made = cherenkov.detector(detector, particle=particle)
    some = made.sample(3, seed=seed).conditions
    return made.sample(np.concatenate([some] * (n // 3)), seed=seed)


def muons(n):
    events = tracks(n, detector="muon", particle="mu")
    return Events(
        events.features[:, 1:], events.conditions, Schema(events.schema.features[1:], events.schema.conditions)
    )


def identified(n):
    events = tracks(n, detector="pid", particle="mu")
    return Events(
        events.features[:, 8:], events.conditions, Schema(events.schema.features[8:], events.schema.conditions)
    )


def images(n, *shape, names=("momentum", "point"), unit="MeV", seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.exponential(20.0, (n, shape[0] * shape[1])) * (rng.random((n, shape[0] * shape[1])) < 0.3)
    schema = Schema((Block("cells", shape, "energy", unit, threshold=1.0),), tuple(Block(name) for name in names))
    return Events(pixels, rng.integers(1, 4, (n, len(names))) + 0.25, schema)


def pads(n):
    return images(n, 8, 16, names=("crossing_angle", "dip_angle", "drift_length", "pad_coordinate"))


MADE_FOR = {
    "rich-cramer": tracks,
    "rich-cramer-10": tracks,
    "rich-cramer+": tracks,
    "rich-2024": tracks,
    "muon": muons,
    "global-pid": identified,
    "global-pid-nm": identified,
    "dirc": lambda n: tracks(n, detector="dirc"),
    "tpc": pads,
    "tpc+": pads,
    "lhcb-calorimeter": lambda n: images(n, 30, 30),
    "zdc": lambda n: images(n, 44, 44),
    "lagan": lambda n: pictures(n, 25),
    "lagan+": lambda n: pictures(n, 12),
    "dcgan": lambda n: pictures(n, 8),
    "acgan": lambda n: pictures(n, 8),
    "progressive-gan": lambda n: pictures(n, 16),
    "magan": pairs,
    "calogan": showers,
    "calogan+": showers,
}
GANS = [name for name in recipes.names() if recipes.load(name).family == "gan"]
SHALLOW = {"model.generator.blocks": 1, "model.critic.blocks": 1}
SMALL = {
    "calogan": {"model.generator.noise": 8},
    "lagan": {"model.generator.noise": 8},
    "magan": {"model.generator.channels": 4, "model.critic.channels": 4},
    "lhcb-calorimeter": {"model.generator.channels": 16},
    "zdc": {"model.generator.channels": 4, "model.critic.channels": 4},
    **dict.fromkeys(("rich-2024", "muon", "global-pid", "global-pid-nm"), SHALLOW),
}


def settings(name, **changes):
    return {**QUICK, **SMALL.get(name, {}), **changes}


@pytest.fixture(params=GANS)
def name(request):
    return request.param


@pytest.fixture
def events(name):
    return MADE_FOR.get(name, columns)(60)


def sampler(name):
    """What sampling runs: recipes that differ in the game only are exported once."""
    config = recipes.load(name).config
    return config.generator, config.transform


EXPORTED = {min(n for n in GANS if sampler(n) == sampler(name)) for name in GANS}


def test_a_recipe_trains_resumes_loads_samples_and_exports(name, events, tmp_path):
    whole = api.fit(events, name, output=tmp_path / "whole", overrides=settings(name))

    def pull_the_plug(done, _):
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        api.fit(events, name, output=tmp_path / "cut", overrides=settings(name), progress=pull_the_plug)
    api.fit(events, name, output=tmp_path / "cut", overrides=settings(name), resume=True)
    drawn = whole.sample(events, seed=1)
    assert drawn.schema == events.schema
    drawn.check(name)
    np.testing.assert_array_equal(api.load(tmp_path / "cut").sample(events, seed=1).features, drawn.features)
    if whole.critic.body is not None and whole.critic.pack == 1:
        assert np.isfinite(whole.scores(events)).all()
    if name in EXPORTED:
        api.export(tmp_path / "whole", tmp_path / "model.onnx")  # refuses to write what does not agree
        assert (tmp_path / "model.onnx").is_file()
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["recipe"]["name"] == name


def test_a_recipe_of_few_lines_inherits_the_rest():
    lsgan, gan = recipes.load("lsgan"), recipes.load("gan")
    assert lsgan.config.objective.kind == "least-squares"
    assert lsgan.config.generator == gan.config.generator
    assert lsgan.training == gan.training
    assert lsgan.summary != gan.summary


def test_a_part_named_anew_forgets_the_settings_of_the_one_before(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: calogan+\nmodel: {generator: {kind: mlp, hidden: 32}}\n")
    assert recipes.load(path).config.generator.hidden == 32
    assert recipes.load(path, {"model.penalties.0.weight": "3"}).config.penalties[0].weight == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"model.critic": "{kind: mlp, minibatch: {features: 3, kernels: 2}}"},
            "minibatch discrimination.*norm: layer",
        ),
        ({"model.penalties": "[]"}, "unbounded for a critic of any slope.*'gradient'"),
        ({"model.critic": "none"}, "needs a critic"),
        ({"model.objective": "hing"}, "unknown objective 'hing'.*Did you mean 'hinge'"),
        ({"model.objective": "{kind: wasserstein, smothing: 0.1}"}, "no setting 'smothing'.*Did you mean 'smoothing'"),
        ({"model.objective": "relativistic", "model.schedule.separate": "true"}, "compares.*separate must be false"),
        ({"model.schedule.critic_stepps": "2"}, "unknown key 'model.schedule.critic_stepps'"),
        ({"model.penalties.4.weight": "2"}, "not one of the 1 places"),
        ({"model.penalties.0.sides": "3"}, "penalty 'gradient': sides = 3"),
        ({"model.critic.slope": "-0.1"}, "critic 'mlp': slope = -0.1"),
        ({"model.schedule.separate": "true"}, "'gradient' looks at real and generated events at once"),
        ({"model.objective": "boundary-equilibrium"}, "'autoencoder'.*belong together"),
        ({"model.critic": "autoencoder"}, "'boundary-equilibrium'.*belong together"),
        ({"model.objective": "cramer", "model.critic.conditioning": "projection"}, "256 outputs.*concat"),
        ({"model.schedule.pack": "2", "model.auxiliaries": "[feature-matching]"}, "single events.*pack to 1"),
        (
            {"model.critic": "none", "model.objective": "mmd", "model.penalties": "[]", "model.schedule.unroll": "2"},
            "nothing to unroll",
        ),
    ],
)
def test_parts_that_contradict_each_other_say_why_and_what_to_use(changes, expected):
    with pytest.raises(RecipeError, match=f"(?s){expected}"):
        recipes.load("wgan-gp", changes)


@pytest.mark.parametrize(
    ("recipe", "events", "expected"),
    [
        ("lagan", pictures(20, 12), r"'image'.*\(12, 12\).*recipe 'dcgan'"),
        ("dcgan", columns(20), "'dll'.*wgan-gp"),
        ("calogan", columns(20), "'dll'.*wgan-gp"),
        (
            "acgan",
            pictures(20, 8).__class__(np.zeros((20, 64)), np.zeros((20, 0)), Schema((Block("x", (8, 8)),))),
            "cat",
        ),
    ],
)
def test_events_of_another_shape_name_the_block_and_a_recipe_that_fits(tmp_path, recipe, events, expected):
    with pytest.raises(SchemaMismatch, match=expected):
        api.fit(events, recipe, output=tmp_path / "run", overrides=QUICK)


def test_negative_weights_need_an_objective_that_is_linear_in_them(tmp_path):
    weights = np.random.default_rng(0).choice([-0.5, 1.5], 60)
    events = columns(60).with_weights(weights)
    with pytest.raises(WeightError, match=r"no lower bound.*cramer-gan.*negative_weights=regress"):
        api.fit(events, "gan", output=tmp_path / "a", overrides=QUICK)
    for name, change in (("cramer-gan", {}), ("gan", {"training.negative_weights": "regress"})):
        model = api.fit(events, name, output=tmp_path / name, overrides={**QUICK, **change})
        assert np.isfinite(model.sample(events, seed=1).features).all()


def test_a_batch_of_one_has_nothing_to_compare(tmp_path):
    changes = {**QUICK, "training.batch": 1}
    with pytest.raises(RecipeError, match=r"training\.batch to 2 or more"):
        api.fit(columns(60), "improved-gan", output=tmp_path / "run", overrides=changes)


@pytest.mark.parametrize(("recipe", "events"), [("gan", plane(2)), ("lsgan", columns(5)), ("dcgan", pictures(3, 8))])
def test_a_handful_of_events_can_be_fitted(tmp_path, recipe, events):
    api.fit(events, recipe, output=tmp_path / "run", overrides=QUICK)  # held-out conditions may lie outside: no warning
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_critic_that_compares_a_batch_is_asked_about_batches_as_in_its_training(tmp_path):
    events = columns(60)
    model = api.fit(events, "improved-gan", output=tmp_path / "run", overrides=QUICK)
    eight = [model.scores(events[i : i + 8]) for i in range(0, 56, 8)]
    np.testing.assert_allclose(model.scores(events)[:56], np.concatenate(eight), rtol=1e-5)


def test_a_critic_that_nobody_tells_the_conditions_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="would not learn them"):
        api.fit(pictures(60, 8), "acgan", output=tmp_path / "run", overrides={**QUICK, "model.auxiliaries": "[]"})


def test_probabilities_add_up_within_each_category(tmp_path):
    labels = (LABEL, Block("run", (), "category", names=("a", "b", "c")))
    rng = np.random.default_rng(0)
    conditions = np.column_stack([rng.integers(0, 2, 60), rng.integers(0, 3, 60)])
    events = Events(rng.normal(size=(60, 2)), conditions, Schema((Block("x", (2,)),), labels))
    changes = {**QUICK, "model.critic": "{kind: mlp, conditioning: none}", "model.auxiliaries": "[classifier]"}
    found = api.fit(events, "gan", output=tmp_path / "run", overrides=changes).auxiliary_probabilities(events)
    assert found.shape == (60, 5)
    np.testing.assert_allclose(found[:, :2].sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[:, 2:].sum(1), 1, rtol=1e-5)

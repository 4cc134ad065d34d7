"""Chains: order, stages for some events, fits of recipes, one ONNX file, and what does not fit together."""

import json

import numpy as np
import pytest
import torch

import facsim
from facsim import Block, Events, Schema, recipes
from facsim.errors import CheckpointError, RecipeError, SchemaMismatch
from facsim.models import Chain, ChainConfig, Regression, RegressionConfig, load

FAST = {"net": {"kind": "mlp", "hidden": 8, "layers": 1}, "spread": {"kind": "mlp", "hidden": 8, "layers": 1}}
FLAG = {"net": {"kind": "mlp", "hidden": 8, "layers": 1}}
SCHEMA = Schema(
    (Block("isMuon", (), "mask"), Block("DLL"), Block("MuonLL"), Block("PID"), Block("mass", (), "real", "MeV")),
    (Block("P", (), "real", "GeV"), Block("charge", (), "category", names=("-1", "+1"))),
)
RECIPE = """
family: chain
summary: a toy of particle identification
reference: none
training: {steps: 20, batch: 32, validate_every: 20, checkpoint_every: 20, warmup: 1}
stages:
  global: {recipe: small.yaml, features: [PID], given: [P, charge, isMuon, MuonLL]}
  muon: {recipe: small.yaml, features: [MuonLL], given: [P], when: {block: isMuon, is: 1}, fill: {MuonLL: -10}}
  ismuon: {family: classifier, model: {net: {kind: mlp, hidden: 8}}, features: [isMuon], given: [P]}
"""


def tracks(n, seed):
    rng = np.random.default_rng(seed)
    p, charge, flag = rng.uniform(3, 100, n), rng.integers(0, 2, n), rng.random(n) < 0.5
    dll, muon = rng.normal(p / 20, 1), np.where(flag, rng.normal(p / 50, 1), -10)
    pid = np.where(flag, dll + muon, dll - 3)
    return Events(np.column_stack([flag, dll, muon, pid, rng.normal(1865, 5, n)]), np.column_stack([p, charge]), SCHEMA)


def stage(name, features, given, **more):
    family = "classifier" if features == ["isMuon"] else "regression"
    model = FLAG if family == "classifier" else FAST
    return {"name": name, "features": features, "given": given, "family": family, "model": model, **more}


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "small.yaml").write_text(f"family: regression\nmodel: {json.dumps(FAST)}\n")
    (tmp_path / "pid.yaml").write_text(RECIPE)
    return tmp_path / "pid.yaml"


def test_a_recipe_is_fitted_stage_by_stage_and_exported_as_one_file(recipe, tmp_path, monkeypatch):
    data, seen, order = tmp_path / "pid.h5", [], []
    facsim.write(data, tracks(300, 0))
    begun = recipes.Recipe.fit

    def interrupted(self, data, folder, **more):
        order.append(folder.name)
        if folder.name == "muon" and order.count("muon") == 1:
            raise KeyboardInterrupt
        return begun(self, data, folder, **more)

    monkeypatch.setattr(recipes.Recipe, "fit", interrupted)
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        facsim.fit(data, recipe, output=run)
    known = (run / "stages" / "ismuon" / "page.html").stat().st_mtime_ns
    with pytest.raises(CheckpointError, match="--resume"):
        facsim.fit(data, recipe, output=run)
    with pytest.raises(CheckpointError, match="cannot resume"):
        facsim.fit(data, recipe, output=run, resume=True, overrides={"stages.ismuon.training.steps": 21})
    model = facsim.fit(data, recipe, output=run, resume=True, progress=lambda step, steps: seen.append((step, steps)))
    assert order == ["ismuon", "muon", "muon", "global"]  # in the order of what they need; finished ones once
    assert (run / "stages" / "ismuon" / "page.html").stat().st_mtime_ns == known
    assert (seen[0], seen[-1]) == ((21, 60), (60, 60))

    # blocks in the order of the data, without those that nobody makes
    assert [b.name for b in model.schema.features] == ["isMuon", "MuonLL", "PID"]
    assert model.provenance["step"] == 60
    held = tracks(2000, 1)
    drawn = load(run).sample(held, seed=1)
    np.testing.assert_array_equal(drawn.features, model.sample(held, seed=1).features)
    without = drawn["isMuon"] == 0
    assert 0.2 < without.mean() < 0.8
    assert (drawn["MuonLL"][without] == -10).all()
    assert (drawn["MuonLL"][~without] > -10).all()

    exported = facsim.load(facsim.export(model, tmp_path / "pid.onnx"))  # compares 1,000 events with torch
    np.testing.assert_allclose(exported.sample(held, seed=1).features, drawn.features, rtol=1e-3, atol=1e-3)


def test_a_chain_that_fails_at_once_leaves_its_folder_free(recipe, tmp_path):
    """With other data or settings the same command must go, and the user's own files stay."""
    run = tmp_path / "run"
    broken = {"stages.ismuon.training.rates": {"critik": 2.0}}
    with pytest.raises(RecipeError, match="critik"):
        facsim.fit(tracks(300, 0), recipe, output=run, overrides=broken)
    assert not run.exists()
    run.mkdir()
    (run / "mine.txt").write_text("")
    with pytest.raises(RecipeError, match="critik"):
        facsim.fit(tracks(300, 0), recipe, output=run, overrides=broken)
    assert [p.name for p in run.iterdir()] == ["mine.txt"]
    with pytest.raises(RecipeError, match="critik"):  # a later stage: what is trained is kept, and can be resumed
        facsim.fit(tracks(300, 0), recipe, output=run, overrides={"stages.muon.training.rates": {"critik": 2.0}})
    assert (run / "run.json").is_file()
    assert (run / "stages" / "ismuon" / "model.safetensors").is_file()


def test_stages_learn_their_own_events_from_files_and_from_memory(tmp_path):
    events = tracks(200, 0)
    facsim.write(tmp_path / "pid.root", events)
    config = ChainConfig(stages=[stage("flag", ["isMuon"], ["P"]), MUON])
    for data in (events, tmp_path / "pid.root", facsim.io.select(tmp_path / "pid.root", cut="P > 50")):
        part = Chain.share(config, data, "muon", 0)
        part = part if isinstance(part, Events) else facsim.read(part)
        wanted = (events["isMuon"] == 1) & ((events["P"] > 50) | (not isinstance(data, facsim.io.Selection)))
        np.testing.assert_array_equal(part["MuonLL"], events["MuonLL"][wanted])
        assert [b.name for b in part.schema.conditions] == ["P"]


MUON = stage("muon", ["MuonLL"], ["P"], when={"block": "isMuon", "is": 1}, fill={"MuonLL": -10})


@pytest.mark.parametrize(
    ("stages", "error", "expected"),
    [
        (
            [stage("a", ["DLL"], ["PID"]), stage("b", ["PID"], ["DLL"])],
            RecipeError,
            "wait for each other: 'a' for .'PID'.",
        ),
        ([stage("a", ["DLL"], ["P"]), stage("b", ["DLL"], ["P"])], RecipeError, "'a' and 'b' both make 'DLL'"),
        ([stage("a", ["DLL"], ["DLL"])], RecipeError, "'a' makes 'DLL' and is given it"),
        ([stage("a", ["DLL"], ["PP"])], SchemaMismatch, "'a' is given block 'PP'.*Did you mean 'P'"),
        ([stage("a", ["RICH"], ["P"])], SchemaMismatch, "'a' makes block 'RICH', which the data lack"),
        (
            [MUON | {"fill": {}}],
            RecipeError,
            "'muon' makes 'MuonLL' only where isMuon is 1.0: say what it is elsewhere",
        ),
        ([MUON | {"fill": {"MuonLL": 0, "DL": 0}}], RecipeError, "fill names 'DL'"),
        ([MUON | {"when": {"block": "DLL", "is": 1}}], RecipeError, "DLL is of kind real"),
        ([MUON | {"when": {"block": "charge", "is": "1"}}], RecipeError, "charge is never '1'"),
        (
            [stage("a", ["PID"], ["P"], when={"block": "charge", "is": 0}), stage("b", ["PID"], ["P"])],
            RecipeError,
            "'a' and 'b' both make 'PID'.*'when'",
        ),
    ],
)
def test_what_does_not_fit_is_named(stages, error, expected):
    with pytest.raises(error, match=expected):
        Chain.share(ChainConfig(stages=stages), tracks(10, 0), stages[0]["name"], 0)


def test_features_that_nobody_makes_and_conditions_that_nobody_takes():
    config = ChainConfig(stages=[stage("a", ["DLL"], ["P"])])
    p, charge = SCHEMA.conditions
    with pytest.raises(SchemaMismatch, match="no stage makes block 'PID'"):
        Chain(Schema((Block("DLL"), Block("PID")), (p,)), config)
    with pytest.raises(SchemaMismatch, match="'charge' is a condition of the events, but no stage takes it"):
        Chain(Schema((Block("DLL"),), (p, charge)), config)


def regression(features, conditions, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        schema = Schema(features, conditions)
        model = Regression(schema, RegressionConfig(**FAST))
    rng = np.random.default_rng(seed)
    model.prepare(Events(rng.normal(size=(50, schema.width)), rng.normal(size=(50, schema.condition_width)), schema))
    return model


def test_fitted_surrogates_are_chained_in_the_order_that_they_need():
    first = regression((Block("DLL"),), (Block("P"),), 1)
    second = regression((Block("PID"),), (Block("DLL"), Block("eta")), 2)
    chain = Chain.of([second, first])
    assert list(chain.parts) == ["1", "0"]
    assert [b.name for b in chain.schema.conditions] == ["P", "eta"]
    np.testing.assert_array_equal(chain.condition_range[0], [first.low[0], second.low[1]])
    # by hand: the first stage's noise, then the second's
    x, z = torch.tensor([[0.3, -0.2]]), torch.tensor([[0.7, -1.1]])
    dll = first(x[:, :1], z[:, :1])
    pid = second(torch.cat([dll, x[:, 1:]], 1), z[:, 1:])
    torch.testing.assert_close(chain(x, z), torch.cat([dll, pid], 1))


def test_stages_that_mean_different_things_by_a_block():
    first = regression((Block("E", (), "real", "MeV"),), (Block("P"),), 1)
    second = regression((Block("PID"),), (Block("E", (), "real", "GeV"),), 2)
    with pytest.raises(
        SchemaMismatch, match=r"'rich' and 'pid' mean different things by block 'E' .*MeV against E in GeV"
    ):
        Chain.of({"rich": first, "pid": second})


def test_a_chain_applies_a_stage_by_a_category_of_the_conditions():
    charge = Block("charge", (), "category", names=("-1", "+1"))
    minus, plus = (regression((Block("DLL"),), (Block("P"),), seed) for seed in (1, 2))
    schema = Schema((Block("DLL"),), (Block("P"), charge))
    config = ChainConfig(
        stages=[
            stage("minus", ["DLL"], ["P"], when={"block": "charge", "is": "-1"}),
            stage("plus", ["DLL"], ["P"], when={"block": "charge", "is": "+1"}),
        ]
    )
    chain = Chain(schema, config).adopt({"minus": minus, "plus": plus})
    z = torch.tensor([[0.5, -0.5], [0.5, -0.5]])
    made = chain(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), z)
    torch.testing.assert_close(made[0], minus(torch.ones(1, 1), z[:1, :1])[0])
    torch.testing.assert_close(made[1], plus(torch.ones(1, 1), z[:1, 1:])[0])


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("family: chain\n", {}, "'stages' must be a mapping"),
        ("family: chain\nstages: {a: {features: [DLL]}}\n", {}, "stage 'a': the key 'family' is missing"),
        ("family: chain\nstags: {}\n", {}, "unknown key 'stags'.*Did you mean 'stages'"),
        (
            "family: chain\nstages: {a: {family: regression, features: [DLL], whn: 1}}\n",
            {},
            "unknown key 'whn' in .*stage 'a'",
        ),
        (
            "family: chain\nstages: {a: {family: regression, features: [DLL]}}\n",
            {"stages.a.training.stps": 3},
            "Did you mean 'training.steps'",
        ),
        ("family: chain\nstages: {a: {family: regression, features: []}}\n", {}, "at least 1"),
    ],
)
def test_mistakes_of_a_chains_recipe_are_named(tmp_path, text, changes, expected):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=expected):
        recipes.load(tmp_path / "mine.yaml", changes)


def test_a_change_of_the_training_reaches_every_stage(recipe):
    chosen = recipes.load(recipe, {"stages.muon.training.steps": 7, "training.steps": "5", "training.batch": 8})
    assert {name: part.training.steps for name, part in chosen.parts.items()} == {
        "ismuon": 5,
        "muon": 5,
        "global": 5,
    }
    chosen = recipes.load(recipe, {"training.steps": 5, "stages.muon.training.steps": "7"})
    assert chosen.parts["muon"].training.steps == 7
    assert chosen.training.steps == 17
    assert chosen.to_json()["parts"]["muon"]["training"]["steps"] == 7

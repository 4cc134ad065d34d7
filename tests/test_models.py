"""Laws that every family must obey; a new family is tested by being registered."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facsim import Block, Events, Schema
from facsim.errors import CapabilityError, CheckpointError, DataError, RangeError, RecipeError
from facsim.models import Batch, Draw, families, family, load

SMALL = {
    "cfm": {"hidden": 32, "blocks": 1, "first_hidden": 16},
    "gan": {
        "generator": {"kind": "residual", "hidden": 32, "blocks": 1, "noise": 4},
        "critic": {"kind": "mlp", "hidden": 32, "layers": 2},
    },
    "adversarial-ensemble": {
        "generator": {"kind": "residual", "hidden": 32, "blocks": 1, "noise": 4},
        "critic": {"kind": "mlp", "hidden": 32, "layers": 2},
        "members": 2,
    },
    "classifier": {"net": {"kind": "mlp", "hidden": 32}},
    "mixture": {"components": 2, "hidden": 16, "blocks": 1},
    "regression": {"net": {"kind": "mlp", "hidden": 32}},
    "student": {"hidden": 32, "layers": 1},
}


def small(name, schema):
    """Settings of a small model; of a composite one with small parts."""
    if name == "chain":
        given = [b.name for b in schema.conditions]
        parts = zip(schema.features, ("regression", "cfm"), strict=True)
        stages = [
            {"name": kind, "family": kind, "model": SMALL[kind], "features": [block.name], "given": given}
            for block, kind in parts
        ]
        stages[1]["given"] = [*given, schema.features[0].name]
        return {"stages": stages[::-1]}
    if name == "ensemble":
        return {"parts": [{"family": kind, "model": SMALL[kind]} for kind in ("regression", "cfm")]}
    return SMALL.get(name, {})


@pytest.fixture(scope="module", params=families())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def showers(name, toy_showers):
    """Showers; for a family of flags, which of their cells are lit."""
    events = toy_showers(1500, seed=3)
    if name != "classifier":
        return events
    masks = tuple(Block(b.name, b.shape, "mask") for b in events.schema.features)
    return Events(events.features > 0, events.conditions, Schema(masks, events.schema.conditions))


@pytest.fixture
def model(name, showers):
    return fresh(name, showers)


def fresh(name, events, seed=0):
    cls = family(name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = cls(events.schema, cls.config_type(**small(name, events.schema)))
        made.prepare(events)
        for parameter in made.parameters():  # away from the zeros of a fresh network, so that noise and weights matter
            parameter.data += 0.05 * torch.randn_like(parameter)
    return made


def batch_of(model, events):
    conditions = torch.from_numpy(events.conditions)
    code = model.transform.encode(torch.from_numpy(events.features), conditions)
    weights = torch.ones(len(events)) if events.weights is None else torch.from_numpy(events.weights).float()
    return Batch(code, conditions, weights)


def gradients(model, batch, step=0):
    out = {}
    for player, loss, _ in model.turns(batch, step, Draw(1, step)):
        out[player] = torch.cat([g.ravel() for g in torch.autograd.grad(loss, model.players()[player])])
    return out


def test_same_seed_same_events(model):
    a, b = (model.sample(np.full(50, 20.0), seed=4) for _ in range(2))
    np.testing.assert_array_equal(a.features, b.features)
    assert not np.array_equal(a.features, model.sample(np.full(50, 20.0), seed=5).features)


def test_events_do_not_depend_on_chunks_or_threads(model):
    energies = np.linspace(2, 90, 2500)
    whole = model.sample(energies, seed=1, threads=1)
    np.testing.assert_array_equal(whole.features, model.sample(energies, seed=1, threads=2).features)
    streamed = np.concatenate([e.features for e in model.stream(energies, seed=1, start=1500)])
    np.testing.assert_array_equal(whole.features[1500:], streamed)
    first = model.sample(energies[:100], seed=1).features
    close = np.isclose(first, whole.features[:100], rtol=1e-3, atol=1e-3)
    assert close.mean() > 0.9999  # products over fewer rows round differently; a cell may flip at its threshold


def test_schema_is_kept_and_physics_is_possible(model, showers):
    drawn = model.sample(showers, seed=0)
    assert drawn.schema == showers.schema
    drawn.check("drawn")
    np.testing.assert_array_equal(drawn.conditions, showers.conditions)


def test_save_load_same_events(model, tmp_path):
    path = model.save(tmp_path)
    again = load(tmp_path)
    energies = np.linspace(2, 90, 30)
    np.testing.assert_array_equal(model.sample(energies, seed=2).features, again.sample(energies, seed=2).features)
    assert again.schema == model.schema
    assert again.config == model.config
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_zero_weights_remove_events(model, showers):
    half = len(showers) // 2
    weights = np.repeat([1.0, 0.0], half)
    distorted = showers.features.copy()
    distorted[half:] *= 3
    other = type(showers)(distorted, showers.conditions, showers.schema, weights)
    a, b = (gradients(model, batch_of(model, e)) for e in (showers.with_weights(weights), other))
    for player in a:
        if player != "critic":  # the gradient penalty has no weights, on purpose
            np.testing.assert_allclose(a[player], b[player], rtol=1e-4, atol=1e-6 * b[player].abs().max())


def test_permuting_the_weights_changes_the_gradient(model, showers):
    weights = np.random.default_rng(0).normal(1, 1, len(showers))
    a, b = (gradients(model, batch_of(model, showers.with_weights(w))) for w in (weights, weights[::-1].copy()))
    assert all(not torch.allclose(a[p], b[p], rtol=1e-3) for p in a)


def test_negative_weights_give_finite_gradients(model, showers):
    weights = np.random.default_rng(0).normal(1, 2, len(showers))
    assert all(
        torch.isfinite(g).all() for g in gradients(model, batch_of(model, showers.with_weights(weights))).values()
    )


def test_conditions_are_checked(model):
    with pytest.raises(DataError, match="not finite"):
        model.sample([np.nan])
    with pytest.raises(RangeError, match="outside the training range"):
        model.sample([5000.0], strict=True)
    with pytest.warns(UserWarning, match="by up to"):
        model.sample([5000.0])


def test_asking_for_what_a_family_cannot_do(model):
    with pytest.raises(CapabilityError, match="cannot 'levitate'"):
        model.require("levitate")


def test_unknown_family_names_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'cfm'"):
        family("cmf")


def test_plain_tables_work_too(model):
    if model.name == "classifier":
        pytest.skip("draws flags and categories only")
    schema = Schema((Block("a"), Block("hits", (), "count")), (Block("eta"),))
    rng = np.random.default_rng(0)
    events = Events(np.column_stack([rng.normal(size=300), rng.poisson(2, 300)]), rng.normal(size=(300, 1)), schema)
    drawn = fresh(model.name, events).sample(events, seed=1)
    assert set(np.unique(drawn["hits"])) <= set(range(100))


@pytest.mark.parametrize("damage", ["truncated", "foreign", "shape", "missing"])
def test_a_damaged_model_file_is_an_error_that_says_so(model, tmp_path, damage):
    path = model.save(tmp_path / "model.safetensors")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
        expected = "truncated"
    elif damage == "foreign":
        save_file({"a": torch.zeros(2)}, path)
        expected = "header"
    else:
        from safetensors import safe_open

        with safe_open(path, "pt") as opened:
            metadata, tensors = opened.metadata(), {k: opened.get_tensor(k) for k in opened.keys()}  # noqa: SIM118
        if damage == "shape":
            tensors["high"] = torch.zeros(7)
            expected = r"'high' has shape \(7,\)"
        else:
            del tensors["high"]
            expected = "'high' is only in the model"
        save_file(tensors, path, metadata)
        assert json.loads(metadata["facsim"])["family"] == model.name
    with pytest.raises(CheckpointError, match=expected):
        load(path)


def test_processes_that_share_a_batch_draw_its_numbers():
    for kind in ("normal", "uniform"):
        whole = getattr(Draw(3, 7), kind)(6, 2)
        parts = [getattr(Draw(3, 7, rank=r, world=3), kind)(2, 2) for r in range(3)]
        assert torch.equal(whole, torch.cat(parts))
    times = Draw(3, 7).times(100)
    assert sorted((times[:, 0] * 100).int().tolist()) == list(range(100))  # one in each hundredth


def test_noise_depends_on_the_seed_and_on_the_step():
    drawn = [Draw(seed, step).normal(1, 4) for seed in (1, 2, 3) for step in (0, 1, 2)]
    assert len({tuple(row[0].tolist()) for row in drawn}) == 9
    places = [(seed, step, rank, k) for seed in (1, 2) for step in (0, 1) for rank in (0, 1) for k in (0, 1)]
    numbers = [Draw(seed, step, rank=rank, world=2).number(k) for seed, step, rank, k in places]
    assert len({torch.rand(1, generator=torch.Generator().manual_seed(n)).item() for n in numbers}) == 16

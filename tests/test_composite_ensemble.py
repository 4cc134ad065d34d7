"""Ensembles: mixture, members, recipes, bootstrap, and spread where data end, plain and adversarial."""

import json

import numpy as np
import pytest
import torch

import facsim
from facsim import Block, Events, Schema, recipes
from facsim.errors import RecipeError, SchemaMismatch
from facsim.models import Batch, Draw, Ensemble, EnsembleConfig, family, load
from facsim.models.composite import AdversarialEnsemble, AdversarialEnsembleConfig
from facsim.models.composite.adversarial import disagreement
from facsim.runtime import held_out, spread
from facsim.runtime.members import mark

SCHEMA = Schema((Block("y"),), (Block("x"),))
NET = {"kind": "mlp", "hidden": 16, "layers": 2}
REGRESSION = {"family": "regression", "model": {"net": NET, "spread": {**NET, "layers": 1}}}
GAN = {
    "generator": {**NET, "noise": 2},
    "critic": {**NET, "hidden": 32},
    "objective": {"kind": "cramer", "outputs": 16},
}
GAN |= {"penalties": [{"kind": "gradient", "sides": 1}], "transform": "standard", "members": 3}
EDGE = 2.0


def truth(n, seed, low=-2.0, high=EDGE):
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, (n, 1))
    return Events(np.sin(2 * x) + 0.3 * rng.normal(size=(n, 1)), x, SCHEMA)


def made(name, config, events, seed=0):
    cls = family(name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = cls(events.schema, cls.config_type(**config))
    model.prepare(events)
    return model


def trained(model, events, steps, rate=0.01, size=128):
    x, c = torch.from_numpy(events.features), torch.from_numpy(events.conditions)
    optimisers = {name: torch.optim.Adam(p, lr=rate, betas=(0.5, 0.99)) for name, p in model.players().items()}
    for step in range(steps):
        rows = (torch.arange(size) + size * step) % len(x)
        batch = Batch(model.transform.encode(x[rows], c[rows]), c[rows], torch.ones(size))
        for player, loss, _ in model.turns(batch, step, Draw(0, step)):
            parameters = model.players()[player]
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = g
            optimisers[player].step()
    return model.eval()


@pytest.fixture(scope="module")
def fitted():
    events = truth(4000, 0)
    return trained(made("ensemble", {"parts": [REGRESSION] * 4}, events), events, 120)


def test_the_mixture_takes_every_member_as_often_and_members_share_noise(fitted):
    x = np.full((8000, 1), 0.5)
    mixture = fitted.sample(x, seed=2)
    each = np.stack([fitted.sample(x, seed=2, member=k).features[:, 0] for k in range(4)])
    which = np.abs(each - mixture.features[:, 0]).argmin(0)
    np.testing.assert_allclose(each[which, np.arange(8000)], mixture.features[:, 0], atol=1e-5)
    # 2,000 each, binomial error 39
    assert np.abs(np.bincount(which, minlength=4) - 2000).max() < 160
    assert min(np.corrcoef(each)[0]) > 0.99  # the same noise in nets that learnt the same


def test_forward_and_sampling_agree_and_a_number_of_the_noise_chooses_the_member(fitted):
    x, z = (
        torch.linspace(-2, 2, 50)[:, None],
        torch.randn(50, fitted.latent, generator=torch.Generator().manual_seed(1)),
    )
    with torch.no_grad():
        whole = fitted(x, z)
        np.testing.assert_allclose(fitted._generate(x.numpy(), z.numpy()), whole, atol=1e-5)
        z[:, 0] = mark(2, 4)
        torch.testing.assert_close(fitted(x, z), fitted.of_member(2, x, z[:, 1:]))


def test_sigma_rises_where_data_end(fitted):
    inside, outside = (spread(fitted, np.full((2000, 1), x), "y").sigma[0] for x in (0.0, EDGE + 1.0))
    assert outside > 2 * inside
    events = truth(6000, 1)
    bins = np.digitize(events["x"], np.linspace(-2, EDGE, 13)[1:-1])
    share, _ = held_out(fitted, events, "y", bins).calibrated().coverage()
    assert 0.4 < share <= 1  # 12 bins: 0.68 +- 0.14


def test_members_of_an_exported_file(fitted, tmp_path):
    fitted.provenance["members"] = fitted.members
    exported = facsim.load(facsim.export(fitted, tmp_path / "e.onnx"))
    x = np.linspace(-1, 1, 40)[:, None]
    for member in (None, 0, 3):
        ours, theirs = (facsim.sample(m, x, seed=1, member=member).features for m in (fitted, exported))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    bins = np.arange(40) // 10
    np.testing.assert_allclose(*(spread(m, x, "y", bins).sigma for m in (fitted, exported)), rtol=1e-2, atol=1e-6)


def test_a_recipe_is_fitted_member_by_member(tmp_path):
    small = {**REGRESSION, "training": {"steps": 10, "batch": 32, "validate_every": 10, "warmup": 1, "seed": 3}}
    (tmp_path / "small.yaml").write_text(json.dumps(small))
    (tmp_path / "e.yaml").write_text("family: ensemble\nof: small.yaml\nmembers: 3\nbootstrap: true\n")
    run = tmp_path / "run"
    model = facsim.fit(truth(100, 0), tmp_path / "e.yaml", output=run, overrides={"members": 2, "training.steps": "8"})
    assert sorted(p.name for p in (run / "members").iterdir()) == ["0", "1"]
    records = [json.loads((run / "members" / k / "run.json").read_text()) for k in "01"]
    assert [r["training"]["seed"] for r in records] == [3000, 3001]
    assert [r["training"]["steps"] for r in records] == [8, 8]
    again = load(run)
    x = np.linspace(-1, 1, 10)[:, None]
    a, b = (m.sample(x, seed=1, member=1).features for m in (model, again))
    np.testing.assert_array_equal(a, b)
    # a member is the model in its own folder, with the ensemble's noise
    alone = load(run / "members" / "1")
    noise = facsim.sampler.noise(1, 0, 10, again.latent)[:, 1:]
    np.testing.assert_allclose(a, alone._generate(x.astype(np.float32), noise), atol=1e-5)


def test_bootstrap_samples_differ_and_keep_the_weights():
    events = truth(500, 0).with_weights(np.linspace(-1, 2, 500))
    config = EnsembleConfig(parts=[REGRESSION] * 2, bootstrap=True)
    counts = [Ensemble.share(config, events, k, seed=1).weights / events.weights for k in "01"]
    assert all(np.allclose(c, np.round(c)) for c in counts)
    assert abs(np.corrcoef(counts)[0, 1]) < 0.2  # 500 events: 0.045
    np.testing.assert_array_equal(Ensemble.share(config, events, "0", seed=1).weights, counts[0] * events.weights)
    plain = EnsembleConfig(parts=[REGRESSION] * 2)
    assert Ensemble.share(plain, events, "0", seed=1) is events


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("family: ensemble\n", "'of' must be the name of a recipe"),
        ("family: ensemble\nof: cfm\nmembers: 1\n", "members = 1 must be 2 or more"),
        ("family: ensemble\nof: cmf\n", "no recipe 'cmf'.*Did you mean 'cfm'"),
        ("family: ensemble\nof: cfm\nmembrs: 3\n", "Did you mean 'members'"),
        ("family: ensemble\nof: cfm\nmodel: {hiden: 3}\n", "Did you mean 'model.hidden'"),
    ],
)
def test_mistakes_of_an_ensembles_recipe_are_named(tmp_path, text, expected):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=expected):
        recipes.load(tmp_path / "mine.yaml")


def test_an_ensemble_of_other_events():
    other = Schema((Block("y", (), "real", "MeV"),), SCHEMA.conditions)
    events = truth(50, 0)
    one = made("regression", REGRESSION["model"], events)
    two = made("regression", REGRESSION["model"], Events(events.features, events.conditions, other))
    with pytest.raises(SchemaMismatch, match="members 0 and 1 differ: features: y against y in MeV"):
        Ensemble.of([one, two])
    with pytest.raises(RecipeError, match="two members or more"):
        Ensemble.of([one])


# Adversarial --------------------------------------------------------------------------------------------------------


def batch_of(model, events):
    c = torch.from_numpy(events.conditions)
    weights = torch.from_numpy(np.linspace(-0.5, 2.5, len(events))).float()
    return Batch(model.transform.encode(torch.from_numpy(events.features), c), c, weights)


def losses(model, batch):
    game = model._game(batch, 0, Draw(5, 0))
    return model._generator_turn(game)[1:]


def test_without_pay_the_generators_are_cramer_gans_with_one_critic():
    events = truth(60, 3)
    model = made("adversarial-ensemble", {**GAN, "alpha": 0}, events)
    batch = batch_of(model, events)
    loss, figures = losses(model, batch)
    assert "disagreement" not in figures
    # by hand: every member against the same critic, each with two events per condition
    draw, total = Draw(5, 0), torch.zeros(())
    context = model.transform.context(0, batch.conditions, batch.conditions)
    real = model.critic(batch.code.high, context)
    for k in range(3):
        net = model.net if k == 0 else model.others[k - 1]
        one, two = (model.critic(net(draw.normal(60, 2), context), context) for _ in range(2))
        apart = (real - one).norm(dim=1) + (real - two).norm(dim=1) - (one - two).norm(dim=1)
        total = total + (batch.weights * apart).mean()
    torch.testing.assert_close(loss, total)

    paid = made("adversarial-ensemble", {**GAN, "alpha": 0.3}, events)
    paid.load_state_dict(model.state_dict())
    more, figures = losses(paid, batch)
    assert more < loss
    assert figures["disagreement"] > 0


def test_the_critic_sees_every_member_as_often():
    events = truth(7, 3)
    model = made("adversarial-ensemble", GAN, events)
    context = model.transform.context(0, torch.zeros(7, 1), torch.zeros(7, 1))
    drawn, z = model.fake(context, Draw(1, 1)), Draw(1, 1).normal(7, 2)
    for row in range(7):
        torch.testing.assert_close(drawn[row], model._net(row % 3)(z, context)[row])


def test_disagreement_does_not_pay_for_scatter_nor_depend_on_weights():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(2, 2, 4000, 3, generator=generator)
    shift = torch.tensor([0.5, -0.5])[:, None, None, None]
    # members 0.5 sqrt(3) from their mixture; error of the mean square with width s is sqrt(3) s^2 / 2 / sqrt(4000)
    for width in (0.1, 1.0, 3.0):
        _, apart = disagreement(width * base + shift, torch.tensor(9.0))
        assert apart.item() == pytest.approx(0.5 * 3**0.5, abs=0.02 + 0.015 * width**2)
    seen = (base + shift).requires_grad_(True)
    paid, _ = disagreement(seen, torch.tensor(9.0))
    (slope,) = torch.autograd.grad(paid, seen)
    assert paid < 2 * 9
    assert (slope[0].mean((0, 1)) > 0).all()  # away from the mixture
    assert (slope[1].mean((0, 1)) < 0).all()


def test_paid_members_part_where_data_end():
    events = truth(3000, 0)
    config = {**GAN, "alpha": 0.5, "outside": {"x": (EDGE, EDGE + 1.5)}, "rows": 64}
    model = trained(made("adversarial-ensemble", config, events), events, 100)
    inside, outside = (spread(model, np.full((2000, 1), x), "y").sigma[0] for x in (0.0, EDGE + 1.0))
    assert outside > 4 * inside  # without pay 2.7 times (0.25 against 0.09), with pay 47 times
    drawn = model.sample(events, seed=1)
    assert np.mean(np.abs(drawn["y"] - np.sin(2 * drawn["x"]))) < 0.65  # it learns: 0.24 is perfect, 0.9 nothing


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"objective": "wasserstein"}, "Set objective to cramer"),
        ({"outside": {"z": (0, 1)}}, "'z' is no condition"),
        ({"alpha": 1.0}, "less than 1"),
    ],
)
def test_what_an_adversarial_ensemble_cannot_be(changes, expected):
    with pytest.raises((RecipeError, ValueError), match=expected):
        AdversarialEnsemble(SCHEMA, AdversarialEnsembleConfig(**{**GAN, **changes}))

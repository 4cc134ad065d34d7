"""Recipes of identification and of three detectors: published counts and forms, parts, defects not repeated."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from facsim import Block, Events, Schema, recipes
from facsim.errors import RecipeError, SchemaMismatch, WeightError
from facsim.models import Batch, Draw, Mixture, MixtureConfig, family
from facsim.models.gan import GAN
from facsim.models.gan.auxiliaries import AUXILIARIES, Referee
from facsim.models.gan.auxiliaries.diversity import Spread
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks import CRITICS
from facsim.nets import Differences, MixtureNet
from facsim.nets.activations import Kinked
from facsim.simulators.cherenkov import Dirc, Rich

TRACK = tuple(Block(name) for name in ("P", "ETA", "nTracks"))
DLLS = tuple(Block(f"RichDLL{x}") for x in ("e", "mu", "k", "p", "bt"))
RICH = Schema(DLLS, TRACK)
TPC = Schema(
    (Block("pads", (8, 16), threshold=1.0),),
    tuple(Block(name) for name in ("crossing_angle", "dip_angle", "drift_length", "pad_coordinate")),
)
CELLS = Schema((Block("cells", (30, 30), "energy", "MeV"),), (Block("momentum", (3,)), Block("point", (2,))))


def built(name, schema, **changes):
    """The untrained model of a recipe."""
    recipe = recipes.load(name, changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return family(recipe.family)(schema, recipe.config)


def numbers(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def batch_of(model, events):
    given = torch.from_numpy(events.conditions)
    weights = torch.ones(len(events)) if events.weights is None else torch.from_numpy(events.weights).float()
    return Batch(model.transform.encode(torch.from_numpy(events.features), given), given, weights)


# Published counts and forms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schema", "generator", "critic"),
    [
        ("rich-cramer", RICH, 75_397, 100_224),
        ("rich-cramer-10", RICH, 157_957, 182_784),
        ("dirc", Dirc().schema, 13_189, 9_153),
        ("tpc", TPC, 19_968, 61_121),
        ("lhcb-calorimeter", CELLS, 11_695_105, None),
    ],
)
def test_published_numbers_of_parameters(name, schema, generator, critic):
    model = built(name, schema)
    assert numbers(model.net) == generator
    assert critic is None or numbers(model.critic) == critic


def test_the_ten_layers_are_the_five_layers_by_set():
    changes = {"model.generator.layers": "10", "model.critic.layers": "10"}
    model = built("rich-cramer", RICH, **changes)
    assert (numbers(model.net), numbers(model.critic)) == (157_957, 182_784)


def test_forms_of_the_published_losses():
    five, ten = (recipes.load(name).config for name in ("rich-cramer", "rich-cramer-10"))
    for config in (five, ten):
        assert (config.objective.kind, config.objective.outputs, config.objective.surrogate) == ("cramer", 256, True)
        assert [(p.kind, p.sides, p.weight) for p in config.penalties] == [("gradient", 1, 20)]
        assert config.conditions == "quantiles"
    assert five.objective.joint  # (a): other conditions, product of two weights
    assert not ten.objective.joint  # (b): the same conditions, one weight
    assert (five.schedule.critic_steps, ten.schedule.critic_steps) == (15, 5)
    assert (five.penalties[0].on, ten.penalties[0].on) == ("features+conditions", "features")
    assert five.penalties[0].factor(10_000) == pytest.approx(10)  # 20 (2 / pi) atan(1)
    assert (ten.penalties[0].factor(0), ten.penalties[0].factor(500)) == (0.02, pytest.approx(10))


def test_conditions_of_the_chamber_are_scaled_as_published():
    context = built("tpc", TPC).transform.conditions(torch.tensor([[20.0, -30.0, 290.25, 7.75]]))
    torch.testing.assert_close(context, torch.tensor([[1.0, -0.5, 127.75 / 127.5, 0.25, 0.75]]))


def test_the_kink():
    kink = Kinked()
    x = torch.tensor([-20.0, 0.0, 0.01, 0.0100001, 1.0])
    y = kink(x)
    assert y[0].item() == pytest.approx(0, abs=1e-6)  # its asymptote: nothing
    assert y[1].item() == pytest.approx(np.log10(2) / 10, rel=1e-5)
    assert y[2].item() == pytest.approx(np.log10(2), rel=1e-5)  # an amplitude of 1, within a hundredth of the input
    assert y[3].item() == pytest.approx(y[2].item(), abs=1e-5)
    assert y[4].item() == pytest.approx(np.log10(2) + 0.99, rel=1e-6)
    assert (kink(torch.linspace(-1, 1, 2001)).diff() >= 0).all()


def test_atoms_as_points():
    """Whatever comes near the point is the atom, and numbers are drawn where only an interval is known."""
    events = Rich("K").sample(500, seed=1)
    drawn = {}
    for atoms in ("spread", "points"):
        model = built("rich-cramer+", events.schema, **{"model.atoms": atoms})
        model.prepare(events)
        batch = batch_of(model, events)
        drawn[atoms] = model._game(batch, 0, Draw(1, 0)).real
        assert torch.equal(model.transform.decode(drawn[atoms], batch.conditions), batch_features(model, batch))
    atom = batch.code.low == -torch.inf
    assert 0.1 < atom[:, 3:].float().mean() < 0.6
    assert torch.equal(drawn["points"][~atom], drawn["spread"][~atom])
    for column in (3, 4):
        points, spread = (drawn[k][atom[:, column], column] for k in ("points", "spread"))
        assert len(points.unique()) == 1
        assert points[0] < batch.code.high[atom[:, column], column].min() - 0.1
        assert len(spread.unique()) == len(spread)


def batch_features(model, batch):
    """What the interval's upper ends decode to: atoms at their edge are atoms."""
    return model.transform.decode(batch.code.high, batch.conditions)


# Referee, differences, diversity, reader ------------------------------------------------------------------------------


def rich_2024(**changes):
    events = Rich("K").sample(200, seed=1)
    small = {"model.generator.blocks": 1, "model.critic.blocks": 1, "model.penalties": "[]"}
    model = built("rich-2024", events.schema, **{**small, **changes})
    model.prepare(events)
    return model, batch_of(model, events)


def losses(model, batch, step=0):
    return {player: (loss, figures) for player, loss, figures in model.turns(batch, step, Draw(1, step))}


def test_the_referee_acts_on_neither_player():
    """Gradients of generator and critic are the same to the last bit whether it is there or not."""
    found = []
    for auxiliaries in ("[{kind: referee}]", "[]"):
        model, batch = rich_2024(**{"model.auxiliaries": auxiliaries})
        turns = losses(model, batch)
        grads = {
            "critic": torch.autograd.grad(turns["critic"][0], list(model.critic.parameters()), retain_graph=True),
            "generator": torch.autograd.grad(turns["generator"][0], list(model.net.parameters())),
        }
        found.append(grads)
        if auxiliaries != "[]":
            assert isinstance(model.config.auxiliaries[0], Referee)
            own = torch.autograd.grad(turns["critic"][0], list(model.helpers.parameters()))
            assert any((g != 0).any() for g in own)
            assert 0 < turns["critic"][1]["referee"] < 1
            assert not [f for f in turns["generator"][1] if f.startswith("referee")]
    for player in ("critic", "generator"):
        assert all(torch.equal(a, b) for a, b in zip(found[0][player], found[1][player], strict=True))


def test_the_critic_is_shown_differences():
    model, _ = rich_2024()
    assert model.config.differences == (("RichDLLmu", "RichDLLe"), ("RichDLLp", "RichDLLk"))
    events = Rich("K").sample(50, seed=2)
    x, _ = model.seen(events)
    assert x.shape[1] == 5 + 2
    raw = events["RichDLLmu"] - events["RichDLLe"]
    order = np.argsort(raw)
    assert (np.diff(x[order, 5].numpy()) >= -1e-4).all()
    assert x[:, 5:].abs().max() < 10
    with pytest.raises(SchemaMismatch, match=r"no block 'DLLmu'"):
        Differences(RICH, [("DLLmu", "RichDLLe")])
    with pytest.raises(SchemaMismatch, match="'P', which is a condition"):
        Differences(RICH, [("RichDLLe", "P")])


def test_diversity_is_wanted_where_the_detector_is_diverse():
    torch.manual_seed(0)
    context = torch.cat([torch.zeros(500, 1), torch.ones(500, 1)])  # two conditions, each often
    x = torch.randn(1000, 6) * (0.1 + context)
    spread = Spread(1, points=100, neighbours=30)
    spread.fit(x, context)
    quiet, loud = spread(torch.tensor([[0.0], [1.0]]))
    assert quiet < 0.1
    assert 0.6 < loud <= 1
    part = AUXILIARIES.parse("selective-diversity")
    terms = []
    for stuck in (0.0, 1.0):  # a generator that listens to its noise, and one that does not

        def again(stuck=stuck):
            z = torch.randn(8, 4)
            return z, z * (1 - stuck)

        critic = SimpleNamespace(features=lambda x, _: x)
        turn = SimpleNamespace(figures={}, context=torch.ones(8, 1), critic=critic, again=again)
        terms.append(part.generator(turn, spread).item())
    assert terms[0] <= 1
    assert terms[1] > 100


def test_the_reader_learns_from_real_images_and_teaches_the_generator():
    part = AUXILIARIES.parse("image-reader")
    assert AUXILIARIES.parse(part.model_dump()) == part
    layout = Layout(CELLS, 900, 5)
    part.check(layout)
    assert numbers(part.build(layout, 0)[:9]) == 80 + 2080 + 8256 + 16_448  # convolutions 16, 32, 64, 64 of 2 x 2
    with pytest.raises(SchemaMismatch, match="'regressor'"):
        part.check(Layout(RICH, 5, 3))
    rng = np.random.default_rng(0)
    events = Events(rng.exponential(1, (16, 900)), rng.normal(size=(16, 5)), CELLS)
    model = built("lhcb-calorimeter", CELLS, **{"model.generator.channels": "16", "model.critic.dropout": "0"})
    model.prepare(events)
    turns = losses(model, batch_of(model, events))
    assert turns["critic"][1]["reader"] > 0
    assert turns["generator"][1]["legible"] > 0


# Defects of others, each by its name ----------------------------------------------------------------------------------


def test_defect_missing_comma_joins_two_differences():
    """A missing comma between two names of the production's training script made one of two: here it is an error."""
    for wrong in ('["RichDLLmu RichDLLe", [RichDLLp, RichDLLk]]', "[[RichDLLmu RichDLLe], [RichDLLp, RichDLLk]]"):
        with pytest.raises(RecipeError, match=r"model\.differences"):
            recipes.load("rich-2024", {"model.differences": wrong})


def test_defect_non_saturating_fake_loss_was_a_sum():
    """Twice the same events have the same loss, for both players and all terms: losses are means."""
    model, _ = rich_2024(**{"model.auxiliaries": "[]"})
    objective = model.config.objective
    real, fake, weights = torch.randn(50), torch.randn(50), torch.rand(50) + 0.5
    for player in ("critic", "generator"):
        once = getattr(objective, player)(real, fake, weights)
        twice = getattr(objective, player)(*(t.repeat(2) for t in (real, fake, weights)))
        torch.testing.assert_close(once, twice)


def test_defect_only_the_fake_term_was_averaged():
    """The chamber's JS loss had misplaced parentheses: the real term stayed a vector."""
    model, _ = rich_2024()
    loss = model.config.objective.critic(torch.randn(7), torch.randn(7), torch.ones(7))
    assert loss.shape == ()


def test_defect_zero_centred_penalty_was_not_squared():
    """The DIRC exercise's took the gradient itself, of the wrong shape: ours is the mean square of its length."""
    from facsim.models.gan.penalties.gradient import excess

    assert excess(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), centre=0).item() == 12.5


def test_defect_a_list_of_layers_was_one_layer():
    """`[layer] * n`, and experts made of one object, share their weights: no two layers of ours do."""
    for name, schema in (("rich-2024", RICH), ("rich-cramer", RICH), ("tpc", TPC)):
        model = built(name, schema)
        tensors = [p for p in model.parameters() if p.ndim > 1]
        assert len({p.data_ptr() for p in tensors}) == len(tensors)


def test_defect_batch_normalisation_under_a_gradient_penalty():
    """The published critic has both; a recipe that asks for both says why not."""
    assert CRITICS.parse({"kind": "lhcb-calorimeter", "norm": "batch"}).uses_batch
    with pytest.raises(RecipeError, match="event by event"):
        recipes.load("lhcb-calorimeter", {"model.critic.norm": "batch"})


# Mixture-density network ----------------------------------------------------------------------------------------------


def test_the_density_of_a_mixture_is_that_of_its_draws():
    """Draws have the moments of the density, by quadrature in one dimension and two components."""
    torch.manual_seed(0)
    net = MixtureNet(1, 1, components=2, hidden=4, blocks=1, flags=1)
    net.scatter(1.5)
    grid = torch.linspace(-12, 12, 4801)[:, None]
    context = torch.zeros(len(grid), 1)
    density = sum(net.paired(context, grid, torch.full((len(grid), 1), f)).exp() for f in (0.0, 1.0)).detach().numpy()
    assert density.sum() * 0.005 == pytest.approx(1, abs=1e-4)
    rng = np.random.default_rng(0)
    n = 20_000
    uniform, normal = (torch.from_numpy(x.astype(np.float32)) for x in (rng.random((n, 2)), rng.normal(size=(n, 1))))
    drawn = net.draw(torch.zeros(n, 1), uniform[:, :1], normal, uniform[:, 1:])[0].detach().numpy()[:, 0]
    cumulative = np.interp(np.sort(drawn), grid[:, 0], np.cumsum(density) * 0.005)
    assert np.abs(cumulative - np.arange(n) / n).max() < 1.63 / np.sqrt(n) + 0.003  # 1 % of Kolmogorov; half a bin


def test_rows_are_correlated_as_the_density_says():
    torch.manual_seed(1)
    net = MixtureNet(1, 3, components=1, hidden=4, blocks=1)
    with torch.no_grad():
        net.net.leave[-1].bias.copy_(0.5 * torch.randn(10))
    rng = np.random.default_rng(0)
    normal = torch.from_numpy(rng.normal(size=(20_000, 3)).astype(np.float32))
    none = torch.zeros(20_000, 1)
    rows, _ = net.draw(none, none + 0.5, normal, normal[:, :0])
    wanted = stats.multivariate_normal(np.mean(rows.detach().numpy(), 0), np.cov(rows.detach().numpy().T))
    found = net.paired(none[:50], rows[:50]).detach().numpy()
    # the sample's covariance has an error of 1 % (20,000 events), which in ln p of three columns is 0.03 at most times
    np.testing.assert_allclose(found, wanted.logpdf(rows[:50].detach().numpy()), atol=0.1)


def test_likelihoods_are_in_physical_units():
    """Of an untrained model, a number's density changes as the unit does, and an atom's probability does not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2))
    x[:300, 1] = -5
    schema = Schema((Block("a"), Block("b")))
    found = []
    for unit in (1, 100):
        events = Events(unit * x, np.empty((1000, 0)), schema)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = Mixture(schema, MixtureConfig(components=3, hidden=8, blocks=1))
        model.prepare(events)
        found.append(model.log_prob(events))
    change = found[0] - found[1]
    inner = (np.abs(x) < 2).all(1)
    assert np.median(change[:300]) == pytest.approx(np.log(100), abs=0.02)  # one column, the other is an atom
    assert np.median(change[300:][inner[300:]]) == pytest.approx(2 * np.log(100), abs=0.02)
    assert model.transform.atom.tolist() == [0, -500]


def test_a_likelihood_refuses_negative_weights():
    events = Rich("K").sample(100, seed=1).with_weights(np.resize([1.5, -0.5], 100))
    with pytest.raises(WeightError, match="negative_weights=regress"):
        built("pid-flow", events.schema).prepare(events)


def test_too_many_columns_for_a_mixture():
    with pytest.raises(SchemaMismatch, match="up to 64 columns"):
        built("pid-flow", CELLS)


def test_the_chain_is_in_order():
    chain = recipes.load("pid-chain")
    assert list(chain.parts) == ["ismuon", "rich", "muon", "global", "global-nm"]
    assert chain.parts["muon"].training.negative_weights == "regress"
    assert chain.parts["rich"].training.negative_weights == "regress"
    assert {s.name: s.when and s.when.value for s in chain.config.stages} == {
        "ismuon": None,
        "rich": None,
        "muon": 1,
        "global": 1,
        "global-nm": 0,
    }
    assert isinstance(built("rich-cramer+", RICH), GAN)

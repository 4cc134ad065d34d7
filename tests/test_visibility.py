"""Visibility of photon detectors: published sizes, Poisson's law in a graph, closure against a closed form, export."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from scipy.stats import poisson as law

from facsim import Block, Events, Schema
from facsim.deploy import export
from facsim.errors import CapabilityError, RecipeError, SchemaMismatch
from facsim.models import Batch, Draw, family, load
from facsim.models.visibility import Visibility, VisibilityConfig, symmetric_kl
from facsim.nets.outer_product import OuterProductNet
from facsim.nets.poisson import poisson
from facsim.runtime import load as load_onnx
from facsim.simulators.parametric.light import LightBox, direct_visibility

DUNE = {"axes": (0, 1, 2), "rows": 10, "columns": 12, "hidden": 240}
VERTEX = tuple(Block(k, (), "real", "m") for k in "xyz")
BOX = LightBox(rows=2, columns=3, side_m=0.5)


@pytest.mark.parametrize(("tier", "parameters"), [(0, 145_818), (1, 378_618)])
def test_the_published_networks_have_their_published_sizes(tier, parameters):
    assert OuterProductNet([DUNE], 480, tier).size == parameters


def test_an_outer_product_is_one():
    net = OuterProductNet([{**DUNE, "rows": 2, "columns": 3, "hidden": 4}], 5).eval()
    (branch,) = net.branches
    points, none = torch.randn(7, 3), torch.empty(7, 0)
    i, r, c = (
        part(points[:, k : k + 1], none) for k, part in enumerate((branch.intensity, branch.rows, branch.columns))
    )
    product = torch.einsum("ni,nr,nc->nrc", i, r, c).reshape(7, 6)
    expected = net.leave(branch.hidden(product, none))
    torch.testing.assert_close(net(points, none), expected)


@pytest.mark.parametrize("rate", [0.01, 1.0, 7.9, 8.1, 30.0, 1000.0])
def test_counts_follow_poissons_law(rate):
    n = 400_000
    z = torch.from_numpy(norm.ppf((np.arange(n) + 0.5) / n).astype(np.float32))[:, None]
    counts = poisson(torch.full_like(z, rate), z).numpy()[:, 0].astype(int)
    assert (np.diff(counts) >= 0).all()
    seen = np.bincount(counts) / n
    # the expansion is off by 2.3e-4 at 8, the grid by one in n for each of the some 10 sqrt(rate) counts that occur
    allowed = 4e-4 + 10 * rate**0.5 / n
    assert np.abs(seen - law.pmf(np.arange(len(seen)), rate)).sum() / 2 < allowed


def truth(n, photons, seed, *, varied=False):
    rng = np.random.default_rng(seed)
    vertex = rng.uniform([0.3, -0.9, -1.4], [1.9, 0.9, 1.4], (n, 3))
    number = np.full(n, photons) if not varied else np.rint(rng.uniform(0.2, 1, n) * photons)
    counts = rng.poisson(number[:, None] * direct_visibility(BOX, vertex))
    blocks = (*VERTEX, Block("photons", (), "count")) if varied else VERTEX
    conditions = np.column_stack([vertex, number]) if varied else vertex
    return Events(counts, conditions, Schema((Block("counts", (2, 3), "count"),), blocks))


def fitted(events, steps=300, **config):
    cls = family("visibility")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cls(events.schema, VisibilityConfig(hidden=64, blocks=2, **config))
    model.prepare(events)
    conditions = torch.from_numpy(events.conditions)
    code = model.transform.encode(torch.from_numpy(events.features), conditions)
    optimiser = torch.optim.Adam([p for v in model.players().values() for p in v], 0.01)
    scheme = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for step in range(steps):
        rows = torch.randint(0, len(events), (128,), generator=torch.Generator().manual_seed(step))
        batch = Batch(type(code)(code.low[rows], code.high[rows]), conditions[rows], torch.ones(128))
        ((_, loss, _),) = model.turns(batch, step, Draw(0, step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scheme.step()
    return model.eval()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small take longer on two, and far longer where others want them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
    return fitted(truth(3000, 20_000, seed=1), photons=20_000)


def test_the_visibility_of_a_closed_form_is_found(model):
    vertex = truth(500, 1, seed=2).conditions
    expected = direct_visibility(BOX, vertex)
    off = np.abs(model.visibility(vertex) / expected - 1)[expected * 20_000 > 100]
    assert off.mean() < 0.06  # 0.03 measured; the mean visibility alone would be off by 0.8
    np.testing.assert_allclose(model.expected(vertex), 20_000 * model.visibility(vertex), rtol=1e-5)


def test_counts_are_poisson_around_the_expectation(model):
    rows = np.tile([[0.7, 0.1, 0.2]], (20_000, 1))
    counts, mean = model.sample(rows, seed=3)["counts"].reshape(20_000, -1), model.expected(rows[:1])[0]
    error = np.sqrt(mean / len(rows))
    assert (np.abs(counts.mean(0) - mean) < 4.5 * error).all()
    assert counts.var(0) / mean == pytest.approx(1, abs=0.05)  # the error of a variance is sqrt(2 / n) = 0.01
    assert (counts == np.rint(counts)).all()


def test_the_number_of_photons_can_be_a_condition():
    events = truth(2000, 20_000, seed=4, varied=True)
    model = fitted(events, steps=150)
    rows = np.array([[0.7, 0.1, 0.2, 1000.0], [0.7, 0.1, 0.2, 9000.0]])
    few, many = model.expected(rows)
    np.testing.assert_allclose(9 * few, many, rtol=1e-5)
    np.testing.assert_allclose(*model.visibility(rows))
    np.testing.assert_allclose(many, 9000 * direct_visibility(BOX, rows[:1, :3])[0], rtol=0.25)


def test_the_graph_gives_the_same_counts(tmp_path):
    events = truth(500, 20_000, seed=5)
    made = fitted(events, steps=20, net="outer-product", photons=20_000)
    runtime = load_onnx(export(made, tmp_path / "light.onnx"))
    ours, theirs = (m.sample(events.conditions[:300], seed=1).features for m in (made, runtime))
    # a count falls on the other side of a whole number where rates of some 150 differ by rounding, by some 1e-5 of them
    assert (ours != theirs).mean() < 5e-3
    assert np.abs(ours - theirs).max() <= 1
    again = load(made.save(tmp_path))
    np.testing.assert_array_equal(again.visibility(events.conditions), made.visibility(events.conditions))


def test_further_conditions_act_on_both_networks():
    schema = Schema((Block("counts", (6,), "count"),), (Block("reflectivity"), *VERTEX))
    for net in ("residual", "outer-product"):
        model = Visibility(schema, VisibilityConfig(net=net, photons=100))
        assert (sorted(model.points), model.further) == ([1, 2, 3], [0])
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        rows = np.array([[0.0, 1, 0, 0], [0.9, 1, 0, 0]])
        assert not np.allclose(*model.visibility(rows))


def test_the_published_loss_is_its_formula():
    t, p = torch.tensor([[0.1, 0.2, 0.0]]), torch.tensor([[0.2, 0.2, 0.1]])
    columns = torch.tensor([True, True, False])
    assert symmetric_kl(t, p, columns).item() == pytest.approx(0.1 * np.log(2))
    assert symmetric_kl(t, t, columns).item() == 0


def test_mistakes_are_named():
    counts = Block("counts", (2,), "count")
    with pytest.raises(RecipeError, match="Did you mean 'z'"):
        Visibility(Schema((counts,), VERTEX), VisibilityConfig(coordinates=("x", "y", "zz")))
    with pytest.raises(RecipeError, match="marginals"):
        Visibility(Schema((counts,), VERTEX), VisibilityConfig(transform="marginals"))
    with pytest.raises(SchemaMismatch, match="category"):
        Visibility(Schema((Block("kind", (), "category", names=("a", "b")),), VERTEX), VisibilityConfig())
    with pytest.raises(CapabilityError, match="visibility"):
        family("cfm")(Schema((counts,), VERTEX), family("cfm").config_type()).require("expected")

"""Transforms of columns with exact coincidences, of conditions with long tails, and of logarithms."""

import numpy as np
import pytest
import torch
from scipy import stats

from facsim import Block, Events, Schema
from facsim.errors import SchemaMismatch
from facsim.simulators.cherenkov import Rich
from facsim.transforms import LogTransform, TableTransform, fill, for_schema
from facsim.transforms.context import ConditionContext
from facsim.transforms.ties import DEPTH, atoms, parents


def columns(matrix, **settings):
    """A fitted transform of real columns without conditions, and the events as tensors."""
    matrix = np.asarray(matrix, np.float32)
    schema = Schema(tuple(Block(f"x{i}", **settings) for i in range(matrix.shape[1])))
    transform = for_schema(schema)
    transform.fit(matrix, np.empty((len(matrix), 0), np.float32), None)
    return transform, torch.from_numpy(matrix), torch.empty(len(matrix), 0)


def there_and_back(transform, x, conditions, seed=0):
    code = transform.encode(x, conditions)
    uniform = torch.rand(code.high.shape, generator=torch.Generator().manual_seed(seed))
    return transform.decode(fill(code, uniform), conditions)


def test_likelihoods_of_hypotheses_below_threshold_stay_equal():
    events = Rich("K").sample(5000, seed=1)
    transform = for_schema(events.schema, scales="quantiles")
    transform.fit(events.features, events.conditions, None)
    assert isinstance(transform, TableTransform)
    assert transform.parent.tolist() == [5, 5, 5, 2, 3]  # p to K, below threshold to p
    x, given = torch.from_numpy(events.features), torch.from_numpy(events.conditions)
    assert 0.1 < (x[:, 3] == x[:, 2]).float().mean() < (x[:, 4] == x[:, 3]).float().mean() < 0.45
    for seed in range(2):
        back = there_and_back(transform, x, given, seed)
        for one, other in ((2, 3), (3, 4), (2, 4)):
            assert torch.equal(back[:, one] == back[:, other], x[:, one] == x[:, other])
        assert (back - x).abs().max() < 1e-5 * x.abs().max()  # float32 through tables and a difference
    # before any training the shares are right: drawn independently, within 4 standard errors of 5,000 events
    z = torch.from_numpy(np.random.default_rng(1).logistic(scale=np.sqrt(3) / np.pi, size=(5000, 5)).astype(np.float32))
    drawn = transform.decode(z, given)
    for one, other in ((2, 3), (3, 4)):
        truth, found = ((y[:, one] == y[:, other]).float().mean().item() for y in (x, drawn))
        assert found == pytest.approx(truth, abs=4 * np.sqrt(2 * 0.25 / 5000))


def test_the_value_of_no_answer_is_an_atom():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2))
    x[:600, 0] = -1000
    transform, x, given = columns(x)
    assert transform.atom.tolist() == [-1000, 0]
    assert transform.atomic.tolist() == [True, False]
    back = there_and_back(transform, x, given)
    assert torch.equal(back[:, 0] == -1000, x[:, 0] == -1000)
    assert (back - x).abs().max() < 1e-4
    assert transform.decode(torch.full((1, 2), -40.0), given[:1]).isfinite().all()  # far out no atom is made up


def test_only_what_recurs_is_a_coincidence():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    x[:25, 1] = 7  # less than one in a hundred
    x[:25, 2] = x[:25, 0]
    assert not atoms(x)[1].any()
    assert parents(x, ["", "", ""]).tolist() == [3, 3, 3]
    x[:40, 1], x[:40, 2] = 7, x[:40, 0]
    assert atoms(x)[1].tolist() == [False, True, False]
    assert parents(x, ["", "", ""]).tolist() == [3, 3, 0]
    assert parents(x, ["", "", "MeV"]).tolist() == [3, 3, 3]  # of another unit
    assert parents(x, [None, None, None]).tolist() == [3, 3, 3]
    x[:, 0] = x[:, 1] = np.where(np.arange(3000) < 500, 0, rng.normal(size=3000))
    x[500:, 1] = rng.normal(size=2500)
    assert parents(x, ["", "", ""]).tolist() == [3, 3, 3]  # both without an answer: an atom each, not an equality
    assert not atoms(x[:8])[1].any()  # of eight events nobody knows


def test_chains_of_equal_columns_end_after_a_few():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 6)).astype(np.float32)
    for j in range(1, 6):
        rows = slice(100 * j, 100 * j + 100)
        x[rows, j] = x[rows, j - 1]
    transform, x, given = columns(x)
    depth = [0] * 6
    for j, parent in enumerate(transform.parent.tolist()):
        depth[j] = 0 if parent == 6 else depth[parent] + 1
    assert max(depth) == DEPTH
    back = there_and_back(transform, x, given)
    assert (back - x).abs().max() < 1e-4
    for j, parent in enumerate(transform.parent.tolist()):
        if parent < 6:
            assert torch.equal(back[:, j] == back[:, parent], x[:, j] == x[:, parent])


# Conditions -----------------------------------------------------------------------------------------------------------


def test_quantiles_make_conditions_normal():
    rng = np.random.default_rng(1)
    schema = Schema((Block("x"),), (Block("P"), Block("nTracks", (), "count"), Block("q", (), "category", names="ab")))
    given = np.column_stack(
        [3 * np.exp(rng.exponential(size=20_000)), rng.poisson(150, 20_000), rng.integers(0, 2, 20_000)]
    )
    context = ConditionContext(schema, scales="quantiles")
    context.fit(given.astype(np.float32))
    found = context(torch.from_numpy(given.astype(np.float32))).numpy()
    assert found.shape == (20_000, 4)
    # The sample itself fixes the quantiles: what is left is the interpolation, of whole numbers half a step of 0.033.
    assert stats.kstest(found[:, 0], "norm").statistic < 0.01
    assert stats.kstest(found[:, 1], "norm").statistic < 0.04
    assert set(np.unique(found[:, 2:])) == {0, 1}
    order = np.argsort(given[:, 0])
    assert (np.diff(found[order, 0]) >= 0).all()
    assert np.isfinite(context(torch.tensor([[1e9, -5.0, 0.0]])).numpy()).all()


def test_ramps_say_which_steps_are_passed():
    rng = np.random.default_rng(2)
    schema = Schema((Block("x"),), (Block("P"), Block("q", (), "category", names="ab"), Block("ETA")))
    given = np.column_stack([rng.exponential(size=5000), rng.integers(0, 2, 5000), rng.normal(size=5000)])
    given = given.astype(np.float32)
    plain, ramps = (ConditionContext(schema, scales=scales) for scales in ("quantiles", "ramps"))
    for context in (plain, ramps):
        context.fit(given)
    score, found = (context(torch.from_numpy(given)) for context in (plain, ramps))
    assert found.shape == (5000, 2 * 33 + 2) == (5000, ramps.width)
    assert ramps.categories == ((33, 35),)
    assert (found[:, [0, 33, 34, 35]] - score).abs().max() < 0.05  # `context.OUTSIDE`: scores are looked up
    steps = found[:, 1:33]
    assert ((steps >= 0) & (steps <= 1)).all()
    torch.testing.assert_close(-3.2 + 0.2 * steps.sum(1), found[:, 0])
    # one after the other: a step is begun only after those before it are passed
    assert ((steps[:, :-1] == 1) | (steps[:, 1:] == 0)).float().mean() > 0.999  # 2 of 4 float steps in a ramp round


def test_scales_by_name_and_fractions():
    schema = Schema((Block("x"),), tuple(Block(n) for n in ("angle", "drift", "pad", "free")))
    scales = {
        "angle": {"scale": 20},
        "drift": {"centre": 162.5, "scale": 127.5, "fraction": "beside"},
        "pad": {"fraction": "alone"},
    }
    context = ConditionContext(schema, scales=scales)
    context.fit(np.array([[0, 0, 0, 1], [0, 0, 0, 5]], np.float32))
    found = context(torch.tensor([[10.0, 290.0, -2.75, 5.0], [-20.0, 35.5, 7.5, 1.0]]))
    expected = [[0.5, 1.0, 0.0, 0.25, 1.0], [-1.0, -127 / 127.5, 0.5, 0.5, -1.0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(SchemaMismatch, match=r"names 'drfit'.*Did you mean 'drift'"):
        ConditionContext(schema, scales={"drfit": {}})


# Logarithms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "base"), [("log", np.e), ("log10", 10)])
def test_logarithms(kind, base):
    rng = np.random.default_rng(2)
    schema = Schema((Block("tower", (3,), "energy", "GeV", threshold=1.0), Block("photons", (2,), "count")))
    x = np.column_stack([rng.exponential(30, (500, 3)), rng.poisson(2, (500, 2))])
    events = Events(x, np.empty((500, 0)), schema)
    transform = for_schema(schema, kind=kind)
    assert isinstance(transform, LogTransform)
    transform.fit(events.features, events.conditions, None)
    code = transform.encode(torch.from_numpy(events.features), torch.empty(500, 0))
    assert torch.equal(code.low, code.high)
    wanted = np.where(events.features < 1, 0, events.features)
    np.testing.assert_allclose(code.high, np.log1p(wanted) / np.log(base), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(transform.decode(code.high, torch.empty(500, 0)), wanted, rtol=1e-5, atol=1e-5)

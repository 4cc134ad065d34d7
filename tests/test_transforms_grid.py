"""Conditions looked up on an even grid: how far they are from the quantiles, and where they are not looked up."""

import numpy as np
import pytest
import torch

from facsim import Block, Schema
from facsim.transforms import ConditionScale
from facsim.transforms.context import EDGE, FINEST, OUTER, OUTSIDE, TOLERANCE, ConditionContext

LAWS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "momentum": lambda rng, n: 3 + 20 * rng.gamma(1.5, size=n),  # a sharp lower edge, a long tail
    "tracks": lambda rng, n: np.round(np.exp(5 + 0.5 * rng.standard_normal(n))),
    "flat": lambda rng, n: rng.uniform(-1e-3, 1e-3, n),
}


def context(*columns, **settings):
    blocks = tuple(Block(f"c{i}") for i in range(len(columns)))
    made = ConditionContext(Schema((Block("x"),), blocks), scales="quantiles", **settings)
    made.fit(np.stack(columns, 1).astype(np.float32))
    return made


@pytest.mark.parametrize("law", LAWS)
def test_scores_are_those_of_the_knots_within_the_tolerance(law):
    x = LAWS[law](np.random.default_rng(0), 20_000)
    made = context(x)
    assert 0 < made.grid.shape[1] <= FINEST
    between = np.linspace(x.min(), x.max(), 100_001).astype(np.float32)
    given = np.concatenate([between, made.knots[:, 0].numpy(), [x.min() - 10, x.max() + 10]]).astype(np.float32)
    exact = np.interp(given, made.knots[:, 0].double().numpy(), made.scores.double().numpy())
    found = made(torch.from_numpy(given[:, None]))[:, 0].numpy()
    allowed = np.where(np.abs(exact) < OUTER - 0.1, TOLERANCE, OUTSIDE)  # the knot beyond an interval may be outer
    assert (np.abs(found - exact) < allowed + 2e-3).all()  # and the rounding of steep steps in single precision
    assert np.abs(found).max() <= EDGE * (1 + 1e-6)
    assert (np.diff(found[: len(between)]) >= -1e-6).all()


def test_where_values_tie_no_grid_is_fine_enough_and_all_steps_are_summed():
    rng = np.random.default_rng(0)
    made = context(rng.integers(0, 2, 5000).astype(float), rng.standard_normal(5000))
    assert not made.grid.numel()
    given = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    for i in range(2):
        exact = np.interp(given[:, i], made.knots[:, i].double().numpy(), made.scores.double().numpy())
        np.testing.assert_allclose(made(torch.from_numpy(given))[:, i], exact, atol=1e-4)


def test_named_categories_have_no_quantiles_and_spoil_no_grid():
    rng = np.random.default_rng(0)
    charge = Block("charge", (), "category", names=("-1", "+1"))
    made = ConditionContext(Schema((Block("x"),), (Block("P"), charge, Block("ETA"))), scales="quantiles")
    rows = np.column_stack([rng.gamma(2, size=5000), rng.integers(0, 2, 5000), rng.uniform(2, 5, 5000)])
    made.fit(rows.astype(np.float32))
    assert len(made.grid) == 2
    out = made(torch.from_numpy(rows[:3].astype(np.float32)))
    assert torch.equal(out[:, 1] + out[:, 2], torch.ones(3))
    exact = np.interp(rows[:3, 2], made.knots[:, 2].double().numpy(), made.scores.double().numpy())
    np.testing.assert_allclose(out[:, 3], exact, atol=2 * TOLERANCE)


def test_grids_follow_the_knots_that_are_loaded():
    rng = np.random.default_rng(0)
    made, other = context(rng.standard_normal(5000)), context(5 + rng.gamma(2, size=5000))
    other.load_state_dict(made.state_dict())
    given = torch.linspace(-2, 2, 50)[:, None]
    assert torch.equal(made(given), other(given))
    assert "grid" not in made.state_dict()


def test_fixed_scales_stay():
    schema = Schema((Block("x"),), (Block("a"),))
    made = ConditionContext(schema, scales={"a": ConditionScale(centre=1, scale=2)})
    assert made(torch.tensor([[3.0]])).item() == 1.0

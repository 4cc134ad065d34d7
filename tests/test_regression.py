"""Regression as a model family: mean and noise are found, edges are sharp, and its gradients lead somewhere."""

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema, api
from facsim.errors import DataError, SchemaMismatch
from facsim.models import Regression, RegressionConfig
from facsim.models.regression.laws import LAWS

SCHEMA = Schema((Block("row", (16,)),), (Block("place"),))
QUICK = {"training.steps": 600, "training.validate_every": 600, "training.batch": 64, "training.ema": 0.99}


def steps(n, noise=0.0, seed=0):
    """A row of 16 sensors, on to the left of a place, off to the right of it; and noise that grows with the place."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(-0.8, 0.8, (n, 1))
    row = (np.linspace(-1, 1, 16) < place).astype(float)
    return Events(row + noise * (1 + place) * rng.normal(size=row.shape), place, SCHEMA)


def test_an_edge_that_moves_is_drawn_sharply(tmp_path):
    changes = {**QUICK, "model.law": "binary"}
    model = api.fit(steps(4000), "regression", output=tmp_path / "run", overrides=changes)
    test = steps(1000, seed=1)
    drawn = model.sample(test)
    assert set(np.unique(drawn.features)) == {0, 1}
    # One sensor covers 0.133 of the range 1.6: an edge that is off by 0.01 mistakes 0.01 / 0.133 = 8 % of the rows.
    assert (drawn.features != test.features).any(1).mean() < 0.08


def test_mean_and_noise_are_found(tmp_path):
    model = api.fit(steps(4000, 0.1), "regression", output=tmp_path / "run", overrides={**QUICK, "training.steps": 400})
    for place in (-0.5, 0.5):
        drawn = model.sample(np.full((4000, 1), place), seed=2)["row"]
        # Far from the edge. Statistical error of a mean: 0.15 / sqrt(4000) = 0.002; the rest is what 400 steps leave.
        np.testing.assert_allclose(drawn[:, :2].mean(0), 1, atol=0.05)
        np.testing.assert_allclose(drawn[:, -2:].mean(0), 0, atol=0.05)
        np.testing.assert_allclose(drawn[:, [0, 1, -2, -1]].std(0), 0.1 * (1 + place), rtol=0.2)


def test_the_likelihood_is_least_at_the_true_mean_and_width():
    x = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    raw = torch.log(torch.expm1(torch.tensor(1.0)))  # softplus of it is 1, the true width
    losses = {
        (shift, wider): LAWS["normal"].loss(x, torch.full_like(x, shift), torch.full_like(x, raw + wider)).mean()
        for shift in (-0.1, 0.0, 0.1)
        for wider in (-0.2, 0.0, 0.2)
    }
    assert min(losses, key=losses.get) == (0.0, 0.0)


def test_a_binary_draw_has_the_gradient_of_its_chance():
    logit = torch.tensor([[-0.5, 0.5]], requires_grad=True)
    drawn = LAWS["binary"].draw(logit, None, torch.empty(1, 2))
    assert drawn.tolist() == [[0.0, 1.0]]
    (gradient,) = torch.autograd.grad(drawn.sum(), logit)
    chance = logit.sigmoid()
    assert torch.allclose(gradient, chance * (1 - chance))


def test_grey_values_are_not_binary():
    model = Regression(SCHEMA, RegressionConfig(law="binary", transform="scale"))
    with pytest.raises(DataError, match=r"0 or one other value.*model\.law to normal"):
        model.prepare(steps(50, 0.1))


def test_places_need_one_block_with_axes():
    table = Schema((Block("a"), Block("b")), (Block("theta"),))
    with pytest.raises(SchemaMismatch, match=r"one block with axes.*'mlp'"):
        Regression(table, RegressionConfig(transform="scale", net="coordinates"))

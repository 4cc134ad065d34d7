"""Laws of transforms: inverse of forward is the identity, marginals and occupancy are right before any training."""

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema
from facsim.transforms import Marginals, ShowerTransform, TableTransform, fill, for_schema


@pytest.fixture(scope="module")
def showers(toy_showers):
    return toy_showers(3000, seed=1)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(2)
    schema = Schema(
        (Block("mass", (), "real", "GeV"), Block("hits", (), "count"), Block("deposit", (), "energy", "MeV")),
        (Block("momentum", (), "energy", "GeV"), Block("eta")),
    )
    deposit = np.where(rng.random(3000) < 0.4, 0, rng.exponential(size=3000))
    features = np.column_stack([rng.normal(size=3000) ** 3, rng.poisson(3, 3000), deposit])
    return Events(features, np.column_stack([rng.uniform(1, 9, 3000), rng.normal(size=3000)]), schema)


@pytest.fixture(params=["showers", "table"])
def events(request):
    return request.getfixturevalue(request.param)


def encoded(events, seed=0):
    transform = for_schema(events.schema)
    transform.fit(events.features, events.conditions, events.weights)
    features, conditions = torch.from_numpy(events.features), torch.from_numpy(events.conditions)
    code = transform.encode(features, conditions)
    uniform = torch.rand(code.high.shape, generator=torch.Generator().manual_seed(seed))
    return transform, code, fill(code, uniform), conditions


def test_the_right_transform_is_chosen(showers, table):
    assert isinstance(for_schema(showers.schema), ShowerTransform)
    assert isinstance(for_schema(table.schema), TableTransform)


def test_decode_of_encode_is_the_identity(events):
    transform, _, latent, conditions = encoded(events)
    back = transform.decode(latent, conditions).numpy()
    # float32 through log, exp and a table: 1e-4 of the value or of a millionth of the largest.
    np.testing.assert_allclose(back, events.features, rtol=1e-4, atol=1e-6 * events.features.max())


def test_empty_cells_stay_empty_whatever_is_drawn(showers):
    transform, code, _, conditions = encoded(showers)
    for seed in range(3):
        latent = fill(code, torch.rand(code.high.shape, generator=torch.Generator().manual_seed(seed)))
        back = transform.decode(latent, conditions).numpy()
        np.testing.assert_array_equal(back > 0, showers.features > 0)


def test_latent_marginals_have_zero_mean_and_unit_variance(events):
    _, _, latent, _ = encoded(events)
    # 3,000 events: the mean has an error of 0.018, the standard deviation (kurtosis 4.2) one of 0.02.
    assert latent.mean(0).abs().max() < 0.09
    assert (latent.std(0) - 1).abs().max() < 0.12


def test_independent_noise_gives_the_right_occupancy_and_exact_sums(showers):
    transform, _, _, conditions = encoded(showers)
    rng = np.random.default_rng(0)
    logistic = rng.logistic(scale=np.sqrt(3) / np.pi, size=(3000, transform.width))
    latent = torch.from_numpy(logistic.astype(np.float32))
    cells = transform.decode(latent, conditions).numpy()
    for block in showers.schema.features:
        columns = showers.schema.columns(block.name)
        truth, drawn = (showers.features[:, columns] > 0).mean(), (cells[:, columns] > 0).mean()
        assert abs(truth - drawn) < 0.01, block.name
    layers = transform._layers(latent, conditions).numpy()
    sums = np.stack([cells[:, showers.schema.columns(b.name)].sum(1) for b in showers.schema.features], axis=1)
    np.testing.assert_allclose(sums, layers, rtol=1e-5, atol=1e-5)


def test_whole_numbers_stay_whole(table):
    transform, _, _, conditions = encoded(table)
    latent = torch.randn(3000, transform.width, generator=torch.Generator().manual_seed(1))
    hits = transform.decode(latent, conditions)[:, 1]
    assert torch.equal(hits, hits.round())
    assert abs(hits.mean() - table.features[:, 1].mean()) < 0.3


def test_cells_below_threshold_count_as_empty(showers):
    transform, _, _, _ = encoded(showers)
    features = showers.features.copy()
    lit = features > 0
    features[~lit] = 0.5 * showers.schema.features[0].threshold
    below = transform.encode(torch.from_numpy(features), torch.from_numpy(showers.conditions))
    assert torch.equal(torch.isinf(below.low[:, transform.stages[0] :]), torch.from_numpy(~lit))


def test_negative_weights_do_not_break_a_fit(showers):
    weights = np.random.default_rng(0).normal(1, 1, len(showers))
    transform = for_schema(showers.schema)
    transform.fit(showers.features, showers.conditions, weights)
    assert all(torch.isfinite(v).all() for v in transform.state_dict().values())


def test_zero_weight_removes_an_event_from_the_tables():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 2)).astype(np.float32)
    outlier = np.concatenate([values, np.full((400, 2), 50, np.float32)])
    driver = np.zeros(400, np.float32)
    alone, masked = Marginals(2, knots=1), Marginals(2, knots=1)
    alone.fit(values, driver)
    masked.fit(outlier, np.zeros(800, np.float32), np.repeat([1.0, 0.0], 400))
    z = torch.linspace(-2, 2, 9)[:, None].repeat(1, 2)
    a, b = (m.decode(z, torch.zeros(9))[0] for m in (alone, masked))
    np.testing.assert_allclose(a, b, atol=0.03)  # tables interpolate on a grid of 0.25 in the logistic score


def test_code_survives_extremes(showers):
    transform, _, _, _ = encoded(showers)
    features = np.zeros((3, showers.schema.width), np.float32)
    features[1] = 1e6
    features[2, 0] = 1e-30
    code = transform.encode(torch.from_numpy(features), torch.full((3, 1), 10.0))
    assert torch.isfinite(code.high).all()
    assert torch.isfinite(transform.decode(code.high, torch.full((3, 1), 10.0))).all()

"""Spread of ensembles, calibration and variation weights, with members whose laws are known."""

import numpy as np
import pytest

from facsim import Block, Events, Schema
from facsim.errors import CapabilityError, DataError
from facsim.runtime import Member, held_out, spread, variation_weights
from facsim.runtime.members import mark
from facsim.sharding import ShardSampler

SCHEMA = Schema((Block("y"),), (Block("x"),))


class Shifted(ShardSampler):
    """y = shift_k * x + noise, member k chosen as ensembles do."""

    schema = SCHEMA
    latent = 2
    condition_range = (np.array([-10.0]), np.array([10.0]))

    def __init__(self, shifts):
        self.shifts = np.asarray(shifts, np.float32)
        self.members = len(shifts)

    def _generate(self, conditions, noise):
        marks = np.array([mark(k, self.members) for k in range(self.members)])
        chosen = np.abs(noise[:, :1] - marks).argmin(1)
        return self.shifts[chosen][:, None] * conditions + noise[:, 1:]


def truth(n, seed, shift=0.0, low=0.0, high=4.0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, (n, 1))
    return Events(shift * x + rng.normal(size=(n, 1)), x, SCHEMA)


def test_members_share_noise_and_differ_by_their_law():
    ensemble = Shifted([0.0, 1.0, 5.0])
    x = np.linspace(0, 4, 2000)[:, None]
    a, b = (Member(ensemble, k).sample(x, seed=3) for k in (0, 1))
    np.testing.assert_allclose(b.features - a.features, x, atol=1e-5)


def test_spread_is_that_of_the_members_without_statistics():
    shifts = np.array([0.0, 0.1, -0.1, 0.05, -0.05])
    events = truth(8000, 0)
    bins = (events["x"] > 2).astype(int)
    found = spread(Shifted(shifts), events, "y", bins)
    centres = [events["x"][bins == b].mean() for b in (0, 1)]
    # exact up to rounding: with common noise the members' difference is their shift times x, event by event
    np.testing.assert_allclose(found.sigma, np.std(shifts, ddof=1) * np.array(centres), rtol=0.02)
    # equal members leave nothing, though a bin of 30 events scatters by 0.2
    assert spread(Shifted([0.3] * 4), events[:60], "y", bins[:60]).sigma.max() < 1e-6


def test_factor_makes_pulls_unit_wide_and_coverage_right():
    rng = np.random.default_rng(5)
    events = truth(200_000, 1, low=1)
    bins = rng.integers(0, 100, len(events))
    offset = 0.3 * rng.normal(size=100)  # the model's true error, bin by bin
    real = Events(events.features + offset[bins][:, None], events.conditions, SCHEMA)
    found = held_out(Shifted([-0.01, 0.01]), real, "y", bins)
    fitted = found.calibrated()
    assert np.sqrt(np.mean(fitted.pulls**2)) == pytest.approx(1, abs=1e-3)
    # spread is sqrt(2) 0.01 x 2.5 = 0.035; 100 bins fix the ratio to 7 %
    assert fitted.factor == pytest.approx(0.3 / 0.0354, rel=0.25)
    share, error = fitted.coverage()
    assert abs(share - 0.683) < 3 * error
    assert found.coverage()[0] < 0.4


def test_where_statistics_are_enough_the_factor_stays(caplog):
    found = held_out(Shifted([0.0, 0.01]), truth(500, 10), "y", np.arange(500) // 100)
    assert np.mean(found.scaled(0.0).pulls ** 2) < 1  # of this seed; by chance in half of them
    assert found.calibrated().factor == 1
    assert "do not resolve" in caplog.text


def test_agreement_in_error_is_an_error():
    events = truth(4000, 3, shift=2.0)
    with pytest.raises(DataError, match="agree where they are wrong"):
        held_out(Shifted([0.0, 0.0]), events, "y", np.arange(4000) % 4).calibrated()


def test_negative_weights_take_background_away():
    events = truth(40_000, 4)
    background = Events(events.features[:20_000] + 7, events.conditions[:20_000], SCHEMA)
    both = Events(
        np.concatenate([events.features, background.features, background.features]),
        np.concatenate([events.conditions, background.conditions, background.conditions]),
        SCHEMA,
        np.repeat([1.0, 1.0, -1.0], [40_000, 20_000, 20_000]),
    )
    found = held_out(Shifted([0.0, 0.1]), both, "y")
    assert found.truth[0] == pytest.approx(events["y"].mean(), abs=1e-4)


def test_variation_weights_are_density_ratios():
    ensemble = Shifted([-0.25, 0.25])
    nominal = ensemble.sample(truth(12_000, 6, low=1, high=3), seed=7)
    weights = variation_weights(ensemble, nominal, seed=8)
    np.testing.assert_allclose(weights.mean(1), 1)
    x, y = nominal["x"], nominal["y"]
    densities = np.stack([np.exp(-((y - s * x) ** 2) / 2) for s in (-0.25, 0.25)], axis=1)
    exact = densities / densities.mean(1, keepdims=True)
    # the means that the weights must give: those of the members, 0.5 apart; error of a weighted mean 0.01
    means = [np.average(y, weights=w) for w in weights.T]
    assert means[0] == pytest.approx(np.average(y, weights=exact[:, 0]), abs=0.06)
    assert means[1] == pytest.approx(np.average(y, weights=exact[:, 1]), abs=0.06)
    assert np.corrcoef(weights[:, 0], exact[:, 0])[0, 1] > 0.95


def test_what_is_no_ensemble_says_so():
    single = Shifted([0.0])
    single.members = 0
    with pytest.raises(CapabilityError, match="no ensemble"):
        spread(single, np.ones((3, 1)), "y")
    with pytest.raises(DataError, match="members 0 to 1"):
        Member(Shifted([0.0, 1.0]), 2)
    with pytest.raises(DataError, match="whole number for each"):
        spread(Shifted([0.0, 1.0]), np.ones((3, 1)), "y", bins=[0.5, 1, 2])
    with pytest.raises(DataError, match="one finite number per event"):
        spread(Shifted([0.0, 1.0]), np.ones((3, 1)), lambda e: e.features)

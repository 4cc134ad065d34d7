"""Toys against their closed forms."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import facsim
from facsim.cli import cli
from facsim.errors import DataError, SimulationError
from facsim.metrics import energy_distance
from facsim.observables import kind_of
from facsim.simulators import toys
from facsim.sweights import signal_yield, sweights

ALL = toys.names()


def draw(name, n, seed=0, **options):
    return toys.get(name, **options).sample(n, seed=seed)


@pytest.mark.parametrize("name", ALL)
def test_a_seed_gives_the_same_events_whatever_the_pieces(name):
    toy = toys.get(name)
    assert isinstance(toy, facsim.Sampler)
    whole = toy.sample(1500, seed=3).check()
    assert len(whole) == 1500
    pieces = facsim.concatenate(toy.stream(1500, seed=3, start=1100))
    np.testing.assert_array_equal(pieces.features, whole.features[1100:])
    np.testing.assert_array_equal(pieces.conditions, whole.conditions[1100:])
    np.testing.assert_array_equal(toy.sample(40, seed=3).features, whole.features[:40])
    assert not np.array_equal(toy.sample(40, seed=4).features, whole.features[:40])


@pytest.mark.parametrize("name", ALL)
def test_conditions_can_be_given(name):
    toy = toys.get(name)
    drawn = toy.sample(300, seed=1)
    again = toy.sample(drawn, seed=2)
    np.testing.assert_array_equal(again.conditions, drawn.conditions)
    assert again.schema == toy.schema


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_gaussians_have_the_published_modes(name):
    toy = toys.get(name)
    modes, n = toy.modes(), 20_000
    assert len(modes) == {"ring": 8, "grid": 25}[name]
    if name == "ring":
        np.testing.assert_allclose(np.hypot(*modes.T), 2.0)
    else:
        np.testing.assert_allclose(np.unique(modes), [-4, -2, 0, 2, 4])
    events = toy.sample(n, seed=1)
    assert toys.modes_found(events, modes, toy.std) == len(modes)
    # 1 - exp(-9/2) = 0.98889 within three sigma; binomial error 0.00074 at 20,000 events, 4 of them
    assert abs(toys.good_share(events, modes, toy.std) - 0.98889) < 4 * 0.00074
    # the density at a mode, against the share of events in a small square (area 0.01 std^2 * 400)
    inside = np.abs(events.features - modes[1]).max(axis=1) < toy.std
    expected = (stats.norm.cdf(1) - stats.norm.cdf(-1)) ** 2 / len(modes)
    assert abs(inside.mean() - expected) < 4 * np.sqrt(expected / n)
    np.testing.assert_allclose(toy.density(modes[:1]), 1 / (2 * np.pi * toy.std**2 * len(modes)), rtol=1e-6)


def test_modes_are_counted_only_where_events_are():
    ring = toys.Ring()
    modes = ring.modes()
    some = np.repeat(modes[:3], 5, axis=0)
    some[0] += 2.9 * ring.std * np.array([1.0, 0.0])
    assert toys.modes_found(some, modes, ring.std) == 3
    some[1:] += 4 * ring.std
    assert toys.modes_found(some, modes, ring.std) == 1
    assert toys.good_share(some, modes, ring.std) == pytest.approx(1 / 15)
    assert toys.good_share(np.zeros((4, 2)), modes, ring.std) == 0
    with pytest.raises(DataError, match="at least one event"):
        toys.good_share(np.empty((0, 2)), modes, ring.std)


def test_log_transport_is_an_exponential():
    toy = toys.LogTransport()
    x = toy.sample(20_000, seed=1)["x"]
    assert stats.kstest(-x, "expon").pvalue > 1e-3
    z = np.linspace(0.01, 0.99, 20)
    np.testing.assert_allclose(toy.cdf(toy.quantile(z)), z)
    np.testing.assert_allclose(
        np.gradient(toy.cdf(np.linspace(-3, -1, 2001)), 1e-3), toy.density(np.linspace(-3, -1, 2001)), rtol=2e-3
    )
    assert toy.density(0.5) == 0
    assert toy.cdf(1.0) == 1


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_sweights_leave_the_signal(share):
    toy = toys.SWeightsMixture(signal=share)
    events, pure = toy.sample(3000, seed=1), toy.pure(3000, seed=2)
    weights = events.weights
    _, mass, is_signal = toy.mixture(3000, seed=1)
    # the weights add up to the fitted yield; its error is a few times sqrt(N_s)
    assert abs(weights.sum() - is_signal.sum()) < 4 * np.sqrt((weights**2).sum())
    assert (weights < 0).any()
    # sWeights of the background's events add up to nothing
    assert abs(weights[~is_signal].sum()) < 4 * np.sqrt((weights[~is_signal] ** 2).sum())
    assert abs(np.corrcoef(mass[is_signal], events.features[is_signal, 0])[0, 1]) < 4 / np.sqrt(is_signal.sum())
    weighted = energy_distance(pure.features, events.features, wy=weights)
    plain = energy_distance(pure.features, events.features)
    assert weighted.value < 3 * weighted.error
    assert plain.value > 5 * plain.error
    # the closed-form density: its mean logarithm over the signal is minus the entropy, 1 + ln(2 pi sqrt(det))
    entropy = 1 + np.log(2 * np.pi * np.sqrt(1 - 0.36))
    assert abs(np.log(toy.density(pure.features)).mean() + entropy) < 4 / np.sqrt(3000)  # variance of chi2_2 / 2 is 1


def test_the_yield_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(1)
    s, b = rng.random((2, 500))
    n = signal_yield(s, b)

    def likelihood(share):
        return np.log(share * s + (1 - share) * b).sum()

    best = max(np.linspace(0.01, 0.99, 99), key=likelihood)
    assert abs(n / 500 - best) <= 0.01
    assert signal_yield([1.0, 1.0], [0.5, 0.5]) == 2
    assert signal_yield([0.5, 0.5], [1.0, 1.0]) == 0
    with pytest.raises(DataError, match="both must be positive"):
        sweights([1.0], [1.0], 1.0, 0.0)
    with pytest.raises(DataError, match="nor both zero"):
        signal_yield([0.0], [0.0])


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_light_curves_have_their_covariance(kind):
    toy = toys.LightCurves(points=24)
    n = 4000
    events = toy.sample(np.repeat([[0.7, 0.5, kind]], n, axis=0), seed=1)
    assert kind_of(events.schema) == "table"
    known = toy.covariance(0.7, 0.5, toy.schema.block("kind").names[kind])
    found = np.cov(events.features.T)
    # an element's error is at most about sqrt(fourth moment / n); the magnitudes are within 0.6 of their mean
    assert np.abs(found - known).max() < 5 * 0.5**2 / np.sqrt(n)
    np.testing.assert_allclose(np.diag(known), known[0, 0], rtol=1e-4)  # no phase is preferred; 2,000 of them


def test_digits_come_once_and_with_their_label():
    toy = toys.Digits()
    events = toy.sample(1797, seed=5)
    assert kind_of(events.schema) == "images"
    assert len(np.unique(events.features, axis=0)) == 1797
    counts = np.bincount(events["digit"].astype(int))
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    assert len(np.unique(toys.Digits(bootstrap=True).sample(1797, seed=5).features, axis=0)) < 1300  # 1 - 1/e of them
    sevens = toy.sample(np.full(100, 7), seed=1)
    known = {row.tobytes() for row in events.features[events["digit"] == 7]}
    assert {row.tobytes() for row in sevens.features} <= known
    assert len(np.unique(sevens.features, axis=0)) == 100
    assert toys.Digits(labels=False).sample(3).conditions.shape == (3, 0)


def test_the_command_line_draws_toys(tmp_path):
    path = tmp_path / "grid.h5"
    result = CliRunner().invoke(
        cli, ["simulate", "grid", "-n", "50", "--set", "std=0.1", "--seed", "2", "-o", str(path)]
    )
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(facsim.read(path).features, toys.GaussianGrid(std=0.1).sample(50, seed=2).features)
    for line, message in (
        ("ring --particle e-", "ring has no option 'particle'"),
        ("calogan --set cut=1", "Did you mean 'cut_mm'"),
        ("rinq", "Did you mean 'ring'"),
    ):
        result = CliRunner().invoke(cli, ["simulate", *line.split(), "-n", "5", "-o", str(tmp_path / "no.h5")])
        assert result.exit_code == 2
        assert message in result.output


def test_files_and_bad_input(tmp_path):
    path = toys.write("ring", n=2500, output=tmp_path / "ring.h5", seed=4, std="0.1")
    np.testing.assert_array_equal(facsim.read(path).features, toys.Ring(std=0.1).sample(2500, seed=4).features)
    for message, error, call in (
        ("Did you mean 'ring'", SimulationError, lambda: toys.get("rinq")),
        ("Did you mean 'radius'", DataError, lambda: toys.get("ring", radios=1)),
        ("labels='maybe' must be of type bool", DataError, lambda: toys.get("digits", labels="maybe")),
        ("must be of type float", DataError, lambda: toys.get("ring", std=True)),
        ("must be of type int", DataError, lambda: toys.get("ring", count=2.5)),
        ("std=-1.0 must be positive", DataError, lambda: toys.get("grid", std=-1)),
        ("signal=1.0 must lie", DataError, lambda: toys.SWeightsMixture(signal=1.0)),
        ("n=0: at least one", DataError, lambda: draw("ring", 0)),
        ("seed=-1", DataError, lambda: draw("digits", 5, seed=-1)),
        ("one of 0 to 9, got 11", DataError, lambda: toys.Digits().sample([11.0])),
        ("kind one of 0 to 2", DataError, lambda: toys.LightCurves().sample([[1.0, 1.0, 3.0]])),
    ):
        with pytest.raises(error, match=message):
            call()


def test_options_come_as_values_or_as_the_text_of_a_command_line():
    assert toys.get("digits", labels="false", bootstrap="True") == toys.get("digits", labels=False, bootstrap=True)
    assert toys.get("ring", std="1e-2", radius=3) == toys.get("ring", std=0.01, radius=3.0)

"""Time-projection chamber and zero-degree calorimeter against closed forms; moments and channel sums."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.integrate import dblquad

import facsim
from facsim import observables
from facsim.cli import cli
from facsim.errors import DataError, RangeError
from facsim.io.tpc_digits import CONDITIONS, RESPONSE
from facsim.observables.tpc import _mean_and_width, moments, profiles, variables
from facsim.observables.zdc import channel_sums
from facsim.simulators.images import Tpc, Zdc
from facsim.simulators.images.tpc import CLUSTER_SIZES, _pad_response, _pulse
from facsim.simulators.images.zdc import CORE_MM, ESCAPE, HADRONIC, LENGTH, LIGHT, SIDE, _light

NEUTRON = 0.939565


def tracks(n, crossing=0.0, dip=0.0, drift=100.0, pad=20.0):
    return np.tile(np.array([crossing, dip, drift, pad]), (n, 1))


def particle(n, energy, mass=0.0, charge=0.0, slope=0.0):
    along = np.sqrt((energy**2 - mass**2) / (1 + slope**2))
    return np.tile([energy, mass, charge, 0, 0, 0, slope * along, 0, along], (n, 1))


# what both owe (their seeds and pieces: tests/test_cherenkov.py)


@pytest.mark.parametrize("kind", [Tpc, Zdc])
def test_events_after_an_event_do_not_change_it(kind):
    drawn = kind().sample(300, seed=2)
    again = kind().sample(drawn, seed=2)
    np.testing.assert_array_equal(again.features, drawn.features)
    np.testing.assert_array_equal(kind().sample(drawn[:70], seed=2).features, drawn.features[:70])
    other = kind().sample(np.concatenate([drawn.conditions[:70], drawn.conditions[::-1][:200]]), seed=2)
    np.testing.assert_array_equal(other.features[:70], drawn.features[:70])
    assert (kind().sample(drawn, seed=3).features != drawn.features).any(axis=1).mean() > 0.99


@pytest.mark.parametrize("name", ["tpc", "zdc"])
def test_simulate_writes_them_and_observables_follow(name, tmp_path):
    path = tmp_path / f"{name}.h5"
    done = CliRunner().invoke(cli, ["simulate", name, "-n", "60", "--seed", "1", "-o", str(path)])
    assert done.exit_code == 0, done.output
    events = facsim.io.read(path)
    own = {"tpc": Tpc, "zdc": Zdc}[name]().sample(60, seed=1)
    assert events.schema == own.schema
    np.testing.assert_array_equal(events.features, own.features)
    found = observables.compute(events)
    wanted = {"tpc": moments, "zdc": channel_sums}[name](events["response"])
    for key, values in wanted.items():
        np.testing.assert_array_equal(found[key], values)
        assert observables.describe(key, events.schema).symbol != key
    columns = np.stack(list(found.values()))
    assert np.linalg.matrix_rank(columns - columns.mean(axis=1, keepdims=True)) == len(columns)  # nothing said twice


# time-projection chamber


def test_the_schema_is_that_of_the_reader():
    schema = Tpc().schema
    assert schema.features == (RESPONSE,)
    assert schema.conditions == CONDITIONS
    drawn = Tpc().sample(1024, seed=1)
    for name, (low, high) in Tpc.ranges.items():
        if name != "pad_coordinate":
            share = (drawn[name] - low) / (high - low)
            assert stats.kstest(share, "uniform").pvalue > 1e-4


def test_pulse_and_pad_response_share_a_charge():
    fine = np.arange(-20, 20, 1e-3)
    for response, variance in ((_pad_response, 0.25), (_pulse, 5 * 1.6**2 / 16)):
        density = response(fine) * 1e-3
        np.testing.assert_allclose(density.sum(), 1, rtol=1e-6)
        assert abs((density * fine).sum()) < 1e-6
        np.testing.assert_allclose((density * fine**2).sum(), variance, rtol=1e-5)
    lit = fine[_pulse(fine) > _pulse(fine).max() / 2]
    assert (lit[-1] - lit[0]) * 100 == pytest.approx(190, abs=3)  # ns, as the shapers of this time


@pytest.mark.parametrize(("crossing", "dip", "drift"), [(0, 0, 40), (20, 0, 150), (15, -50, 280), (-20, 40, 100)])
def test_mean_images_have_the_stated_moments(crossing, dip, drift):
    n = 1024
    # all fractions of pad and bin, at which the track then is placed: a mean over what is not asked about
    rng = np.random.default_rng(5)
    given = tracks(n, crossing, dip) + np.column_stack([np.zeros((n, 2)), drift - 100 + rng.random(n), rng.random(n)])
    images = Tpc(threshold=0.0).sample(given, seed=1)["response"].astype(float)
    alpha, lam, length_cm = np.radians(crossing), np.radians(dip), (drift + 0.5) * 0.545
    way = 1.2 / np.cos(alpha) / np.cos(lam)
    sizes = np.arange(1, len(CLUSTER_SIZES) + 1)
    mean, square = CLUSTER_SIZES @ sizes, CLUSTER_SIZES @ sizes**2
    # compound Poisson: clusters of k electrons, each with a gamma law of relative variance 1 / 1.5
    variance = 9 * 28 * way * (square + mean / 1.5)
    total = images.sum(axis=(1, 2))
    # on top of four standard errors 0.5 %: what long pulses lose, and sums over pads instead of integrals
    assert abs(total.mean() - 3 * 28 * way * mean) < 4 * np.sqrt(variance / n) + 0.005 * total.mean()

    # the moments about the track: weighted by charge over all tracks, in coordinates that move with it
    i = np.arange(-3, 5) - (given[:, 3] % 1)[:, None]
    j = np.arange(-7, 9) - (given[:, 2] % 1)[:, None]

    def average(f):
        per_track = f / total.mean()
        return per_track.mean(), per_track.std() / np.sqrt(n)

    x, tx = np.tan(alpha), np.tan(lam) / np.cos(alpha)
    found = {
        "mean0": (average((images.sum(2) * i).sum(1)), 0.0),
        "mean1": (average((images.sum(1) * j).sum(1)), 0.0),
        "var0": (average((images.sum(2) * i**2).sum(1)), 0.25 + (0.23**2 * length_cm + (12 * x) ** 2 / 12) / 5**2),
        "var1": (average((images.sum(1) * j**2).sum(1)), 0.8 + (0.36**2 * length_cm + (12 * tx) ** 2 / 12) / 5.45**2),
        "cov": (average(np.einsum("nij,ni,nj->n", images, i, j)), 12 * x * tx * 12 / 12 / 5 / 5.45),
    }
    for name, ((value, error), expected) in found.items():
        # the error of a quotient, whose denominator is common, is smaller; 2 % of a width: cut tails, sums over pads
        assert abs(value - expected) < 5 * error + 0.02 * abs(expected) + 0.005, name


@pytest.mark.parametrize(("axis", "d_mm", "unit_mm"), [(0, 0.23, 5.0), (1, 0.36, 5.45)])
def test_diffusion_grows_with_the_root_of_the_drift_length(axis, d_mm, unit_mm):
    n, rng = 1000, np.random.default_rng(6)
    drift = np.repeat([50.0, 280.0], n)
    given = tracks(2 * n) + np.column_stack([np.zeros((2 * n, 2)), drift - 100 + rng.random(2 * n), rng.random(2 * n)])
    images = Tpc(threshold=0.0).sample(given, seed=2)["response"].astype(float)
    place = (np.arange(-3, 5) - given[:, 3:] % 1, np.arange(-7, 9) - given[:, 2:3] % 1)[axis]
    charge = images.sum(axis=2 - axis)
    width, error = np.empty(2), np.empty(2)
    for k, rows in enumerate((slice(n), slice(n, None))):
        total, second = charge[rows].sum(1), (charge[rows] * place[rows] ** 2).sum(1)
        width[k] = second.mean() / total.mean()
        error[k] = (second - width[k] * total).std() / total.mean() / np.sqrt(n)  # of a quotient
    expected = (d_mm / unit_mm) ** 2 * 230 * 0.545
    # 1 %: cut tails and sums over pads
    assert abs(np.diff(width)[0] - expected) < 4 * np.hypot(*error) + 0.01 * expected
    assert 4 * np.hypot(*error) < 0.2 * expected


def test_small_amplitudes_are_not_read_out():
    given = tracks(500, 5, 20, 150)
    all_, read = (Tpc(threshold=t).sample(given, seed=1)["response"] for t in (0.0, 1.0))
    np.testing.assert_array_equal(read, np.where(all_ >= 1, all_, 0))
    assert ((all_ > 0) & (all_ < 1)).any()
    assert Tpc(threshold=2.5).schema.block("response").threshold == 2.5


def test_charge_has_a_tail_as_landaus():
    charge = Tpc().sample(tracks(2000), seed=1)["response"].sum(axis=(1, 2))
    low, middle, high = np.percentile(charge, [5, 50, 95])
    assert (high - middle) > 2 * (middle - low)
    assert charge.mean() > 1.1 * middle


def test_moments_and_variables():
    image = np.zeros((1, 8, 16))
    image[0, 2, 5], image[0, 4, 9] = 1, 3
    found = {name: float(v[0]) for name, v in moments(image).items()}
    assert found == {"mean0": 3.5, "mean1": 8.0, "sigma0^2": 0.75, "sigma1^2": 3.0, "cov01": 1.5, "sum": 4.0}
    assert all(v[0] == 0 for v in moments(np.zeros((1, 8, 16))).values())
    events = Tpc().sample(1024, seed=1)
    five, six = variables(events), moments(events["response"])
    assert list(five) == ["crossing_angle", "dip_angle", "drift_length", "pad_fraction", "time_fraction"]
    assert stats.spearmanr(five["pad_fraction"], six["mean0"]).statistic > 0.8
    assert stats.spearmanr(five["crossing_angle"] * five["dip_angle"], six["cov01"]).statistic > 0.5
    with pytest.raises(DataError, match="need \\(n, pads, time bins\\)"):
        moments(np.zeros((8, 16)))


def test_profiles_are_mean_and_width_with_their_errors():
    events = Tpc().sample(1024, seed=2)
    found = profiles(events, bins=4)
    assert len(found) == 30
    one = found["sum", "dip_angle"]
    np.testing.assert_array_equal(one.edges, [-60, -30, 0, 30, 60])
    rows = (events["dip_angle"] >= -30) & (events["dip_angle"] < 0)
    charge = events["response"].astype(float).sum(axis=(1, 2))[rows]
    assert one.mean[1] == pytest.approx(charge.mean())
    assert one.width[1] == pytest.approx(charge.std(ddof=1))
    assert one.mean_error[1] == pytest.approx(charge.std(ddof=1) / np.sqrt(len(charge)))
    # 400 repetitions of 200 normal values: errors of mean and width are 1 / sqrt(n) and 1 / sqrt(2 n)
    y = np.random.default_rng(1).normal(size=(400, 200))
    many = _mean_and_width(np.repeat(np.arange(400), 200), y.ravel(), 400)
    assert many[3].mean() == pytest.approx(many[1].std(), rel=4 / np.sqrt(2 * 400))
    assert many[2].mean() == pytest.approx(many[0].std(), rel=4 / np.sqrt(2 * 400))
    assert np.isnan(_mean_and_width(np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0]), 3)[0, 1:]).all()
    with pytest.raises(DataError, match="bins=0"):
        profiles(events, bins=0)


# zero-degree calorimeter


def test_photons_give_one_spot_with_the_stated_law():
    n, energy = 1024, 1000.0
    images = Zdc().sample(particle(n, energy), seed=1)["response"].astype(float)

    def inside(half):
        law = lambda y, x: CORE_MM**2 / np.pi / (x * x + y * y + CORE_MM**2) ** 2  # noqa: E731
        return dblquad(law, -half, half, -half, half)[0]

    for fibres in (SIDE, 8):
        cut = slice((SIDE - fibres) // 2, (SIDE + fibres) // 2)
        counts = images[:, cut, cut].sum(axis=(1, 2))
        mean = LIGHT * energy * inside(1.6 * fibres / 2)
        assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / n)
        # Poisson: the relative error of a variance of n values is sqrt((2 + 1/mean) / n)
        assert counts.var() / mean == pytest.approx(1, abs=4 * np.sqrt((2 + 1 / mean) / n))
    assert (images == np.rint(images)).all()


def test_light_of_hadrons_has_the_stated_mean():
    n, a = 40_000, ESCAPE
    for energy in (100.0, 2510.0):
        found = _light(np.random.default_rng(1), np.full(n, energy), np.full(n, True))
        kept = -np.expm1(-LENGTH) - np.exp(-LENGTH / a) * np.expm1(LENGTH * (1 / a - 1)) / (1 / a - 1)
        share = 1 - energy**-0.18
        expected = LIGHT * energy * kept * (share + HADRONIC * (1 - share))
        assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(n)
        assert (found <= LIGHT * energy).all()


def test_spread_depends_on_the_condition():
    def scatter(given):
        images = Zdc().sample(given, seed=1)["response"].astype(float)
        sums = np.stack(list(channel_sums(images).values()))
        return sums.std(axis=1).sum() / np.sqrt(sums.mean(axis=1)).sum()  # 1 for counting alone

    photon, neutron = scatter(particle(800, 1000.0)), scatter(particle(800, 1000.0, NEUTRON))
    assert photon == pytest.approx(1, abs=0.06)  # four times 1 / sqrt(2 n 5), rounded up
    assert neutron > 2


def test_particles_repeat_and_hit_the_calorimeter():
    made = Zdc(repeats=8, soft=1.0)
    events = made.sample(2048, seed=1)
    groups = events.conditions.reshape(-1, 8, 9)
    assert (groups == groups[:, :1]).all()
    assert len(np.unique(groups[:, 0], axis=0)) == 256
    assert len(np.unique(Zdc(repeats=5).sample(30, seed=1).conditions, axis=0)) == 6
    hit = made.impact(events)
    assert np.abs(hit).max() < 33.5  # to which particles are aimed, within rounding
    kinds, counts = np.unique(groups[:, 0, 1], return_counts=True)
    assert len(kinds) == 4
    assert counts.max() / 256 == pytest.approx(0.70, abs=4 * np.sqrt(0.21 / 256))
    centre = np.stack([v for k, v in observables.compute(events).items() if k.startswith("centre")], axis=1)
    bright = (events["response"].sum(axis=(1, 2)) > 200) & (events["mass"] == 0)
    # a spot near the edge is cut there: only what hits well inside
    inner = bright & (np.abs(hit) < 20).all(axis=1)
    assert np.abs(centre - hit / 1.6)[inner].mean() < 0.6


def test_charges_are_deflected():
    proton = particle(1, 2510.0, 0.938272, 1.0)
    assert Zdc().impact(proton)[0, 0] == pytest.approx(50_000 / 2510, rel=1e-3)
    np.testing.assert_allclose(Zdc().impact(particle(1, 2510.0, slope=1e-4)), [[11.25, 0]], rtol=1e-4)


def test_channels_are_those_of_a_checkerboard():
    rng = np.random.default_rng(1)
    images = rng.poisson(2.0, (3, 44, 44)).astype(float)
    found = channel_sums(images)
    expected = np.zeros((5, 3))
    for i in range(44):
        for j in range(44):
            channel = 4 if (i + j) % 2 else 2 * (i >= 22) + (j >= 22)
            expected[channel] += images[:, i, j]
    np.testing.assert_array_equal(np.stack(list(found.values())), expected)
    np.testing.assert_array_equal(sum(found.values()), images.sum(axis=(1, 2)))
    with pytest.raises(DataError, match="even numbers"):
        channel_sums(np.zeros((2, 5, 4)))


# bad input


def test_what_is_impossible_is_named():
    with pytest.raises(
        RangeError, match=r"crossing_angle=25 deg of event 1 is outside -20 to 20 \(1 of 2 events are\)"
    ):
        Tpc().sample(np.concatenate([tracks(1), tracks(1, 25)]))
    with pytest.raises(RangeError, match="drift_length=20:300 reaches beyond 35 to 290"):
        Tpc(drift_length="20:300")
    with pytest.raises(DataError, match="threshold=-1"):
        Tpc(threshold=-1)
    with pytest.raises(DataError, match="gain=0 must be positive"):
        Tpc(gain=0)
    with pytest.raises(DataError, match="not finite"):
        Tpc().sample(tracks(2, np.nan))
    with pytest.raises(RangeError, match="energy=5 GeV of event 0 is outside 20 to 7000"):
        Zdc().sample(particle(1, 5.0))
    wrong = particle(2, 1000.0, NEUTRON)
    wrong[1, 0] = 1200
    with pytest.raises(DataError, match=r"energy=1200 GeV of event 1 does not belong .* = 1000 GeV"):
        Zdc().sample(wrong)
    with pytest.raises(DataError, match="soft=2 must lie between 0 and 1"):
        Zdc(soft=2)
    with pytest.raises(DataError, match="repeats=0 must be positive"):
        Zdc(repeats=0)

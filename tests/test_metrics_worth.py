"""Power, efficiencies, what a sample is worth, the running test: against closed forms and planted flaws."""

import contextlib
import io

import numpy as np
import pytest
from scipy import stats

from facsim import Events
from facsim.errors import DataError, FileFormatError, WeightError
from facsim.metrics import (
    DISTANCES,
    Monitor,
    Scored,
    amplification,
    delta_auc_map,
    efficiency_ratios,
    equivalent_events,
    ks_statistic,
    memorisation,
    mode_coverage,
    power_curve,
    wasserstein,
    weighted_quantiles,
)
from facsim.metrics import distortions as d


def rng(seed):
    return np.random.default_rng(seed)


def flat(pvalues):
    return stats.kstest(pvalues, "uniform").pvalue > 1e-3


# --- distortions and power -----------------------------------------------------------------------------------------


def test_distortions_do_what_they_say_and_leave_the_sample(toy_showers):
    events = toy_showers(200, 0)
    before = events.features.copy()
    energy = events.conditions[:, 0]
    total = events.features.sum(axis=1)
    scaled = d.scale(events, 1.01)
    assert scaled.features.sum() == pytest.approx(1.01 * total.sum(), rel=1e-5)
    assert np.array_equal(d.scale(events, 0.5).features > 0, events.features >= 0.02)  # threshold 0.01 MeV
    assert d.cut_tail(events, 0.1, by=total).features.sum(axis=1).max() < total.max()
    assert len(d.cut_tail(events, 0.1, by=total)) == 180
    kept = d.drop_mode(events, 0.2, 0.3, by=energy)
    assert len(kept) == 180
    assert len(d.drop_mode(events, 0, 0.3, by=energy)) == 140
    blurred = d.smear(events, 0.05, seed=1)
    lit = (events.features > 0.1) & (blurred.features > 0)
    assert np.std(blurred.features[lit] / events.features[lit]) == pytest.approx(0.05, rel=0.1)
    assert not np.any(blurred.features[events.features == 0])
    swapped = d.decorrelate(events, events.schema.columns("layer_1"), seed=2, by=energy)
    assert np.array_equal(swapped["layer_0"], events["layer_0"])
    assert np.array_equal(np.sort(swapped["layer_1"], axis=0), np.sort(events["layer_1"], axis=0))
    assert not np.array_equal(swapped["layer_1"], events["layer_1"])
    assert np.array_equal(events.features, before)
    with pytest.raises(DataError, match="one number for each"):
        d.cut_tail(events, 0.1)
    with pytest.raises(DataError, match="Use scale"):
        d.shift(events, 1)


def test_power_of_a_mean_test_is_that_of_the_closed_form():
    def difference(x, y):
        return abs(x.mean() - y.mean())

    pool = rng(0).normal(size=8000)
    shift = 0.2
    curve = power_curve(pool, d.shift(pool, shift), {"mean": difference}, sizes=(50, 200, 800), repeats=400)
    for n, seen in zip(curve.sizes, curve.power["mean"], strict=True):
        z = shift / np.sqrt(2 / n)
        expected = stats.norm.sf(1.96 - z) + stats.norm.cdf(-1.96 - z)
        # 400 experiments, and a threshold from 400: a relative error of 5 % on z-values of about 2, 0.1 x density 0.4
        assert seen == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 400) + 0.06)
    exact = 2 * ((1.96 + 1.2816) / shift) ** 2
    assert curve.events_for("mean") == pytest.approx(exact, rel=0.25)
    assert curve.events_for("mean", power=0.01) == 50


def test_without_a_difference_the_power_is_the_share_of_false_alarms():
    draw = lambda n, generator: generator.exponential(1, n)  # noqa: E731
    curve = power_curve(draw, draw, {"ks": ks_statistic, "w1": wasserstein}, sizes=(30, 100), repeats=300, seed=3)
    shares = np.array(list(curve.power.values()))
    assert np.all(np.abs(shares - 0.05) < 4 * np.sqrt(2 * 0.05 / 300))  # as the docstring says
    assert curve.events_for("ks") == np.inf
    assert curve.to_json()["sizes"] == [30, 100]


def test_power_keeps_an_event_and_its_distorted_self_apart():
    pool = np.arange(400.0)
    kept = d.drop_mode(pool, 0.4, 0.6)
    seen = []

    def overlap(x, y):
        seen.append(len(np.intersect1d(x, y)))
        return float(y.mean())

    power_curve(pool, kept, {"overlap": overlap}, origin=kept.astype(int), sizes=(100,), repeats=20)
    assert max(seen) == 0
    with pytest.raises(DataError, match="smaller sizes"):
        power_curve(pool, kept, {"overlap": overlap}, sizes=(300,), repeats=20)
    with pytest.raises(DataError, match="1/alpha"):
        power_curve(pool, pool, {"overlap": overlap}, sizes=(100,), repeats=10)


# --- quantiles, efficiencies, AUC maps ----------------------------------------------------------------------------


def test_weighted_quantiles_are_those_of_copies_and_forget_a_background_that_cancels():
    x = rng(4).normal(size=500)
    copies = rng(5).integers(0, 4, 500)
    shares = [0.05, 0.5, 0.95]
    expected = np.quantile(np.repeat(x, copies), shares, method="inverted_cdf")
    assert weighted_quantiles(x, shares, copies) == pytest.approx(expected)
    extra = rng(6).normal(4, 1, 300)
    mixed, weights = np.concatenate([x, extra, extra]), np.repeat([1.0, 1.0, -1.0], [500, 300, 300])
    assert weighted_quantiles(mixed, shares, weights) == pytest.approx(weighted_quantiles(x, shares))


def sideband(generator, n):
    """Signal N(0, 1) with an exponential background that the weights take away."""
    x = np.concatenate([generator.normal(0, 1, n), generator.exponential(3, n)])
    weights = np.concatenate([np.ones(n), generator.choice([-1.0, 1.0], n)])
    return x, generator.uniform(size=2 * n), weights


@pytest.mark.parametrize("signed", [False, True])
def test_efficiency_intervals_cover(signed):
    generator = rng(7)
    inside, pulls = [], []
    for _ in range(60):
        truth = generator.normal(size=4000)
        copy, momentum, weights = sideband(generator, 4000)
        if not signed:
            copy, momentum, weights = copy[:4000], momentum[:4000], None
        table = efficiency_ratios(
            truth, copy, {"p": (generator.uniform(size=4000), momentum)}, wg=weights, cuts=(0.25, 0.75), bins=5
        )["p"]
        inside.append((table.low < 1) & (table.high > 1))
        pulls.append(table.pulls)
    # 60 x 10 entries, of which the two of a bin are correlated: 68.3 % within four sigma of 300
    assert np.mean(inside) == pytest.approx(0.683, abs=4 * np.sqrt(0.683 * 0.317 / 300))
    assert np.mean(pulls) == pytest.approx(0, abs=4 / np.sqrt(300) + 0.05)


def test_efficiency_ratio_finds_the_bin_where_the_copy_is_wrong():
    generator = rng(8)
    x, p = generator.normal(size=20_000), generator.uniform(size=20_000)
    y = x + np.where(p > 0.9, 0.5, 0.0)
    both = {"p": (p, p), "flat": (generator.uniform(size=20_000),) * 2}
    tables = efficiency_ratios(x, y, both)
    assert abs(tables["p"].pulls[:9]).max() < 1  # the same events
    assert tables["p"].ratio[9, 3] > 1.2
    reverse = efficiency_ratios(x, y, both, reverse=True)["p"]
    assert reverse.ratio[9, 3] < 0.9
    assert reverse.reference + tables["p"].reference == pytest.approx(np.ones((10, 7)), rel=1e-6)
    with pytest.raises(DataError, match="2 values for 3 events"):
        efficiency_ratios([1.0, 2.0, 3.0], [1.0], {"p": ([1.0, 2.0], [1.0])})
    with pytest.raises(DataError, match="constant"):
        efficiency_ratios([1.0, 2.0], [1.0], {"p": ([1.0, 1.0], [1.0])})


@pytest.mark.parametrize("signed", [False, True])
def test_auc_map_of_one_truth_has_normal_significances(signed):
    generator = rng(9)

    def species(mean):
        score, x, weights = sideband(generator, 4000)
        n = 8000 if signed else 4000
        conditions = np.column_stack([x, generator.uniform(size=8000)])[:n]
        score[:4000] += mean
        return Scored(score[:n], conditions, weights if signed else None)

    maps = [delta_auc_map((species(1), species(0)), (species(1), species(0)), bins=3) for _ in range(15)]
    significances = np.concatenate([m.significance.ravel() for m in maps])
    assert stats.kstest(significances, "norm").pvalue > 1e-3
    assert flat([m.pvalue for m in maps])


def test_auc_map_finds_the_corner_and_says_where_it_cannot():
    generator = rng(10)

    def species(mean, worse):
        xy = generator.uniform(size=(9000, 2))
        corner = (xy > 2 / 3).all(axis=1)
        return Scored(generator.normal(np.where(corner & worse, 0.0, mean), 1), xy)

    found = delta_auc_map((species(1, False), species(0, False)), (species(1, True), species(0, True)), bins=3)
    assert np.unravel_index(np.argmin(found.delta), (3, 3)) == (2, 2)
    assert found.significance[2, 2] < -5
    assert found.pvalue < 1e-6
    empty = Scored(np.zeros(10), np.full((10, 2), 0.5))
    thin = delta_auc_map((species(1, False), species(0, False)), (empty, empty), bins=3)
    assert np.isfinite(thin.delta).sum() == 1
    assert thin.to_json()["delta"][0][0] is None


# --- worth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DISTANCES)
def test_truth_is_worth_its_own_number(name):
    generator = rng(11)
    found = [
        equivalent_events(DISTANCES[name], generator.normal(size=3000), generator.normal(size=300), repeats=10)
        for _ in range(25)
    ]
    # the mean of 1/n is unbiased; D^2 scatters by up to its own size, and 1/300 is 10/11 of its null
    assert np.mean([1 / f.events for f in found]) == pytest.approx(1 / 300, rel=4 / np.sqrt(25))
    assert np.mean([f.at_least for f in found]) > 0.7
    assert np.mean([f.low < 300 < f.high for f in found]) > 0.5


def test_a_shifted_copy_is_worth_what_the_closed_form_says():
    x = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = equivalent_events(DISTANCES["w1"], x, x[::2] + 0.1)
    # E[W1^2] = c^2 / n with mean 1.29 / sqrt(n) and a spread of about 0.55 / sqrt(n); c^2 is known to about 15 %
    assert found.events == pytest.approx((1.29**2 + 0.55**2) / 0.1**2, rel=0.3)
    assert not found.at_least
    assert found.low < found.events < found.high
    assert found.model > found.events
    assert "truth events" in str(found)
    with pytest.raises(DataError, match="biased upwards"):
        equivalent_events(lambda a, b: float(a.mean() - b.mean()), rng(12).normal(size=100), x[:50])


def test_amplification_of_gaussian_fits_is_the_closed_form():
    generator = rng(13)
    n = 400

    def member():
        data = generator.normal(size=n)
        return generator.normal(data.mean(), data.std(), (20_000, 1))

    result = amplification([member() for _ in range(60)], generator.normal(size=(n, 1)), bins=2)
    # below the median p = 1/2 and sigma = phi(0) sqrt(1/n): p (1 - p) / sigma^2 = pi/2 n; spread of 60 to 18 %
    assert result.factor == pytest.approx(np.pi / 2, rel=4 * np.sqrt(2 / 59))
    assert result.bias is None


def test_amplification_without_difference_between_members_is_caught_by_held_out_truth():
    generator = rng(14)
    training = generator.normal(size=(300, 2))
    resample = lambda: training[generator.integers(0, 300, 20_000)]  # noqa: E731 - perfect memory
    held_out = generator.normal(size=(20_000, 2))
    result = amplification([resample() for _ in range(5)], training, held_out, bins=5)
    assert result.factor > 10
    # 2 x 4 free volumes: a chi-square of 8 scatters by 50 %
    assert result.checked_factor == pytest.approx(1, rel=0.9)
    assert result.bias > result.bias_error
    assert amplification([resample() for _ in range(3)], training, dimensions=2, bins=2).volumes == 4
    with pytest.raises(DataError, match="at least 3"):
        amplification([training, training], training)
    with pytest.raises(DataError, match="fewer bins"):
        amplification([training] * 3, training, bins=100)


def test_mode_coverage_is_flat_for_one_truth_also_weighted():
    generator = rng(15)
    pvalues = {False: [], True: []}
    for seed in range(30):
        x, y = generator.normal(size=(2, 600, 3))
        for signed, found in pvalues.items():
            weights = generator.choice([-1.0, 1.0], 600, p=[0.2, 0.8]) if signed else None
            found.append(mode_coverage(x, y, wg=weights, modes=5, seed=seed).pvalue)
    assert all(flat(found) for found in pvalues.values())


def test_mode_coverage_names_the_lost_mode():
    generator = rng(16)
    corners = 8 * np.eye(4)
    truth = corners[generator.integers(0, 4, 2000)] + generator.normal(size=(2000, 4))
    copy = corners[generator.choice(4, 1500, p=[0.02, 0.28, 0.35, 0.35])] + generator.normal(size=(1500, 4))
    found = mode_coverage(truth, copy, modes=4)
    assert len(found.missing) == 1
    lost = found.missing[0]
    assert np.argmax(found.centres[lost]) == 0
    assert found.generated[lost] == pytest.approx(0.02, abs=4 * found.generated_error[lost])
    assert found.coverage == pytest.approx(0.77, abs=0.05)
    assert found.to_json()["missing"] == [lost]
    with pytest.raises(DataError, match="modes=200"):
        mode_coverage(truth, copy, modes=200)
    with pytest.raises(DataError, match="constant"):
        mode_coverage(np.ones((100, 2)), np.ones((100, 2)), modes=2)


def test_memorisation_finds_planted_copies_and_nothing_else():
    generator = rng(17)
    clean, planted = [], []
    for seed in range(20):
        training, held_out, fresh = generator.normal(size=(3, 1000, 8))
        clean.append(memorisation(fresh, training, held_out, seed=seed))
        rows = generator.permutation(1000)[:12]  # about 1 %, not quite exact
        fresh[rows] = training[rows] + 0.02 * generator.normal(size=(12, 8))
        planted.append(memorisation(fresh, training, held_out, seed=seed))
        assert set(planted[-1].nearest[:12]) == set(rows.tolist())
    # at most 5 % of 20 false alarms, three sigma more
    assert np.mean([m.pvalue < 0.05 for m in clean]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)
    assert np.mean([m.share_nearer for m in clean]) == pytest.approx(0.5, abs=0.01)
    assert np.mean([m.pvalue < 0.01 for m in planted]) > 0.9
    assert np.mean([m.excess for m in planted]) == pytest.approx(0.012, rel=0.5)
    assert {m.copies for m in clean} == {0}
    fresh[rows] = training[rows]
    assert memorisation(fresh, training, held_out[:300]).copies == 12


def test_many_events_at_one_neighbour_do_not_count_as_many_observations():
    generator = rng(18)
    pvalues = [
        memorisation(generator.normal(size=(2000, 6)), *generator.normal(size=(2, 60, 6)), seed=seed).pvalue
        for seed in range(40)
    ]
    assert np.mean(np.array(pvalues) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)


def test_memorisation_of_showers_and_its_conditions(toy_showers):
    training, held_out, fresh = (toy_showers(300, seed) for seed in range(3))
    assert memorisation(fresh, training, held_out).pvalue > 0.01
    with pytest.raises(DataError, match="conditions of a training event"):
        memorisation(training, training, held_out)
    like_held_out = Events(fresh.features, held_out.conditions, fresh.schema)
    assert memorisation(like_held_out, training, held_out).share_nearer is None


# --- monitor -------------------------------------------------------------------------------------------------------


def stream(generator, n, shift=0.0):
    x = generator.normal(shift, 1, n)
    return {"mass": x, "hits": np.round(3 * x)}


def test_monitor_keeps_its_false_alarms_however_often_one_looks():
    generator, alarms = rng(19), 0
    for seed in range(40):
        monitor = Monitor(stream(generator, 150), alpha=0.1, window=500, seed=seed)
        monitor.update(stream(generator, 2000))
        alarms += monitor.result().alarm
    assert alarms <= 4 + 3 * np.sqrt(40 * 0.1 * 0.9)


@pytest.mark.parametrize("before", [0, 12_000])
def test_monitor_sees_a_drift_soon_also_after_a_long_good_run(before):
    generator = rng(20)
    reference, drifted = stream(generator, 5000), stream(generator, 4000, shift=0.3)
    monitor = Monitor(reference, window=2000)
    monitor.update(stream(generator, before))
    monitor.update(drifted)
    result = monitor.result()
    assert result.alarm
    assert before < result.alarm_at <= before + 2000
    row = result.rows["mass"]
    if before == 0:
        # 64 quantiles instead of all events
        assert row.w1 == pytest.approx(wasserstein(reference["mass"], drifted["mass"]), rel=0.02)
        assert row.floor == pytest.approx(DISTANCES["w1"].expected(reference["mass"], drifted["mass"]), rel=0.05)
        assert row.mean == pytest.approx(drifted["mass"].mean(), rel=1e-9)
        assert row.spread == pytest.approx(drifted["mass"].std(), rel=1e-9)
        assert row.alarm


def test_monitor_does_not_depend_on_batches_and_can_be_stored(tmp_path):
    generator = rng(21)
    reference, events = stream(generator, 1000), stream(generator, 3000, 0.1)
    whole, parts = (Monitor(reference, window=1000) for _ in range(2))
    whole.update(events)
    for i, start in enumerate(range(0, 3000, 170)):
        parts.update({name: values[start : start + 170] for name, values in events.items()})
        if i % 5 == 0:
            parts.save(tmp_path / "state.npz")
            parts = Monitor.load(tmp_path / "state.npz")
    one, two = whole.result(), parts.result()
    assert (one.events, one.alarm_at) == (two.events, two.alarm_at)
    for name, row in one.rows.items():
        assert vars(two.rows[name]) == pytest.approx(vars(row), rel=1e-9)
    (tmp_path / "other.npz").write_text("nothing")
    with pytest.raises(FileFormatError, match="not the state of a monitor"):
        Monitor.load(tmp_path / "other.npz")


def test_monitor_takes_weights_that_are_not_negative():
    generator = rng(22)
    monitor = Monitor(stream(generator, 2000), largest_weight=4.0, window=1000)
    proposal = generator.normal(0.5, 1, 20_000)
    weights = np.exp(-0.5 * proposal + 0.125)  # of N(0, 1) over N(0.5, 1)
    keep = weights < 4
    proposal, weights = proposal[keep], weights[keep]
    events = {"mass": proposal, "hits": np.round(3 * proposal)}
    monitor.update(events, weights)
    assert not monitor.result().alarm
    assert monitor.result().events == pytest.approx(weights.sum() / 4, rel=0.1)
    with pytest.raises(WeightError, match="largest_weight"):
        monitor.update(events, 3 * weights)
    with pytest.raises(WeightError, match="negative"):
        monitor.update(events, -weights)


def test_monitor_of_showers_and_bad_batches(toy_showers):
    monitor = Monitor(toy_showers(300, 0), window=500)
    monitor.update(toy_showers(1000, 1))
    assert not monitor.result().alarm
    assert "response" in monitor.result().rows
    monitor.update(d.scale(toy_showers(500, 2), 1.05))
    assert monitor.result().alarm
    assert monitor.result().to_json()["events"] == 1500
    with pytest.raises(DataError, match="missing"):
        monitor.update({"mass": np.zeros(3)})
    with pytest.raises(DataError, match="at least 100"):
        Monitor({"x": np.arange(50.0)})
    with pytest.raises(DataError, match="not finite"):
        Monitor({"x": np.full(200, np.nan)})


def test_a_damaged_state_of_a_monitor_is_a_message(tmp_path) -> None:
    path = tmp_path / "state.npz"
    Monitor({"mass": np.random.default_rng(0).normal(size=500)}).save(path)
    whole = path.read_bytes()
    damaged = [whole[: len(whole) * k // 10] for k in range(10)]
    damaged += [whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :] for k in range(200, len(whole) - 200, 997)]
    for content in damaged[:10]:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"state\.npz: not the state"):
            Monitor.load(path)
    for content in damaged[10:]:  # a flipped byte is noticed by the checksum of its array, or harmless
        path.write_bytes(content)
        with contextlib.suppress(FileFormatError):
            Monitor.load(path)
    with np.load(io.BytesIO(whole), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **arrays | {"counts": arrays["counts"][:, :-1]})
    with pytest.raises(FileFormatError, match="Begin anew"):
        Monitor.load(path)

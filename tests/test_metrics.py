"""Laws of all distances between two samples, and their own numbers."""

import numpy as np
import pytest
from scipy import stats

from facsim.errors import DataError, WeightError
from facsim.metrics import (
    DISTANCES,
    auc,
    calibrate,
    compare,
    effective_size,
    equal_population_edges,
    floor,
    jsd,
    ks,
    separation_power,
    wasserstein,
)

every_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)
truths = pytest.mark.parametrize(
    "truth",
    [
        lambda g, n: g.normal(3, 2, n),
        lambda g, n: g.exponential(1, n),
        lambda g, n: g.choice([-1.0, 1.0], n) + g.normal(0, 0.1, n),
    ],
    ids=["gaussian", "exponential", "two peaks"],
)


@every_distance
@truths
def test_two_samples_of_one_truth_give_the_stated_mean(distance, truth):
    generator = np.random.default_rng(1)
    pairs = [(truth(generator, 400), truth(generator, 600)) for _ in range(150)]
    values = [distance(p, q) for p, q in pairs]
    expected = np.mean([distance.expected(p, q) for p, q in pairs])
    # four standard errors of the mean of 150, and 5 % for the asymptotic formula
    tolerance = 4 * np.std(values) / np.sqrt(len(values)) + 0.05 * expected
    assert np.mean(values) == pytest.approx(expected, abs=tolerance)


@every_distance
def test_equal_samples_have_no_distance(distance):
    sample = np.random.default_rng(2).normal(size=100)
    assert distance(sample, sample) == 0


@every_distance
@pytest.mark.parametrize("distort", [lambda x, s: x + s, lambda x, s: x * (1 + s)], ids=["shift", "stretch"])
def test_grows_with_a_known_distortion(distance, distort):
    p, q = np.random.default_rng(3).normal(0, 1, (2, 3000))
    values = [distance(p, distort(q, s)) for s in (0.0, 0.2, 0.4, 0.8)]
    assert np.all(np.diff(values) > 0)
    assert values[1] > 2 * distance.expected(p, q)


@every_distance
def test_order_and_side_do_not_matter(distance):
    generator = np.random.default_rng(4)
    p, q = generator.normal(0, 1, 300), generator.normal(0.3, 1, 200)
    wp = generator.uniform(0.5, 2, 300)
    order = generator.permutation(300)
    value = distance(p, q, wp=wp)
    assert distance(p[order], q[::-1], wp=wp[order]) == pytest.approx(value, rel=1e-9)
    assert distance(q, p, wq=wp) == pytest.approx(value, rel=1e-9)
    assert distance(p, q, wp=7 * wp) == pytest.approx(value, rel=1e-9)


@every_distance
def test_a_weight_is_that_many_copies(distance):
    generator = np.random.default_rng(5)
    p, q = generator.normal(0, 1, 300), generator.normal(0.3, 1, 200)
    copies = generator.integers(0, 4, 300)
    assert distance(p, q, wp=copies) == pytest.approx(distance(np.repeat(p, copies), q), rel=1e-9)


@every_distance
def test_negative_weights_take_a_background_away(distance):
    generator = np.random.default_rng(6)
    p, q = generator.normal(0, 1, 300), generator.normal(0.3, 1, 200)
    background = generator.normal(4, 2, 500)
    mixed = np.concatenate([p, background, background])
    weights = np.repeat([1.0, 1.0, -1.0], [300, 500, 500])
    assert distance(mixed, q, wp=weights) == pytest.approx(distance(p, q), rel=1e-9)


def test_sweighted_sample_comes_near_the_signal_alone():
    # sideband subtraction: background flat in a mass, weights +1 in the signal window, -1 beside it
    generator = np.random.default_rng(7)
    signal, background = generator.normal(0, 1, 20_000), generator.exponential(3, 20_000)
    window = generator.random(20_000) < 0.5
    mixed = np.concatenate([signal, background])
    weights = np.concatenate([np.ones(20_000), np.where(window, 1.0, -1.0)])
    truth = generator.normal(0, 1, 20_000)
    # null for the effective size, about 10,000; a background left in would shift the mean by 1.5
    assert wasserstein(mixed, truth, wp=weights) < 4 * DISTANCES["w1"].expected(truth, truth) * np.sqrt(2)
    assert wasserstein(mixed, truth) > 1


@every_distance
@pytest.mark.parametrize(
    ("p", "weights", "error"),
    [
        ([], None, DataError),
        ([1.0, np.nan], None, DataError),
        ([[1.0, 2.0]], None, DataError),
        ([1.0, 2.0], [1.0], WeightError),
        ([1.0, 2.0], [1.0, np.inf], WeightError),
        ([1.0, 2.0], [1.0, -1.0], WeightError),
        ([1.0, 2.0], [0.0, 0.0], WeightError),
    ],
)
def test_bad_input_is_refused(distance, p, weights, error):
    with pytest.raises(error):
        distance(p, [0.0, 1.0], wp=weights)


def test_wasserstein_of_a_shift_is_the_shift():
    p = np.random.default_rng(8).normal(size=50)
    assert wasserstein(p, p + 0.75) == pytest.approx(0.75, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_wasserstein_agrees_with_scipy(weighted):
    generator = np.random.default_rng(9)
    p, q = generator.normal(0, 1, 80), generator.normal(1, 2, 60)
    wp, wq = (generator.random(80), generator.random(60)) if weighted else (None, None)
    assert wasserstein(p, q, wp=wp, wq=wq) == pytest.approx(stats.wasserstein_distance(p, q, wp, wq), rel=1e-12)


def test_ks_agrees_with_scipy():
    generator = np.random.default_rng(10)
    p, q = generator.normal(0, 1, 900), generator.normal(0.1, 1, 700)
    expected = stats.ks_2samp(p, q)
    result = ks(p, q)
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert result.pvalue == pytest.approx(expected.pvalue, rel=0.05)  # scipy's is exact for this size


@pytest.mark.parametrize("signed", [False, True])
def test_ks_pvalue_of_weighted_samples_is_flat_for_one_truth(signed):
    generator = np.random.default_rng(11)
    values = []
    for seed in range(100):
        p, q = generator.normal(size=(2, 300))
        # weights that scatter only on one side, where no formula in the effective size holds; their mean is 1 there too
        noisy = generator.choice([-1.0, 3.0] if signed else [0.5, 1.5], 300)
        values.append(ks(p, q, wp=np.where(p < 0, noisy, 1.0), seed=seed, replicas=100).pvalue)
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    # beyond its replicas the p-value follows the tail of the bridge
    assert ks(p, q + 1, wp=np.ones(300), replicas=100).pvalue < 1e-9


def test_separation_power_counts_what_leaves_the_range_and_refuses_negative_bins():
    assert separation_power([0.5, 5.0], [0.5, 0.5], [0, 1, 2]) == pytest.approx(0.5 * (0.25 / 1.5 + 0.5))
    with pytest.raises(WeightError, match="bin 1"):
        separation_power([0.5, 1.5, 0.2], [0.5, 1.5], [0, 1, 2], wp=[1, -0.5, 1])
    with pytest.raises(DataError, match="ascend"):
        separation_power([1.0], [1.0], [1, 0])


@pytest.mark.parametrize("bins", [1, 2, 10, 37])
def test_equal_population_edges_share_out_evenly(bins):
    p, q = np.random.default_rng(12).exponential(1, (2, 500))
    edges = equal_population_edges(p, q, bins)
    counts = np.histogram(np.concatenate([p, q]), edges)[0]
    assert len(counts) == bins
    assert counts.sum() == 1000
    assert np.ptp(counts) <= 2


def test_equal_population_edges_keep_rare_discrete_values_apart():
    # deepest layer of 51 showers: nearly all 2; plain quantiles would give one bin, blind to any difference
    p, q = [2.0] * 49 + [1.0] * 2, [2.0] * 40 + [1.0] * 10 + [0.0]
    assert len(equal_population_edges(p, q)) == 4
    assert separation_power(p, q) > 0.02
    assert equal_population_edges([5.0], [5.0]).tolist() == [5.0, 10.0]
    # more values than bins, most events in the largest: it keeps its own bin
    many = np.concatenate([np.arange(12.0), np.full(88, 12.0)])
    assert equal_population_edges(many, many)[-2] == 12


def test_compare_gives_every_distance():
    assert set(compare([0.0, 1.0], [1.0, 2.0])) == set(DISTANCES)


def test_effective_size_falls_with_uneven_weights():
    assert effective_size(4, [2, 2, 2, 2]) == 4
    assert effective_size(3, [1, 1, -1]) == pytest.approx(1 / 3)


def test_auc_agrees_with_sklearn_and_delong_with_the_scatter():
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(13)
    results = []
    for _ in range(200):
        r, g = generator.normal(0, 1, 150).round(1), generator.normal(0.8, 1, 250).round(1)  # with ties
        results.append(auc(r, g))
    labels = np.repeat([0, 1], [150, 250])
    assert results[-1].value == pytest.approx(roc_auc_score(labels, np.concatenate([r, g])), rel=1e-12)
    scatter = np.std([a.value for a in results])
    # the standard deviation of 200 values is known to 5 %
    assert np.mean([a.error for a in results]) == pytest.approx(scatter, rel=0.2)


def test_auc_takes_signed_weights_and_is_not_folded():
    generator = np.random.default_rng(14)
    r, g, extra = generator.normal(0, 1, 100), generator.normal(1, 1, 100), generator.normal(3, 1, 60)
    plain = auc(r, g).value
    weighted = auc(r, np.concatenate([g, extra, extra]), wg=np.repeat([1.0, 1.0, -1.0], [100, 60, 60])).value
    assert weighted == pytest.approx(plain, rel=1e-9)
    assert auc(g, r).value == pytest.approx(1 - plain, rel=1e-12)


def test_jsd_is_one_for_disjoint_and_zero_for_even_odds():
    assert jsd(np.full(5, 1e-6), np.full(5, 1 - 1e-6)) == pytest.approx(1, abs=1e-5)
    assert jsd([0.5], [0.5]) == 0
    # two bins, 3:1 against 1:3: JSD = 1 - H(1/4)
    probability = calibrate([0.1] * 4 + [0.9] * 4, [0, 0, 0, 1, 0, 1, 1, 1], np.ones(8))
    entropy = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert jsd(probability([0.1, 0.1, 0.1, 0.9]), probability([0.9, 0.9, 0.9, 0.1])) == pytest.approx(1 - entropy)


@every_distance
def test_floor_is_the_null_value(distance):
    truth, second = np.random.default_rng(15).normal(size=(2, 2000))
    result = floor(distance, truth, second, size=500, repeats=30)
    assert result.events == (2000, 500)
    # the mean of 30 repetitions, five of its errors
    expected = distance.expected(truth, second[:500])
    assert result.mean == pytest.approx(expected, abs=5 * result.spread / np.sqrt(30) + 0.05 * expected)
    halves = floor(distance, truth)
    assert halves.events == (1000, 1000)
    assert halves == floor(distance, truth)
    with pytest.raises(DataError, match="2000 events"):
        floor(distance, truth, second, size=2001)

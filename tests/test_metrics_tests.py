"""Tests between two samples: p-values that are flat for one truth, power against known distortions, needed events."""

import numpy as np
import pytest
from scipy import stats

from facsim.errors import DataError, WeightError
from facsim.metrics import (
    DISTANCES,
    chi2,
    compare,
    cramer_von_mises,
    cramer_von_mises_test,
    distance_tests,
    events_needed,
    floor,
    null_distribution,
    permutation_test,
    wasserstein,
)


def flat(pvalues):
    return stats.kstest(pvalues, "uniform").pvalue > 1e-3


# --- Cramér-von Mises and chi-square -------------------------------------------------------------------------------


def test_cramer_von_mises_agrees_with_scipy():
    p, q = np.random.default_rng(0).normal([[0.0], [0.1]], 1, (2, 400))
    expected = stats.cramervonmises_2samp(p, q, method="asymptotic")
    result = cramer_von_mises_test(p, q)
    assert result.statistic * 200 == pytest.approx(expected.statistic, rel=1e-9)  # n m / (n + m) = 200
    assert result.pvalue == pytest.approx(expected.pvalue, rel=1e-9)


def test_cramer_von_mises_of_disjoint_samples_is_a_third():
    # one step of size 1/n is counted at its upper end: 1/(2n) too much
    assert cramer_von_mises(np.arange(1000.0), np.arange(2000.0, 2700.0)) == pytest.approx(1 / 3, abs=2e-3)


def test_cramer_von_mises_pvalue_of_signed_weights_is_flat_for_one_truth():
    generator = np.random.default_rng(1)
    values = []
    for seed in range(100):
        p, q = generator.normal(size=(2, 300))
        weights = np.where(p < 0, generator.choice([-1.0, 3.0], 300), 1.0)
        values.append(cramer_von_mises_test(p, q, wp=weights, seed=seed, replicas=99).pvalue)
    assert flat(values)
    assert cramer_von_mises_test(p, q + 1, wp=np.ones(300), replicas=99).pvalue == 0.01


def test_compare_shares_one_sorting_and_gives_the_same():
    generator = np.random.default_rng(2)
    p, q = generator.normal(size=300).round(1), generator.normal(0.2, 1, 200).round(1)  # with repeated values
    weights = generator.uniform(0.5, 2, 300)
    for wp in (None, weights):
        for name, value in compare(p, q, wp=wp).items():
            assert value == pytest.approx(DISTANCES[name](p, q, wp=wp), rel=1e-9)


def test_chi2_without_weights_is_pearsons_test_of_homogeneity():
    generator = np.random.default_rng(3)
    p, q = generator.normal(size=700), generator.normal(0.1, 1.1, 400)
    edges = np.linspace(-2, 2, 9)
    result = chi2(p, q, edges)
    table = [np.histogram(np.clip(x, -1.99, 1.99), edges)[0] for x in (p, q)]
    expected = stats.chi2_contingency(table, correction=False)
    assert (result.statistic, result.ndf) == (pytest.approx(expected.statistic, rel=1e-9), expected.dof)
    assert result.pvalue == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("mode", ["plain", "signed", "absolute"])
def test_chi2_is_ndf_for_one_truth(mode):
    generator = np.random.default_rng(4)
    results = []
    for _ in range(200):
        n, m = generator.poisson(800, 2) if mode == "absolute" else (800, 500)
        p, q = generator.normal(size=n), generator.normal(size=m)
        wp = np.where(p < 0, generator.choice([-1.0, 3.0], n), 1.0) if mode == "signed" else None
        results.append(chi2(p, q, 10, wp=wp, absolute=mode == "absolute"))
    assert results[0].ndf == (10 if mode == "absolute" else 9)
    assert flat([r.pvalue for r in results])


def test_chi2_absolute_sees_the_yield_and_shape_does_not():
    p = np.random.default_rng(5).normal(size=1000)
    assert chi2(p, np.repeat(p, 2)).pvalue == pytest.approx(1)
    assert chi2(p, np.repeat(p, 2), absolute=True).pvalue < 1e-20


def test_chi2_merges_thin_bins_but_not_a_lost_mode():
    p = np.random.default_rng(6).normal(size=60)
    assert chi2(p, p, np.linspace(-3, 3, 61)).ndf <= 60 // 5
    # 40 of 100 events where the other sample has none
    lost = chi2(np.repeat([0.5, 1.5], [60, 40]), np.full(100, 0.5), [0, 1, 2])
    assert lost.ndf == 1
    assert lost.pvalue < 1e-9
    assert chi2([1.0, 2.0], [1.0, 2.0]).ndf == 0


# --- permutations --------------------------------------------------------------------------------------------------


def test_permutation_pvalues_are_flat_for_one_truth_and_small_for_two():
    generator = np.random.default_rng(7)

    def mean_difference(a, b):
        return abs(a.mean() - b.mean())

    values = [
        permutation_test(mean_difference, *generator.exponential(1, (2, 25)), permutations=39, seed=i).pvalue
        for i in range(200)
    ]
    # multiples of 1/40, each as likely as the others
    counts = np.bincount(np.round(np.array(values) * 40).astype(int), minlength=41)[1:]
    assert stats.chisquare(counts.reshape(8, 5).sum(axis=1)).pvalue > 1e-3
    p, q = generator.exponential(1, (2, 40))
    assert permutation_test(mean_difference, p, q + 2).pvalue == pytest.approx(1 / 200)


@pytest.mark.parametrize("kind", ["continuous", "discrete", "signed"])
def test_distance_pvalues_are_flat_for_one_truth(kind):
    generator = np.random.default_rng(8)
    values = {name: [] for name in DISTANCES}
    for seed in range(100):
        p, q = generator.normal(size=200), generator.normal(size=300)
        wp = generator.choice([-0.5, 1.5], 200, p=[0.2, 0.8]) if kind == "signed" else None
        if kind == "discrete":
            p, q = p.round(), q.round()
        for name, test in distance_tests(p, q, wp=wp, replicas=99, seed=seed).items():
            values[name].append(test.pvalue)
    for found in values.values():
        if kind == "discrete":  # ties make p-values larger, never smaller: 5 % of 100, at most 4 sigma more
            assert np.mean(np.array(found) <= 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100)
        else:
            assert flat(found)


def test_fast_relabelling_equals_the_general_permutation_test_in_distribution():
    generator = np.random.default_rng(9)
    p, q = generator.normal(size=80).round(1), generator.normal(0.3, 1, 120).round(1)
    fast = distance_tests(p, q, replicas=400, seed=1)
    for name, distance in DISTANCES.items():
        slow = permutation_test(distance, p, q, permutations=400, seed=2)
        assert slow.statistic == pytest.approx(fast[name].statistic)
        assert stats.ks_2samp(slow.null.values, fast[name].null.values).pvalue > 1e-3


def test_null_distribution_is_the_floor():
    p, q = np.random.default_rng(10).normal(size=(2, 500))
    nulls = null_distribution(p, q, seed=3)
    assert nulls == null_distribution(p, q, seed=3)
    for name, null in nulls.items():
        repeats = floor(DISTANCES[name], p, q, repeats=100)
        error = np.hypot(null.spread / np.sqrt(199), repeats.spread / 10)
        assert null.mean == pytest.approx(repeats.mean, abs=4 * error)


def test_permutation_of_events_and_weights(toy_showers):
    events = toy_showers(60, 0)

    def statistic(a, b):
        return float(np.abs(a.features.mean(axis=0) - b.features.mean(axis=0)).sum())

    assert permutation_test(statistic, events[:30], events[30:], permutations=19).pvalue > 0.05
    weighted = events.with_weights(np.ones(60))
    with pytest.raises(WeightError, match="second sample has weights"):
        permutation_test(statistic, events[:30], weighted[30:])
    p = np.arange(10.0)
    doubled = permutation_test(wasserstein, p, p, wp=np.ones(10), wq=np.full(10, 2.0), permutations=9)
    assert doubled.statistic == 0


def test_bad_requests_are_refused():
    p = np.arange(20.0)
    with pytest.raises(DataError, match="Did you mean 'separation'"):
        null_distribution(p, p, distances=["seperation"])
    with pytest.raises(DataError, match="replicas=0"):
        distance_tests(p, p, replicas=0)
    with pytest.raises(DataError, match="statistic is nan"):
        permutation_test(lambda *_: float("nan"), p, p)
    null = null_distribution(p, p)["w1"]
    with pytest.raises(DataError, match="more replicas"):
        events_needed(float("nan"), null)
    with pytest.raises(DataError, match="alpha"):
        events_needed(1.0, null, alpha=0.95)


# --- needed events -------------------------------------------------------------------------------------------------


def test_needed_events_of_two_means_agree_with_the_closed_form():
    generator = np.random.default_rng(11)
    nulls, found = generator.normal(0, np.sqrt(2 / 1000), 4000), 0.2  # |difference of two means| of 1,000 events
    null = type("Null", (), {"values": tuple(np.abs(nulls)), "events": (1000, 1000)})()
    needed = events_needed(np.sqrt(found**2 + 2 / 1000), null)
    closed = 2 * (stats.norm.isf(0.005) + stats.norm.isf(0.1)) ** 2 / found**2
    assert needed.events == pytest.approx(closed, rel=0.1)  # null moments of 4,000 values
    assert needed.low < closed < needed.high
    quadratic = type("Null", (), {"values": tuple(nulls**2), "events": (1000, 1000)})()
    assert events_needed(found**2 + 2 / 1000, quadratic, quadratic=True).events == pytest.approx(needed.events)


@pytest.mark.parametrize("name", DISTANCES)
def test_that_many_events_give_the_promised_power(name):
    generator = np.random.default_rng(12)
    distance, shift = DISTANCES[name], 0.5
    grid = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)  # a sample without luck
    null = null_distribution(*generator.normal(size=(2, 4000)), distances=[name])[name]
    observed = distance(grid, grid + shift)
    squared = (observed if distance.quadratic else observed**2) + np.mean(
        np.array(null.values) ** (1 if distance.quadratic else 2)
    )
    needed = events_needed(squared if distance.quadratic else np.sqrt(squared), null, quadratic=distance.quadratic)
    n = round(needed.events)
    without = [distance(*generator.normal(size=(2, n))) for _ in range(500)]
    threshold = np.quantile(without, 0.99)
    seen = np.mean([distance(*generator.normal([[0], [shift]], 1, (2, n))) > threshold for _ in range(300)])
    # 0.90 asked for; the docstring admits 0.8 to 0.95, and three sigma of 300 experiments are 0.05
    assert 0.72 < seen < 0.99


def test_no_difference_needs_infinitely_many_events():
    p, q = np.random.default_rng(13).normal(size=(2, 300))
    null = null_distribution(p, q)["w1"]
    needed = events_needed(null.mean * 0.8, null)
    assert needed.events == np.inf
    assert needed.to_json() == {"events": None, "low": pytest.approx(needed.low), "high": None}
    constant = null_distribution(np.ones(20), np.ones(20))["w1"]
    assert events_needed(0.0, constant).events == np.inf
    assert events_needed(1.0, constant).events == 2
    unbiased = type("Null", (), {"values": tuple(np.linspace(-1, 1, 101)), "events": (50, 50)})()
    assert events_needed(2.0, unbiased).events == pytest.approx(50 * (2.326 + 1.282) * 0.586 / 2, rel=0.01)

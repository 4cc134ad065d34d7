"""Distances between samples of many columns against closed forms, direct sums and their own calibration."""

import numpy as np
import pytest
from scipy import linalg, optimize, spatial, stats

from facsim.errors import CapabilityError, DataError, WeightError
from facsim.metrics import (
    MULTIVARIATE,
    correlation_distance,
    energy_distance,
    fpd,
    frechet_distance,
    kpd,
    ks_statistic,
    mmd,
    precision_recall,
    sliced_ks,
    sliced_wasserstein,
    wasserstein,
)
from facsim.metrics import jetnet as jetnet_definition
from facsim.metrics.blocks import GROUPS, prepare
from facsim.metrics.correlation import correlation_matrix
from facsim.metrics.kernels import _by_moments, blockwise, median_distance
from facsim.metrics.multivariate import compare_multivariate


def correlated(generator, n, d=4):
    return generator.normal(size=(n, d)) @ np.random.default_rng(0).normal(size=(d, d))


def skewed(generator, n, d=4):
    return generator.gamma(2, 1, (n, d)) * generator.gamma(4, 0.25, (n, 1))


def random_covariance(generator, d, rank):
    root = generator.normal(size=(d, rank))
    return root @ root.T


# --- Fréchet distance ------------------------------------------------------------------------------------------------


def test_frechet_distance_of_one_column_and_of_commuting_covariances():
    assert frechet_distance([1.0], [[4.0]], [3.0], [[9.0]]) == pytest.approx(4 + (3 - 2) ** 2)
    a, b = np.array([1.0, 4.0, 0.0]), np.array([9.0, 4.0, 1.0])
    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    assert frechet_distance(np.zeros(3), np.diag(a), np.zeros(3), np.diag(b)) == pytest.approx(expected)
    with pytest.raises(DataError, match="do not fit"):
        frechet_distance([0.0, 1.0], np.eye(2), [0.0], np.eye(2))


@pytest.mark.parametrize("rank", [5, 3])
def test_frechet_distance_agrees_with_the_matrix_root(rank):
    generator = np.random.default_rng(1)
    a, b = random_covariance(generator, 5, rank), random_covariance(generator, 5, 5)
    root = linalg.sqrtm(linalg.sqrtm(b).real @ a @ linalg.sqrtm(b).real).real
    expected = np.trace(a + b - 2 * root)
    # the root of a singular matrix holds half the digits
    assert frechet_distance(np.zeros(5), a, np.zeros(5), b) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("make", [correlated, skewed])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_fpd_errors_cover_and_its_mean_is_true(make, shift):
    spread = make(np.random.default_rng(2), 200_000).std(0)
    results = []
    for seed in range(150):
        generator = np.random.default_rng([3, seed])
        results.append(fpd(make(generator, 500), make(generator, 500) + shift * spread * [1, 0, 0, 0], seed=seed))
    off = np.array([r.value for r in results]) - shift**2
    # for four columns the plug-in would be off by about 0.025; 4 standard errors, and what a scale of 500 events is off
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(150) + 0.03 * shift**2
    covered = np.mean(np.abs(off) < [r.error for r in results])
    assert 0.55 < covered < 0.80  # 68 % +- 3 x 3.8 % of 150, and a little for the skewness of small samples
    if not shift:
        assert stats.kstest([r.pvalue for r in results], "uniform").pvalue > 1e-3


def test_fpd_of_known_gaussians():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(40_000, 3))
    y = generator.normal(size=(30_000, 3)) * [2.0, 1.0, 0.5] + [0.0, 0.5, 0.0]
    result = fpd(x, y, normalise=None)
    assert abs(result.value - (1 + 0.25 + 0.25)) < 3 * result.error
    assert result.error < 0.03


def test_fpd_knows_no_unit_but_the_one_asked_for():
    generator = np.random.default_rng(5)
    x, y = correlated(generator, 2000), correlated(generator, 2000) + 0.2
    unit, offset = np.array([1e-3, 1.0, 1e3, 1e6]), np.array([5.0, 0.0, 1e4, -1e6])
    same = fpd(x * unit + offset, y * unit + offset)
    assert same.value == pytest.approx(fpd(x, y).value, abs=0.3 * same.error)  # another deal into groups
    largest, by_hand = fpd(x, y, normalise="max"), fpd(x / np.abs(x).max(0), y / np.abs(x).max(0), normalise=None)
    assert largest.value == pytest.approx(by_hand.value, abs=0.3 * by_hand.error)


def test_fpd_with_sweights_is_that_of_the_signal():
    results = []
    for seed in range(60):
        generator = np.random.default_rng([6, seed])
        signal, background, truth = (correlated(generator, n) for n in (1500, 1500, 1500))
        window = generator.random(1500) < 0.5
        mixed = np.concatenate([signal, 2 * background + 1])
        w = np.concatenate([np.ones(1500), np.where(window, 1.0, -1.0)])
        results.append(fpd(truth, mixed, wy=w, seed=seed))
    values = np.array([r.value for r in results])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(60)
    assert 0.5 < np.mean(np.abs(values) < [r.error for r in results]) < 0.86  # 68 % +- 3 x 6 % of 60
    assert fpd(truth, mixed).pvalue < 0.001


def test_fpd_refuses_too_few_events_and_negative_variances():
    generator = np.random.default_rng(7)
    with pytest.raises(DataError, match=r"10 .* 9 columns: fpd needs at least 11"):
        fpd(generator.normal(size=(10, 9)), generator.normal(size=(50, 9)))
    with pytest.raises(DataError, match="jetnet"):
        fpd(generator.normal(size=(50, 2)), generator.normal(size=(50, 2)), definition="jetnets")
    x, y = generator.normal(size=(2, 500, 2))
    wide = np.concatenate([x, 10 * y[:20]])
    w = np.repeat([1.0, -1.0], [500, 20])
    with pytest.raises(WeightError, match="negative variance"):
        fpd(x, wide, wy=w)
    with pytest.raises(WeightError, match="column 0"):
        fpd(wide, x, wx=w)
    assert kpd(x, wide, wy=w).value > 0


# --- kernels ---------------------------------------------------------------------------------------------------------


def polynomial(p, q):
    return (p @ q.T / p.shape[1] + 1) ** 4


def unbiased(kernel, x, y):
    """Lemma 6 of Gretton et al."""
    n, m = len(x), len(y)
    own = [k.sum() - np.trace(k) for k in (kernel(x, x), kernel(y, y))]
    return own[0] / (n * (n - 1)) + own[1] / (m * (m - 1)) - 2 * kernel(x, y).mean()


def test_kernel_distances_of_small_samples_are_the_unbiased_sums():
    # with no more events than groups each event is a group of its own
    generator = np.random.default_rng(8)
    x, y = skewed(generator, GROUPS), skewed(generator, GROUPS - 7)
    p, q = ((s - x.mean(0)) / x.std(0) for s in (x, y))
    assert kpd(x, y).value == pytest.approx(unbiased(polynomial, p, q), rel=1e-9)
    assert kpd(x, y, normalise=None).value == pytest.approx(unbiased(polynomial, x, y), rel=1e-9)
    width = median_distance(*prepare(x, y))
    gauss = unbiased(lambda a, b: np.exp(-(spatial.distance.cdist(a, b) ** 2) / (2 * width**2)), p, q)
    assert mmd(x, y).value == pytest.approx(gauss, rel=1e-9)
    assert mmd(x, y, bandwidth=width).value == mmd(x, y).value
    assert energy_distance(x, y).value == pytest.approx(
        unbiased(lambda a, b: -spatial.distance.cdist(a, b), p, q), abs=1e-6
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_give_what_pairs_give(weighted):
    generator = np.random.default_rng(9)
    x, y = correlated(generator, 300), skewed(generator, 200)
    w = generator.normal(1, 1, 300) if weighted else None
    samples = prepare(x, y, w)
    fast, slow = _by_moments(*samples), blockwise(*samples, polynomial, 1000)[0]
    # the origin of the embedding is another, and with weights it matters in rounding only
    for name in ("value", "plug_in", "statistic"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-8)
    assert np.allclose(fast.form, slow.form, rtol=1e-6, atol=1e-9 * np.abs(slow.form).max())
    assert np.allclose(fast.linear, slow.linear, rtol=1e-6, atol=1e-9 * np.abs(slow.linear).max())


def test_many_columns_are_compared_in_blocks():
    generator = np.random.default_rng(10)
    x, y = generator.normal(size=(2, 1500, 44))
    one, more = mmd(x, y, "polynomial", block=2000), mmd(x, y, "polynomial", block=300)
    assert abs(one.value) < 4 * one.error
    # a fifth of the pairs: the error of a null is sqrt(5) larger
    assert more.error / one.error == pytest.approx(np.sqrt(5), rel=0.25)
    assert mmd(x, 1.5 * y, "polynomial", block=300).pvalue < 0.01
    with pytest.raises(DataError, match="Did you mean 'polynomial'"):
        mmd(x, y, "polynomal")
    with pytest.raises(DataError, match="bandwidth"):
        mmd(x, y, bandwidth=-1)


@pytest.mark.parametrize("name", ["kpd", "mmd", "energy", "sliced_w1", "sliced_ks", "correlation"])
def test_pvalues_are_flat_for_one_truth(name):
    pvalues = []
    for seed in range(80):
        generator = np.random.default_rng([11, seed])
        x, y = (skewed(generator, 150, 3) for _ in range(2))
        w = generator.choice([0.5, 1.5], 150) if seed % 2 else None
        options = {"projections": 8} if "sliced" in name else {}
        pvalues.append(MULTIVARIATE[name].function(x, y, wx=w, seed=seed, **options).pvalue)
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3


def test_energy_distance_of_one_column_is_the_square_of_scipys():
    generator = np.random.default_rng(12)
    x, y = generator.normal(0, 1, 300), generator.normal(0.5, 2, 200)
    wx = generator.uniform(0.5, 2, 300)
    part = blockwise(*prepare(x, y, wx, normalise=None), lambda p, q: -np.abs(p - q.T), 1000)[0]
    expected = stats.energy_distance(x, y, wx)
    assert part.plug_in == pytest.approx(expected**2, rel=1e-9)
    result = energy_distance(x, y, wx=wx, normalise=None)
    assert result.value == pytest.approx(part.value, rel=1e-5)
    assert abs(result.value - expected**2) < result.error


# --- projections -----------------------------------------------------------------------------------------------------


def test_sliced_distances_of_one_column_are_the_plain_ones():
    generator = np.random.default_rng(13)
    x, y = generator.poisson(3, 300).astype(float), generator.poisson(4, 200) + generator.integers(0, 2, 200) / 2
    w = generator.normal(1, 1, 300)
    for reduce in ("mean", "max"):
        sliced = sliced_wasserstein(x, y, wx=w, normalise=None, projections=3, reduce=reduce)
        assert sliced.value == pytest.approx(wasserstein(x, y, wp=w), rel=1e-9)
        sliced = sliced_ks(x, y, wx=w, projections=3, reduce=reduce)
        assert sliced.value == pytest.approx(ks_statistic(x, y, wp=w), rel=1e-9)
    with pytest.raises(DataError, match="reduce"):
        sliced_ks(x, y, reduce="median")
    with pytest.raises(DataError, match="projections"):
        sliced_ks(x, y, projections=0)


def test_sliced_ks_null_is_kolmogorovs_and_the_largest_projection_sees_more():
    generator = np.random.default_rng(14)
    x, y = generator.normal(size=(2, 2000, 3))
    null = sliced_ks(x, y).null
    # scatter of the mean over few directions of one pair about 10 %
    assert null == pytest.approx(0.869 * np.sqrt(2 / 2000), rel=0.12)
    assert sliced_ks(x, y, reduce="max").value > sliced_ks(x, y).value
    assert sliced_ks(x, y, reduce="max").null > null


# --- correlations ----------------------------------------------------------------------------------------------------


def test_correlation_matrix_agrees_with_numpy_and_its_distance_with_the_definition():
    generator = np.random.default_rng(15)
    x, y = correlated(generator, 500), skewed(generator, 400)
    copies = generator.integers(1, 4, 500)
    expected = np.corrcoef(np.repeat(x, copies, axis=0).T)
    assert np.allclose(correlation_matrix(x, wx=copies), expected)
    gap = (expected - np.corrcoef(y.T))[np.triu_indices(4, 1)]
    assert correlation_distance(x, y, wx=copies).value == pytest.approx(np.sqrt(np.sum(gap**2)))
    assert correlation_distance(x, y, wx=copies, measure="max").value == pytest.approx(np.abs(gap).max())
    with pytest.raises(DataError, match="measure"):
        correlation_distance(x, y, measure="min")
    with pytest.raises(DataError, match="two columns"):
        correlation_distance(x[:, 0], y[:, 0])
    with pytest.raises(DataError, match="Leave constant columns out"):
        correlation_distance(x, y * [1, 0, 1, 1])


def test_correlation_distance_null_of_independent_columns():
    x, y = np.random.default_rng(16).normal(size=(2, 4000, 6))
    result = correlation_distance(x, y)
    # its estimate from 50 groups scatters by 1/sqrt(2 x 15 x 98) of itself
    assert result.null == pytest.approx(np.sqrt(15 * 2 / 4000), rel=0.08)
    largest = correlation_distance(x, y, measure="max")
    assert abs(largest.value - largest.null) < 4 * largest.error


# --- precision and recall --------------------------------------------------------------------------------------------


def test_precision_recall_agrees_with_its_definition():
    generator = np.random.default_rng(17)
    x, y = generator.normal(size=(200, 2)), generator.normal(0.5, 0.8, (150, 2))
    wx, wy = generator.random(200), generator.random(150)
    apart = spatial.distance.cdist(x, y)
    reach_x, reach_y = (np.sort(spatial.distance.cdist(s, s), axis=1)[:, 3] for s in (x, y))
    inside = apart <= reach_x[:, None]
    result = precision_recall(x, y, 3, wx=wx, wy=wy, normalise=None)
    assert result.precision == pytest.approx(np.average(inside.any(0), weights=wy))
    assert result.recall == pytest.approx(np.average((apart <= reach_y).any(1), weights=wx))
    assert result.density == pytest.approx(np.average(inside.sum(0), weights=wy) / 3)
    assert result.coverage == pytest.approx(np.average(inside.any(1), weights=wx))
    assert set(result.to_json()) == {"precision", "recall", "density", "coverage"}


def test_precision_recall_of_one_truth_and_what_it_refuses():
    x, y = np.random.default_rng(18).normal(size=(2, 3000, 3))
    result = precision_recall(x, y, events=2500)
    assert result.events == (2500, 2500)
    assert result.coverage == pytest.approx(1 - 2**-5, abs=0.015)  # 4 binomial errors of 2500
    assert result.density == pytest.approx(1, abs=0.06)
    assert result.precision == pytest.approx(result.recall, abs=0.03)
    with pytest.raises(WeightError, match="kpd or energy_distance"):
        precision_recall(x, y, wx=np.where(np.arange(3000) < 10, -1, 1))
    with pytest.raises(DataError, match="k=20"):
        precision_recall(x[:20], y, 20)


# --- JetNet's definition ---------------------------------------------------------------------------------------------


def test_jetnet_fpd_repeats_the_early_stop_of_its_fit():
    # a true line through 0 with a slope of 4.4: the fit's intercept is about 1.5e-4 (its bias), a straight fit's is 0
    sizes = (1 / np.linspace(1 / 20_000, 1 / 50_000, 10)).astype(int)
    fitted, _ = optimize.curve_fit(lambda x, a, b: a + b * x, 1 / sizes, 4.4 / sizes, bounds=(0, np.inf))
    assert fitted[0] > 0.5e-4
    generator = np.random.default_rng(19)
    x, y = generator.normal(size=(2, 4000, 3))
    options = {"min_samples": 1000, "max_samples": 4000, "num_batches": 3}
    result = jetnet_definition.fpd(x, y, **options)
    largest = np.abs(x).max(0)
    draws, means, sizes = np.random.default_rng(42), [], (1 / np.linspace(1 / 1000, 1 / 4000, 10)).astype(int)
    for size in sizes:
        values = []
        for _ in range(3):
            a, b = x[draws.choice(4000, size)] / largest, y[draws.choice(4000, size)] / largest
            root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
            values.append(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root))
        means.append(np.mean(values))
    fitted, covariance = optimize.curve_fit(lambda u, a, b: a + b * u, 1 / sizes, means, bounds=(0, np.inf))
    assert result.value == pytest.approx(fitted[0], rel=1e-4)
    assert result.error == pytest.approx(covariance[0, 0] ** 0.5, rel=1e-4)
    assert np.isnan(result.pvalue)
    assert result.to_json()["pvalue"] is None


def test_jetnet_kpd_is_the_median_of_unbiased_batches():
    generator = np.random.default_rng(20)
    x, y = skewed(generator, 3000), skewed(generator, 2000)
    p, q = x / np.abs(x).max(0), y / np.abs(x).max(0)
    values = []
    for batch in range(10):
        draws = np.random.default_rng(42 + 1000 * batch)
        values.append(unbiased(polynomial, p[draws.choice(3000, 200)], q[draws.choice(2000, 200)]))
    result = jetnet_definition.kpd(x, y, batch_size=200)
    assert result.value == pytest.approx(np.median(values), rel=1e-9)
    assert result.error == pytest.approx(stats.iqr(values, rng=(16.275, 83.725)) / 2, rel=1e-9)


def test_jetnet_definition_through_the_registry_and_its_limits(monkeypatch):
    x, y = np.random.default_rng(21).normal(size=(2, 200, 2))
    assert MULTIVARIATE["kpd"].definitions == ("facsim", "jetnet")
    with monkeypatch.context() as patch:
        patch.setattr(jetnet_definition, "kpd", lambda *_, **__: "by JetNet's definition")
        assert MULTIVARIATE["kpd"](x, y, definition="jetnet") == "by JetNet's definition"
    with pytest.raises(DataError, match="definition"):
        MULTIVARIATE["energy"](x, y, definition="jetnet")
    for metric in (fpd, kpd):
        with pytest.raises(CapabilityError, match="weights"):
            metric(x, y, wx=np.ones(200), definition="jetnet")
        with pytest.raises(DataError):
            metric(x, y[:, :1], definition="jetnet")
        with pytest.raises(DataError, match="finite"):
            metric(x, np.full_like(y, np.nan), definition="jetnet")


def test_one_column_is_compared_by_all_that_can():
    x, y = np.random.default_rng(22).normal(size=(2, 100))
    assert set(compare_multivariate(x, y)) == set(MULTIVARIATE) - {"correlation"}

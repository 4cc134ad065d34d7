"""Exact posteriors pass; over-confident, timid and biased ones are found, each by what it should be found by."""

import numpy as np
import pytest

from facsim.errors import DataError
from facsim.metrics.c2st import c2st
from facsim.metrics.calibration import coverage, positions, sbc, sbc_ranks, tarp
from facsim.metrics.uniform import uniformity


def gaussian(m=400, draws=200, p=2, seed=0, width=1.0, shift=0.0):
    """Truths with prior N(0, 1), one datum with unit noise: the posterior is N(x / 2, 1 / 2)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(m, p))
    x = truth + rng.normal(size=(m, p))
    noise = rng.normal(size=(m, draws, p)) * np.sqrt(0.5)
    return truth, x[:, None] / 2 + shift + width * noise


def test_exact_posteriors_pass_at_the_level_of_the_test():
    # 100 repetitions: each p-value is uniform, so the number below 0.1 is 10 ± 3
    ranks = [sbc(*gaussian(100, 50, 1, seed), seed=seed).pvalue for seed in range(100)]
    balls = [tarp(*gaussian(100, 50, 2, seed), bootstrap=2, seed=seed).pvalue for seed in range(100)]
    for found in (ranks, balls):
        assert 1 <= np.sum(np.array(found) < 0.1) <= 19
        assert np.mean(found) == pytest.approx(0.5, abs=0.12)  # 4 sigma of the mean of 100 uniform numbers


@pytest.mark.parametrize("wrong", [{"width": 0.6}, {"width": 1.6}, {"shift": 0.4}])
def test_wrong_posteriors_are_found(wrong):
    truth, samples = gaussian(**wrong)
    assert sbc(truth, samples).pvalue < 0.01
    assert tarp(truth, samples).pvalue < 0.01
    found = tarp(truth, samples)
    assert (found.low <= found.coverage).all()
    assert (found.coverage <= found.high).all()
    if "width" in wrong:
        share = coverage(truth, samples).shares[0]
        assert ((share < 0.58) if wrong["width"] < 1 else (share > 0.78)).all()


def test_coverage_of_a_known_width():
    from scipy.stats import norm

    truth, samples = gaussian(m=2000, draws=400, width=0.5)
    found = coverage(truth, samples, (0.68, 0.95))
    # the interval of half the width holds what a normal distribution has within half as many sigmas
    expected = 1 - 2 * norm.sf(0.5 * norm.isf((1 - found.levels) / 2))
    # error of 2,000 truths 0.011; four of them
    np.testing.assert_allclose(found.shares, np.broadcast_to(expected[:, None], (2, 2)), atol=0.045)
    assert (found.deviations < -5).all()


def test_only_tarp_sees_a_wrong_correlation():
    rng = np.random.default_rng(1)
    cholesky = np.linalg.cholesky([[1, 0.95], [0.95, 1]])
    truth = rng.normal(size=(600, 2)) @ cholesky.T
    samples = rng.normal(size=(600, 200, 2))  # right margins, no correlation
    # a reference far out along the diagonal looks at the sum of both parameters
    assert sbc(truth, samples).pvalue > 0.01
    assert tarp(truth, samples, references=np.full((600, 2), 10.0)).pvalue < 0.01


def test_ranks_of_whole_numbers_are_uniform():
    rng = np.random.default_rng(2)
    truth, samples = rng.integers(0, 3, (4000, 1)), rng.integers(0, 3, (4000, 9, 1))
    counts = np.bincount(sbc_ranks(truth, samples).ravel(), minlength=10)
    assert (np.abs(counts - 400) < 4 * np.sqrt(400 * 0.9)).all()
    assert uniformity(positions(truth, samples)[:, 0]).pvalue > 0.01


def test_the_band_holds_uniform_curves_as_often_as_it_says():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        found = uniformity(rng.random(80))
        curve_in = ((found.cumulative >= found.low - 1e-9) & (found.cumulative <= found.high + 1e-9)).all()
        inside += curve_in
        assert curve_in == (found.pvalue > 0.05) or abs(found.pvalue - 0.05) < 0.02  # steps of the counts
    # 95 % of 200 with an error of 3; counts have steps, so that the band may hold somewhat more
    assert 180 <= inside <= 200


def test_c2st_of_shifted_normals_is_that_of_the_best_cut():
    from scipy.stats import norm

    x, y = np.random.default_rng(4).normal(size=(2, 1000, 2))
    # best possible share of right answers for a shift of 2 sigma: Φ(1) = 0.841; statistical error 0.008
    assert c2st(x, y + np.array([2, 0]), epochs=40) == pytest.approx(norm.cdf(1), abs=0.03)
    assert c2st(x, y, epochs=20) == pytest.approx(0.5, abs=0.04)


def test_bad_input_says_so():
    truth, samples = gaussian(m=5, draws=3)
    with pytest.raises(DataError, match=r"\(m, L, p\)"):
        sbc(truth, samples[:, :, 0])
    with pytest.raises(DataError, match="not finite"):
        tarp(np.where(truth > 0, np.nan, truth), samples)
    with pytest.raises(DataError, match="levels"):
        coverage(truth, samples, (68,))
    with pytest.raises(DataError, match="equally many"):
        c2st(truth, truth[:3])

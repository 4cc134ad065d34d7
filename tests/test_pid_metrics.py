"""Metrics of particle identification: what they see, signed weights, and the defects of published code."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from facsim.errors import DataError, WeightError
from facsim.metrics import (
    Scored,
    Tracks,
    auc,
    chi2_2d,
    delta_auc_map,
    efficiency_ratios,
    high_level_auc,
    random_slice_ks,
    response_along,
    sliced_ks,
    usable_bins,
    weighted_quantiles,
    wilson,
)
from facsim.metrics.condition_bins import condition_edges

toy = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("pid_toy.py"))))
events, tracks, with_background = toy.events, toy.tracks, toy.with_background
NAMES = [b.name for b in toy.SCHEMA.features]


def as_tracks(sample):
    return Tracks(sample.features, sample.conditions[:, :2], sample.weights)


def edges():
    """Bins of which one is the flawed region."""
    return [3, *toy.BAD[:2], 100], [1.9, *toy.BAD[2:], 4.9]


# --- bins in which a copy may be used


def test_bins_of_one_truth_are_green():
    for seed in range(2):
        found = usable_bins(
            as_tracks(events(2 * seed, 3000)), as_tracks(events(2 * seed + 1, 3000)), names=NAMES, bins=(3, 3)
        )
        assert found.count("green") == 9


@pytest.mark.parametrize("signed", [False, True])
def test_the_flawed_bin_is_found_and_no_other(signed):
    truth = events(10, 8000)
    given = with_background(truth, 0) if signed else truth
    found = usable_bins(as_tracks(given), as_tracks(events(11, 8000, shift=3.0)), names=NAMES, edges=edges())
    assert found.light[1, 1] == "red"
    assert found.count("green") == 8
    assert not found.usable[1, 1]
    row = found.rows()[4]
    assert (row["worst"], row["light"]) == ("RichDLLk", "red")


def test_bins_with_few_effective_events_are_grey_however_many_events_they_have():
    truth, copy = events(12, 4000), events(13, 4000)
    weights = np.where(np.arange(4000) % 20, 0.01, 20.0)  # 200 events carry the sample
    found = usable_bins(as_tracks(truth.with_weights(weights)), as_tracks(copy), names=NAMES, bins=(2, 2))
    assert found.count("grey") == 4
    assert found.events[0].sum() < 220
    assert np.isnan(found.ks).all()


def test_a_small_difference_is_amber():
    truth, copy = events(14, 20_000), events(15, 20_000)
    copy = Tracks(copy.features[:, :1] + 0.5, copy.conditions[:, :2])
    truth = Tracks(truth.features[:, :1], truth.conditions[:, :2])
    found = usable_bins(truth, copy, names=NAMES[:1], bins=(2, 2), tolerance=0.2)
    assert found.count("amber") == 4
    assert found.usable.all()


def test_classifier_scores_make_a_bin_red():
    rng = np.random.default_rng(0)
    place = rng.uniform(size=(2, 8000, 2))
    same = Tracks(rng.normal(size=(8000, 1)), place[0]), Tracks(rng.normal(size=(8000, 1)), place[1])
    corner = (place[1] > 0.5).all(axis=1)
    scored = Scored(rng.normal(size=8000), place[0]), Scored(rng.normal(corner, 1), place[1])
    found = usable_bins(*same, names=["x"], edges=([0, 0.5, 1], [0, 0.5, 1]), scored=scored)
    assert found.light.tolist() == [["green", "green"], ["green", "red"]]
    assert found.auc[1, 1] == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=4 * found.auc_error[1, 1])


def test_bins_refuse_what_does_not_fit():
    x, c = np.zeros((10, 1)), np.zeros((10, 2))
    with pytest.raises(DataError, match="one column per name"):
        usable_bins(Tracks(x, c), Tracks(x, c), names=["a", "b"])
    with pytest.raises(DataError, match="constant"):
        usable_bins(Tracks(x, c), Tracks(x, c), names=["a"])
    with pytest.raises(DataError, match="not finite"):
        usable_bins(Tracks(x * np.nan, c), Tracks(x, c), names=["a"])


# --- random slices, two-dimensional chi-square, response: laws


def correlated(seed, n=600, r=0.0):
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return np.column_stack([x[:, 0], r * x[:, 0] + np.sqrt(1 - r * r) * x[:, 1]])


def test_random_slices_agree_with_sliced_ks():
    x, y = correlated(0), correlated(1, r=0.5)
    again = sliced_ks(x, y, normalise=None, projections=100, reduce="max")
    assert random_slice_ks(x, y).statistic == pytest.approx(again.value, rel=1e-9)


def test_pvalues_of_random_slices_are_not_too_small():
    found = np.array([random_slice_ks(correlated(2 * s, 300), correlated(2 * s + 1, 300)).pvalue for s in range(30)])
    # of 30 flat p-values 3 lie below 0.1 on average, 6 or more once in fourteen cases; these are conservative
    assert (found < 0.1).sum() < 6


@pytest.mark.parametrize(
    "metric", [lambda x, y, **w: random_slice_ks(x, y, **w).statistic, lambda x, y, **w: chi2_2d(x, y, **w).statistic]
)
def test_laws_of_weights(metric):
    x, y = correlated(3), correlated(4, r=0.4)
    clean = metric(x, y, wx=np.ones(len(x)))
    assert metric(x, y, wx=np.full(len(x), 7.0)) == pytest.approx(clean, rel=1e-9)
    order = np.random.default_rng(5).permutation(len(x))
    w = np.random.default_rng(6).uniform(0.5, 2, len(x))
    assert metric(x[order], y[::-1], wx=w[order]) == pytest.approx(metric(x, y, wx=w), rel=1e-9)


def test_a_weight_is_that_many_copies_and_weights_of_zero_remove_events_from_slices():
    x, y = correlated(3), correlated(4, r=0.4)
    w = np.random.default_rng(6).integers(1, 4, len(x))
    weighted = random_slice_ks(x, y, wx=w).statistic
    assert random_slice_ks(np.repeat(x, w, axis=0), y).statistic == pytest.approx(weighted, rel=1e-9)
    more, none = np.concatenate([x, correlated(7, 50) + 9]), np.concatenate([w, np.zeros(50)])
    assert random_slice_ks(more, y, wx=none).statistic == pytest.approx(weighted, rel=1e-9)


def test_slices_refuse_what_they_cannot_take():
    x = correlated(3)
    for wrong in ({"wx": np.zeros(len(x))}, {"wx": np.ones(3)}, {"projections": 0}):
        with pytest.raises(DataError):
            random_slice_ks(x, x, **wrong)
    for first, second in ((x, x[:, :1]), (x * np.nan, x), (x[:0], x)):
        with pytest.raises(DataError):
            random_slice_ks(first, second)


def test_negative_weights_take_a_background_away_from_slices_and_response():
    x, y = correlated(8, 3000), correlated(9, 3000, r=0.6)
    background = 4 + correlated(10, 2000)
    mixed, w = np.concatenate([x, background]), np.repeat([1.0, 1.0, -1.0], [3000, 1000, 1000])
    clean = random_slice_ks(x, y).statistic
    # 1000 events on either side of the subtraction leave sqrt(2000) / 3000 = 0.015 of scatter
    assert random_slice_ks(mixed, y, wx=w).statistic == pytest.approx(clean, abs=3 * 0.015)
    assert abs(random_slice_ks(mixed, y).statistic - clean) > 0.1
    along = np.concatenate([np.tile([0.5, 1.5], 1500), np.tile([0.5, 1.5], 1000)])
    pure, kept = (
        response_along(x[:, 0], along[:3000], [0, 1, 2]),
        response_along(mixed[:, 0], along, [0, 1, 2], weights=w),
    )
    for name in ("mean", "width"):
        difference = getattr(kept, name) - getattr(pure, name)
        assert (np.abs(difference) < 4 * getattr(kept, f"{name}_error")).all()
    assert (kept.mean_error > 1.5 * pure.mean_error).all()  # subtraction costs statistics


def test_errors_of_the_response_cover():
    pulls = {"mean": [], "width": [], "quantiles": []}
    truth = {"mean": 0.0, "width": 1.0, "quantiles": stats.norm.ppf([0.16, 0.5, 0.84])}
    for seed in range(40):
        found = response_along(np.random.default_rng(seed).normal(size=4000), np.repeat([0.5, 1.5], 2000), [0, 1, 2])
        for name, errors in (("mean", "mean_error"), ("width", "width_error"), ("quantiles", "quantile_errors")):
            pulls[name].append((getattr(found, name) - truth[name]) / getattr(found, errors))
    for name, values in pulls.items():
        # at least 80 pulls: their spread scatters by 8 %, the errors of quantiles themselves by some more
        assert np.std(values) == pytest.approx(1, abs=0.3), name


def test_bins_without_events_are_unknown():
    found = response_along([1.0] * 20, [0.5] * 20, [0, 1, 2])
    assert found.mean[0] == 1
    assert np.isnan(found.mean[1])
    assert found.to_json()["mean"] == [1.0, None]


def test_two_dimensional_chi2_of_one_truth_is_flat_and_sees_correlations():
    pvalues = [chi2_2d(correlated(2 * s, 1500), correlated(2 * s + 1, 1500)).pvalue for s in range(40)]
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3
    assert chi2_2d(correlated(0, 1500), correlated(1, 1500, r=0.4)).pvalue < 1e-6


# --- the classifier with signed weights


def test_signed_weights_of_one_truth_give_an_area_of_one_half_and_a_flaw_more():
    truth, copy = with_background(events(20, 1000), 1), events(21, 1000)
    none = high_level_auc(truth, copy, folds=2, signed=True)
    assert abs(none.auc - 0.5) < 4 * none.auc_error
    shifted = replace(copy, features=copy.features + 3)
    seen = high_level_auc(truth, shifted, folds=2, signed=True)
    assert seen.auc - 0.5 > 5 * seen.auc_error
    ignored = high_level_auc(truth.with_weights(None), copy, folds=2)
    assert ignored.auc > 0.55  # the background, if nothing takes it away


def test_signed_changes_nothing_without_negative_weights():
    truth = events(23, 300).with_weights(np.random.default_rng(0).uniform(0.5, 2, 300))
    copy = events(24, 300)
    first, second = (high_level_auc(truth, copy, folds=2, signed=signed) for signed in (False, True))
    assert first.auc == second.auc
    with pytest.raises(WeightError, match="negative"):
        high_level_auc(with_background(truth.with_weights(None), 0), copy, folds=2)


# --- defects of the published evaluation (arXiv:1905.11825 and its code), each with its regression test


def test_defect_unweighted_quantiles_thresholds_are_weighted():
    x = np.linspace(0, 1, 1001)
    w = np.where(x > 0.5, 9.0, 1.0)
    both = {"p": (x, x)}
    table = efficiency_ratios(x, x, both, wr=w, wg=w, cuts=(0.1, 0.5), bins=2)["p"]
    assert table.thresholds == pytest.approx(weighted_quantiles(x, [0.1, 0.5], w))
    assert table.thresholds[0] == pytest.approx(0.5, abs=0.01)
    assert table.edges[1] == pytest.approx(weighted_quantiles(x, [0.5], w)[0])


def test_defect_sum_of_weights_as_number_of_events_the_scale_of_weights_changes_no_error():
    rng = np.random.default_rng(1)
    x, y, p, q, w = rng.random((5, 2000))
    w += 0.5
    tables = [efficiency_ratios(x, y, {"p": (p, q)}, wr=c * w, wg=c * w)["p"] for c in (0.01, 1.0, 100.0)]
    for table in tables[1:]:
        assert table.low == pytest.approx(tables[0].low, rel=1e-9)
        assert table.events == pytest.approx(tables[0].events, rel=1e-9)
    low, high = tables[0].intervals("generated")
    assert ((low <= tables[0].generated) & (tables[0].generated <= high)).all()


def test_defect_effective_events_weights_of_two_values_widen_the_error_by_their_spread():
    rng = np.random.default_rng(2)
    x, p, w = rng.random(20_000), rng.random(20_000), rng.choice([0.1, 1.9], 20_000)
    table = efficiency_ratios(x, x, {"p": (p, p)}, wr=w, wg=w, cuts=(0.5,), bins=2)["p"]
    plain = efficiency_ratios(x, x, {"p": (p, p)}, cuts=(0.5,), bins=2)["p"]
    # sum w^2 / (sum w)^2 = (1 + 0.81) / n
    assert np.log(table.high / table.low) == pytest.approx(np.sqrt(1.81) * np.log(plain.high / plain.low), rel=0.05)


def test_defect_area_leaves_the_unit_interval_it_is_given_as_it_is_and_ties_count_half_in_any_order():
    assert auc([0.0], [1.0, -1.0], wg=[2.0, -1.0]).value == pytest.approx(2)
    score = np.repeat([0.0, 1.0], 500)
    order = np.random.default_rng(3).permutation(1000)
    assert [auc(score, score).value, auc(score[order], score).value] == pytest.approx([0.5, 0.5])


def test_defect_signed_weights_in_boosting_training_never_sees_a_negative_weight(monkeypatch):
    import sklearn.ensemble

    seen = []
    original = sklearn.ensemble.HistGradientBoostingClassifier.fit

    def fit(self, x, y, sample_weight=None):
        seen.append(sample_weight.min())
        return original(self, x, y, sample_weight)

    monkeypatch.setattr(sklearn.ensemble.HistGradientBoostingClassifier, "fit", fit)
    high_level_auc(with_background(events(25, 200), 0), events(26, 200), folds=2, signed=True)
    assert len(seen) == 2
    assert min(seen) >= 0


def test_defect_thin_bins_are_left_out_a_lost_mode_in_thin_cells_is_seen():
    x = correlated(30, 2000)
    # 60 events spread so thinly over cells that none has five
    mode = np.random.default_rng(31).uniform(6, 30, (60, 2))
    grid = np.linspace(-4, 30, 35)
    y = np.concatenate([correlated(32, 1940), mode])
    assert chi2_2d(x, y, (grid, grid)).pvalue < 1e-3


def test_defect_contents_instead_of_shares_sample_sizes_do_not_matter():
    x, y = correlated(33, 1000), correlated(34, 4000)
    assert chi2_2d(x, y).pvalue > 1e-3
    assert chi2_2d(x, y, absolute=True).pvalue < 1e-6


def test_bootstrap_errors_of_the_map_agree_with_delong():
    def species(seed, name):
        dlls, conditions = tracks(seed, 1200, name)
        return Scored(dlls[:, 0], conditions[:, :2])

    pairs = [(species(s, "K"), species(s, "pi")) for s in (40, 41)]
    formula = delta_auc_map(*pairs, bins=2)
    drawn = delta_auc_map(*pairs, bins=2, bootstraps=200)
    # a spread of 200 scatters by 5 %, and the four are judged together
    assert drawn.error == pytest.approx(formula.error, rel=0.25)
    assert (drawn.delta == formula.delta).all()
    mine = condition_edges(pairs[0][0].conditions, (3, 2))
    assert delta_auc_map(*pairs, edges=mine).delta.shape == (3, 2)


def test_wilson_of_none_and_all():
    low, high = wilson([0.0, 1.0, 0.5], 100)
    assert low[0] == pytest.approx(0, abs=1e-12)
    assert high[1] == pytest.approx(1)
    assert high[0] == pytest.approx(1 / 101)
    assert high[2] - low[2] == pytest.approx(0.1, rel=0.01)

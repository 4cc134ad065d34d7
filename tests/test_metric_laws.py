"""Laws that every registered distance obeys, of one observable and of many."""

from dataclasses import dataclass

import numpy as np
import pytest

from facsim.errors import DataError, WeightError
from facsim.metrics import DISTANCES, MULTIVARIATE, Estimate
from facsim.metrics.blocks import LEAST_EVENTS

N = 400


@dataclass(frozen=True)
class Case:
    """One distance, called the same way whatever it is."""

    name: str
    columns: int

    def __call__(self, x, y, wx=None, wy=None):
        if self.columns == 1:
            return DISTANCES[self.name](x[:, 0], y[:, 0], wp=wx, wq=wy)
        return MULTIVARIATE[self.name](x, y, wx=wx, wy=wy).value

    def near_null(self, x, y):
        """Value, null and error for samples of one truth."""
        if self.columns > 1:
            return MULTIVARIATE[self.name](x, y)
        # no distance of one observable scatters by more than its mean there
        mean = DISTANCES[self.name].expected(x[:, 0], y[:, 0])
        return Estimate(self(x, y), mean, np.nan, mean)

    def measured(self, x, y, wx):
        """Value and error for samples that differ."""
        if self.columns > 1:
            return MULTIVARIATE[self.name](x, y, wx=wx)
        generator, values = np.random.default_rng(0), []
        for _ in range(30):
            i, j = generator.integers(0, len(x), len(x)), generator.integers(0, len(y), len(y))
            values.append(self(x[i], y[j], wx=wx[i]))
        return Estimate(self(x, y, wx=wx), float(np.std(values)), np.nan)

    @property
    def exact(self):
        """No part of the value depends on how events are dealt into groups."""
        return self.columns == 1 or self.name in ("sliced_w1", "sliced_ks", "correlation")


every = pytest.mark.parametrize(
    "case", [*(Case(name, 1) for name in DISTANCES), *(Case(name, 3) for name in MULTIVARIATE)], ids=lambda c: c.name
)


def truth(seed, n=N):
    """Three correlated columns, one of them skewed."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, 3)) + generator.exponential(1, (n, 1)) * [1.0, 0.5, 0.0]


def distorted(y, s):
    """Shifted, wider, and with other correlations."""
    return y * (1 + s) + s * y[:, [1, 2, 0]] + s


@every
def test_two_samples_of_one_truth_lie_in_the_null_band(case):
    off = []
    for seed in range(8):
        result = case.near_null(truth(2 * seed), truth(2 * seed + 1))
        off.append((result.value - result.null) / result.error)
    # eight pulls of about unit spread: their mean scatters by 0.35, and skewed ones reach 3 once in a hundred
    assert abs(np.mean(off)) < 1.1
    assert np.max(np.abs(off)) < 4.5


@every
def test_grows_with_a_known_distortion(case):
    x, y = truth(100, 2000), truth(101, 2000)
    null = case.near_null(x, y)
    values = [null.value, *(case(x, distorted(y, s)) for s in (0.3, 0.6, 1.2))]
    assert np.all(np.diff(values) > 0)
    assert values[1] > null.null + 4 * null.error


@every
def test_order_of_events_does_not_matter(case):
    x, y = truth(102), distorted(truth(103), 0.2)
    w = np.random.default_rng(104).uniform(0.5, 2, N)
    order = np.random.default_rng(105).permutation(N)
    assert case(x[order], y[::-1], wx=w[order]) == pytest.approx(case(x, y, wx=w), rel=1e-9)


@every
def test_scale_of_the_weights_does_not_matter(case):
    x, y = truth(106), distorted(truth(107), 0.2)
    w = np.random.default_rng(108).uniform(0.5, 2, N)
    assert case(x, y, wx=7 * w) == pytest.approx(case(x, y, wx=w), rel=1e-9)
    assert case(x, y, wx=np.full(N, 3.0)) == pytest.approx(case(x, y), rel=1e-9)


@every
def test_weights_of_zero_remove_events(case):
    x, y = truth(109), distorted(truth(110), 0.2)
    w = np.concatenate([np.ones(N), np.zeros(50)])
    assert case(np.concatenate([x, 100 + truth(111, 50)]), y, wx=w) == pytest.approx(case(x, y), rel=1e-9)


@every
def test_a_weight_is_that_many_copies(case):
    x, y = truth(112), distorted(truth(113), 0.5)
    copies = np.random.default_rng(114).integers(1, 4, N)
    copied = case(np.repeat(x, copies, axis=0), y)
    if case.exact:
        assert copied == pytest.approx(case(x, y, wx=copies), rel=1e-9)
    else:  # copies count as information in the correction of the bias and in the deal, weights do not
        weighted = case.measured(x, y, copies)
        assert abs(copied - weighted.value) < weighted.error


@every
def test_negative_weights_take_a_background_away(case):
    x, y = truth(115, 2000), distorted(truth(116, 2000), 0.4)
    background = 3 + 2 * np.random.default_rng(117).normal(size=(2, 1000, 3))
    # the background of the signal region, and that of a sideband, which is subtracted
    mixed = np.concatenate([x, *background])
    w = np.repeat([1.0, 1.0, -1.0], [2000, 1000, 1000])
    clean, subtracted, kept = case(x, y), case.measured(mixed, y, w), case.measured(mixed, y, np.abs(w))
    assert abs(subtracted.value - clean) < 3 * subtracted.error
    assert abs(kept.value - clean) > 5 * kept.error  # what the weights are there for


@every
@pytest.mark.parametrize(
    ("change", "weights", "error"),
    [
        (lambda x: x[:0], None, DataError),
        (lambda x: np.where(x == x.max(), np.nan, x), None, DataError),
        (lambda x: np.where(x == x.max(), np.inf, x), None, DataError),
        (lambda x: x, np.ones(3), WeightError),
        (lambda x: x, np.where(np.arange(N) == 5, np.nan, 1), WeightError),
        (lambda x: x, np.zeros(N), WeightError),
        (lambda x: x, np.where(np.arange(N) % 2, 1.0, -1.0), WeightError),
    ],
    ids=["empty", "nan", "inf", "number of weights", "nan weight", "zero weights", "weights sum to zero"],
)
def test_bad_input_is_refused(case, change, weights, error):
    x = truth(118)
    changed = change(x)
    if case.columns == 1 and np.isfinite(changed[:, 0]).all() and not np.isfinite(changed).all():
        changed = np.roll(changed, -int(np.argwhere(~np.isfinite(changed))[0, 1]), axis=1)
    with pytest.raises(error):
        case(changed, truth(119), wx=weights)
    with pytest.raises(error):
        case(truth(119), changed, wy=weights)


several = pytest.mark.parametrize("distance", MULTIVARIATE.values(), ids=MULTIVARIATE)


@several
def test_same_seed_same_number_and_any_float_type(distance):
    x, y = truth(120), truth(121)
    first = distance(x, y, seed=3)
    assert distance(x, y, seed=3) == first
    single = distance(x.astype(np.float32), y.astype(np.float32), seed=3)
    # another deal, by the rounded values: the same within its error
    assert abs(single.value - first.value) < first.error


@several
def test_collinear_columns_do_no_harm(distance):
    x, y = truth(122), truth(123)
    more = [np.column_stack([s, s[:, 0] + s[:, 1], 2 * s[:, 2]]) for s in (x, y)]
    estimate = distance(*more)
    assert np.isfinite([estimate.value, estimate.error, estimate.pvalue]).all()
    assert abs(estimate.value - estimate.null) < 4 * estimate.error


@several
def test_columns_that_never_vary_are_left_out_and_others_are_named(distance):
    x, y = truth(124), distorted(truth(125), 0.2)
    padded = [np.column_stack([np.full(N, 5.0), s]) for s in (x, y)]
    assert distance(*padded) == distance(x, y)
    with pytest.raises(DataError, match="column 1 is constant in x"):
        distance(np.column_stack([x[:, 0], np.ones(N), x[:, 1]]), y)
    with pytest.raises(DataError, match="every column"):
        distance(np.ones((N, 2)), np.ones((N, 2)))


@several
def test_small_samples_are_refused_or_covered(distance):
    with pytest.raises(DataError, match=f"at least {LEAST_EVENTS}"):
        distance(truth(126, LEAST_EVENTS - 1), truth(127))
    estimate = distance(truth(128, LEAST_EVENTS), truth(129, LEAST_EVENTS))
    assert np.isfinite(estimate.value)
    assert estimate.error > 0
    with pytest.raises(DataError, match="columns"):
        distance(truth(126), truth(127)[:, :2])


@several
def test_no_value_is_sure_beyond_the_replicas_and_json_holds_all(distance):
    estimate = distance(truth(130), truth(131) + 3)
    if distance.name != "correlation":
        assert estimate.pvalue == pytest.approx(1 / (1001 if "sliced" in distance.name else 2001))
    assert float(estimate) == estimate.to_json()["value"]
    assert set(estimate.to_json()) == {"value", "error", "pvalue", "null"}

"""Classification transfer, confusion of classes, and LAGAN's selection distance."""

import numpy as np
import pytest
from scipy import stats

from facsim import Block, Events, Schema
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.metrics import binned_emd, by_category, label_confusion, selection_distance, transfer
from facsim.metrics.mlp import Training

SCHEMA = Schema((Block("mass"),))
OTHER = Events(np.ones((50, 1)), np.zeros((50, 0)), Schema((Block("p"),)))


def gauss(mean, n, seed, weights=None):
    values = np.random.default_rng([seed, n]).normal(mean, 1, (n, 1))
    return Events(values, np.zeros((n, 0)), SCHEMA, weights)


def pair(distance, n, seed):
    return {"qcd": gauss(0, n, seed), "w": gauss(distance, n, seed + 100)}


def test_accuracies_and_areas_are_those_of_gaussians():
    found = transfer(pair(2, 1500, 1), pair(4, 1500, 2), runs=2)
    # cuts at half the distance d of the training sample; the truth is then cut at 2 instead of 1
    cut = stats.norm.cdf
    expected = {
        ("truth", "truth"): cut(1),
        ("copies", "copies"): cut(2),
        ("truth", "copies"): (cut(1) + cut(3)) / 2,
        ("copies", "truth"): (cut(2) + cut(0)) / 2,
    }
    for key, accuracy in expected.items():
        # 1,200 events in two runs: 0.011; the wobble of the trees' cut around its place: 0.02
        assert abs(found[key].accuracy[0] - accuracy) < 0.04, key
    # area of two Gaussians: Phi(d / sqrt 2), error 0.008, loss by the steps of the trees 0.01
    assert abs(found["truth", "truth"].auc[0] - cut(np.sqrt(2))) < 0.03
    mistag = found["truth", "truth"].mistags.mean(axis=0)
    assert mistag[0] == 0
    assert np.all(np.diff(mistag) >= 0)
    assert abs(mistag[50] - cut(-2)) < 0.02  # at an efficiency of 0.5: the cut lies at 2


def test_the_same_seed_gives_the_same_result():
    first, second = (transfer(pair(1, 100, 1), pair(1, 100, 2), runs=1, seed=3) for _ in range(2))
    assert first.to_json() == second.to_json()


def test_pairs_of_one_condition_stay_together():
    """Labels that mean nothing can be known of copies of the events in the training only."""
    schema = Schema((Block("a", (4,)),), (Block("energy", (), "energy", "GeV"),))
    rng = np.random.default_rng(5)

    def noise():
        return Events(rng.normal(size=(400, 4)), rng.uniform(1, 100, (400, 1)), schema)

    truth = {"a": noise(), "b": noise()}
    found = transfer(truth, dict(truth), runs=5)
    # all 800 events are tested once: 0.018; memory would give 0.8
    assert abs(found["truth", "copies"].accuracy[0] - 0.5) < 0.07


def test_events_of_weight_zero_do_not_count():
    truth, copies = pair(3, 400, 1), pair(3, 400, 2)
    wrong = {}
    for name, mean in (("qcd", 3), ("w", 0)):
        good, bad = truth[name], gauss(mean, 400, 9)
        values = np.stack([good.features, bad.features], axis=1).reshape(-1, 1)  # in turn, since the first are used
        wrong[name] = Events(values, np.zeros((800, 0)), SCHEMA, np.tile([1.0, 0.0], 400))
    long = pair(3, 800, 4)
    found = transfer(wrong, long, runs=2)
    clean = transfer(truth, copies, runs=2)
    # Phi(1.5) = 0.933 with an error of 0.01; wrong labels that count would give 0.5
    assert found["truth", "truth"].accuracy[0] > 0.89
    assert clean["truth", "truth"].accuracy[0] > 0.89


def test_a_network_learns_and_repeats():
    pytest.importorskip("torch")
    training = Training(width=16, batch=64, epochs=6, patience=6)
    runs = [transfer(pair(3, 200, 1), pair(3, 200, 2), "network", runs=1, training=training) for _ in range(2)]
    assert runs[0].to_json() == runs[1].to_json()
    assert runs[0]["truth", "copies"].accuracy[0] > 0.8  # Phi(1.5) = 0.93, 80 events: 0.03


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"classifier": "forest"}, DataError, "known are"),
        ({"runs": 0}, DataError, "at least 1"),
        ({"copies": {"qcd": gauss(0, 50, 1)}}, DataError, "need the same two"),
        ({"copies": pair(1, 5, 1)}, DataError, "at least 10"),
        ({"copies": {**pair(1, 50, 1), "w": gauss(1, 50, 1, -np.ones(50))}}, WeightError, "negative"),
        ({"copies": {**pair(1, 50, 1), "w": gauss(np.nan, 50, 1)}}, DataError, "not finite"),
        ({"copies": dict.fromkeys(("qcd", "w"), OTHER)}, SchemaMismatch, "mass against p"),
    ],
)
def test_what_cannot_be_transferred(change, error, words):
    with pytest.raises(error, match=words):
        transfer(**{"truth": pair(1, 50, 1), "copies": pair(1, 50, 2), **change})


def test_categories_are_shared_out():
    schema = Schema((Block("m"),), (Block("e"), Block("kind", (), "category", names=("a", "b", "c"))))
    events = Events([[1], [2], [3]], [[10, 2], [20, 0], [30, 2]], schema, np.array([1.0, 2.0, -1.0]))
    parts = by_category(events)
    assert list(parts) == ["a", "c"]
    assert parts["c"].conditions.tolist() == [[10.0], [30.0]]
    assert parts["c"].weights.tolist() == [1.0, -1.0]
    with pytest.raises(SchemaMismatch, match="'flavour'"):
        by_category(events, "flavour")


def test_confusion_counts_and_weighs():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 1000)
    probability = np.where(rng.random(1000) < 0.9, 0.8 * label + 0.1, 0.9 - 0.8 * label)
    found = label_confusion(probability, label)
    assert np.allclose(found.table.sum(axis=1), 1)
    assert np.all(np.abs(np.diag(found.table) - 0.9) < 4 * np.diag(found.error))
    # binomial error
    assert found.error[0, 0] == pytest.approx(np.sqrt(0.09 / found.events[0]), rel=0.1)
    both = np.concatenate([probability, 1 - probability])
    cancelled = label_confusion(
        both, np.concatenate([label, label]), weights=np.concatenate([np.full(1000, 2.0), np.full(1000, -1.0)])
    )
    assert np.allclose(cancelled.table, 2 * found.table - found.table[:, ::-1])
    three = label_confusion(np.eye(3), [0, 1, 1], names=("a", "b", "c"))
    assert three.to_json()["table"] == [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], None]
    for wrong in ([0, 1, 2], [0.0, 1.5, 1.0], [0, 1]):
        with pytest.raises(DataError):
            label_confusion([0.1, 0.2, 0.3], wrong)


def test_earth_movers_distance_of_histograms():
    rng = np.random.default_rng(1)
    p, q = rng.normal(0, 1, 300), rng.normal(0.7, 1.5, 200)
    edges = np.linspace(-3, 3, 41)
    bins = [np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 39) for x in (p, q)]
    assert binned_emd(p, q, [edges]) == pytest.approx(stats.wasserstein_distance(*bins))
    small = np.linspace(-3, 3, 9)
    # in the plane: a shift by whole bins costs its length, and one observable alone is the one-dimensional distance
    grid = rng.integers(0, 4, (60, 2)) + 0.5
    assert binned_emd(grid, grid + np.array([3, 4]), [np.arange(9), np.arange(9)]) == pytest.approx(5)
    flat = np.column_stack([p, np.zeros(300)]), np.column_stack([q, np.zeros(200)])
    assert binned_emd(*flat, [small, [-1, 1]]) == pytest.approx(binned_emd(p, q, [small]))
    assert binned_emd(flat[0], flat[0], [small, [-1, 1]]) == 0
    # a background that is subtracted again
    mixed, w = np.concatenate([p, q, q]), np.concatenate([np.ones(300), np.ones(200), -np.ones(200)])
    assert binned_emd(mixed, p, [edges], wp=w) == pytest.approx(0, abs=1e-12)
    with pytest.raises(WeightError):
        binned_emd([[0.0, 0.0], [1.0, 0.0]], flat[0], [small, [-1, 1]], wp=[2, -1])
    with pytest.raises(DataError):
        binned_emd(p, q, [edges, edges])


def test_the_worst_class_decides():
    truth = {"a": np.zeros(10) + 0.5, "b": np.zeros(10) + 0.5}
    copies = {"a": np.zeros(10) + 0.5, "b": np.zeros(10) + 10.5}
    assert selection_distance(truth, copies, [(0.0, 40.0)]) == pytest.approx(10)
    with pytest.raises(DataError):
        selection_distance(truth, {"a": truth["a"]}, [(0.0, 40.0)])

"""Classifier tests between two samples: blind to nothing that is there, and to nothing that is not."""

import numpy as np
import pytest

from facsim import Block, Events, Schema, detectors, io
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.metrics import floor, high_level, high_level_auc, low_level_auc
from facsim.metrics.folds import assign_folds
from facsim.metrics.low_level import cell_matrix

TABLE = Schema((Block("x", (4,)),), (Block("energy", (), "energy", "GeV"),))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(high_level, "ITERATIONS", 40)  # the laws do not depend on it, the time does


@pytest.fixture(scope="module")
def eplus(shared_data):
    events = io.read(shared_data / "showers" / "eplus.h5")
    return events[:600], events[600:1200]


def table(seed: int, n: int = 400, shift: float = 0.0, energies: np.ndarray | None = None) -> Events:
    generator = np.random.default_rng(seed)
    features = generator.normal(0, 1, (n, 4))
    features[:, 0] += shift
    return Events(features, generator.uniform(1, 100, (n, 1)) if energies is None else energies, TABLE)


def changed(events: Events, features: np.ndarray) -> Events:
    return Events(features, events.conditions, events.schema)


def smeared(events: Events, width: float) -> Events:
    factor = 1 + width * np.random.default_rng(0).normal(size=(len(events), 1))
    return changed(events, events.features * factor)


def more_occupied(events: Events, share: float) -> Events:
    """Light a share of the empty cells of layer 0 with 20 keV, just above the threshold."""
    features = events.features.copy()
    layer = features[:, events.schema.columns("layer_0")]
    layer[(layer < 0.01) & (np.random.default_rng(0).random(layer.shape) < share)] = 0.02
    return changed(events, features)


def test_truth_against_truth_is_a_coin_toss(eplus):
    result = high_level_auc(*eplus)
    assert abs(result.auc - 0.5) < 3 * result.auc_error
    # 600 + 600 events: DeLong's error of the mean is 0.017, and the trainings share events
    assert 0.016 < result.auc_error < 0.05
    assert result.events == (600, 600)
    assert result.jsd < 0.01
    assert np.isfinite(result.scores_reference).all()
    assert np.isfinite(result.scores_generated).all()


@pytest.mark.parametrize(
    ("distort", "least"),
    [(lambda e: smeared(e, 0.01), 0.8), (lambda e: more_occupied(e, 0.05), 0.6)],
    ids=["sum over E smeared by 1 %", "occupancy of layer 0 up by 0.03"],
)
def test_known_distortions_of_showers_are_seen(eplus, distort, least):
    reference, second = eplus
    result = high_level_auc(reference, distort(second))
    assert result.auc > least


def test_grows_with_the_distortion():
    values = [high_level_auc(table(1), table(2, shift=s)).auc for s in (0.0, 0.7, 1.4, 2.8)]
    assert np.all(np.diff(values) > 0.03)
    # two Gaussians, the best possible: Phi(2.8 / sqrt 2) = 0.976
    assert 0.94 < values[-1] < 0.985


def test_the_error_covers_the_scatter_for_equal_truths(monkeypatch):
    monkeypatch.setattr(high_level, "ITERATIONS", 5)
    results = [high_level_auc(table(2 * i, 120), table(2 * i + 1, 120)) for i in range(40)]
    pulls = [(r.auc - 0.5) / r.auc_error for r in results]
    # mean 0 within 4 errors; a scatter of 1 is known to 11 % with 40, and the error is meant to be rather large
    assert abs(np.mean(pulls)) < 4 / np.sqrt(40)
    assert 0.5 < np.std(pulls) < 1.4


def test_pairs_of_one_condition_do_not_mislead():
    # copies are drawn at the energies of the truth: parted by folds, an AUC of about 0.43 (measured) instead of 0.5
    results = []
    for i in range(10):
        energies = np.random.default_rng([3, i]).uniform(1, 100, (150, 1))
        pair = (table(2 * i, 150, energies=energies), table(2 * i + 1, 150, energies=energies))
        results.append(high_level_auc(*(Events(e.features[:, :1], e.conditions, ONE) for e in pair)).auc)
    assert np.mean(results) == pytest.approx(0.5, abs=0.035)  # scatter 0.045 per test, four errors would be 0.057


ONE = Schema((Block("x", (1,)),), TABLE.conditions)


def test_exchange_of_the_samples_changes_nothing():
    a, b = table(1), table(2, shift=0.7)
    forth, back = high_level_auc(a, b), high_level_auc(b, a)
    # the folds are dealt anew, so equal within the error
    assert abs(forth.auc - back.auc) < 2 * forth.auc_error


def test_the_seed_alone_decides():
    a, b = table(1), table(2, shift=0.5)
    first, second = high_level_auc(a, b, seed=3), high_level_auc(a, b, seed=3)
    np.testing.assert_array_equal(first.scores_generated, second.scores_generated)
    assert first.auc == second.auc != high_level_auc(a, b, seed=4).auc


def test_weights_remove_events_and_negative_ones_are_refused():
    a, good, bad = table(1), table(2), table(3, shift=5.0)
    mixed = Events(
        np.concatenate([good.features, bad.features]), np.concatenate([good.conditions, bad.conditions]), TABLE
    )
    weights = np.repeat([1.0, 0.0], 400)
    assert high_level_auc(a, mixed).auc > 0.65
    result = high_level_auc(a, mixed.with_weights(weights))
    assert abs(result.auc - 0.5) < 3 * result.auc_error
    with pytest.raises(WeightError, match="400 negative"):
        high_level_auc(a, mixed.with_weights(np.repeat([2.0, -1.0], 400)))


@pytest.mark.parametrize("test", [high_level_auc, low_level_auc])
def test_bad_input_is_refused(test):
    showers = Events(np.ones((10, 504)), np.ones((10, 1)), detectors.get("calogan"))
    with pytest.raises(SchemaMismatch, match="cannot compare"):
        test(showers, table(1))
    with pytest.raises(DataError, match="folds"):
        test(showers[:1], showers)
    broken = showers.features.copy()
    broken[3, 7] = np.nan
    with pytest.raises(DataError, match="not finite"):
        test(showers, changed(showers, broken))


def test_floor_of_a_classifier():
    truth = table(1, 300)
    result = floor(lambda a, b: high_level_auc(a, b, folds=2).auc, truth, table(2, 300), size=200, repeats=2)
    assert result.events == (300, 200)
    assert result.mean == pytest.approx(0.5, abs=0.1)


def test_folds_are_even_and_keep_pairs_together():
    generator = np.random.default_rng(0)
    energies = generator.random((100, 1)).astype(np.float32)
    copies = np.repeat(energies[::-1], 2, axis=0)
    first, second = assign_folds(energies, copies, 5, seed=1)
    np.testing.assert_array_equal(np.bincount(first), 20)
    np.testing.assert_array_equal(second, np.repeat(first[::-1], 2))
    # few distinct energies are no pairs: folds stay even
    steps = np.repeat(np.float32([1, 2]), 50)[:, None]
    first, second = assign_folds(steps, steps, 5, seed=1)
    np.testing.assert_array_equal(np.bincount(second), 20)
    assert (first != second).any()


def test_cell_matrix_follows_the_protocol(eplus):
    events = eplus[0][:20]
    matrix = cell_matrix(events, dtype="float64")
    assert matrix.shape == (20, 508)
    cells = np.where(events.features < np.float32(0.01), 0, events.features).astype(np.float64)
    np.testing.assert_allclose(matrix[:, :504], cells / 1e5, rtol=1e-12)
    np.testing.assert_allclose(matrix[:, 504], np.log10(10 * events.conditions[:, 0] / 100), rtol=1e-6)
    layer = cells[:, 288:432].sum(axis=1) / 1e5
    np.testing.assert_allclose(matrix[:, 506], np.log10(layer + 1e-8) + 2, rtol=1e-6)
    shares = cell_matrix(events, normalise=True)
    np.testing.assert_allclose(shares[:, 288:432].sum(axis=1), 1, rtol=1e-5)  # float32
    with pytest.raises(SchemaMismatch, match="high_level_auc"):
        cell_matrix(table(1))


def test_low_level_sees_rearranged_cells_and_nothing_else(eplus):
    pytest.importorskip("torch")
    reference, second = (e[:300] for e in eplus)
    ticks = []
    options = {"rotations": 2, "epochs": 6, "width": 64, "seed": 1}
    null = low_level_auc(reference, second, progress=lambda *done: ticks.append(done), **options)
    assert abs(null.auc - 0.5) < 3 * null.auc_error
    assert ticks[-1] == (12, 12)
    assert np.isfinite(null.scores_reference).sum() == 120  # two fifths of 300 were scored
    features = second.features.copy()
    columns = second.schema.columns("layer_1")
    features[:, columns] = features[:, columns][:, ::-1]  # the same energies, mirrored around the shower axis
    features[:, columns] = np.roll(features[:, columns], 24, axis=1)
    moved = low_level_auc(reference, changed(second, features), **options)
    assert moved.auc > 0.95
    again = low_level_auc(reference, changed(second, features), **options)
    assert again.auc == moved.auc
    precise = low_level_auc(reference, changed(second, features), dtype="float64", **options)
    assert precise.auc == pytest.approx(moved.auc, abs=0.05)


def test_low_level_leaves_torch_as_it_was(eplus):
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    low_level_auc(eplus[0][:50], eplus[1][:50], rotations=1, epochs=1, width=8)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)

"""Classifier protocols against a straight second implementation, and what their weights tell."""

import numpy as np
import pytest

from facsim import Block, Events, Schema, detectors, io
from facsim.errors import DataError, SchemaMismatch
from facsim.metrics import caloflow, high_level_auc
from facsim.metrics.calochallenge import features
from facsim.metrics.classifier import Tally
from facsim.metrics.protocols import protocol_auc
from facsim.metrics.resnet import resnet
from facsim.metrics.tails import classifier_weights, explain, most_fake, most_missing, weight_tails
from facsim.observables.matrix import named_columns

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def photons(n: int, seed: int, squeeze: float = 0.0) -> Events:
    schema = detectors.get("calochallenge-1-photons")
    rng = np.random.default_rng(seed)
    energies = 2.0 ** rng.integers(8, 23, n)
    cells = rng.gamma(0.5, 1.0, (n, schema.width)) * (rng.random((n, schema.width)) < 0.3)
    for block in schema.layers:
        radius = block.grid.centres("r")
        cells[:, schema.columns(block.name)] *= np.exp(-squeeze * radius / radius.max())
    cells *= (energies * rng.normal(0.97, 0.03, n) / cells.sum(axis=1))[:, None]
    return Events(cells, energies[:, None], schema)


# --- the protocol of CaloChallenge, written straight from its description -------------------------------------------


def straight_auc(reference: np.ndarray, generated: np.ndarray, seed: int, width: int, epochs: int, batch: int) -> float:
    from sklearn.isotonic import IsotonicRegression
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    sets = ([], [], [])
    for label, sample in ((0.0, reference), (1.0, generated)):
        rows = sample[rng.permutation(len(sample))]
        first, second = round(len(rows) * 8 / 12), round(len(rows) * 10 / 12)
        for part, chosen in zip(sets, (rows[:first], rows[first:second], rows[second:]), strict=True):
            part.append((chosen, np.full(len(chosen), label)))
    train, test, final = [
        (torch.tensor(np.concatenate([x for x, _ in p])), np.concatenate([y for _, y in p])) for p in sets
    ]
    layer, act = torch.nn.Linear, torch.nn.LeakyReLU
    network = torch.nn.Sequential(
        layer(reference.shape[1], width), act(), layer(width, width), act(), layer(width, width), act(), layer(width, 1)
    ).double()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-4)
    best, kept = -1.0, None
    for _ in range(epochs):
        order = rng.permutation(len(train[1]))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            loss = torch.nn.BCEWithLogitsLoss()(network(train[0][rows]).reshape(-1), torch.tensor(train[1][rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            accuracy = ((torch.sigmoid(network(test[0])).reshape(-1).numpy() > 0.5) == test[1]).mean()
        if accuracy > best:
            best, kept = accuracy, {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(kept)
    with torch.no_grad():
        scores = [torch.sigmoid(network(x)).reshape(-1).numpy() for x, _ in (test, final)]
    IsotonicRegression(out_of_bounds="clip", y_min=1e-6, y_max=1 - 1e-6).fit(scores[0], test[1])
    return roc_auc_score(final[1], scores[1])


def test_calochallenge_protocol_equals_the_straight_implementation():
    a, b = photons(1500, 1), photons(1500, 2, squeeze=4.0)
    options = {"width": 64, "epochs": 8, "batch": 100}
    found = protocol_auc(a, b, "calochallenge", "high", runs=5, threads=1, **options)
    first, second = features(a, "ds1-photons").matrix(), features(b, "ds1-photons").matrix()
    straight = [straight_auc(first, second, seed, 64, 8, 100) for seed in range(5)]
    assert len(found.folds) == 5
    assert 0.6 < found.auc < 0.97  # a difference that is neither hidden nor obvious, so that training matters
    # both means scatter with the trainings: four errors of the difference of two means of five
    scatter = np.hypot(found.spread, np.std(straight, ddof=1)) / np.sqrt(5)
    assert abs(found.auc - np.mean(straight)) < 4 * scatter
    assert scatter < 0.03


def test_runs_are_independent_and_repeatable():
    a, b = photons(240, 1), photons(240, 2)
    options = {"width": 16, "epochs": 2, "batch": 40, "seed": 3}
    ticks = []
    found = protocol_auc(a, b, "caloflow", "high", runs=2, progress=lambda *t: ticks.append(t), **options)
    assert found.method == "caloflow/high"
    assert found.folds[0] != found.folds[1]
    assert found.auc == protocol_auc(a, b, "caloflow", "high", runs=2, **options).auc
    assert ticks[-1] == (4, 4)
    assert 70 <= np.isfinite(found.scores_reference).sum() < 96  # a fifth twice, less what both runs drew
    whole = protocol_auc(a, b, "calochallenge", "low", rotations=6, **options)
    assert np.isfinite(whole.scores_reference).all()
    assert np.isfinite(whole.fake_generated).all()
    assert len(whole.folds) == 6


def test_caloflow_inputs_of_high_level(shared_data):
    events = io.read(shared_data / "showers" / "eplus.h5")[:50]
    found = caloflow.shape_matrix(events)
    assert found.shape == (50, 41)
    cells = np.where(events.features < np.float32(0.01), 0, events.features).astype(np.float64)
    layers = np.stack([cells[:, :288].sum(1), cells[:, 288:432].sum(1), cells[:, 432:].sum(1)])
    wanted = [np.log10(layer / 1e5 + 1e-8) for layer in layers]
    wanted.append(np.log10(layers.sum(0) / 1e5 + 1e-8))
    wanted += [np.log10(layer / layers.sum(0) + 1e-8) for layer in layers]
    for column in wanted:
        assert min(np.abs(found - column[:, None]).max(axis=0)) < 1e-6  # one of the 41 is this
    np.testing.assert_allclose(found[:, -1], np.log10(10.0 * events.conditions[:, 0] / 100), atol=1e-6)
    bright = 10 * np.sort(cells[:, :288], axis=1)[:, ::-1][:, :5] / layers[0][:, None]
    for column in bright.T:
        assert min(np.abs(found - column[:, None]).max(axis=0)) < 1e-6


def test_any_showers_can_be_judged_by_both_protocols(toy_showers):
    a, b = toy_showers(120, 1), toy_showers(120, 2)
    for protocol in ("calochallenge", "caloflow"):
        for inputs in ("low", "low-normed", "high"):
            found = protocol_auc(a, b, protocol, inputs, width=8, epochs=1)
            assert 0 <= found.auc <= 1


def test_the_cnn_sees_a_rearrangement_in_space_and_leaves_torch_as_it_was():
    mesh = detectors.cylinder_mesh((6, 8, 6), (60.0, 30.0))
    rng = np.random.default_rng(0)
    cells = rng.exponential(50, (2, 240, mesh.width)) * np.tile(np.exp(-np.arange(6)), 48)
    turned = cells[1].reshape(240, 6, 8, 6)[:, :, :, ::-1].reshape(240, -1)
    energies = rng.uniform(1, 10, (240, 1))
    a, b = (Events(c, energies, mesh) for c in (cells[0], turned))
    state = torch.get_rng_state()
    found = protocol_auc(a, b, "calochallenge", "cnn", epochs=3, batch=29)  # 288 train: a batch of one is left over
    assert found.auc > 0.9
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(SchemaMismatch, match="one shape"):
        protocol_auc(photons(30, 1), photons(30, 2), "calochallenge", "cnn", epochs=1)


def test_the_cnn_has_the_same_gradients_in_single_and_double_precision():
    # Its first convolution once took its gradient from memory that nobody wrote (oneDNN, one plane, padded).
    mesh = detectors.cylinder_mesh((6, 8, 6), (60.0, 30.0))
    inputs = torch.rand(29, 1 + mesh.width, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.01
    gradients = []
    for dtype in (torch.float64, torch.float32):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = resnet(mesh)(torch, inputs.shape[1], None).double().to(dtype)
        for _ in range(3):  # memory that has been used before
            network.zero_grad()
            network(inputs.to(dtype)).square().sum().backward()
        gradients.append(torch.cat([p.grad.double().flatten() for p in network.parameters()]))
    assert torch.norm(gradients[1] - gradients[0]) < 1e-3 * torch.norm(gradients[0])


def test_bad_arguments_say_what_there_is(toy_showers):
    a = toy_showers(40, 1)
    with pytest.raises(DataError, match="Did you mean 'calochallenge'"):
        protocol_auc(a, a, "calochalenge")
    with pytest.raises(DataError, match="low-normed"):
        protocol_auc(a, a, "caloflow", "cells")
    with pytest.raises(DataError, match="runs=0"):
        protocol_auc(a, a, runs=0)
    with pytest.raises(DataError, match="rotations=7"):
        protocol_auc(a, a, rotations=7)
    if not torch.cuda.is_available():
        with pytest.raises(DataError, match="no CUDA"):
            protocol_auc(a, a, device="cuda")
    table = Events(np.zeros((40, 1)), np.zeros((40, 0)), Schema((Block("x"),)))
    with pytest.raises(SchemaMismatch, match="high_level_auc"):
        protocol_auc(table, table, "calochallenge", "low", epochs=1)


# --- tables instead of events, and weights --------------------------------------------------------------------------


class Table:
    def __init__(self, events: Events) -> None:
        self.names, self.values = named_columns(events)
        self.conditions, self.weights = events.conditions, events.weights

    def __len__(self) -> int:
        return len(self.values)


SCHEMA = Schema((Block("x"), Block("y"), Block("z")), (Block("energy", (), "energy", "GeV"),))


def pair(n: int, hole: bool = False, extra: int = 0) -> tuple[Events, Events]:
    """Gaussians around a mean that follows the condition; the copy may lack x > 1.5 and have `extra` at y = 6."""
    rng = np.random.default_rng(5)
    energy = rng.uniform(1, 100, (n, 1))
    values = rng.normal(size=(2, n, 3)) + energy / 20
    if hole:
        offset = values[1, :, 0] - energy[:, 0] / 20
        values[1, :, 0] = np.where(offset > 1.5, -offset, offset) + energy[:, 0] / 20
    values[1, :extra, 1] = 6 + energy[:extra, 0] / 20
    return tuple(Events(v, energy, SCHEMA) for v in values)


def test_tables_give_what_events_give():
    a, b = pair(300, extra=40)
    assert high_level_auc(Table(a), Table(b), folds=2).auc == high_level_auc(a, b, folds=2).auc
    with pytest.raises(SchemaMismatch, match="two Events"):
        high_level_auc(a, Table(b))


@pytest.fixture(scope="module")
def distorted():
    a, b = pair(3000, hole=True, extra=150)
    return a, b, high_level_auc(a, b, folds=3)


def test_tails_find_the_invented_and_the_missing_events(distorted):
    a, _, result = distorted
    fake, missing = most_fake(result, 60), most_missing(result, 60)
    assert (fake < 150).mean() > 0.9  # the invented ones stand first
    assert (a.features[missing, 0] - a.conditions[missing, 0] / 20 > 1.4).mean() > 0.9
    w_reference, w_generated = classifier_weights(result)
    assert w_generated[fake].max() < 0.1
    assert w_reference[missing].min() > 3
    tails = weight_tails(result)
    np.testing.assert_allclose(tails.reference.sum(), 1)
    np.testing.assert_allclose(tails.generated.sum(), 1)
    # P(x > 1.5) = 6.7 % is missing, 5 % are invented; the trees blur the edge of what is missing
    assert 0.03 < tails.missing["2"] < 0.1
    assert 0.03 < tails.invented["1/5"] < 0.07
    # a mean of w over generated events is 1 up to what has no generated event at all, at most the 6.7 %
    assert tails.mean_generated == pytest.approx(1, abs=0.12)
    assert len(tails.to_json()["edges"]) == 41


def test_what_gives_the_events_away_stands_first(distorted):
    a, b, result = distorted
    fake, missing = explain(a, b, most_fake(result, 60)), explain(a, a, most_missing(result, 60))
    assert fake[0].name == "y"
    assert fake[0].shift > 4
    assert fake[0].outside > 0.9
    assert missing[0].name == "x"
    assert missing[0].shift > 1.4
    assert explain(Table(a), Table(b), most_fake(result, 60)) == fake
    # events drawn at random: rms 1; 300 events, chi with 1/sqrt(600) = 0.04, and 300 neighbours add 0.2 %
    for entry in explain(a, a, np.arange(300))[:3]:  # x, y, z; the fourth is the condition itself
        assert entry.rms == pytest.approx(1, abs=0.16)
        assert entry.outside < 0.03
    with pytest.raises(DataError, match="at least one row"):
        explain(a, b, np.zeros(0, int))


def test_weights_of_one_truth_scatter_around_one():
    result = high_level_auc(*pair(1500), folds=3)
    tails = weight_tails(result)
    assert tails.mean_generated == pytest.approx(1, abs=0.15)
    assert tails.missing["5"] < 0.02
    assert tails.invented["1/5"] < 0.02


def test_results_without_calibrated_scores_are_refused():
    from facsim.metrics import ClassifierResult

    bare = ClassifierResult("old", 0.5, 0.1, 0.0, (), np.zeros(3), np.zeros(3))
    with pytest.raises(DataError, match="no calibrated scores"):
        classifier_weights(bare)


def test_unscored_events_are_nowhere():
    from facsim.metrics.classifier import FoldResult

    tally = Tally(3, 3)
    test = np.array([True, False, True, False, True, True])
    tally.add(test, np.array([0.1, 0.2, 0.7, 0.8]), np.array([0.3, 0.3, 0.6, 0.6]), FoldResult(0.9, 0.1, 0.2))
    result = tally.result("half", 1.0)
    assert np.isnan(result.scores_reference[1])
    assert list(most_fake(result)) == [2, 1]
    assert list(most_missing(result)) == [0, 2]

"""What a user gives by mistake: samples without variation, weights that cancel, files given twice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import facsim
from facsim import Block, Events, Schema, detectors
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.metrics import DISTANCES, equivalent_events, jsd, ks, mode_coverage
from facsim.metrics.tails import explain
from facsim.report import gather
from facsim.report.neighbours import repeated
from facsim.report.observables import compare_observables

Make = Callable[..., Events]
MASS = Schema((Block("mass", (), "real", "GeV"),))


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def masses(values: np.ndarray, weights: np.ndarray | None = None) -> Events:
    return Events(values[:, None], np.zeros((len(values), 0)), MASS, weights)


def test_a_weighted_ks_test_reaches_p_values_below_its_replicas():
    a, b = rng(0).normal(size=1000), rng(1).normal(0.3, 1, 1000)
    weighted, plain = (ks(a, b, wq=w).pvalue for w in (np.ones(1000), None))
    assert plain < 1e-5
    # the tail is that of the bridge, anchored at a percent level that 1000 replicas know to a third
    assert plain / 3 < weighted < 3 * plain
    assert ks(a, a, wq=np.ones(1000)).pvalue == 1


def test_the_weighted_tail_keeps_its_promise_under_the_null():
    g, found = rng(2), []
    for k in range(600):
        a, b = g.normal(size=(2, 60))
        found.append(ks(a, b, wq=g.uniform(0.2, 2, 60), replicas=100, seed=k).pvalue)
    # 5 of 100 replicas: all of these are extrapolated; Gaussian errors of small samples add a little
    assert stats.binom.sf(np.sum(np.array(found) < 0.05), 600, 0.06) > 1e-3
    assert np.sum(np.array(found) < 0.05) > 10


def test_a_weighted_shift_turns_the_lights_of_many_columns_red():
    schema = Schema((Block("x", (20,)),))  # 1 % false alarms of all ask for p < 5e-4 of each
    truth, copy = (Events(rng(k).normal(k - 3, 1, (400, 20)), np.zeros((400, 0)), schema) for k in (3, 4))
    report = facsim.evaluate(truth, copy.with_weights(rng(5).normal(1, 0.5, 400)), low_level=False)
    assert {entry["light"] for entry in report.metrics["observables"].values()} == {"red"}
    assert report.metrics["differs"]


def test_a_wrong_correlation_alone_is_part_of_the_verdict():
    schema = Schema((Block("x", (2,)),))
    noise = rng(15).normal(size=(3, 600, 2))
    truth, copy = noise[:2].reshape(-1, 2), noise[2] @ np.linalg.cholesky([[1, 0.6], [0.6, 1]]).T
    report = facsim.evaluate(*(Events(x, np.zeros((len(x), 0)), schema) for x in (truth, copy)), low_level=False)
    assert not any(entry["differs"] for entry in report.metrics["observables"].values())
    assert report.metrics["distances"]["correlation"]["differs"]
    assert report.metrics["differs"]
    assert "distances between all observables at once see a difference" in report.verdict


def test_one_observable_is_told_in_the_singular():
    report = facsim.evaluate(masses(rng(3).normal(size=60)), masses(rng(4).normal(size=60)), low_level=False)
    assert "The only observable does not differ" in report.verdict


def test_the_floor_of_weighted_copies_has_their_statistics():
    size, weights = 1000, rng(5).exponential(1, 1000)
    truth, second, copy = rng(6).normal(size=(3, size))
    reference = np.concatenate([truth, second])
    floors = []
    for w in (None, weights):
        g = gather.gather(masses(reference), masses(copy, w), None, max_events=size, seed=0)
        floors.append(compare_observables(g.reference, g.generated, g.second, tolerance=0.05, seed=0)["mass"]["floor"])
    # sqrt((1 + 2) / 2): exponential weights halve the effective size; 199 replicas give 5 %
    assert floors[1]["w1"] / floors[0]["w1"] == pytest.approx(1.22, abs=0.13)


def test_weights_that_sum_to_nothing_are_refused_whatever_part_is_compared():
    truth = masses(rng(7).normal(size=400))
    with pytest.raises(WeightError, match="sum to 0"):
        facsim.evaluate(truth, masses(truth.features[:, 0], np.repeat([1.0, -1.0], 200)), low_level=False)
    few = np.where(np.arange(400) < 24, 1.0, 0.0)
    with pytest.raises(WeightError, match="at least 20"):
        facsim.evaluate(truth, masses(truth.features[:, 0], few), low_level=False)
    with pytest.raises(WeightError, match="sum to 0"):
        DISTANCES["w1"].expected([1.0, 2.0], [1.0, 2.0], wq=[1.0, -1.0])


def test_files_given_twice_are_told(toy_showers: Make):
    truth = toy_showers(60, 1)
    report = facsim.evaluate(truth, toy_showers(40, 2), second_reference=truth, low_level=False)
    assert "also in the reference" in str(report)
    assert report.metrics["repeated"] == {"generated": 0, "second_reference": 40}
    labels = Events(rng(8).integers(0, 3, (50, 1)), np.zeros((50, 0)), Schema((Block("label", (), "category"),)))
    assert repeated(labels, labels[::-1]) == 0  # repeats by nature


def test_showers_without_energy_make_a_report(toy_showers: Make, tmp_path: Path):
    empty = toy_showers(60, 1)
    empty = Events(np.zeros_like(empty.features), empty.conditions, empty.schema)
    report = facsim.evaluate(empty, empty, low_level=False, output=tmp_path)
    assert not report.metrics["differs"]
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_a_table_that_never_varies_makes_a_report():
    report = facsim.evaluate(masses(np.full(60, 5.0)), masses(rng(9).normal(5, 1, 60)), low_level=False)
    assert "nothing to compare" in report.metrics["distances"]["error"]
    assert report.table()[0]["excess"] is None


def test_reasons_where_the_truth_never_varies_are_finite(toy_showers: Make):
    truth, copy = toy_showers(60, 1), toy_showers(60, 2)
    flat = np.where(np.arange(truth.schema.width) < 24, truth.features, 0)
    found = explain(Events(flat, truth.conditions, truth.schema), copy, np.arange(5))
    assert max(d.rms for d in found) == pytest.approx(10)


def test_disjoint_samples_have_the_exact_p_value():
    for n in (1, 3, 20):
        p, q = np.arange(n), np.arange(n) + 100.0
        assert ks(p, q).pvalue == pytest.approx(stats.ks_2samp(p, q, method="exact").pvalue)


def test_the_divergence_wants_probabilities():
    for wrong in ([0.5, 1.0], [-0.1, 0.5]):
        with pytest.raises(DataError, match="calibrate"):
            jsd(wrong, [0.5, 0.6])


def test_a_dead_layer_does_not_sink_the_correlations(toy_showers: Make):
    copy = toy_showers(80, 2)
    dead = np.where(np.arange(copy.schema.width) < 24, copy.features, 0)
    report = facsim.evaluate(toy_showers(160, 1), Events(dead, copy.conditions, copy.schema), low_level=False)
    assert "value" in report.metrics["distances"]["correlation"]


def test_no_more_modes_than_different_events():
    truth, copy = rng(10).integers(0, 3, (2, 300, 1))
    found = mode_coverage(truth, copy, modes=10)
    assert len(found.reference) == 3
    assert found.reference == pytest.approx(np.sort(np.bincount(truth[:, 0]) / 300)[::-1])


def test_equivalent_events_of_rare_classes_and_of_constants():
    truth, copy = (rng(11).random((2, 400)) < 0.01).astype(float)  # halves with equally many differ by exactly 0
    assert equivalent_events(DISTANCES["w1"], truth, copy).events > 0
    with pytest.raises(DataError, match="never varies"):
        equivalent_events(DISTANCES["w1"], np.ones(100), copy)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"time_per_event": float("inf")}, "time_per_event=inf"),
        ({"tolerance": float("inf")}, "tolerance=inf"),
        ({"challenge": "ds2"}, "not showers of CaloChallenge 2"),
    ],
)
def test_impossible_options_are_refused_before_the_work(toy_showers: Make, options: dict, match: str):
    ticks: list[int] = []
    with pytest.raises((DataError, SchemaMismatch), match=match):
        facsim.evaluate(toy_showers(50, 1), toy_showers(50, 2), progress=lambda *_: ticks.append(1), **options)
    assert not ticks


def test_an_impossible_time_is_refused_before_the_work(toy_showers: Make):
    ticks: list[int] = []
    with pytest.raises(DataError, match="must be positive"):
        facsim.compare(
            toy_showers(50, 1), {"a": toy_showers(50, 2)}, times={"a": 0.0}, progress=lambda *_: ticks.append(1)
        )
    assert not ticks


def test_a_model_stands_among_the_published_ones():
    schema = detectors.get("calochallenge-1-photons")
    samples = []
    for seed in (12, 13):
        g = rng(seed)
        energy = 2.0 ** g.integers(8, 23, 80)
        cells = g.gamma(0.3, 1, (80, schema.width))
        cells *= 0.9 * energy[:, None] / cells.sum(axis=1, keepdims=True)
        samples.append(Events(cells, energy[:, None], schema))
    samples[1] = samples[1].with_weights(rng(14).normal(1, 0.3, 80))  # no classifiers: faster
    report = facsim.evaluate(*samples, low_level=False, challenge="ds1-photons", time_per_event=1e-3)
    assert report.metrics["challenge"]["standing"]["places"]["cpu_100"]["value"] == pytest.approx(1)
    assert "Among published models" in report.html
    assert "FPD and KPD need" in report.html  # a note


def test_the_page_claims_no_worth_that_is_not_resolved():
    samples = [masses(rng(k).normal(size=400)) for k in (16, 17, 18)]
    report = facsim.evaluate(
        samples[0], samples[1].with_weights(rng(19).exponential(1, 400)), training=samples[2], low_level=False
    )
    assert report.metrics["worth"]["equivalent_events"]["mass"]["at_least"]
    assert "cannot be told from as many truth events" in report.html
    assert "times its training sample" not in report.html


def test_what_the_truth_has_and_the_copy_lacks_is_left_out(tmp_path, caplog):
    """A calibration file keeps the mass, which no model makes; other order or other blocks stay errors."""
    rng = np.random.default_rng(0)
    schema = Schema((Block("mass", unit="MeV"), Block("a"), Block("b")), (Block("P", unit="GeV"),))
    truth = Events(rng.normal(size=(400, 3)), rng.uniform(3, 100, (400, 1)), schema)
    copy = Events(rng.normal(size=(200, 2)), truth.conditions[:200], Schema(schema.features[1:], schema.conditions))
    facsim.write(tmp_path / "truth.root", truth)
    with caplog.at_level("INFO", "facsim"):
        found = [facsim.evaluate(data, copy, low_level=False).metrics for data in (truth, tmp_path / "truth.root")]
    assert set(found[0]["observables"]) == {"a", "b"}
    assert found[0]["observables"] == found[1]["observables"]
    assert "['mass'], which generated events lacks: left out" in caplog.text
    with pytest.raises(SchemaMismatch, match="cannot compare the reference"):
        facsim.evaluate(truth, copy.select(["b", "a"]), low_level=False)
    with pytest.raises(SchemaMismatch, match="cannot compare the reference"):
        facsim.evaluate(copy, truth, low_level=False)

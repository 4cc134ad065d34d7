"""Evaluation: truth gives no alarm, a flaw is found and named, and the page needs nothing from outside."""

import html.parser
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from facsim import Block, Events, Grid, Schema, concatenate
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.metrics import ClassifierResult
from facsim.report import Report, evaluate, worth
from facsim.report.binning import histogram
from facsim.report.classify import classify
from facsim.report.figures import draw_histogram
from facsim.report.gather import gather
from facsim.report.labels import label

SIDE = tuple(np.linspace(-60.0, 60.0, 7))


def detector(last: str = "layer_1", threshold: float = 0.5) -> Schema:
    """Two layers of 6 x 6 and 3 x 6 cells."""
    layers = (
        Block("layer_0", (6, 6), "energy", "MeV", grid=Grid(("x", "y"), (SIDE, SIDE), (0, 90)), threshold=threshold),
        Block(last, (3, 6), "energy", "MeV", grid=Grid(("x", "y"), (SIDE[::2], SIDE), (90, 200)), threshold=threshold),
    )
    return Schema(layers, (Block("energy", (), "energy", "GeV"),), "toy")


def showers(n: int, seed: int, *, width: float = 20.0, energy: tuple[float, float] = (10.0, 100.0)) -> Events:
    """Showers with a Gaussian profile around a random centre; cells fluctuate, faint ones are empty."""
    rng = np.random.default_rng(seed)
    schema = detector()
    incident = rng.uniform(*energy, (n, 1))
    share = np.clip(rng.normal(0.3, 0.06, (n, 1)), 0.05, 0.9)
    parts = []
    for block, fraction in zip(schema.layers, (share, 1 - share), strict=True):
        assert block.grid is not None
        x, y = (block.grid.centres(axis) - rng.normal(0, 4, (n, 1)) for axis in "xy")
        cells = np.exp(-(x**2 + y**2) / (2 * width**2)) * rng.exponential(1, (n, block.size))
        cells *= 990 * incident * fraction / cells.sum(axis=1, keepdims=True)
        parts.append(np.where(cells < block.threshold, 0, cells))
    return Events(np.concatenate(parts, axis=1), incident, schema)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes time, for tests that look at other things: the boosting and the drawing."""

    def untrained(a: Events, b: Events, **_: object) -> ClassifierResult:
        scores = [np.full(len(events), 0.5) for events in (a, b)]
        return ClassifierResult("high_level", 0.5, 0.01, 0.0, (), *scores, *scores)

    monkeypatch.setattr("facsim.report.classify.high_level_auc", untrained)
    # the package's attribute `evaluate` is the function, not the module
    module = importlib.import_module("facsim.report.evaluate")
    monkeypatch.setattr(module, "render", lambda *_, **__: "<!DOCTYPE html>")


@pytest.fixture(scope="module")
def truth() -> Events:
    return showers(1200, seed=1)


@pytest.fixture(scope="module")
def faithful(truth: Events, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("faithful")
    return evaluate(truth, showers(600, seed=2), output=folder, low_level=False), folder


@pytest.fixture(scope="module")
def wide(truth: Events) -> Report:
    copy = showers(600, seed=3)
    cells = copy.features.copy()
    cells[:, 36:] = showers(600, seed=3, width=26.0).features[:, 36:]  # only the second layer is too wide
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("facsim.report.evaluate"), "render", lambda *_, **__: "")
        return evaluate(truth, Events(cells, copy.conditions, copy.schema), low_level=False)


def test_truth_against_truth_gives_no_alarm(faithful: tuple[Report, Path]) -> None:
    report, _ = faithful
    assert not report.metrics["differs"], report.verdict
    assert "No test sees a difference" in report.verdict
    # the floor is measured at the same size: the median excess of a perfect copy is near 1 (W1 scatters by a third)
    excess = [e["excess"] for e in report.metrics["observables"].values()]
    assert 0.5 < np.median(excess) < 1.6


def test_a_flaw_is_found_and_named(wide: Report) -> None:
    first = next(iter(wide.metrics["observables"]))
    assert first == "width_x_1"
    assert wide.metrics["observables"][first]["differs"]
    assert wide.metrics["classifiers"]["high_level"]["differs"]
    assert "lateral width along x in layer 1" in wide.verdict
    # what was not touched stays quiet
    assert not wide.metrics["observables"]["width_x_0"]["differs"]
    assert not wide.metrics["observables"]["E_0"]["differs"]


def test_metrics_file_is_json_with_the_promised_keys(faithful: tuple[Report, Path]) -> None:
    report, folder = faithful
    metrics = json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics == report.metrics
    assert {"events", "observables", "classifiers", "means", "response", "neighbours", "conditions"} <= set(metrics)
    for entry in metrics["observables"].values():
        assert {"w1", "ks", "separation", "floor"} <= set(entry)
        assert {"w1", "ks", "separation"} <= set(entry["floor"])
    assert {"auc", "auc_error", "floor", "events"} <= set(metrics["classifiers"]["high_level"])
    assert metrics["classifiers"]["low_level"]["skipped"]
    assert {metrics["events"][role] for role in ("reference", "generated", "second_reference")} == {600}
    assert sorted(p.name for p in folder.iterdir()) == ["metrics.json", "report.html"]


def test_means_and_response_are_those_of_the_events(faithful: tuple[Report, Path]) -> None:
    entry = faithful[0].metrics["means"]["f_0"]["generated"]
    copy = showers(600, seed=2)
    share = copy.features[:, :36].sum(axis=1, dtype=float) / copy.features.sum(axis=1, dtype=float)
    assert entry["mean"] == pytest.approx(share.mean(), rel=1e-6)
    assert entry["mean_error"] == pytest.approx(share.std(ddof=1) / 600**0.5, rel=1e-6)
    response = faithful[0].metrics["response"]
    assert sum(e["events"] for e in response["reference"]) == 600
    assert all(0.95 < e["mean"] < 1.0 for e in response["reference"])


class Outside(html.parser.HTMLParser):
    """Collects what a page loads from elsewhere, its ids and the ids it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.referred: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "data", "srcset", "action"} and value:
                if value.startswith("#"):
                    self.referred.add(value[1:])
                elif not value.startswith("data:"):
                    self.loaded.append(value)


def test_page_needs_nothing_from_outside(faithful: tuple[Report, Path]) -> None:
    page = (faithful[1] / "report.html").read_text(encoding="utf-8")
    found = Outside()
    found.feed(page)
    assert not found.loaded
    assert "script" not in found.tags
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    referred = found.referred | set(re.findall(r"url\(#([^)]+)\)", page))
    assert referred <= set(found.ids)
    assert len(found.ids) == len(set(found.ids)), "ids of figures collide"
    assert len(page) < 5e6
    for word in ("prefers-color-scheme: dark", "@media print", 'lang="en"'):
        assert word in page


def test_sentinel_colours_became_variables(faithful: tuple[Report, Path]) -> None:
    assert not re.search(r"#(0[1-6])\1\1", faithful[0].html)
    assert "var(--generated" in faithful[0].html


@pytest.mark.usefixtures("quick")
def test_same_seed_same_report(truth: Events) -> None:
    first, again, other = (evaluate(truth[:200], truth[200:300], low_level=False, seed=s).metrics for s in (5, 5, 6))
    assert first == again
    assert first["observables"] != other["observables"]


def test_same_histogram_same_bytes() -> None:
    values = np.random.default_rng(0).lognormal(5, 1, 300)
    drawn = {draw_histogram(histogram(values, values, label("E_0")), label("E_0")) for _ in range(2)}
    assert len(drawn) == 1


@pytest.mark.usefixtures("quick")
def test_other_conditions_are_warned_of(truth: Events) -> None:
    report = evaluate(truth[:400], showers(200, seed=4, energy=(40.0, 100.0)), low_level=False)
    assert report.metrics["conditions"]["energy"]["differs"]
    assert any("condition “energy”" in w and "--like" in w for w in report.metrics["warnings"])


@pytest.mark.usefixtures("quick")
def test_copied_truth_is_noticed(truth: Events) -> None:
    report = evaluate(truth[:300], truth[:300], low_level=False)
    assert report.metrics["neighbours"]["layer_0"]["copies"] > 0
    assert any("exact copy" in w for w in report.metrics["warnings"])


@pytest.mark.usefixtures("quick")
def test_second_reference_gives_the_floor_and_must_be_truth(truth: Events) -> None:
    report = evaluate(truth[:600], truth[600:900], second_reference=truth[900:], low_level=False)
    assert not report.metrics["events"]["halved"]
    assert report.metrics["events"]["reference"] == 600
    assert report.metrics["events"]["second_reference"] == 300
    assert not report.metrics["floor_differs"]
    poor = evaluate(truth[:600], truth[600:900], second_reference=showers(300, seed=9, width=28.0), low_level=False)
    assert "width_x_1" in poor.metrics["floor_differs"]
    assert any("two truth samples differ" in w for w in poor.metrics["warnings"])


def test_tiny_samples_with_an_empty_layer() -> None:
    told: list[tuple[int, int]] = []
    truth, copy = showers(50, seed=6), showers(25, seed=7)
    for events in (truth, copy):
        events.features[:, 36:] = 0
    report = evaluate(truth, copy, low_level=False, progress=lambda done, total: told.append((done, total)))
    assert report.metrics["events"]["generated"] == 25
    assert told == sorted(told)
    assert told[-1] == (100, 100)
    assert any("Only 25" in w for w in report.metrics["warnings"])
    assert report.metrics["observables"]["E_1"]["w1"] == 0


@pytest.mark.usefixtures("quick")
def test_cells_below_threshold_count_as_empty(truth: Events) -> None:
    copy = showers(200, seed=8)
    noisy = np.where(copy.features == 0, np.float32(0.4), copy.features)  # the threshold is 0.5 MeV
    clean, other = (
        evaluate(truth[:400], Events(x, copy.conditions, copy.schema), low_level=False).metrics
        for x in (copy.features, noisy)
    )
    assert clean == other


def test_tables_get_histograms_and_tests() -> None:
    schema = Schema(
        (Block("mass", (), "real", "GeV"), Block("dll", (2,)), Block("hits", (), "count")), (Block("momentum"),)
    )

    def table(n: int, seed: int, shift: float = 0.0) -> Events:
        rng = np.random.default_rng(seed)
        columns = rng.normal([91 + shift, 0, 0], [2, 1, 5], (n, 3))
        return Events(np.column_stack([columns, rng.poisson(7, n)]), rng.exponential(20, (n, 1)), schema)

    report = evaluate(table(800, 1), table(400, 2, shift=2.0), low_level=True)
    assert next(iter(report.metrics["observables"])) == "mass"
    assert list(report.metrics["order"]) == ["mass", "dll_0", "dll_1", "hits"]
    assert report.metrics["classifiers"]["low_level"]["skipped"]
    assert report.metrics["response"] is None
    assert "mass [GeV]" in report.html
    assert "Mean showers" not in report.html
    assert "≠ differs" in report.html


@pytest.mark.usefixtures("quick")
def test_without_torch_the_report_says_how_to_install_it(truth: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    report = evaluate(truth[:100], truth[100:150], low_level=True)
    assert 'pip install "facsim[train]"' in report.metrics["classifiers"]["low_level"]["skipped"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda e: Events(e.features, e.conditions, detector("layer_2")), SchemaMismatch, "layer_1 .* against layer_2"),
        (
            lambda e: Events(e.features, e.conditions, detector(threshold=1.0)),
            SchemaMismatch,
            "differs in its threshold",
        ),
        (lambda e: e[:10], DataError, "at least 20"),
        (lambda e: e.with_weights(-np.ones(len(e))), WeightError, "generated.*sum to -"),
        (lambda e: Events(e.features, e.conditions + 1000, e.schema), DataError, "do not overlap.*--like"),
        (lambda e: Events(e.features * np.nan, e.conditions, e.schema), DataError, "generated.*not finite"),
        (lambda e: Events(-e.features - 1, e.conditions, e.schema), DataError, "negative energy"),
    ],
)
def test_bad_input_is_named(truth: Events, change, error, words: str) -> None:
    with pytest.raises(error, match=f"(?s){words}"):
        evaluate(truth[:100], change(truth[100:200]), low_level=False)


@pytest.mark.usefixtures("quick")
def test_equal_weights_change_nothing_and_signed_weights_remove_a_background(truth: Events) -> None:
    signal, background = showers(1200, seed=21), showers(400, seed=22, width=45.0)
    equal = evaluate(truth, signal.with_weights(np.full(len(signal), 2.0)), low_level=False).metrics["observables"]
    plain = evaluate(truth, signal, low_level=False).metrics["observables"]
    assert {n: e["w1"] for n, e in equal.items()} == pytest.approx({n: e["w1"] for n, e in plain.items()})
    # the same background with weights of both signs; its two halves are independent, so their errors remain
    mixed = concatenate(
        [signal.with_weights(np.ones(1200)), background.with_weights(np.where(np.arange(400) % 2, 1.0, -1.0))]
    )
    report = evaluate(truth, mixed, low_level=False)
    assert not report.metrics["observables"]["width_x_1"]["differs"]
    unsubtracted = evaluate(truth, concatenate([signal, background]), low_level=False)
    assert unsubtracted.metrics["observables"]["width_x_1"]["differs"]


def test_a_classifier_says_that_it_cannot_take_negative_weights(truth: Events) -> None:
    signed = truth.with_weights(np.where(np.arange(len(truth)) % 3, 1.0, -1.0))
    found = gather(truth, signed, truth, max_events=1000, seed=0)
    entries = classify(found.reference, found.generated, found.second, low_level=False, seed=0).entries
    assert "negative weights" in entries["high_level"]["skipped"]


@pytest.mark.usefixtures("quick")
def test_one_broken_observable_does_not_sink_the_report(truth: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = importlib.import_module("facsim.report.sample")
    compute = sample.compute

    def broken(events: Events) -> dict[str, np.ndarray]:
        return compute(events) | {"s_d": np.full(len(events), np.nan)}

    monkeypatch.setattr(sample, "compute", broken)
    report = evaluate(truth, showers(600, seed=23), low_level=False)
    assert "not finite" in report.metrics["observables"]["s_d"]["error"]
    assert any("s_d" in warning for warning in report.metrics["warnings"])
    assert "s_d" in [row["observable"] for row in report.table()]
    assert all(row["observable"] != "s_d" for row in report.worst(100))


@pytest.mark.usefixtures("quick")
def test_the_table_says_how_large_a_difference_is_and_what_it_takes_to_see_it(wide: Report, truth: Events) -> None:
    rows = {row["observable"]: row for row in wide.table()}
    worst = wide.worst(1)[0]
    assert worst == wide.table()[0]
    assert worst["light"] == "red"
    assert worst["relative"] > wide.metrics["tolerance"]
    # a difference that 600 events show clearly is seen with fewer, and is worth fewer events of the truth
    assert worst["events_needed"] < 600
    assert worst["equivalent_events"] < 600
    assert rows["E_0"]["light"] == "green"
    spoiled = wide.metrics["observables"][worst["observable"]]["chi2"]
    sound = wide.metrics["observables"]["E_0"]["chi2"]
    assert spoiled["pvalue"] < 1e-4 < sound["pvalue"]
    patient = evaluate(truth, showers(600, seed=3, width=26.0), low_level=False, tolerance=1e6)
    assert {row["light"] for row in patient.table()} == {"amber", "green"}


def test_events_learnt_by_heart_are_noticed(truth: Events) -> None:
    training, fresh = showers(600, seed=31), showers(600, seed=32)
    repeated = fresh.features.copy()
    repeated[:60] = training.features[100:160]
    copies = Events(repeated, fresh.conditions, fresh.schema)
    found = []
    for events in (copies, fresh):
        samples = gather(truth, events, None, training=training, max_events=2000, seed=0)
        found.append(worth.measure(samples, {"observables": {}}, seed=0))
    assert found[0]["memorisation"]["copies"] == 60
    assert found[0]["memorisation"]["pvalue"] < 0.01
    assert found[1]["memorisation"]["copies"] == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("tolerance", -1, "tolerance=-1"),
        ("protocol", "calochalenge", "calochallenge"),
        ("definition", "jetnett", "'jetnet'"),
        ("challenge", "ds4", "ds2"),
        ("time_per_event", 0, "positive number of seconds"),
    ],
)
def test_a_wrong_option_is_named_before_the_work(truth: Events, option: str, value: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        evaluate(truth, truth, **{option: value})


def test_max_events_must_be_positive(truth: Events) -> None:
    with pytest.raises(DataError, match="max_events=0"):
        evaluate(truth, truth, max_events=0)


def test_summary_is_readable(wide: Report) -> None:
    from rich.console import Console

    console = Console(width=110)
    with console.capture() as captured:
        console.print(wide)
    for text in (str(wide), captured.get()):
        assert "width_x_1" in text
        assert "mm" in text
        assert "AUC" in text

"""Sections of the report: each finds the flaw that it is for, stays quiet for one truth, and takes signed weights."""

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facsim import Block, Events, Grid, Schema
from facsim.errors import DataError
from facsim.metrics import ClassifierResult, auc
from facsim.observables import correlations as observables
from facsim.observables.weights import band
from facsim.report import by_condition, correlations, histograms, profiles, resolution, sections, tails
from facsim.report.binning import Histogram, histogram
from facsim.report.chart import Chart, picture
from facsim.report.figures import draw_histogram
from facsim.report.gather import Gathered, gather
from facsim.report.labels import Label, label
from facsim.report.result import Report
from facsim.report.scale import Scale
from facsim.report.sidebyside import compare

LINEAR = Label("x", "x", "x", "", log=False, discrete=False)
Make = Callable[..., Events]


def metrics_of(samples: Gathered, **changes: object) -> dict:
    """The least that sections need to know of an evaluation."""
    names = list(samples.reference.observables)
    entry = {"differs": False, "excess": 1.0, "w1": 1.0, "floor": {"w1": 1.0}, "ks_pvalue": 0.5}
    out = {"order": names, "observables": {n: dict(entry) for n in names}, "response": None}
    out["conditions"] = {b.name: entry for b in samples.reference.events.schema.conditions}
    return out | changes


def table(n: int, seed: int, correlation: float = 0.6) -> Events:
    """Two correlated columns and an independent one; two conditions that matter for the last."""
    rng = np.random.default_rng(seed)
    x, z, c = rng.normal(size=n), rng.normal(size=n), rng.uniform(0, 1, (n, 2))
    y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=n)
    schema = Schema((Block("x"), Block("y"), Block("z")), (Block("p"), Block("eta")))
    return Events(np.column_stack([x, y, z + c[:, 0]]), c, schema)


def gathered(reference: Events, generated: Events, second: Events) -> Gathered:
    return gather(reference, generated, second, max_events=10_000, seed=0)


def scored(samples: Gathered, score: Callable[[tails.Wide], np.ndarray]) -> tails.Tested:
    """A classifier test whose scores are a function of the events, calibrated by a perfect guess."""

    def result(other: tails.Wide) -> ClassifierResult:
        a, b = score(samples.reference.wide), score(other)
        return ClassifierResult(
            "high_level", auc(a, b).value, 0.01, 0.0, (), a, b, np.clip(a, 0.02, 0.98), np.clip(b, 0.02, 0.98)
        )

    wide = samples.reference.wide, samples.generated.wide, samples.second.wide
    return tails.Tested(result(wide[1]), result(wide[2]), *wide)


# bins


def test_a_weight_of_two_is_two_events_and_signed_weights_cancel() -> None:
    rng = np.random.default_rng(0)
    truth, signal, background = rng.normal(size=500), rng.normal(size=300), rng.uniform(-3, 3, 200)
    doubled = histogram(truth, signal, LINEAR, wg=np.full(300, 2.0))
    assert doubled.generated == pytest.approx(2 * histogram(truth, signal, LINEAR).generated)
    assert doubled.generated_squares == pytest.approx(2 * doubled.generated)
    mixed = np.concatenate([signal, background, background])
    weights = np.concatenate([np.ones(300), np.ones(200), -np.ones(200)])
    cancelled = histogram(truth, mixed, LINEAR, wg=weights)
    assert cancelled.sizes[1] == 300
    counted = np.histogram(signal, cancelled.edges)[0]
    assert cancelled.generated == pytest.approx(counted)
    assert (cancelled.generated_squares >= counted).all()  # the background's fluctuation stays in the error
    assert "generated bar" in draw_histogram(cancelled, LINEAR)


@pytest.mark.parametrize("sizes", [(2000, 2000), (8000, 800)])
@pytest.mark.parametrize("weighted", [False, True])
def test_pulls_of_one_truth_have_unit_spread(sizes: tuple[int, int], weighted: bool) -> None:
    pulls = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=sizes[0]), rng.normal(size=sizes[1])
        weights = {"wr": rng.uniform(0.5, 1.5, sizes[0]), "wg": rng.uniform(0.5, 1.5, sizes[1])} if weighted else {}
        found = histogram(a, b, LINEAR, **weights)
        pulls.append(found.pulls()[found.reference + found.generated > 40])
    joined = np.concatenate(pulls)  # several hundred bins: the spread is known to 1/sqrt(2 * 400) = 3.5 %
    assert len(joined) > 400
    assert joined.std() == pytest.approx(1, abs=0.12)
    assert abs(joined.mean()) < 0.15


def test_histogram_survives_json() -> None:
    rng = np.random.default_rng(1)
    for weights in (None, rng.normal(1, 1, 100)):
        found = histogram(rng.lognormal(5, 1, 400), rng.lognormal(5, 1, 100), label("E_0"), wg=weights)
        again = Histogram.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
        assert again.pulls() == pytest.approx(found.pulls(), nan_ok=True)
        assert draw_histogram(again, label("E_0")) == draw_histogram(found, label("E_0"))


# drawing


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [
        (0, 1, False),
        (-3, 3, False),
        (0.998, 1.003, False),
        (0, 4e6, False),
        (1e-7, 3e-6, False),
        (1, 99.8, True),
        (1e-9, 1e3, True),
        (0.5, 2, True),
        (3, 5, True),
    ],
)
@pytest.mark.parametrize("most", [2, 4, 6])
def test_labels_of_ticks_say_their_place(low: float, high: float, log: bool, most: int) -> None:
    ticks = Scale(low, high, log).ticks(most)
    superscript = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

    def value(text: str) -> float:
        plain = text.replace("−", "-")
        mantissa, _, power = plain.rpartition("10") if re.search("10[⁻⁰-⁹¹²³]", plain) else (plain, "", "")
        return float(mantissa.removesuffix("×") or "1") * 10.0 ** int(power.translate(superscript) or 0)

    factor = value(ticks.factor.removeprefix("×")) if ticks.factor else 1.0
    assert 1 <= len(ticks.major) <= 3 * most
    for place, text in zip(ticks.major, ticks.labels, strict=True):
        assert low - 1e-9 * abs(low) <= place <= high * (1 + 1e-9)
        assert value(text) * factor == pytest.approx(place, rel=0.02, abs=1e-3 * (high - low))


def test_chart_escapes_words_and_marks_what_lies_outside() -> None:
    chart = Chart(100, 100, '"<b>"')
    panel = chart.panel(10, 10, 80, 80, Scale(0, 1), Scale(0, 1))
    panel.points([0.2, 0.5, 0.8, 0.9], [0.5, 5.0, -5.0, np.nan], "generated", [0.1] * 4)
    panel.frame("a & b", "<y>")
    svg = chart.svg()
    assert "<b>" not in svg
    assert "<y>" not in svg
    assert "a &amp; b" in svg
    heads = re.search(r'class="generated head" d="([^"]*)"', svg)
    assert heads
    assert heads[1].count("z") == 2
    assert "nan" not in svg


def test_pixels_are_those_given() -> None:
    from matplotlib.image import imread

    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    found = imread(io.BytesIO(base64.b64decode(picture(pixels))), format="png")
    assert np.round(found * 255) == pytest.approx(pixels)


# correlations


def pearson(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    found = observables.correlations({str(i): column for i, column in enumerate(values.T)}, weights)
    return found.values, found.errors


def test_pearson_agrees_with_numpy_and_its_error_with_the_scatter() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        x = rng.standard_t(6, 400)
        found.append(pearson(np.column_stack([x, x**2 + rng.normal(size=400)])))
    values, errors = (np.array([f[k][0, 1] for f in found]) for k in (0, 1))
    # 300 draws know their scatter to 4 %; long tails leave the error of 400 events a little too small
    assert errors.mean() == pytest.approx(values.std(), rel=0.25)
    sample = rng.normal(size=(50, 3))
    assert pearson(sample)[0] == pytest.approx(np.corrcoef(sample.T))
    repeated = pearson(np.concatenate([sample, sample[:10]]))[0]
    assert pearson(sample, np.where(np.arange(50) < 10, 2.0, 1.0))[0] == pytest.approx(repeated)


def test_a_wrong_correlation_is_found_behind_equal_distributions() -> None:
    samples = gathered(table(2000, 1), table(1500, 2, correlation=0.3), table(1500, 3))
    found = correlations.measure(samples.reference, samples.generated, samples.second, metrics_of(samples))
    assert found["names"] == ["x", "y", "z", "p", "eta"]
    assert {found["pairs"][0]["first"], found["pairs"][0]["second"]} == {"x", "y"}
    assert found["pairs"][0]["difference"] == pytest.approx(-0.3, abs=0.1)
    assert found["differing"] == 1
    assert found["floor_differing"] == 0
    drawing = correlations.draw(found)[0]
    assert drawing.differs
    assert "1 of 10 pairs" in drawing.notes[0]


def test_signed_weights_remove_a_background_from_correlations() -> None:
    signal, background = table(2000, 4), table(500, 5, correlation=-0.9)
    both = Events(
        np.concatenate([signal.features, background.features, background.features]),
        np.concatenate([signal.conditions, background.conditions, background.conditions]),
        signal.schema,
        np.repeat([1.0, 1.0, -1.0], [2000, 500, 500]),
    )
    plain = pearson(signal.features.astype(float))[0]
    found, _ = pearson(both.features.astype(float), both.weights)
    assert found == pytest.approx(plain, abs=1e-6)


# profiles


def test_profiles_are_exact_sums_of_cells(toy_showers: Make) -> None:
    truth = toy_showers(300, 1)
    samples = gathered(truth, toy_showers(200, 2), toy_showers(200, 3))
    found = profiles.measure(samples.reference, samples.generated)["profiles"]
    assert [e["axis"] for e in found] == ["layer", "x", "y", "x", "y"]
    cells = truth["layer_0"].sum(axis=2, dtype=float)
    share = cells / cells.sum(axis=1, keepdims=True)
    assert found[1]["reference"]["mean"] == pytest.approx(share.mean(axis=0), rel=1e-5)
    assert found[1]["reference"]["high"] == pytest.approx(np.quantile(share, 0.84, axis=0), rel=1e-4)
    assert len(profiles.draw({"profiles": found})) == 5


def test_layers_of_equal_cells_share_a_radial_profile() -> None:
    alpha, r = tuple(np.linspace(-np.pi, np.pi, 5)), (0.0, 1.0, 5.0, 20.0)
    layers = tuple(
        Block(f"layer_{k}", (4, 3), "energy", "MeV", grid=Grid(("alpha", "r"), (alpha, r), (k, k + 1)))
        for k in range(6)
    )
    schema = Schema(layers, (Block("energy", (), "energy", "GeV"),))
    rng = np.random.default_rng(0)
    parts = [Events(rng.exponential(1, (60, 72)), rng.uniform(1, 9, (60, 1)), schema) for _ in range(3)]
    samples = gathered(*parts)
    found = profiles.measure(samples.reference, samples.generated)["profiles"]
    assert [(e["axis"], e["title"]) for e in found] == [
        ("layer", "energy in depth"),
        ("r", "energy along r in all layers"),
    ]
    assert sum(found[1]["reference"]["mean"]) == pytest.approx(1)


def test_band_takes_signed_weights() -> None:
    rng = np.random.default_rng(0)
    signal, background = rng.normal(size=(4000, 1)), rng.uniform(-9, 9, (1000, 1))
    joined = np.concatenate([signal, background, background])
    found = band(joined, np.repeat([1.0, 1.0, -1.0], [4000, 1000, 1000]))
    # 16 % quantile of a Gaussian at -0.994; error sqrt(0.16 * 0.84 / 4000) / density 0.243 = 0.024
    assert found.low[0] == pytest.approx(-0.994, abs=0.1)
    assert found.high[0] == pytest.approx(0.994, abs=0.1)


# resolution


def test_resolution_finds_both_terms_within_their_errors() -> None:
    rng = np.random.default_rng(0)
    energy = np.geomspace(1, 100, 10)
    truth = np.sqrt(0.1**2 / energy + 0.007**2)
    error = 0.02 * truth
    pulls = []
    for _ in range(200):
        found = resolution.fit(energy, truth + error * rng.normal(size=10), error)
        assert found
        pulls.append([(found["a"] - 0.1) / found["a_error"], (found["b"] - 0.007) / found["b_error"]])
        assert found["ndf"] == 8
    # spread of 200 pulls is known to 5 %, their mean to 0.07
    assert np.std(pulls, axis=0) == pytest.approx([1, 1], abs=0.2)
    assert np.mean(pulls, axis=0) == pytest.approx([0, 0], abs=0.25)


def test_resolution_without_a_constant_term_says_zero_and_narrow_energies_nothing() -> None:
    energy = np.geomspace(1, 100, 10)
    falling = 0.1 / energy**0.7  # faster than any calorimeter: the constant term would be imaginary
    found = resolution.fit(energy, falling, 0.02 * falling)
    assert found
    assert found["b"] == 0
    assert found["a"] > 0
    assert resolution.fit(np.linspace(10, 20, 10), np.full(10, 0.1), np.full(10, 0.01)) is None
    assert resolution.measure(None) is None


# classifier


def test_tails_show_the_odd_events_and_what_is_odd() -> None:
    copy = table(1000, 7)
    cells = copy.features.copy()
    cells[:5, 2] += 9  # five events nobody would believe
    samples = gathered(table(1000, 6), Events(cells, copy.conditions, copy.schema), table(1000, 8))
    tested = scored(samples, lambda wide: 1 / (1 + np.exp(4 - wide.values[:, 2].astype(float))))
    found = tails.measure(tested)
    assert json.dumps(found, allow_nan=False)
    assert {e["row"] for e in found["fake"]} == set(range(5))
    assert all(e["reasons"][0]["name"] == "z" and e["reasons"][0]["sigmas"] > 5 for e in found["fake"])
    assert "z: " in tails.in_words(found["fake"][0]["reasons"])
    assert found["common"]["fake"]["observables"][0]["name"] == "z"
    assert not {r["name"] for e in found["missing"] for r in e["reasons"]} & {"p", "eta"}
    area = np.trapezoid(found["roc"]["generated"], found["roc"]["reference"])
    # 150 of 2000 thresholds: straight pieces cut off less than 1/150 of the area
    assert area == pytest.approx(tested.result.auc, abs=0.01)
    for what in ("scores", "weights"):
        assert all(sum(found[what][k]) == pytest.approx(1, abs=1e-4) for k in found[what] if k != "edges")
    assert len(tails.draw(found)) == 3


def test_unscored_events_are_left_out() -> None:
    samples = gathered(table(400, 6), table(400, 7), table(400, 8))
    tested = scored(samples, lambda wide: np.full(len(wide), 0.5))
    holes = np.where(np.arange(400) % 2, np.nan, 0.5)
    tested = replace(tested, result=replace(tested.result, scores_generated=holes, fake_generated=holes))
    found = tails.measure(tested)
    assert found["events"] == [400, 200]
    assert all(e["row"] % 2 == 0 for e in found["fake"])


# conditions


def test_a_flaw_at_high_values_of_a_condition_is_seen_there() -> None:
    copy = table(4000, 9)
    cells = copy.features.copy()
    cells[:, 2] += np.where(copy.conditions[:, 0] > 0.75, 1.5, 0)
    samples = gathered(table(4000, 10), Events(cells, copy.conditions, copy.schema), table(4000, 11))
    rng = np.random.default_rng(0)

    def score(wide: tails.Wide) -> np.ndarray:
        far = (wide.values[:, 2] - wide.conditions[:, 0]).astype(float) * (wide.conditions[:, 0] > 0.75)
        return 1 / (1 + np.exp(-far - 0.01 * rng.normal(size=len(wide))))

    metrics = metrics_of(samples)
    metrics["observables"] = {"z": metrics["observables"]["z"]}
    found = by_condition.measure(samples.reference, samples.generated, samples.second, metrics, scored(samples, score))
    assert json.dumps(found, allow_nan=False)
    entry = found["conditions"]["p"]
    areas, floors = ([e["value"] for e in entry[k]] for k in ("auc", "floor"))
    assert len(areas) == 8
    assert min(areas[-2:]) > 0.75
    # AUC of 500 + 500 equal events has an error of 0.018; five of them for 6 + 8 bins
    assert np.abs(np.array(areas[:6]) - 0.5).max() < 0.09
    assert np.abs(np.array(floors) - 0.5).max() < 0.09
    excess = entry["observables"]["z"]
    assert min(excess["generated"][-2:]) > 5 > max(excess["generated"][:6])
    assert max(excess["second"]) < 5
    grid = np.array(found["map"]["auc"])
    assert grid.shape == (5, 5)
    assert grid[:, -1].min() > 0.75 > grid[:, :3].max()
    assert len(by_condition.draw(found)) == 5


def test_bins_with_few_events_say_nothing(toy_showers: Make) -> None:
    samples = gathered(toy_showers(60, 1), toy_showers(40, 2), toy_showers(40, 3))
    tested = scored(samples, lambda wide: np.full(len(wide), 0.5))
    found = by_condition.measure(samples.reference, samples.generated, samples.second, metrics_of(samples), tested)
    assert set(found["conditions"]["energy"]["auc"]) == {None}
    assert by_condition.draw(found)


@pytest.mark.parametrize(
    "values", [np.full(200, 3.0), np.repeat([0.0, 1.0], 100), np.random.default_rng(0).uniform(size=999)]
)
def test_bins_hold_every_event(values: np.ndarray) -> None:
    edges = by_condition.bins(values)
    assert np.histogram(values, edges)[0].sum() == len(values)
    assert np.all(np.diff(edges) > 0)


# all together


def test_sections_take_weights_and_a_broken_one_does_not_sink_the_others(
    toy_showers: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = toy_showers(300, 2)
    signed = copy.with_weights(np.where(np.arange(300) < 280, 1.0, -0.5))
    samples = gathered(toy_showers(300, 1), signed, toy_showers(300, 3))
    metrics = metrics_of(samples)
    metrics["observables"]["E_0"] = {"error": "not finite"}
    found = sections.measure(samples, metrics, None)
    assert set(found) == set(sections.NAMES)
    assert json.dumps(found, allow_nan=False)
    assert found["tails"] is None
    assert "E_0" not in found["histograms"]["observables"]
    assert "E_0" not in found["correlations"]["names"]
    assert len(histograms.draw(found["histograms"], metrics, copy.schema)) == len(samples.reference.observables) - 1

    def broken(*_: object) -> None:
        msg = "no profile today"
        raise DataError(msg)

    monkeypatch.setattr(profiles, "measure", broken)
    found = sections.measure(samples, metrics, None)
    assert found["profiles"] == {"error": "no profile today"}
    assert found["correlations"]["pairs"]


# side by side


def report(area: float, w1: float, events: int = 1000) -> Report:
    entry = {"w1": w1, "excess": w1, "differs": w1 > 2, "light": "red" if w1 > 2 else "green", "floor": {"w1": 1.0}}
    rng = np.random.default_rng(0)
    bins = histogram(rng.normal(size=1000), rng.normal(0.1 * w1, 1, 500), LINEAR).to_json()
    test = {"auc": area, "auc_error": 0.01, "floor": 0.5, "floor_error": 0.01, "events": 500, "differs": area > 0.6}
    metrics = {
        "facsim_version": "0",
        "samples": {"reference": "truth.h5", "generated": "copy.h5"},
        "events": {"reference": 1000, "generated": events},
        "classifiers": {"high_level": test, "low_level": {"skipped": "no torch"}},
        "observables": {"x": entry | {"equivalent_events": None}, "broken": {"error": "not finite"}},
        "order": ["x", "broken"],
        "histograms": {"observables": {"x": bins}, "conditions": {}},
        "verdict": "differs",
        "differs": True,
        "warnings": [],
    }
    return Report(metrics, "differs", "<!DOCTYPE html>")


def test_side_by_side_marks_the_best_and_what_cannot_be_told_from_it(tmp_path: Path) -> None:
    found = compare(
        {"a": report(0.60, 3.0), "b<c>": report(0.609, 1.0), "d/e": report(0.9, 9.0)}, {"a": 2e-3, "d/e": 1e-4}
    )
    rows = {row.key: row for row in found.rows}
    assert rows["high_level"].best == (True, True, False)
    assert rows["x"].best == (False, True, False)
    assert rows["differing"].values == (1, 0, 1)
    assert rows["time"].values == (2.0, None, pytest.approx(0.1))
    assert rows["time"].best == (False, False, True)
    assert found.table()[0]["quantity"].startswith("AUC")
    assert "low_level" not in rows
    page = found.save(tmp_path)
    html = page.read_text(encoding="utf-8")
    assert "<c>" not in html
    links = set(re.findall(r'href="([^"#:]+/report.html)"', html))
    assert len(links) == 3
    assert all((tmp_path / link).is_file() for link in links)
    written = json.loads((tmp_path / "compare.json").read_text(), parse_constant=pytest.fail)
    assert written["names"] == ["a", "b<c>", "d/e"]
    assert "b<c>" in str(found)


def test_side_by_side_names_what_is_wrong() -> None:
    with pytest.raises(DataError, match=r"no surrogate is called 'b'.*\['a'\]"):
        compare({"a": report(0.5, 1.0)}, {"b": 1.0})
    with pytest.raises(DataError, match="must be positive"):
        compare({"a": report(0.5, 1.0)}, {"a": 0.0})
    with pytest.raises(DataError, match="1 to 8"):
        compare({})
    assert any("different sizes" in w for w in compare({"a": report(0.5, 1), "b": report(0.5, 1, events=10)}).warnings)

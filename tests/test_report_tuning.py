"""The page of a tuning."""

import re
from dataclasses import replace

import numpy as np
import pytest

from facsim import Block, Events, Schema
from facsim.report.tuning import Calibration, Closeness, Pushforward, Seeds, TuningPage, judge, write_page
from facsim.report.tuning.corner import draw_corner
from facsim.report.tuning.evidence import noticed
from facsim.report.tuning.images import mean_images
from facsim.report.tuning.simulations import compare_simulations, draw_simulations
from facsim.simulators.parametric import Parameter, Space

SPACE = Space((Parameter("slope", -1, 1, unit="GeV"), Parameter("shift", 0, 27, default=20)))
SCHEMA = Schema((Block("mass", (), "real", "GeV"), Block("tracks", (), "count")))


def events(shift: float, n: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(shift, 1, n), rng.poisson(5, n)]
    return Events(np.column_stack(columns).astype(np.float32), np.empty((n, 0), np.float32), SCHEMA)


LEVELS = np.sort([*np.linspace(0.05, 0.95, 19), 0.68])


def calibration(ranks: np.ndarray, pvalue: float, n: int = 1) -> Calibration:
    found = np.array([np.mean(np.abs(2 * ranks - 1) <= level) for level in LEVELS])
    return Calibration(len(ranks), LEVELS, {"slope": found}, pvalue, {"slope": ranks}, events=n)


@pytest.fixture
def page() -> TuningPage:
    rng = np.random.default_rng(1)
    samples = rng.normal([0.1, 12], [0.1, 2], (400, 2))
    return TuningPage(
        title="decay <b>",
        method="posterior",
        label="flow matching",
        kind="posterior",
        space=SPACE,
        samples=samples,
        estimate=np.median(samples, axis=0),
        calls=1000,
        failed=2,
        seconds=3.0,
        data=events(0.0, 400, 2),
        simulations={"default": events(0.8, 800, 3), "tuned": events(0.0, 800, 4)},
        calibration=calibration(rng.random(300), 0.4, 400),
        closeness=Closeness(0.5, "pixels"),
        truth=np.array([0.12, 11.0]),
    )


def test_the_page_says_what_was_found(page, tmp_path):
    text = write_page(page, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "their errors can be trusted" in text
    assert "decay &lt;b&gt;" in text  # names are escaped
    assert re.search(r"<b>0\.\d+ ± 0\.(09|1|10)\d*</b>", text)  # a spread of 0.1, known to 5 % from 400 samples
    assert not re.search(r'(src|href)="https?:', text)  # nothing from outside
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_several_seeds_are_a_table(page, tmp_path):
    assert "Table of seeds" not in write_page(page, tmp_path / "report.html").read_text(encoding="utf-8")
    middle, width = [[0.1, 11.0], [0.12, 14.0]], [[0.1, 2.0], [0.1, 0.0]]
    seeds = Seeds(middle, width, "the best is taken", ["C2ST 0.61", "C2ST 0.58"], chosen=1)
    text = write_page(replace(page, seeds=seeds), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "alone: the best is taken." in text
    # 3 / sqrt(2) = 2.1 between the second parameter's values; the answer's width is 2, known to 4 % from 400 samples
    assert re.search(r"scatter by up to 1\.[01]\d? of the width of the answer \(shift\): more than 0.3 asks", text)
    assert re.search(r"seed 2</th><td>0\.12 ± 0\.10</td><td>14\.0</td><td[^>]*>C2ST 0.58 \(taken\)", text)
    assert re.search(r"answer</th><td>0\.(08|09|1)\d* ± ", text)


def test_foreign_data_and_wrong_errors_are_the_headline():
    flat, narrow = np.random.default_rng(0).random((2, 500))
    good, bad = calibration(flat, 0.3), calibration(np.where(narrow < 0.5, 0.02, 0.98), 1e-6)
    assert "cannot produce these data" in judge("posterior", good, Closeness(0.002), {}).headline
    verdict = judge("posterior", bad, Closeness(0.5), {})
    assert verdict.level == "alarm"
    assert "cannot be trusted" in verdict.headline
    assert "not tested" in judge("posterior", None, Closeness(0.5), {}).headline
    assert "was not tested" in judge("population", None, Closeness(0.5), {}).headline
    near, far = Pushforward(0.51, 0.02, 0.5), Pushforward(0.7, 0.02, 0.5)
    assert "its width is no error" in judge("population", None, None, {}, near).headline
    assert judge("population", None, None, {}, far).level == "alarm"
    assert judge("posterior", good, Closeness(0.5), {}, far).level == "alarm"


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (Pushforward(0.623, 0.046, 0.5, 1.33, 0.27), "alarm"),
        (Pushforward(0.56, 0.046, 0.5, 0.3, 0.27), "unsure"),  # no evidence of a difference is none of equality
        (Pushforward(0.51, 0.01, 0.5, 1.33, 0.27), "alarm"),  # the distance alone sees it
        (Pushforward(0.51, 0.01, 0.5, 0.06, 0.05), "good"),
        (Pushforward(0.56, 0.01, 0.55, 0.06, 0.05), "good"),  # as data against data
        (Pushforward(None, None, None, 0.3, 0.27), "unsure"),
        (Pushforward(None, None, None, 0.06, 0.05), "good"),
    ],
)
def test_events_like_the_data_must_be_shown(found, level):
    assert judge("population", None, None, {}, found).level == level
    assert judge("point", None, None, {}, found).level == level


def test_fewer_events_never_make_a_population_look_better():
    order = {"good": 0, "unsure": 1, "alarm": 2}
    for auc in (0.52, 0.56, 0.62):
        levels = [judge("population", None, None, {}, Pushforward(auc, e, 0.5)).level for e in (0.005, 0.03, 0.1)]
        assert all(order[level] >= 1 for level in levels[1:])


def test_quoted_coverage_is_tested_besides_the_ranks():
    def found(inside: float, wide: float = 0.95) -> Calibration:
        return Calibration(230, np.array([0.68, 0.95]), {"x0": np.array([inside, wide])}, 0.3)

    levels = {share: judge("posterior", found(share), Closeness(0.5), {}).level for share in (0.50, 0.68, 0.81)}
    # 0.81 has p = 9e-6: too large is no danger, but not right either
    assert levels == {0.50: "alarm", 0.68: "good", 0.81: "unsure"}
    assert judge("posterior", found(0.68, 0.85), Closeness(0.5), {}).level == "alarm"
    assert "hold the truth too often" in judge("posterior", found(0.81), Closeness(0.5), {}).headline


def test_trust_needs_tests_events_and_a_test_of_the_data():
    flat = (np.arange(300) + 0.5) / 300
    good = calibration(flat, 0.5, 50)
    assert judge("posterior", good, Closeness(0.5), {}, None, 50).headline.endswith("their errors can be trusted")
    few = judge("posterior", calibration(flat[7::15], 0.5, 50), Closeness(0.5), {}, None, 50)
    assert few.level == "unsure"
    assert "20 tests exclude only errors that are too small by a factor 2" in few.headline
    fewer = judge("posterior", good, Closeness(0.5), {}, None, 200)
    assert fewer.level == "unsure"
    assert "sets of 50 events, the data have 200" in fewer.headline
    assert judge("posterior", good, None, {}, None, 50).level == "unsure"
    assert judge("posterior", None, Closeness(0.5), {}, None, 50).level == "unsure"


def test_errors_that_tests_exclude_are_noticed_by_the_verdict():
    rng, alarms = np.random.default_rng(3), 0
    factor = noticed(100)
    for _ in range(40):
        x = np.abs(rng.normal(size=100))
        inside = np.array([np.mean(x * factor < half) for half in (0.9945, 1.96)])  # half-widths of 68 and 95 %
        alarms += Calibration(100, np.array([0.68, 0.95]), {"m": inside}, 0.5).worst()[0] < 0.01
    assert alarms >= 30  # 36 expected of 40, 2.7 of them by chance less: 30 is 2.2 to 3 spreads away


@pytest.mark.parametrize(("level", "css"), [("good", "calm"), ("unsure", "unsure"), ("alarm", "alarm")])
def test_the_box_has_three_states(page, tmp_path, level, css):
    changes = {"good": {}, "unsure": {"calibration": None}, "alarm": {"closeness": Closeness(1e-3)}}
    text = write_page(replace(page, **changes[level]), tmp_path / "report.html").read_text(encoding="utf-8")
    assert f'<div class="verdict {css}">' in text
    assert ("✓</span>" in text) == (level == "good")


def test_a_point_has_no_interval(page, tmp_path):
    text = write_page(replace(page, kind="point"), tmp_path / "report.html").read_text(encoding="utf-8")
    row = re.search(r"slope.*?</tr>", text)[0]
    assert "±" not in row
    assert row.count("<td>–</td>") == 2


def test_only_a_known_truth_is_marked(page, tmp_path):
    text = write_page(replace(page, truth=np.array([np.nan, 11.0])), tmp_path / "report.html").read_text("utf-8")
    assert "nan" not in text
    marked, none = (draw_corner(page.samples, SPACE, {"truth": np.array([x, 11.0])}) for x in (0.1, np.nan))
    assert marked.count("series solid s2") == 5  # a line per histogram, two in the pair, and the key
    assert none.count("series solid s2") == 3


def test_whole_parameters_are_integers_and_bars(page, tmp_path):
    space = Space((Parameter("slope", -1, 1), Parameter("steps", 10, 30, whole=True)))
    samples = np.column_stack([page.samples[:, 0], np.random.default_rng(0).integers(16, 19, 400)])
    whole = replace(page, space=space, samples=samples, estimate=np.array([0.1, 17.0]), truth=None)
    text = write_page(whole, tmp_path / "report.html").read_text(encoding="utf-8")
    row = re.search(r">steps.*?</tr>", text)[0]
    assert "<td>20</td><td><b>17</b></td><td>16 to 18</td><td>16 to 18</td>" in row
    assert "10 to 30" in row
    panel = draw_corner(samples[:, 1:], Space((space.parameters[1],)))
    assert re.search(r'class="reference" d="[^"]*"', panel)[0].count("H") == 5  # 16, 17, 18 and one on both sides


def test_letters_of_a_corner_do_not_grow_with_fewer_parameters(page, tmp_path):
    text = write_page(page, tmp_path / "report.html").read_text(encoding="utf-8")
    shown = float(re.search(r"\.corner svg \{ max-width: (\d+)px", text)[1])
    drawn = float(re.search(r'aria-label="Parameters one by one and in pairs" viewBox="0 0 ([\d.]+)', text)[1])
    assert shown / drawn == pytest.approx(1.15, abs=0.01)


def test_distances_are_in_spreads_of_the_data_and_the_worst_comes_first():
    data, off, right = events(0.0, 20_000, 0), events(0.8, 20_000, 1), events(0.0, 20_000, 2)
    found = compare_simulations(data, {"default": off, "tuned": right})
    assert next(iter(found)) == "mass"
    assert found["mass"]["w1"]["default"] == pytest.approx(0.8, abs=0.04)  # a shift of unit Gaussians; error 0.01
    assert found["mass"]["w1"]["tuned"] < 0.04


def test_distances_by_chance_are_those_of_two_samples_of_one_truth():
    measured, expected = [], []
    for seed in range(40):
        pair = compare_simulations(events(0.0, 100, seed), {"default": events(0.0, 300, 100 + seed)})["mass"]
        measured.append(pair["w1"]["default"])
        expected.append(pair["chance"]["default"])
    # W1 of one truth scatters by about 45 %: 7 % of the mean of 40
    assert np.mean(measured) == pytest.approx(np.mean(expected), rel=0.2)
    few = compare_simulations(events(0.0, 40, 1), {k: events(0.0, 40, i) for i, k in enumerate(("default", "tuned"))})
    assert "0 of 2 observables" in judge("point", None, None, few).findings[-1]


def test_two_events_are_shown_on_the_range_of_the_simulations():
    default, tuned, data = events(6.0, 800, 3), events(0.0, 800, 4), events(0.0, 2, 5)
    found = compare_simulations(data, {"default": default, "tuned": tuned})
    assert found["mass"]["unit"] == "the tuned simulation"
    assert found["mass"]["w1"]["default"] == pytest.approx(6, abs=2.5)  # two events have a mean within 0.7
    steps = re.search(r'class="series s1" d="([^"]*)"', draw_simulations(found["mass"]))[1]
    heights = [float(v) for v in re.findall(r"V([\d.]+)", steps)]
    assert min(heights) < 0.8 * max(heights)  # the default is on the figure


def test_mean_images_stand_side_by_side(page, tmp_path):
    schema, rng = Schema((Block("pixels", (8, 10)),)), np.random.default_rng(0)
    make = [Events(rng.random((n, 80)).astype(np.float32), np.empty((n, 0), np.float32), schema) for n in (2, 50, 50)]
    assert mean_images(make[0])["pixels"] == pytest.approx(make[0].features.mean(0).reshape(8, 10))
    shown = replace(page, data=make[0], simulations={"default": make[1], "tuned": make[2]})
    text = write_page(shown, tmp_path / "report.html").read_text(encoding="utf-8")
    figure = re.search(
        r'aria-label="Mean image of pixels.*?</svg></figure>|aria-label="Mean image.*?</figure>', text, re.DOTALL
    )
    assert figure[0].count("<image") == 3


def test_weights_of_the_data_count():
    """An added background with weights that cancel leaves the distances as they were."""
    data, rest = events(0.0, 5000, 0), events(3.0, 2000, 1)
    features = np.concatenate([data.features, rest.features, rest.features])
    weights = np.concatenate([np.ones(5000), np.ones(2000), -np.ones(2000)])
    mixed = Events(features, np.empty((9000, 0), np.float32), SCHEMA, weights)
    found = compare_simulations(mixed, {"default": events(0.8, 5000, 2)})["mass"]["w1"]["default"]
    # both differ by the spread they are divided by only, which is taken over all events
    truth = compare_simulations(data, {"default": events(0.8, 5000, 2)})["mass"]["w1"]["default"]
    assert found * np.std(features[:, 0]) == pytest.approx(truth * np.std(data.features[:, 0]), rel=0.05)


def test_a_corner_has_a_panel_for_every_pair(page):
    text = draw_corner(page.samples, SPACE, {"truth": np.array([0.1, 11.0])})
    assert text.count('class="frame"') == 3
    assert text.count("<image") == 1

"""The page of a tuning."""

import re
from dataclasses import replace

import numpy as np
import pytest

from facsim import Block, Events, Schema
from facsim.report.tuning import Calibration, Closeness, Pushforward, Seeds, TuningPage, judge, write_page
from facsim.report.tuning.corner import draw_corner
from facsim.report.tuning.simulations import compare_simulations
from facsim.simulators.parametric import Parameter, Space

SPACE = Space((Parameter("slope", -1, 1, unit="GeV"), Parameter("shift", 0, 27, default=20)))
SCHEMA = Schema((Block("mass", (), "real", "GeV"), Block("tracks", (), "count")))


def events(shift: float, n: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(shift, 1, n), rng.poisson(5, n)]
    return Events(np.column_stack(columns).astype(np.float32), np.empty((n, 0), np.float32), SCHEMA)


def calibration(ranks: np.ndarray, pvalue: float) -> Calibration:
    levels = np.linspace(0.05, 0.95, 19)
    found = np.array([np.mean(np.abs(2 * ranks - 1) <= level) for level in levels])
    return Calibration(len(ranks), levels, {"slope": found}, pvalue, {"slope": ranks})


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
        calibration=calibration(rng.random(300), 0.4),
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
    assert verdict.alarm
    assert "cannot be trusted" in verdict.headline
    assert "not tested" in judge("posterior", None, Closeness(0.5), {}).headline
    assert "was not tested" in judge("population", None, Closeness(0.5), {}).headline
    near, far = Pushforward(0.52, 0.02, 0.5), Pushforward(0.7, 0.02, 0.5)
    assert "its width is no error" in judge("population", None, None, {}, near).headline
    assert judge("population", None, None, {}, far).alarm
    assert judge("posterior", good, Closeness(0.5), {}, far).alarm


def test_distances_are_in_spreads_of_the_data_and_the_worst_comes_first():
    data, off, right = events(0.0, 20_000, 0), events(0.8, 20_000, 1), events(0.0, 20_000, 2)
    found = compare_simulations(data, {"default": off, "tuned": right})
    assert next(iter(found)) == "mass"
    assert found["mass"]["w1"]["default"] == pytest.approx(0.8, abs=0.04)  # a shift of unit Gaussians; error 0.01
    assert found["mass"]["w1"]["tuned"] < 0.04


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

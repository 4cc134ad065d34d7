"""The verb tune and its command: folder, page, calls kept, and what is refused."""

import json
import logging
import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Events, Schema
from facsim.cli.app import cli
from facsim.errors import DataError, RangeError, RecipeError, SchemaMismatch
from facsim.simulators.parametric import FunctionSimulator, Parameter, Space
from facsim.tuning import METHODS, Tuned, settings_of, tune

SPACE = Space((Parameter("mean", -2, 2, default=1.0), Parameter("width", 0.2, 2.0)))
QUICK = {"steps": 300, "hidden": 32, "blocks": 1, "samples": 500, "engine": "mean"}


def simulator() -> FunctionSimulator:
    def gauss(theta, rng):
        return theta[:, :1] + theta[:, 1:] * rng.standard_normal((len(theta), 2))

    return FunctionSimulator(gauss, SPACE, [Block("x", (2,))], name="gauss", batch=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    data = simulator().sample(np.tile([-0.5, 0.8], (60, 1)), seed=3)
    found = tune(
        simulator(), data, output=folder / "run", calls=5000, settings=QUICK,
        truth={"mean": -0.5, "width": 0.8}, apply=folder / "tuned.json",
    )  # fmt: skip
    return folder, data, found


def test_the_parameters_are_found(run):
    _, _, found = run
    # 120 numbers: the mean is known to 0.8 / sqrt(120) = 0.07, the width to 0.05; the method adds its own error
    assert found.samples.mean(0) == pytest.approx([-0.5, 0.8], abs=0.3)
    assert (found.samples.std(0) < 0.3).all()
    assert found.calls <= 5000
    assert found.details["calibration"]["tests"] >= 20


def test_members_of_an_ensemble_are_shown_beside_the_answer(tmp_path):
    data = simulator().sample(np.tile([-0.5, 0.8], (60, 1)), seed=3)
    settings = {**QUICK, "steps": 50, "members": 2}
    found = tune(simulator(), data, output=tmp_path, calls=2000, settings=settings)
    seeds = found.details["seeds"]
    assert np.shape(seeds["middle"]) == np.shape(seeds["width"]) == (2, 2)
    assert seeds["middle"][0] != seeds["middle"][1]
    # the answer mixes them: 500 samples of it, 1000 of each, so that the means agree within a few hundredths
    assert np.mean(seeds["middle"], axis=0) == pytest.approx(found.samples.mean(0), abs=0.1)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Table of seeds" in page
    assert page.count("seed 2</th>") == 1


def test_the_folder_holds_result_page_and_calls(run):
    folder, _, found = run
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "gauss" in page
    assert "Coverage of central intervals" in page
    assert Tuned.load(folder / "run").values() == found.values()
    assert json.loads((folder / "tuned.json").read_text())["values"] == found.values()
    assert len(list((folder / "run" / "calls").iterdir())) > 1


def test_data_that_no_parameters_give_are_flagged_first(run, tmp_path):
    # both columns have the same mean in this simulator; these data have -1 and 1, each of which it can do
    data = Events(
        np.random.default_rng(0).normal([-1, 1], 0.8, (60, 2)), np.empty((60, 0)), Schema(simulator().features)
    )
    found = tune(simulator(), data, output=tmp_path, calls=2000, settings={**QUICK, "steps": 100})
    assert found.verdict["level"] == "alarm"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<div class="verdict alarm">' in page
    assert found.details["misspecified"]["pvalue"] < 1e-4
    assert "cannot produce these data" in found.verdict["headline"]
    assert 0 < page.index(found.verdict["headline"]) < page.index("<h2>Parameters</h2>")
    assert run[2].verdict["level"] != "alarm"
    assert run[2].details["misspecified"]["pvalue"] > 0.01


@pytest.fixture(scope="module")
def impossible(tmp_path_factory):
    """A best fit to data that cannot be made: the simulator gives both columns one mean; these have -1 and 1."""
    folder = tmp_path_factory.mktemp("impossible")

    def gauss(theta, rng):
        x = theta[:, :1] + theta[:, 1:] * rng.standard_normal((len(theta), 2))
        return np.where(theta[:, 1:] > 1.3, np.nan, x)

    made = FunctionSimulator(gauss, SPACE, [Block("x", (2,))], name="gauss", batch=True)
    data = Events(np.random.default_rng(0).normal([-1, 1], 0.3, (60, 2)), np.empty((60, 0)), Schema(made.features))
    with pytest.MonkeyPatch.context() as patch:
        said, log = [], logging.getLogger("facsim.tuning.verb")
        patch.setattr(log, "warning", lambda *words: said.append(words[0] % words[1:]))
        found = tune(made, data, output=folder / "run", method="best-fit", calls=2500, apply=folder / "tuned.yaml")
    return folder, found, said


def test_every_method_is_asked_whether_the_simulator_can_make_the_data(impossible):
    folder, found, said = impossible
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert found.method == "best-fit"
    assert found.verdict["level"] == "alarm"
    assert "do not look like the data" in found.verdict["headline"]
    assert '<div class="verdict alarm">' in page
    test = found.details["pushforward"]
    assert test["sliced_wasserstein"] > 3 * test["sliced_wasserstein_null"]
    assert f"'{folder / 'tuned.yaml'}' is written, but should not be used" in said[-1]


def test_the_verdict_goes_with_the_result(impossible):
    folder, found, _ = impossible
    assert json.loads((folder / "run" / "tuned.json").read_text())["verdict"] == found.verdict
    assert Tuned.load(folder / "run").verdict == found.verdict
    assert "level: alarm" in (folder / "tuned.yaml").read_text()


def test_the_page_names_where_calls_failed(impossible):
    folder, found, _ = impossible
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert found.failed > 0
    assert re.search(r"calls of the simulator failed, at mean \S+ to \S+, width 1\.[34]\S* to ", page)
    assert found.details["failed_region"] in page


def test_a_best_point_is_simulated_where_it_is(tmp_path, monkeypatch):
    """Whatever the samples of the method are."""
    point, samples = np.array([-0.5, 0.8]), np.array([[1.5, 1.9]])
    found = Tuned("best-fit", "point", SPACE, samples, point, calls=0)
    monkeypatch.setattr("facsim.tuning.local.tune_local", lambda *_, **__: found)
    asked = []
    judge = facsim.tuning.verb.judged

    def seen(simulator, found, data, simulations, **given):
        asked.append(simulations["tuned"])
        return judge(simulator, found, data, simulations, **given)

    monkeypatch.setattr("facsim.tuning.verb.judged", seen)
    data = simulator().sample(np.tile(point, (15, 1)), seed=3)
    tune(simulator(), data, output=tmp_path, method="best-fit", calls=500)
    assert asked[0].conditions == pytest.approx(np.tile(point, (len(asked[0]), 1)))


def test_only_the_given_truth_is_known(tmp_path, monkeypatch):
    found = Tuned("best-fit", "point", SPACE, [[-0.5, 0.8]], [-0.5, 0.8], calls=0)
    monkeypatch.setattr("facsim.tuning.local.tune_local", lambda *_, **__: found)
    data = simulator().sample(np.tile([-0.5, 0.8], (15, 1)), seed=3)
    tune(simulator(), data, output=tmp_path, method="best-fit", calls=500, truth={"mean": -0.5})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    cells = {name: re.findall(r"<td[^>]*>(.*?)</td>", re.search(f">{name}.*?</tr>", page)[0]) for name in SPACE.names}
    assert cells["mean"][4] == "−0.500"
    assert cells["width"][4] == "–"  # and not its default
    with pytest.raises(DataError, match="width"):
        tune(simulator(), data, output=tmp_path, method="best-fit", calls=500, truth={"widht": 1.0})
    with pytest.raises(RangeError, match="mean"):
        tune(simulator(), data, output=tmp_path, method="best-fit", calls=500, truth={"mean": -5.0})


def test_the_command_says_the_verdict(tmp_path, monkeypatch):
    verdict = {"headline": "The errors cannot be trusted", "level": "alarm"}
    moons = facsim.simulators.parametric.parametric("two-moons")
    facsim.write(tmp_path / "data.h5", moons.sample(moons.space.draw(5, seed=0), seed=1))
    words = ["tune", "two-moons", "--data", str(tmp_path / "data.h5"), "-o", str(tmp_path / "run")]
    for kind, low in (("population", pytest.approx(0.16)), ("point", None)):
        samples = np.tile(np.linspace(0, 1, 101)[:, None], len(moons.space))
        found = Tuned("population", kind, moons.space, samples, samples[50], 9, verdict=verdict)
        monkeypatch.setattr("facsim.api.tune", lambda *_, found=found, **__: found)
        plain = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
        assert plain["verdict"] == verdict
        assert plain["method"] == "population"
        assert plain["low"] == dict.fromkeys(moons.space.names, low)
        assert set(plain["high"]) == set(moons.space.names)
    assert CliRunner().invoke(cli, words).stdout.startswith("The errors cannot be trusted (alarm)\n")


def test_the_same_command_makes_no_call_twice(run):
    folder, data, found = run
    made = []

    def counted(theta, rng):
        made.append(len(theta))
        return theta[:, :1] + theta[:, 1:] * rng.standard_normal((len(theta), 2))

    again = FunctionSimulator(counted, SPACE, [Block("x", (2,))], name="gauss", batch=True)
    # a function's source is part of a simulator's identity: the kept calls are of another one
    with pytest.raises(DataError, match="another"):
        tune(again, data, output=folder / "run", calls=5000, settings=QUICK)
    same = tune(simulator(), data, output=folder / "run", calls=5000, settings=QUICK)
    assert np.array_equal(same.samples, found.samples)


def test_data_of_another_shape_are_refused(tmp_path):
    other = FunctionSimulator(lambda t, rng: t[:1], SPACE, Block("x"), name="one").sample([[0.0, 1.0]] * 3)  # noqa: ARG005
    with pytest.raises(SchemaMismatch, match="gauss"):
        tune(simulator(), other, output=tmp_path, calls=5000)


def test_a_budget_that_is_too_small_is_refused_before_a_call(tmp_path):
    data = simulator().sample([[0.0, 1.0]] * 50, seed=1)
    with pytest.raises(DataError, match="raise --calls"):
        tune(simulator(), data, output=tmp_path / "run", calls=100, settings=QUICK)
    assert not list((tmp_path / "run").rglob("*.npz"))


def test_a_file_that_cannot_be_written_is_refused_before_a_call(tmp_path):
    data = simulator().sample([[0.0, 1.0]] * 50, seed=1)
    with pytest.raises(DataError, match="suffix"):
        tune(simulator(), data, output=tmp_path / "run", calls=5000, settings=QUICK, apply=tmp_path / "tuned.cmnd")
    assert not (tmp_path / "run").exists()


def test_unknown_methods_and_settings_name_the_nearest():
    with pytest.raises(RecipeError, match="posterior"):
        settings_of("posteriour")
    with pytest.raises(RecipeError, match="members"):
        settings_of("posterior", {"member": 2})
    with pytest.raises(RecipeError, match="members"):
        settings_of("posterior", {"members": "0"})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_settings_with_defaults(method):
    assert settings_of(method).model_dump()


def test_the_command_takes_any_program(tmp_path):
    (tmp_path / "sim.py").write_text(
        "import json, random, sys\n"
        "given = json.load(open(sys.argv[1]))\n"
        "rng, p = random.Random(given['seed']), given['parameters']\n"
        "x = [[rng.gauss(m, w) for _ in range(2)] for m, w in zip(p['mean'], p['width'])]\n"
        "json.dump({'x': x}, open(sys.argv[2], 'w'))\n"
    )
    (tmp_path / "space.yaml").write_text("parameters:\n  mean: {low: -2, high: 2}\n  width: {low: 0.2, high: 2}\n")
    facsim.write(tmp_path / "data.h5", simulator().sample(np.tile([-0.5, 0.8], (40, 1)), seed=3))
    words = ["tune", "--command", f"{sys.executable} {tmp_path / 'sim.py'} {{params.json}} {{out.json}}"]
    words += ["--parameters", str(tmp_path / "space.yaml"), "--data", str(tmp_path / "data.h5"), "--calls", "1500"]
    words += ["--batch", "500", "-o", str(tmp_path / "run"), "--apply", str(tmp_path / "tuned.yaml")]
    for key, value in QUICK.items():
        words += ["--set", f"{key}={value}"]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    assert "mean = " in found.output
    assert (tmp_path / "tuned.yaml").read_text().startswith("values:")
    assert (tmp_path / "run" / "report.html").exists()


def test_the_command_says_what_is_missing(tmp_path):
    facsim.write(tmp_path / "data.h5", simulator().sample([[0.0, 1.0]] * 3))
    for words in ([], ["--command", "true {params.json} {out.json}"]):
        found = CliRunner().invoke(
            cli, ["tune", *words, "--data", str(tmp_path / "data.h5"), "-o", str(tmp_path / "r")]
        )
        assert found.exit_code == 2
        assert "give one of SIMULATOR" in found.output or "--parameters" in found.output

"""The verb tune and its command: folder, page, calls kept, and what is refused."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Events, Schema
from facsim.cli.app import cli
from facsim.errors import DataError, RecipeError, SchemaMismatch
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
    assert found.details["misspecified"]["pvalue"] < 0.01
    page, good = ((f / "report.html").read_text(encoding="utf-8") for f in (tmp_path, run[0] / "run"))
    assert '<div class="verdict alarm">' in page
    words = "The simulator cannot produce these data: do not use these parameters"
    assert 0 < page.index(words) < page.index("<h2>Parameters</h2>")
    assert run[2].details["misspecified"]["pvalue"] > 0.01
    assert words not in good


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

"""What the verb tune spends: budgets in the user's own numbers, calls made again, progress, and trial calls."""

import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Events, Schema
from facsim.cli import terminal
from facsim.cli.app import cli
from facsim.errors import DataError
from facsim.simulators.parametric import FunctionSimulator, Parameter, Space
from facsim.tuning import Tuned, tune

SPACE = Space((Parameter("mean", -2, 2), Parameter("width", 0.2, 2.0)))
QUICK = {"steps": 30, "hidden": 16, "blocks": 1, "samples": 200, "engine": "mean"}
WORDS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
YAML = "parameters:\n  mean: {low: -2, high: 2}\n  width: {low: 0.2, high: 2}\n"


def gauss(theta, rng):
    return theta[:, :1] + theta[:, 1:] * rng.standard_normal((len(theta), 2))


def simulator():
    return FunctionSimulator(gauss, SPACE, Block("x", (2,)), batch=True)


def data(n=40):
    return simulator().sample(np.tile([-0.5, 0.8], (n, 1)), seed=3)


def invoke(*words, code=0):
    found = CliRunner().invoke(cli, ["tune", *map(str, words)])
    assert found.exit_code == code, found.output + repr(found.exception)
    return found.output


@pytest.mark.parametrize("calls", [-5, 0, 600, 623])
def test_a_budget_is_refused_in_the_users_own_numbers(calls, tmp_path):
    # 500 points, and a page that takes a tenth of the calls twice: 624 - 2 * 62 = 500, but 623 - 2 * 62 = 499
    with pytest.raises(DataError, match=rf"^{calls} calls .* at least 624, the page's 124 included; raise --calls$"):
        tune(simulator(), data(), output=tmp_path, calls=calls, settings=QUICK)


def test_the_least_budget_that_is_named_is_enough(tmp_path):
    assert tune(simulator(), data(), output=tmp_path, calls=624, settings=QUICK).calls == 624


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engine": "likelihood", "points": "abc"}, r"no such block; there are \['x'\]"),
        ({"engine": "likelihood", "points": "x"}, "of two axes"),
    ],
)
def test_a_setting_that_does_not_fit_the_simulator_is_refused_before_a_call(settings, words, tmp_path):
    with pytest.raises(DataError, match=words):
        tune(simulator(), data(), output=tmp_path, calls=1000, settings=settings)
    assert not list(tmp_path.rglob("*.npz"))


def test_points_are_for_one_engine(tmp_path):
    def cloud(theta, rng):
        return rng.normal(theta[0], theta[1], (5, 1))

    made = FunctionSimulator(cloud, SPACE, Block("hits", (5, 1)))
    events = made.sample([[0.0, 1.0]] * 5)
    with pytest.raises(DataError, match="points='hits' is for engine=likelihood alone, not for auto"):
        tune(made, events, output=tmp_path, calls=1000, settings={"points": "hits"})
    assert not list(tmp_path.rglob("*.npz"))


def test_progress_tells_calls_and_failures(tmp_path):
    def faulty(theta, rng):
        values = gauss(theta, rng)
        values[theta[:, 0] > 1.8] = np.nan
        return values

    told = []
    made = FunctionSimulator(faulty, SPACE, Block("x", (2,)), batch=True)
    options = {"output": tmp_path, "calls": 1500, "settings": QUICK}
    found = tune(made, data(), calls_progress=lambda *numbers: told.append(numbers), **options)
    assert told == sorted(told)
    assert told[-1] == (found.calls, 1500, found.failed)
    assert found.failed > 0


MODULE = """
from pathlib import Path

def gauss(theta, rng):
    if theta[0] > 1.5 and Path("broken").exists():
        raise OSError("no licence")
    with open("asked", "a") as file:
        file.write(".")
    return rng.normal(theta[0], theta[1], 2)
"""


def test_the_command_makes_failed_calls_again_and_tells_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 0.0)
    name = f"calls_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / "space.yaml").write_text(YAML)
    facsim.write("data.h5", data())
    words = ["--function", f"{name}:gauss", "--parameters", "space.yaml", "--data", "data.h5", "-o", "run", *WORDS]
    words += ["--calls", 1000]
    (tmp_path / "broken").touch()
    said = invoke(*words)
    assert "simulating: " in said
    assert " of 1,000 calls (" in said
    assert said.index("simulating") < said.index("tuning: ")
    failed = Tuned.load("run").failed
    assert failed > 50  # an eighth of the first parameter's range
    (tmp_path / "broken").unlink()
    (tmp_path / "asked").unlink()
    invoke(*words)
    assert Tuned.load("run").failed == failed
    assert len((tmp_path / "asked").read_text()) == 1  # the trial
    invoke(*words, "--retry")
    assert Tuned.load("run").failed == 0
    # the trial, what failed, and other points for the page, since other points are found
    assert 1 + failed / 2 < len((tmp_path / "asked").read_text()) < 400
    sys.modules.pop(name, None)


PROGRAM = """
import json, random, sys
given = json.load(open(sys.argv[1]))
open(__file__ + ".asked", "a").write(".")
rng, p = random.Random(given["seed"]), given["parameters"]
json.dump({"x": [[rng.gauss(m, w), rng.gauss(m, w)] for m, w in zip(p["mean"], p["width"])]}, open(sys.argv[2], "w"))
"""


def test_the_trial_of_a_program_comes_after_the_data_and_counts_once(tmp_path):
    script, space, asked, run = (tmp_path / name for name in ("sim.py", "space.yaml", "sim.py.asked", "run"))
    script.write_text(PROGRAM)
    space.write_text(YAML)
    command = f"{sys.executable} -S {script} {{params.json}} {{out.json}}"
    words = ["--command", command, "--parameters", space, "--batch", 500, "--calls", 1500, "-o", run, *WORDS]
    said = invoke(*words, "--data", tmp_path / "nothing.h5", code=2)
    assert "nothing.h5" in said
    assert not asked.exists()
    assert not run.exists()
    events = data()
    facsim.write(
        tmp_path / "data.h5", Events(events.features, np.empty((len(events), 0)), Schema(events.schema.features))
    )
    invoke(*words, "--data", tmp_path / "data.h5")
    made, calls = len(asked.read_text()), Tuned.load(run).calls
    assert calls <= 1500
    title = re.search(r"<h1>(.*?)</h1>", (run / "report.html").read_text(encoding="utf-8"))
    assert title is not None
    assert "sim.py" in title[1]
    invoke(*words, "--data", tmp_path / "data.h5")
    assert len(asked.read_text()) == made
    assert Tuned.load(run).calls == calls


def test_lines_of_progress_say_how_many_failed(capsys):
    with terminal.phases() as phase:
        simulating, tuning = phase("simulating", "calls"), phase("tuning", "steps")
        simulating(1, 2, 1)
        simulating(2, 2, 1)
        tuning(5, 5)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("simulating: 2 of 2 calls (1 failed), ")
    assert second.startswith("tuning: 5 of 5 steps")

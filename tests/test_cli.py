"""The command line: what it prints and returns, and that bad input is a message and not a traceback."""

import errno
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Events, Grid, Schema
from facsim.cli import cli
from facsim.cli.terminal import _Lines
from facsim.errors import RangeWarning

ROOT = Path(__file__).parents[1]
TINY = ["model.hidden=16", "model.blocks=1", "training.steps=4", "training.batch=16", "training.warmup=1"]


def call(*arguments, code=0):
    """Run a command in this process."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def layer(k, cells, depth):
    edges = tuple(np.linspace(-10, 10, cells + 1))
    grid = Grid(("x", "y"), (edges, edges), depth)
    return Block(f"layer_{k}", (cells, cells), "energy", "MeV", grid=grid, threshold=0.1)


@pytest.fixture(scope="module")
def showers(tmp_path_factory):
    """A file with 240 toy showers in 2 x 2 and 3 x 3 cells."""
    rng = np.random.default_rng(3)
    energy = rng.uniform(1, 100, 240)
    cells = rng.dirichlet(np.ones(13), 240) * energy[:, None] * 900
    schema = Schema((layer(0, 2, (0, 10)), layer(1, 3, (10, 30))), (Block("energy", (), "energy", "GeV"),), "toy")
    path = tmp_path_factory.mktemp("showers") / "showers.h5"
    facsim.write(path, Events(cells, energy[:, None], schema))
    return path


@pytest.fixture(scope="module")
def run(showers):
    """A run folder, fitted through the command line."""
    folder = showers.parent / "run"
    settings = [word for value in TINY for word in ("--set", value)]
    result = call("fit", "--data", showers, "-o", folder, *settings, "--json")
    assert json.loads(result.stdout)["step"] == 4
    return folder


@pytest.fixture(scope="module")
def exported(run):
    """The same model as one ONNX file."""
    path = run.parent / "model.onnx"
    call("export", run, "-o", path)
    return path


def test_the_main_job(showers, run, exported, tmp_path):
    train, test = tmp_path / "train.h5", tmp_path / "test.h5"
    counts = json.loads(call("split", showers, train, test, "--fraction", 0.75, "--json").stdout)["events"]
    assert counts == {str(train): 180, str(test): 60}
    drawn = {}
    for model in (run, exported):
        output = tmp_path / f"{model.stem}.h5"
        result = call("sample", model, "--like", showers, "--seed", 2, "-o", output, "--json")
        assert json.loads(result.stdout) == {"output": str(output), "events": 240}
        drawn[model] = facsim.read(output)
        np.testing.assert_array_equal(drawn[model].conditions, facsim.read(showers).conditions)
    # The same noise through torch and ONNX Runtime: all but a few cells within rounding.
    close = np.isclose(drawn[run].features, drawn[exported].features, rtol=1e-3, atol=1e-3)
    assert close.mean() > 0.99
    report = tmp_path / "report"
    result = call("evaluate", showers, output, "-o", report, "--no-low-level", "--json")
    assert json.loads(result.stdout) == json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert "<html" in (report / "report.html").read_text(encoding="utf-8")
    found = json.loads(call("bench", exported, "--runs", 1, "--batch", 10, "--energy", 20, "--json").stdout)
    assert {r["engine"] for r in found["rates"]} == {"onnx", "onnxruntime"}


def test_several_copies_stand_side_by_side(showers, tmp_path):
    truth = facsim.read(showers)
    for name, scale in (("faithful", 1.0), ("hot", 1.3)):
        facsim.write(tmp_path / f"{name}.h5", Events(scale * truth.features, truth.conditions, truth.schema))
    output = tmp_path / "side"
    files = [tmp_path / "faithful.h5", tmp_path / "hot.h5"]
    result = call("compare", showers, *files, "--time", "hot=0.001", "--no-low-level", "-o", output, "--json")
    found = json.loads(result.stdout)
    assert found["names"] == ["faithful", "hot"]
    assert found == json.loads((output / "compare.json").read_text(encoding="utf-8"))
    rows = {row["key"]: row for row in found["rows"]}
    assert rows["high_level"]["values"][0] < 0.6 < rows["high_level"]["values"][1]
    assert rows["time"]["values"] == [None, 1.0]
    assert "<html" in (output / "compare.html").read_text(encoding="utf-8")
    assert (output / "hot" / "report.html").is_file()


def test_a_production_is_watched_file_by_file(showers, tmp_path):
    schema, rng = facsim.read(showers).schema, np.random.default_rng(8)

    def produce(name, n, scale=1.0):
        energy = rng.uniform(1, 100, n)
        cells = rng.dirichlet(np.ones(13), n) * energy[:, None] * 900 * scale
        facsim.write(tmp_path / name, Events(cells, energy[:, None], schema))
        return tmp_path / name

    state = tmp_path / "watch.npz"
    first = ("--reference", produce("reference.h5", 2000), "--state", state)
    assert "no drift is seen" in call("monitor", produce("good.h5", 1000), *first).stdout
    found = json.loads(call("monitor", produce("more.h5", 1000), "--state", state, "--json").stdout)
    assert (found["events"], found["alarm"]) == (2000, False)
    drifting = call("monitor", produce("hot.h5", 2000, scale=1.5), "--state", state, code=1).stdout
    assert re.search(r"4,000 events so far: a drift was seen after [23],\d+ events", drifting)
    assert re.search(r"response .*drifts", drifting)


def test_info_tells_what_is_inside(showers, run, exported):
    text = call("info", showers).stdout
    assert "240 events" in text
    assert re.search(r"layer_1 +feature +3 x 3 +MeV", text)
    assert json.loads(call("info", showers, "--json").stdout)["events"] == 240
    for model in (run, exported):
        found = json.loads(call("info", model, "--json").stdout)
        assert (found["model"], found["detector"]) == ("cfm", "toy")
        assert found["conditions"]["energy"]["unit"] == "GeV"
        assert "family cfm" in call("info", model).stdout


def test_bundled_samples_go_by_name():
    assert re.search(r"calogan-eplus-mini.h5: [\d,]+ events", call("info", "calogan-eplus-mini").stdout)


def test_recipes():
    listed = call("recipes").stdout
    assert listed == call("recipes", "list").stdout
    assert set(json.loads(call("recipes", "--json").stdout)) == set(facsim.recipes.names())
    assert call("recipes", "show", "cfm").stdout.rstrip() == facsim.recipes.text("cfm").rstrip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nowhere.h5"], "FileFormatError: nowhere.h5: no such file"),
        (["recipes", "show", "cfn"], "RecipeError: no recipe 'cfn'; .* Did you mean 'cfm'?"),
        (["fit", "--data", "{showers}", "-o", "x", "--set", "trainning.steps=2"], "Did you mean 'training.steps'?"),
        (["fit", "--data", "{showers}", "-o", "x", "--set", "training.steps"], "write training.steps=2000"),
        (["fit", "--data", "{showers}", "-o", "{run}"], "CheckpointError: .* holds a run already: .*--resume"),
        (["sample", "{showers}", "--energy", "5", "-n", "2", "-o", "x.h5"], "CheckpointError: .*showers.h5"),
        (["sample", "{run}", "-o", "x.h5"], "DataError: give the conditions in one way"),
        (["sample", "{run}", "--energy", "5", "-n", "2", "-o", "x.h6"], "FileFormatError: x.h6: .*suffix"),
        (
            ["sample", "{run}", "--energy", "5e5", "-n", "2", "--strict", "-o", "x.h5"],
            "RangeError: energy in GeV: 2 of 2",
        ),
        (["evaluate", "{showers}", "calogan-eplus-mini"], "SchemaMismatch: .*layer_0"),
        (["evaluate", "{showers}", "{showers}", "--challenge", "ds5"], "DataError: .*ds2"),
        (["compare", "{showers}", "{showers}", "{showers}"], "DataError: .*--name"),
        (["monitor", "{showers}"], "DataError: .*--reference"),
        (["monitor", "{showers}", "--reference", "{showers}", "--state", "{showers}"], "DataError: .*--state"),
        (["compare", "{showers}", "{showers}", "--time", "gan=1"], "DataError: times: no surrogate is called 'gan'"),
        (["compare", "{showers}", "{showers}", "--time", "showers=x"], "DataError: --time showers=x"),
        (["export", "{exported}", "-o", "x.onnx"], "DataError: .* is an exported file already"),
        (["simulate", "calogam", "-n", "3", "-o", "x.h5"], "SimulationError: unknown simulator 'calogam'"),
    ],
)
def test_bad_input_is_one_message(arguments, message, showers, run, exported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"showers": showers, "run": run, "exported": exported}
    result = call(*(a.format(**places) for a in arguments), code=2)
    assert re.search(message, " ".join(result.stderr.split()))
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_one_message(showers, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(showers.read_bytes()[:2000])
    for arguments in (("info", cut), ("fit", "--data", cut, "-o", tmp_path / "x"), ("evaluate", showers, cut)):
        assert "FileFormatError" in call(*arguments, code=2).stderr
    assert list(tmp_path.iterdir()) == [cut]


def test_debug_shows_the_traceback(monkeypatch):
    assert isinstance(CliRunner().invoke(cli, ["info", "nowhere.h5", "--debug"]).exception, facsim.FacsimError)
    monkeypatch.setenv("FACSIM_DEBUG", "1")
    assert isinstance(CliRunner().invoke(cli, ["info", "nowhere.h5"]).exception, facsim.FacsimError)


def failing(error):
    def verb(*_, **__):
        raise error

    return verb


def test_a_full_disk_is_named(monkeypatch, tmp_path):
    arguments = ("fit", "--data", "calogan-eplus-mini", "-o", tmp_path / "run")
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),  # so says safetensors
    ):
        monkeypatch.setattr("facsim.api.fit", failing(error))
        message = call(*arguments, code=2).stderr
        assert message.startswith("no space left on device: ")
        assert str(tmp_path / "run") in message
        assert "--resume" in message


def test_other_errors_of_the_system_are_short(monkeypatch, tmp_path):
    monkeypatch.setattr("facsim.api.fit", failing(PermissionError(errno.EACCES, "Permission denied", "/run.json")))
    assert call("fit", "--data", "x.h5", "-o", tmp_path, code=2).stderr == "/run.json: Permission denied\n"


def test_defects_keep_their_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr("facsim.api.fit", failing(RuntimeError("a defect")))
    result = CliRunner().invoke(cli, ["fit", "--data", "x.h5", "-o", str(tmp_path)])
    assert isinstance(result.exception, RuntimeError)


@pytest.mark.parametrize(
    ("command", "hint"),
    [("fit --data x.h5 -o run", "--resume"), ("sample run --like x.h5 -o y.h5", "Nothing was written")],
)
def test_ctrl_c_says_how_to_go_on(command, hint, monkeypatch):
    monkeypatch.setattr(f"facsim.api.{command.split()[0]}", failing(KeyboardInterrupt()))
    assert hint in call(*command.split(), code=130).stderr


def test_a_warning_is_a_line(run, tmp_path):
    result = call("sample", run, "--energy", 5000, "-n", 3, "-o", tmp_path / "far.h5")
    assert f"{RangeWarning.__name__}: energy in GeV: 3 of 3 events outside the training range" in result.stderr
    assert len(facsim.read(tmp_path / "far.h5")) == 3


def test_simulate_hands_on_its_options(monkeypatch, tmp_path):
    given = {}

    def simulate(calorimeter, **options):
        given.update(options, calorimeter=calorimeter)
        options["progress"](5, 5)
        facsim.write(options["output"], Events(np.ones((5, 1)), np.empty((5, 0)), Schema((Block("x"),))))
        return options["output"]

    monkeypatch.setattr("facsim.api.simulate", simulate)
    line = f"simulate calogan --particle gamma --energy 1:100 -n 5 --seed 1 --workers 2 --no-resume -o {tmp_path}/s.h5"
    assert "5 events in" in call(*line.split()).stdout
    expected = {"calorimeter": "calogan", "particle": "gamma", "energy": "1:100", "n": 5, "seed": 1, "workers": 2}
    assert expected.items() <= given.items()
    assert given["resume"] is False


@contextmanager
def running(*arguments):
    """A command in a process of its own, which signals can reach."""
    command = [sys.executable, "-m", "facsim", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_sample_that_was_stopped_leaves_no_output(number, code, exported, tmp_path):
    output = tmp_path / "large.h5"
    with running("sample", exported, "--energy", "1:100", "-n", 10_000_000, "-o", output) as process:
        while not any(p.stat().st_size > 1_000_000 for p in tmp_path.iterdir()):  # until events are on disk
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        process.send_signal(number)
        _, message = process.communicate()
    assert process.returncode == code
    assert not output.exists()
    if number == signal.SIGINT:
        assert "Nothing was written; the same command draws the same events" in message
        assert list(tmp_path.iterdir()) == []


def test_only_the_first_of_several_processes_talks(showers, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    result = call("info", showers)
    assert result.output == ""


def test_progress_in_a_log_has_rate_and_time_left(capsys):
    now = iter([0.0, 1.0, 5.0, 12.0, 41.0])
    tick = _Lines("fitting", "steps", clock=lambda: next(now))
    for done in (100, 140, 210, 500):
        tick(done, 500)
    assert capsys.readouterr().err.splitlines() == [
        "fitting: 210 of 500 steps, 10 steps/s, 29 s left",
        "fitting: 500 of 500 steps, 10 steps/s, took 40 s",
    ]


def shown_commands():
    """Every command line that a page or the demo shows, with where it stands."""
    pages = [ROOT / "README.md", ROOT / "scripts" / "demo.sh", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        if page.suffix == ".md":
            text = "\n".join(re.findall(r"^```\w+\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
        for line in re.findall(r"^(?:    )?(?:if )?(?:run |\$ )?(facsim [a-z].*)$", text, flags=re.MULTILINE):
            yield pytest.param(line.removesuffix("; then"), id=f"{page.name}: {line[:60]}")


@pytest.mark.parametrize("line", list(shown_commands()))
def test_commands_in_the_documentation_parse(line):
    words = shlex.split(
        re.sub(r" > [\w./-]+$", "", line).replace('"$steps"', "9").replace('"${against[@]}"', ""), comments=True
    )
    command, rest = cli, words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    assert command is not cli
    command.make_context(command.name, rest)

"""Simulators of one's own on the command line: a function by name, and one that another package registers."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Events, Schema
from facsim.cli.app import cli
from facsim.errors import DataError, SimulationError
from facsim.simulators.parametric import FunctionSimulator, Parameter, Space, imported, parametric, parametric_names
from facsim.tuning import Tuned

SPACE = Space((Parameter("mean", -2, 2, default=1.0), Parameter("width", 0.2, 2.0)))
DATA = Schema((Block("x", (2,), "real", "mm"), Block("y")))
QUICK = ["steps=150", "hidden=16", "blocks=1", "samples=200", "engine=mean"]

MODULE = """
from dataclasses import dataclass

from facsim import Block
from facsim.simulators.parametric import FunctionSimulator, Parameter, ParametricSimulator, Space

table = {"mean": 1}


def gauss(theta, rng):
    return [*rng.normal(theta[0], theta[1], 2), rng.normal()]


def named(theta, rng):
    return {"x": rng.normal(theta[0], theta[1], 2)}


def misnamed(theta, rng):
    return {"z": 1.0}


def short(theta, rng):
    return theta


def broken(theta):
    return theta


@dataclass(frozen=True)
class Shift(ParametricSimulator):
    by: float = 0.0

    name, summary = "shift", "a Gaussian, shifted"
    space = Space((Parameter("mean", -2, 2),))
    features = (Block("y"),)

    def _simulate(self, conditions, rng):
        return conditions + self.by + rng.normal(size=conditions.shape)


class Faulty(Shift):
    def _simulate(self, conditions, rng):
        values = super()._simulate(conditions, rng)
        values[conditions > 1] = float("nan")
        return values


ready = FunctionSimulator(lambda theta, rng: rng.normal(theta), Space((Parameter("mean", -2, 2),)), Block("y"))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in the current folder, which nobody put on the path; its name."""
    name = f"own_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def plugin(tmp_path, module, monkeypatch):
    """An installed package that registers simulators."""
    folder = tmp_path / "plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    entries = {
        "their-shift": "Shift",
        "their-ready": "ready",
        "their-table": "table",
        "their-lost": "lost",
        "their-faulty": "Faulty",
    }
    entries |= {"lines": "Shift"}  # a name of facsim's own stays facsim's
    lines = [f"{name} = {module}:{place}" for name, place in entries.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[facsim.simulators]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_function_returns_events_of_the_data(module):
    found = imported(f"{module}:gauss", SPACE, DATA)
    assert found.features == DATA.features
    assert found.call(SPACE.draw(30, seed=0)).events["x"].shape == (30, 2)
    assert [b.name for b in imported(f"{module}:named", SPACE, DATA).features] == ["x"]
    beside = imported(f"{module}:gauss", SPACE, DATA, workers=2)  # its processes find the module, too
    theta = SPACE.draw(20, seed=0)
    np.testing.assert_array_equal(beside.sample(theta, seed=1).features, found.sample(theta, seed=1).features)


def test_a_simulator_that_is_ready_is_taken_as_it_is(module):
    assert isinstance(imported(f"{module}:ready", None, DATA), FunctionSimulator)
    assert imported(f"{module}:Shift", None, DATA).name == "shift"
    with pytest.raises(DataError, match="leave --parameters out"):
        imported(f"{module}:ready", SPACE, DATA)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("gaus", DataError, "has no 'gaus'. Did you mean 'gauss'"),
        ("table", DataError, "is of type dict: it must be a function"),
        ("misnamed", DataError, r"returns 'z', the data have \['x', 'y'\]"),
        ("short", SimulationError, r"at mean=1, width=1.1: it returned an array of shape \(2,\), expected \(3,\).* x "),
        ("broken", SimulationError, r"fails at mean=1, width=1.1: TypeError: .*takes 1 positional argument"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(module, name, error, message):
    with pytest.raises(error, match=message):
        imported(f"{module}:{name}", SPACE, DATA)


def test_a_place_that_is_none_is_said(module, tmp_path):
    with pytest.raises(DataError, match=f"no module '{module}x' in {tmp_path} .* Did you mean '{module}'"):
        imported(f"{module}x:gauss", SPACE, DATA)
    with pytest.raises(DataError, match=r"write module:name, such as sim:gauss, from the folder that holds sim.py"):
        imported("sim.py:gauss", SPACE, DATA)
    (tmp_path / f"{module}_bad.py").write_text("import nothing_of_this_name")
    with pytest.raises(DataError, match="cannot be imported: ModuleNotFoundError: No module named 'nothing_of_"):
        imported(f"{module}_bad:gauss", SPACE, DATA)
    with pytest.raises(DataError, match=r"--parameters space\.yaml"):
        imported(f"{module}:gauss", None, DATA)


def data(path, n=40):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(-0.5, 0.8, (n, 2)), rng.normal(size=n)])
    facsim.write(path, Events(x, np.empty((n, 0)), DATA))


def run(*words):
    settings = [word for value in QUICK for word in ("--set", value)]
    return CliRunner().invoke(cli, ["tune", *words, "--calls", "1500", *settings])


def test_the_command_takes_a_function(module, tmp_path):
    data(tmp_path / "data.h5")
    (tmp_path / "space.yaml").write_text("parameters:\n  mean: {low: -2, high: 2}\n  width: {low: 0.2, high: 2}\n")
    found = run("--function", f"{module}:gauss", "--parameters", "space.yaml", "--data", "data.h5", "-o", "run")
    assert found.exit_code == 0, found.output
    # 80 numbers: 0.8 / sqrt(80) = 0.09, and a network that learned for 150 steps
    assert Tuned.load("run").values()["mean"] == pytest.approx(-0.5, abs=0.5)
    wrong = run("--function", f"{module}:gaus", "--parameters", "space.yaml", "--data", "data.h5", "-o", "none")
    assert wrong.exit_code == 2
    assert "Did you mean 'gauss'" in wrong.output
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("plugin")
def test_a_package_registers_a_simulator(tmp_path):
    assert parametric_names()[0] == "lines"
    assert {"their-shift", "their-ready"} <= set(parametric_names())
    assert parametric("lines").name == "lines"
    assert parametric("their-shift", by="1.5").by == 1.5
    assert parametric("their-ready").space.names == ("mean",)
    data(tmp_path / "data.h5")
    found = run("their-shift", "--option", "by=1", "--data", str(tmp_path / "data.h5"), "-o", str(tmp_path / "run"))
    assert found.exit_code == 0, found.output
    assert Tuned.load(tmp_path / "run").space.names == ("mean",)
    simulated = facsim.simulate("their-shift", n=50, mean=0.5, by=1.0, output=tmp_path / "shift.h5")
    assert len(facsim.read(simulated)) == 50
    with pytest.raises(DataError, match=r"no option or parameter 'meen'; it has \['by', 'mean'\]. Did you mean 'mean'"):
        facsim.simulate("their-shift", n=50, meen=0.5, output=tmp_path / "shift.h5")


@pytest.mark.usefixtures("plugin")
def test_simulate_says_how_many_events_it_wrote(tmp_path):
    path, n = tmp_path / "faulty.h5", 3000  # several shards of 1024
    found = CliRunner().invoke(cli, ["simulate", "their-faulty", "-n", str(n), "-o", str(path)])
    assert found.exit_code == 0, found.output
    written = len(facsim.read(path))
    assert 0.7 * n < written < 0.8 * n  # means above 1 of -2 to 2 fail: 75 %, error 0.8 %
    assert f"{written:,} events in {path}; {n - written:,} of {n:,} calls failed and are left out" in found.output
    assert f"{n - written} of {n} calls failed: {n - written} the result is not a finite" in found.output
    assert "mean 1.00" in found.output
    assert f"{written} events are written" in found.output
    words = ["simulate", "their-faulty", "-n", "20", "--set", "mean=1.5", "-o", str(tmp_path / "none.h5")]
    none = CliRunner().invoke(cli, words)
    assert none.exit_code == 2
    assert "20 of 20 calls failed" in none.output
    assert not (tmp_path / "none.h5").exists()


@pytest.mark.usefixtures("plugin")
def test_what_is_wrong_with_a_plugin_is_said():
    with pytest.raises(SimulationError, match=r"their-shif'.*Did you mean 'their-shift'"):
        parametric("their-shif")
    with pytest.raises(SimulationError, match="is of type dict, it must make a simulator"):
        parametric("their-table")
    with pytest.raises(SimulationError, match="cannot be loaded: AttributeError"):
        parametric("their-lost")

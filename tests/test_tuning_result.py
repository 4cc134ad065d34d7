"""What a tuning found survives the disk, and is written in the simulator's own terms."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from facsim import Block
from facsim.errors import CheckpointError, DataError
from facsim.simulators.parametric import Cached, FunctionSimulator, Parameter, Space
from facsim.simulators.parametric.pythia_tune import PythiaTune
from facsim.tuning.result import RESULT_FILE, SAMPLES_FILE, Tuned, central_point

SPACE = Space((Parameter("lifetime", 0.5, 5, unit="ns"), Parameter("steps", 1, 9, whole=True)))


@pytest.fixture
def tuned():
    rng = np.random.default_rng(0)
    samples = np.column_stack([rng.normal(2, 0.1, 5000), rng.integers(3, 6, 5000)])
    return Tuned("posterior", "posterior", SPACE, samples, np.array([2.0, 4.0]), 100, 3, 1.5, "x", {"a": np.float32(1)})


def test_saved_and_loaded_is_the_same(tuned, tmp_path):
    back = Tuned.load(tuned.save(tmp_path / "run"))
    np.testing.assert_array_equal(back.samples, tuned.samples)
    np.testing.assert_array_equal(back.estimate, tuned.estimate)
    assert back.space.to_dict() == SPACE.to_dict()
    assert (back.calls, back.failed, back.seconds, back.label, back.details) == (100, 3, 1.5, "x", {"a": 1.0})


def test_interval_covers_its_share_and_is_whole_where_it_must_be(tuned):
    low, high = tuned.interval(0.68)
    # quantiles of a normal distribution at ±0.994 sigma; 5,000 samples leave an error of 0.002
    np.testing.assert_allclose([low[0], high[0]], [2 - 0.0994, 2 + 0.0994], atol=0.008)
    assert low[1] == 3
    assert high[1] == 5
    np.testing.assert_allclose(tuned.covariance(), np.cov(tuned.samples.T))


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_applied_parameters_can_be_given_to_the_simulator(tuned, tmp_path, suffix):
    path = tuned.apply(tmp_path / f"tuned.{suffix}")
    text = path.read_text()
    found = json.loads(text) if suffix == "json" else yaml.safe_load(text)
    assert found["values"] == {"lifetime": 2.0, "steps": 4}
    assert isinstance(found["values"]["steps"], int)
    assert found["intervals"]["lifetime"]["unit"] == "ns"
    np.testing.assert_array_equal(SPACE.point(found["values"]), tuned.estimate)


class Program(FunctionSimulator):
    """A program whose settings have names of its own."""

    own_suffix = ".cards"

    def own_words(self, values):
        return [f"set {name}:value {value:g}" for name, value in values.items()]


@pytest.mark.parametrize("cached", [False, True])
def test_own_words_are_written_where_a_simulator_has_some(tuned, tmp_path, cached):
    simulator = Program(lambda theta, rng: theta[:1], SPACE, Block("x"), name="program")  # noqa: ARG005
    simulator = Cached(simulator, tmp_path / "calls") if cached else simulator
    path = tuned.apply(tmp_path / "tuned.cards", simulator=simulator)
    assert path.read_text() == "set lifetime:value 2\nset steps:value 4\n"
    found = json.loads(tuned.apply(tmp_path / "tuned.json", simulator=simulator).read_text())
    assert found["lines"] == path.read_text().splitlines()
    assert found["values"] == tuned.values()
    with pytest.raises(DataError, match=r"give one of .json, .yaml, .yml, .cards"):
        tuned.apply(tmp_path / "tuned.cmnd", simulator=simulator)
    assert "lines" not in json.loads(tuned.apply(tmp_path / "plain.json").read_text())


def test_pythia_reads_its_own_words(tmp_path):
    simulator = PythiaTune()
    found = Tuned("posterior", "posterior", simulator.space, [[0.5, 1.1, 0.14]], [0.5, 1.1, 0.14], calls=1)
    path = found.apply(tmp_path / "tuned.cmnd", simulator=simulator)
    lines = "StringZ:aLund = 0.5\nStringZ:bLund = 1.1\nTimeShower:alphaSvalue = 0.14\n"
    assert path.read_text() == lines
    judged = replace(found, verdict={"headline": "aLund = 9: not to be read", "level": "alarm"})
    path = judged.apply(tmp_path / "tuned.cmnd", simulator=simulator)
    assert path.read_text() == f"! verdict (alarm): aLund = 9: not to be read\n{lines}"
    pythia = pytest.importorskip("pythia8mc").Pythia("", False)
    assert pythia.readFile(str(path))
    assert pythia.settings.parm("StringZ:bLund") == 1.1


def test_bad_files_and_values_say_so(tuned, tmp_path):
    with pytest.raises(DataError, match="suffix"):
        tuned.apply(tmp_path / "tuned.txt")
    with pytest.raises(CheckpointError, match="not a tuning's result"):
        Tuned.load(tmp_path)
    folder = tuned.save(tmp_path / "run")
    (folder / SAMPLES_FILE).write_bytes((folder / SAMPLES_FILE).read_bytes()[:100])
    with pytest.raises(CheckpointError):
        Tuned.load(folder)
    (folder / RESULT_FILE).write_text("{}")
    with pytest.raises(CheckpointError):
        Tuned.load(folder)
    with pytest.raises(DataError, match=r"\(n, 2\)"):
        Tuned("a", "point", SPACE, [[1.0]], [1.0], 0)
    with pytest.raises(DataError, match="kind"):
        Tuned("a", "guess", SPACE, [[1.0, 2.0]], [1.0, 2.0], 0)


def test_central_point_is_valid():
    ring = Space((Parameter("x", -2, 2), Parameter("y", -2, 2)), valid=lambda t: np.hypot(*t.T) > 0.5)
    angle = np.linspace(0, 6, 50)
    point = central_point(np.column_stack([np.cos(angle), np.sin(angle)]), ring)
    assert ring.contains(point[None])[0]


def test_a_verdict_goes_wherever_the_parameters_go(tuned, tmp_path):
    verdict = {"headline": "The errors cannot be trusted", "level": "alarm"}
    judged = replace(tuned, verdict=verdict)
    assert Tuned.load(judged.save(tmp_path / "run")).verdict == verdict
    for suffix, read in ((".json", json.loads), (".yaml", yaml.safe_load)):
        assert read(judged.apply(tmp_path / f"tuned{suffix}").read_text())["verdict"] == verdict
    simulator = Program(lambda theta, rng: theta[:1], SPACE, Block("x"), name="program")  # noqa: ARG005
    lines = judged.apply(tmp_path / "tuned.cards", simulator=simulator).read_text().splitlines()
    assert lines[0] == "# verdict (alarm): The errors cannot be trusted"
    assert lines[1] == "set lifetime:value 2"


def test_a_point_has_no_interval(tmp_path):
    point = Tuned("best-fit", "point", SPACE, [[2.0, 4.0]], [2.0, 4.0], calls=9)
    assert np.isnan(point.interval()).all()
    assert point.lines() == ["lifetime = 2 ns", "steps = 4"]
    found = json.loads(point.apply(tmp_path / "tuned.json").read_text())
    assert found["intervals"]["lifetime"]["low"] is None

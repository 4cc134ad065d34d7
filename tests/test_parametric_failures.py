"""Calls that fail: why, how often they are made again, and that somebody is told."""

import importlib
import json
import os
import sys

import numpy as np
import pytest

from facsim import Block
from facsim.errors import SimulationError
from facsim.simulators.parametric import (
    Cached,
    CommandSimulator,
    FunctionSimulator,
    Parameter,
    ParametricSimulator,
    Space,
)
from facsim.simulators.parametric.answers import NOT_A_NUMBER, TOO_LARGE, too_long
from facsim.simulators.parametric.cache import kept_features
from facsim.tuning.calls import HOPELESS, Watch

SPACE = Space((Parameter("a", 0, 1),))
X = Block("x")
THETA = SPACE.draw(40, seed=0)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_too_large_is_told_from_what_is_no_number(batch, workers):
    def function(theta, _):
        return np.select([theta < 0.25, theta < 0.5, theta < 0.75], [1e300, np.nan, np.inf], theta)

    found = FunctionSimulator(function, SPACE, X, batch=batch, workers=workers).call([[0.1], [0.3], [0.6], [0.9]])
    assert found.reasons == {0: TOO_LARGE, 1: NOT_A_NUMBER, 2: NOT_A_NUMBER}
    assert "too large for single precision" in TOO_LARGE


def test_subclasses_and_programs_say_it_too(tmp_path):
    class Large(ParametricSimulator):
        name, space, features = "large", SPACE, (X,)

        def _simulate(self, conditions, rng):  # noqa: ARG002
            return 1e300 * conditions

    assert Large().call([[0.5]]).reasons == {0: TOO_LARGE}
    (tmp_path / "sim.py").write_text("import sys\nopen(sys.argv[2], 'w').write('{\"x\": [1e300]}')")
    command = [sys.executable, "-S", str(tmp_path / "sim.py"), "{params.json}", "{out.json}"]
    assert CommandSimulator(command, SPACE, X).call([[0.5]]).reasons == {0: TOO_LARGE}


class Slow(ParametricSimulator):
    """Gives points above a = 0.5 up if they are not given enough time."""

    name, space, features, shard = "slow", SPACE, (X,), 8

    def __init__(self, timeout):
        self.timeout, self.asked = timeout, 0

    def settings(self):
        return {}

    def _simulate(self, conditions, rng):
        raise NotImplementedError

    def _shard(self, rows, seed, shard, tell):
        return self._again(rows, seed, shard, range(len(rows)), tell)

    def _again(self, rows, seed, shard, wanted, tell):  # noqa: ARG002
        self.asked += len(wanted)
        late = [i for i in wanted if self.timeout is not None and rows[i, 0] > 0.5 and self.timeout < 10]
        whys = dict.fromkeys(late, too_long(self.timeout or 0))
        tell(len(wanted), whys.values())
        values = rows.astype(np.float32)
        values[late] = np.nan
        return values, whys


@pytest.mark.parametrize("longer", [60, None])
def test_a_time_out_is_no_answer_for_whoever_has_more_time(longer, tmp_path):
    late = int((THETA > 0.5).sum())
    assert Cached(Slow(3), tmp_path).call(THETA).failed.sum() == late > 10
    for limit, again in ((3, 0), (2, 0), (longer, late), (longer, 0), (3, 0)):
        told = []
        cached = Cached(Slow(limit), tmp_path, tell=lambda n, whys: told.append((n, len(list(whys)))))  # noqa: B023
        found = cached.call(THETA)
        assert cached.made == cached.simulator.asked == again
        assert sum(n for n, _ in told) == len(THETA)
        assert sum(n for _, n in told) == found.failed.sum()
    assert not found.failed.any()
    np.testing.assert_array_equal(found.events["x"], THETA[:, 0].astype(np.float32))


def test_only_failed_calls_are_made_again_and_the_others_stay(tmp_path):
    def maker(broken):
        def function(theta, rng):
            if broken and theta[0] > 0.5:
                raise ValueError
            asked.append(theta[0])
            return theta + rng.random()

        return FunctionSimulator(function, SPACE, X, version="1")

    asked: list[float] = []
    first = Cached(maker(True), tmp_path).call(THETA, seed=1)
    asked.clear()
    assert Cached(maker(False), tmp_path).call(THETA, seed=1).failed.any()
    found = Cached(maker(False), tmp_path, retry=True).call(THETA, seed=1)
    assert asked == THETA[first.failed, 0].tolist()
    np.testing.assert_array_equal(found.events["x"][~first.failed], first.events["x"])
    np.testing.assert_array_equal(found.events["x"], maker(False).call(THETA, seed=1).events["x"])


def test_a_process_that_begins_slowly_takes_no_time_of_the_call(tmp_path, monkeypatch):
    name = f"slow_start_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(
        f"import os, time\nif os.getpid() != {os.getpid()}:\n    time.sleep(1.5)\n"
        "def function(theta, rng):\n    return theta\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    function = importlib.import_module(name).function
    found = FunctionSimulator(function, SPACE, X, timeout=1.0, start="spawn").call(THETA[:5])
    assert found.reasons == {}


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_are_told_one_by_one(workers):
    def function(theta, _):
        return np.nan if theta[0] > 0.5 else 1.0

    told = []
    simulator = FunctionSimulator(function, SPACE, X, workers=workers)
    found = simulator.call(THETA, progress=lambda *numbers: told.append(numbers))
    assert [done for done, _, _ in told] == list(range(1, 41))
    assert {total for _, total, _ in told} == {40}
    assert told[-1][2] == found.failed.sum() > 0


def test_a_program_that_never_works_is_asked_a_few_times_only(tmp_path):
    (tmp_path / "sim.py").write_text(
        "import sys\nopen(sys.argv[3], 'a').write('.')\nsys.exit('no licence ' + sys.argv[1][-4:])"
    )
    log = tmp_path / "asked"
    command = [sys.executable, "-S", str(tmp_path / "sim.py"), "{params.json}", "{out.json}", str(log)]
    made = CommandSimulator(command, SPACE, X, batch=32)
    cached = Cached(made, tmp_path / "calls", tell=Watch(made.name, 1000))
    with pytest.raises(
        SimulationError, match=r"sim\.py: each of the first 20 calls failed, the last one: .*no licence"
    ):
        cached.call(SPACE.draw(1000, seed=0))
    assert len(log.read_text()) == 1 + HOPELESS  # the batch, and its points one by one
    assert len(cached.everything()) == 0  # a mended program is not held to them


def test_a_simulator_that_works_now_and_then_goes_on():
    watch = Watch("mine", 100)
    watch(HOPELESS - 1, ["bad"] * (HOPELESS - 1))
    watch(1, [])
    watch(2 * HOPELESS, ["bad"] * (2 * HOPELESS))
    assert (watch.done, watch.failed) == (3 * HOPELESS, 3 * HOPELESS - 1)


def test_the_trial_call_of_a_program_is_counted_once_and_kept(tmp_path):
    (tmp_path / "sim.py").write_text(
        "import json, sys\nopen(sys.argv[3], 'a').write('.')\n"
        "json.dump({'x': json.load(open(sys.argv[1]))['parameters']['a']}, open(sys.argv[2], 'w'))"
    )
    log, calls = tmp_path / "asked", tmp_path / "calls"
    command = [sys.executable, "-S", str(tmp_path / "sim.py"), "{params.json}", "{out.json}", str(log)]
    assert kept_features(calls) is None
    first = Cached(CommandSimulator(command, SPACE, kept_features(calls)), calls)
    assert first.trials == len(log.read_text()) == 1
    again = Cached(CommandSimulator(command, SPACE, kept_features(calls)), calls)
    assert again.features == first.features == (X,)
    assert again.trials == len(log.read_text()) == 1
    (calls / "simulator.json").write_text(json.dumps([]))
    assert kept_features(calls) is None


def test_scripts_and_lambdas_have_names_for_people(tmp_path):
    (tmp_path / "sim.py").write_text("")
    (tmp_path / "cards.txt").write_text("")
    end = ["{params.json}", "{out.json}"]
    for command, name in (
        ([sys.executable, "-S", str(tmp_path / "sim.py"), *end], "sim.py"),
        ([sys.executable, "-m", "my.module", *end], "my.module"),
        ([sys.executable, "-c", "pass", *end], sys.executable.rpartition("/")[2]),
        (["true", str(tmp_path / "cards.txt"), *end], "true"),
    ):
        assert CommandSimulator(command, SPACE, X).name == name
    assert FunctionSimulator(lambda theta, _: theta, SPACE, X).name == "simulator"
    assert FunctionSimulator(lambda theta, _: theta, SPACE, X, name="mine").name == "mine"

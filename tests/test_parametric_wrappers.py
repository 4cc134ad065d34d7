"""Functions and programs as simulators, spaces from files, and the cache of calls."""

import json
import os
import re
import shlex
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import facsim
from facsim import Block
from facsim.errors import DataError, FileFormatError, RangeError, SimulationError
from facsim.simulators.parametric import (
    Cached,
    Calls,
    CommandSimulator,
    FunctionSimulator,
    Parameter,
    ParametricSimulator,
    Space,
    parametric,
    read_space,
)

SPACE = Space((Parameter("a", 0, 10), Parameter("b", 0, 10)))
BLOCKS = (Block("sum"), Block("pair", (2,)))


def points(n, seed=0):
    return SPACE.draw(n, seed).astype(np.float32).astype(np.float64)


# functions


def noisy(theta, rng):
    """A slow simulator in miniature: bad above a = 8."""
    if theta[0] > 8:
        msg = "a is too large"
        raise ValueError(msg)
    return [theta.sum(), *rng.normal(theta)]


def many(theta, rng):
    if (theta[:, 0] > 8).any():
        msg = "one of them is too large"
        raise ValueError(msg)
    return {"pair": rng.normal(theta), "sum": theta.sum(axis=1)}


def named(theta, rng):
    return {"pair": rng.normal(theta), "sum": theta.sum()}


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_single_points_are_recorded_and_the_others_kept(workers):
    theta = points(40)
    simulator = FunctionSimulator(noisy, SPACE, BLOCKS, workers=workers)
    assert isinstance(simulator, facsim.Sampler)
    calls = simulator.call(theta, seed=1)
    np.testing.assert_array_equal(calls.failed, theta[:, 0] > 8)
    assert set(calls.reasons.values()) == {"ValueError: a is too large"}
    bad = int(calls.failed.sum())
    assert calls.summary() == f"{bad} of 40 calls failed: {bad} ValueError: a is too large"
    columns = zip("ab", theta[calls.failed].T, strict=True)
    expected = ", ".join(f"{k} {v.min():g} to {v.max():g}" for k, v in columns)
    assert calls.region() == expected
    np.testing.assert_allclose(calls.events["sum"], theta[~calls.failed].sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(calls.conditions, theta)
    with pytest.raises(SimulationError, match="a is too large"):
        simulator.sample(theta, seed=1)
    with pytest.raises(SimulationError, match=f"call {int(calls.failed.argmax())} failed: ValueError"):
        list(simulator.stream(theta, seed=1))


@pytest.mark.parametrize("options", [{}, {"batch": True}])
def test_events_depend_on_the_seed_and_not_on_workers_or_pieces(options):
    function = many if options else named
    theta = points(60) * 0.7
    alone = FunctionSimulator(function, SPACE, BLOCKS, **options)
    whole = alone.sample(theta, seed=3)
    beside = FunctionSimulator(function, SPACE, BLOCKS, workers=2, timeout=60, **options)
    np.testing.assert_array_equal(beside.sample(theta, seed=3).features, whole.features)
    pieces = facsim.concatenate(beside.stream(theta, seed=3, start=21))
    np.testing.assert_array_equal(pieces.features, whole.features[21:])
    np.testing.assert_array_equal(alone.sample(theta[:20], seed=3)["sum"], whole["sum"][:20])
    assert not np.array_equal(alone.sample(theta, seed=4).features, whole.features)
    if not options:
        np.testing.assert_array_equal(alone.sample(theta[:20], seed=3).features, whole.features[:20])


def test_a_batch_that_fails_is_repeated_point_by_point():
    theta = points(40)
    calls = FunctionSimulator(many, SPACE, BLOCKS, batch=True).call(theta, seed=1)
    np.testing.assert_array_equal(calls.failed, theta[:, 0] > 8)
    np.testing.assert_allclose(calls.events["sum"], theta[~calls.failed].sum(axis=1), rtol=1e-6)


def misbehave(theta, _):
    """Hang, crash, or answer nonsense, by the value of a."""
    if theta[0] < 1:
        time.sleep(60)
    if theta[0] < 2:
        os._exit(3)
    if theta[0] < 3:
        os.kill(os.getpid(), 9)
    if theta[0] < 4:
        return [1.0, 2.0]
    if theta[0] < 5:
        return {"sum": 1.0}
    if theta[0] < 6:
        return [np.nan, 1.0, 2.0]
    return [theta.sum(), *theta]


def test_a_function_that_hangs_or_crashes_loses_only_its_point():
    theta = np.array([[a, 1.0] for a in (7, 0.5, 7, 1.5, 2.5, 3.5, 4.5, 5.5, 8)])
    begun = time.monotonic()
    calls = FunctionSimulator(misbehave, SPACE, BLOCKS, timeout=1.0).call(theta)
    assert time.monotonic() - begun < 20
    np.testing.assert_array_equal(calls.events["sum"], [8, 8, 9])
    assert calls.reasons == {
        1: "it took longer than 1 s",
        3: "its process ended with exit status 3",
        4: "its process ended with exit status -9 (SIGKILL)",
        5: "it returned an array of shape (2,), expected (3,)",
        6: "'pair' is missing in what it returned",
        7: "the result is not a finite number",
    }


def test_the_processes_of_a_function_end_with_it():
    simulator = FunctionSimulator(lambda theta, _: [os.getpid(), *theta], SPACE, BLOCKS, timeout=60)
    worker = int(simulator.sample([[1.0, 2.0]])["sum"][0])
    assert worker != os.getpid()
    os.kill(worker, 0)
    del simulator
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_what_cannot_be_a_function_simulator_is_refused():
    with pytest.raises(DataError, match="at least one worker"):
        FunctionSimulator(noisy, SPACE, BLOCKS, workers=0)
    with pytest.raises(DataError, match="start='thread'"):
        FunctionSimulator(noisy, SPACE, BLOCKS, workers=2, start="thread")
    local = FunctionSimulator(lambda theta, _: theta, SPACE, BLOCKS, workers=2, start="spawn")
    with pytest.raises(DataError, match="at the top of a module"):
        local.sample([[1.0, 2.0]])
    with pytest.raises(RangeError, match="parameter a is 11"):
        FunctionSimulator(noisy, SPACE, BLOCKS).call([[11.0, 1.0]])


# programs

PROGRAM = """
import json, os, random, sys, time
given = json.load(open(sys.argv[1]))
p, rng = given["parameters"], random.Random(given["seed"])
events = []
for a, b in zip(p["a"], p["b"]):
    if a < 1: print("waiting", flush=True); time.sleep(60)
    if a < 2: print("it went wrong", file=sys.stderr); sys.exit(3)
    if a < 3: os.abort()
    if a < 4: sys.exit(0)
    if a < 5: continue
    events.append([float("nan") if a < 6 else a + b, [rng.gauss(a, 1), rng.gauss(b, 1)]])
with open(sys.argv[2], "w") as file:
    if any(5.9 < a < 6 for a in p["a"]): file.write('{"sum": [1,')
    else: json.dump({"sum": [e[0] for e in events], "pair": [e[1] for e in events], "a": p["a"]}, file)
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "sim.py").write_text(PROGRAM)
    return f"{shlex.quote(sys.executable)} -S {shlex.quote(str(tmp_path / 'sim.py'))} {{params.json}} {{out.json}}"


def test_a_program_is_a_simulator(program):
    theta = points(20) * 0.3 + 7
    theta = theta.astype(np.float32).astype(np.float64)
    simulator = CommandSimulator(program, SPACE, BLOCKS, batch=8)
    whole = simulator.sample(theta, seed=2)
    np.testing.assert_allclose(whole["sum"], theta.sum(axis=1), rtol=1e-6)
    assert np.abs(whole["pair"] - theta).max() < 6
    many = CommandSimulator(program, SPACE, BLOCKS, batch=8, workers=3)
    np.testing.assert_array_equal(many.sample(theta, seed=2).features, whole.features)
    np.testing.assert_array_equal(simulator.sample(theta[:10], seed=2).features, whole.features[:10])
    assert not np.array_equal(simulator.sample(theta[:8], seed=3).features, whole.features[:8])


def test_the_schema_comes_from_a_trial(program):
    simulator = CommandSimulator(program, Space(tuple(Parameter(k, 7, 10) for k in "ab")))
    assert {(b.name, b.shape) for b in simulator.features} == {("sum", ()), ("pair", (2,))}  # "a" is a parameter
    with pytest.raises(SimulationError, match="exit status 3: it went wrong"):
        CommandSimulator(program, Space(tuple(Parameter(k, 1, 2) for k in "ab")))


def test_a_program_that_fails_loses_only_the_points_that_do(program, tmp_path):
    theta = np.array([[a, 1.0] for a in (7, 0.5, 8, 1.5, 2.5, 3.5, 4.5, 5.5, 5.95, 9)])
    log = tmp_path / "logs" / "sim.txt"
    simulator = CommandSimulator(program, SPACE, BLOCKS, batch=5, workers=2, timeout=2.0, log=log)
    begun = time.monotonic()
    calls = simulator.call(theta)
    assert time.monotonic() - begun < 40
    np.testing.assert_array_equal(calls.events["sum"], [8, 9, 10])
    broken = calls.reasons.pop(8)
    assert broken.startswith("its output cannot be read: out.json: expected lists of numbers")
    assert calls.reasons == {
        1: "it took longer than 2 s",
        3: "exit status 3: it went wrong",
        4: "exit status -6 (SIGABRT)",
        5: "its output cannot be read: out.json: the program wrote no such file",
        6: "it wrote 0 events for 1 points",
        7: "the result is not a finite number",
    }
    text = log.read_text()
    assert "--- seed 0 batch 0 point 3: exit status 3\nit went wrong\n" in text
    assert "--- seed 0 batch 0 point 1: took too long\nwaiting\n" in text


def test_a_short_output_is_never_matched_to_the_wrong_points(program):
    """The second of three points is left out by the program: the batch is repeated point by point."""
    calls = CommandSimulator(program, SPACE, BLOCKS).call([[7, 1], [4.5, 1], [9, 1]])
    assert calls.reasons == {1: "it wrote 0 events for 1 points"}
    np.testing.assert_array_equal(calls.events["sum"], [8, 10])


def test_a_hanging_program_is_killed_with_its_children(tmp_path):
    (tmp_path / "hang.sh").write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/child\nwait\n")
    simulator = CommandSimulator(f"sh {tmp_path}/hang.sh {{params.json}} {{out.json}}", SPACE, BLOCKS, timeout=0.5)
    assert simulator.call([[1, 1]]).reasons == {0: "it took longer than 0.5 s"}
    child = int((tmp_path / "child").read_text())
    for _ in range(100):  # the system collects the child in its own time
        try:
            if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
                break
        except FileNotFoundError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child is still there")


def test_leaving_early_ends_the_programs_in_work(program):
    simulator = CommandSimulator(program, SPACE, BLOCKS, batch=1, workers=2)
    theta = np.array([[7, 1.0], *[[0.5, 1.0]] * 6])
    begun = time.monotonic()
    running = simulator.calls(theta)
    assert not next(running).failed.any()
    running.close()
    assert time.monotonic() - begun < 20  # not 60, and not once for every shard
    assert not simulator.call([[7, 1.0]]).failed.any()  # and it works again


def wait_or_return(theta, _):
    if theta[0] < 1:
        time.sleep(60)
    return theta


def test_leaving_early_ends_the_functions_in_work():
    simulator = FunctionSimulator(wait_or_return, SPACE, Block("x", (2,)), workers=2)
    theta = np.array([[7, 1.0]] * 16 + [[0.5, 1.0]] * 80)
    begun = time.monotonic()
    running = simulator.calls(theta)
    assert not next(running).failed.any()
    running.close()
    assert time.monotonic() - begun < 20
    assert not simulator.call(theta[:16]).failed.any()


@pytest.mark.parametrize("suffix", ["h5", "npz", "csv"])
@pytest.mark.parametrize("params", ["yaml", "csv"])
def test_files_of_other_formats(tmp_path, suffix, params):
    (tmp_path / "sim.py").write_text(
        f"""
import sys, numpy as np
if {params!r} == "csv":
    table = np.genfromtxt(sys.argv[1], delimiter=",", names=True, ndmin=1)
else:
    import yaml
    content = yaml.safe_load(open(sys.argv[1]))
    assert content["n"] == int(sys.argv[4]) and content["seed"] == int(sys.argv[3])
    table = content["parameters"]
a, b = np.asarray(table["a"]), np.asarray(table["b"])
if {suffix!r} == "h5":
    import h5py
    with h5py.File(sys.argv[2], "w") as file:
        file["sum"], file["pair"], file["a"] = a + b, np.stack([a, b], 1), a
elif {suffix!r} == "npz":
    np.savez(sys.argv[2], sum=a + b, pair=np.stack([a, b], 1), a=a)
else:
    np.savetxt(sys.argv[2], np.stack([a + b, a, b], 1), delimiter=",", header="sum,pair_0,pair_1", comments="")
"""
    )
    command = [sys.executable, str(tmp_path / "sim.py"), f"{{params.{params}}}", f"{{out.{suffix}}}", "{seed}", "{n}"]
    simulator = CommandSimulator(command, SPACE, BLOCKS)
    theta = points(5)
    events = simulator.sample(theta)
    np.testing.assert_allclose(events["sum"], theta.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(events["pair"], theta, rtol=1e-6)


def test_what_cannot_be_a_command_is_refused():
    with pytest.raises(DataError, match=r"must name \{params.json\}"):
        CommandSimulator("true {out.h5}", SPACE, BLOCKS)
    with pytest.raises(DataError, match=r"must name \{out.h5\}"):
        CommandSimulator("true {params.json} {out.xyz}", SPACE, BLOCKS)
    with pytest.raises(DataError, match=r"no program '\./nothing'"):
        CommandSimulator("./nothing {params.json} {out.h5}", SPACE, BLOCKS)
    with pytest.raises(DataError, match="batch=0"):
        CommandSimulator("true {params.json} {out.h5}", SPACE, BLOCKS, batch=0)
    with pytest.raises(DataError, match="features="):
        CommandSimulator("true {params.json} {out.h5}", SPACE, given=(Block("energy"),))


def test_other_blocks_than_agreed_are_failures(program):
    calls = CommandSimulator(program, SPACE, (Block("sun"),)).call([[7, 1]])
    assert "no block 'sun'" in calls.reasons[0]
    assert "Did you mean 'sum'" in calls.reasons[0]
    calls = CommandSimulator(program, SPACE, (Block("pair", (3,)),)).call([[7, 1]])
    assert "block 'pair' has shape (2,), expected (3,)" in calls.reasons[0]


def test_what_is_given_reaches_functions_and_programs(tmp_path):
    given = (Block("energy", (), "energy", "GeV"),)
    rows = np.column_stack([points(4), [10, 20, 30, 40]])
    function = FunctionSimulator(lambda t, _: t[2], SPACE, Block("seen"), given=given)
    np.testing.assert_array_equal(function.sample(rows)["seen"], [10, 20, 30, 40])
    (tmp_path / "sim.py").write_text(
        "import json, sys\n"
        "energy = json.load(open(sys.argv[1]))['given']['energy']\n"
        "json.dump({'seen': energy}, open(sys.argv[2], 'w'))"
    )
    command = [sys.executable, "-S", str(tmp_path / "sim.py"), "{params.json}", "{out.json}"]
    program = CommandSimulator(command, SPACE, Block("seen"), given=given)
    np.testing.assert_array_equal(program.sample(rows)["seen"], [10, 20, 30, 40])


# spaces from files

LINES = """
parameters:
  m: {low: -1, high: 1}
  c: {low: 0, high: 27, default: 3.5, unit: px}
  x0: {low: 0, high: 27, default: 4, whole: true}
  xsteps: {low: 5, high: 28, default: 20, whole: true}
valid:
  - x0 + xsteps <= 28
  - -0.5 <= x0*1 - 1 + c < 55/2
"""


def space_of(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path)


def test_a_space_is_read_from_yaml(tmp_path):
    space = space_of(tmp_path, LINES)
    assert space.names == ("m", "c", "x0", "xsteps")
    assert list(space.default) == [0, 3.5, 4, 20]
    assert space.parameters[1].unit == "px"
    assert list(space.whole) == [False, False, True, True]
    theta = Space(space.parameters).draw(5000, seed=0)
    _, c, x0, steps = theta.T
    expected = (x0 + steps <= 28) & (x0 - 1 + c >= -0.5) & (x0 - 1 + c < 27.5)
    np.testing.assert_array_equal(space.contains(theta), expected)
    assert 0 < expected.mean() < 1
    with pytest.raises(RangeError, match=r"x0 \+ xsteps <= 28"):
        space.check([[0, 1, 27, 28]])


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        ("a < b", (1, 2), (2, 2)),
        ("a <= b", (2, 2), (3, 2)),
        ("a >= 2*b - 1", (3, 2), (2.9, 2)),
        ("-a + 3 > -b * 2 / 4", (2, 1), (4, 1)),
        ("1e1 > a+b", (5, 4), (5, 5)),
        ("2 <= a <= 3 <= b", (2, 3), (3, 2)),
        ("a - -b > 5", (3, 3), (2, 3)),
    ],
)
def test_rules_mean_what_they_say(tmp_path, rule, inside, outside):
    ranges = "{low: 0, high: 10, default: %s}"
    text = f"parameters:\n  a: {ranges % inside[0]}\n  b: {ranges % inside[1]}\nvalid: {rule}\n"
    np.testing.assert_array_equal(space_of(tmp_path, text).contains([inside, outside]), [True, False])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("a * b < 1", "must be linear"),
        ("1 / a < 1", "must be linear"),
        ("a + b", "compares nothing"),
        ("a + c < 1", "no parameter 'c'"),
        ("__import__('os').system('true') < 1", "no sum|no parameter|cannot read"),
        ("a b < 1", "no sum"),
        ("a + < 1", "no sum"),
        ("a < ", "no sum"),
        ("a ** 2 < 1", "no sum"),
        ("2 a < 1", "no sum"),
        ("a / 0 < 1", "division by zero"),
        ("a == 1", "compares nothing"),
        ("(a + b) < 1", "cannot read"),
    ],
)
def test_rules_that_are_none_are_refused(tmp_path, rule, words):
    text = "parameters: {a: {low: 0, high: 1}, b: {low: 0, high: 1}}\nvalid: [" + json.dumps(rule) + "]\n"
    with pytest.raises(DataError, match=words):
        space_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parametres: {a: {low: 0, high: 1}}", "Did you mean 'parameters'"),
        ("parameters: [a]", "must map names"),
        ("parameters: {a: {low: 0, high: 1, hihg: 2}}", "Did you mean 'high'"),
        ("parameters: {a: {low: 0}}", "'low' and 'high' are needed"),
        ("parameters: {a: {low: 0, high: yes}}", "'high' is True"),
        ("parameters: {a: {low: 0, high: 1, unit: 3}}", "'unit' is 3"),
        ("parameters: {a: {low: 2, high: 1}}", "must lie below"),
        ("parameters: {a: {low: 0, high: 1}}\nvalid: [3]", "rules as text"),
        ("parameters: {a: {low: 0, high: 1}}\nvalid: a > 0.9", "default point a=0.5 is not valid"),
        ("- 1", "expected parameters, valid"),
    ],
)
def test_files_that_describe_no_space_are_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        space_of(tmp_path, text)


def test_a_space_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="No such file"):
        read_space(tmp_path / "nothing.yaml")
    with pytest.raises(FileFormatError, match="as YAML"):
        space_of(tmp_path, "a: [")


# the cache


class Counted(ParametricSimulator):
    """Counts what it was asked; fails above a = 8 as long as it is told to."""

    name = "counted"
    space = SPACE
    features = BLOCKS
    shard = 32

    def __init__(self, factor=1.0):
        self.factor, self.asked, self.broken = factor, 0, True

    def _simulate(self, conditions, rng):
        self.asked += len(conditions)
        sums = np.where(self.broken & (conditions[:, 0] > 8), np.nan, self.factor * conditions.sum(axis=1))
        return np.column_stack([sums, rng.normal(conditions)])


def same(first: Calls, second: Calls):
    np.testing.assert_array_equal(first.events.features, second.events.features)
    np.testing.assert_array_equal(first.events.conditions, second.events.conditions)
    np.testing.assert_array_equal(first.failed, second.failed)
    assert first.reasons == second.reasons


def test_the_cache_gives_what_the_simulator_gives_and_asks_it_once(tmp_path):
    theta = points(100)
    expected = Counted().call(theta, seed=1)
    assert expected.failed.any()
    cached = Cached(Counted(), tmp_path)
    same(cached.call(theta, seed=1), expected)
    same(cached.call(theta, seed=1), expected)
    assert cached.simulator.asked == cached.made == 100
    again = Cached(Counted(), tmp_path)  # another process
    same(again.call(theta, seed=1), expected)
    assert again.simulator.asked == again.made == 0
    whole = facsim.concatenate([c.events for c in again.calls(theta, seed=1, start=40)])
    np.testing.assert_array_equal(whole.features, expected.events.features[(~expected.failed)[:40].sum() :])
    again.call(theta, seed=2)
    again.call(theta[::-1], seed=1)
    assert again.simulator.asked == 200


def test_everything_holds_each_call_once_in_order(tmp_path):
    cached = Cached(Counted(), tmp_path)
    assert len(cached.everything()) == 0
    theta = points(100)
    first = cached.call(theta[:40], seed=1)
    whole = cached.call(theta, seed=1)  # the first 40 again: shard 0 from disk, 8 points of shard 1 anew
    other = cached.call(theta[:10], seed=2)
    assert cached.made == 40 + 68 + 10
    everything = Cached(Counted(), tmp_path).everything()
    same(everything, Calls.join([first, Calls.join(_cut(whole, 40)), other]))
    np.testing.assert_array_equal(everything.conditions, np.concatenate([theta, theta[:10]]))


def _cut(calls, start):
    """Calls from `start` on."""
    kept = ~calls.failed
    rest = calls.events[np.flatnonzero(kept[start:]) if start == 0 else slice(int(kept[:start].sum()), None)]
    reasons = {i - start: why for i, why in calls.reasons.items() if i >= start}
    return [Calls(rest, calls.failed[start:], reasons, 0.0, calls.conditions[start:])]


def test_failures_are_kept_or_tried_again(tmp_path):
    theta = points(50)
    first = Cached(Counted(), tmp_path).call(theta)
    mended = Cached(Counted(), tmp_path, retry=True)
    mended.simulator.broken = False
    assert first.failed.any()
    assert not mended.call(theta).failed.any()
    assert not mended.everything().failed.any()
    assert len(mended.everything()) == 50
    kept = Cached(Counted(), tmp_path)
    assert not kept.call(theta).failed.any()
    assert kept.made == 0


def test_the_cache_of_another_simulator_is_refused(tmp_path):
    Cached(Counted(), tmp_path / "c").call(points(3))
    other_space = Counted()
    other_space.space = Space((SPACE.parameters[0], Parameter("b", 0, 11)))
    renamed = Counted()
    renamed.name = "recounted"
    for wrong, key in ((Counted(factor=2.0), "settings"), (other_space, "parameters"), (renamed, "name")):
        with pytest.raises(DataError, match=f"another simulator: its {key} is .*Choose another folder"):
            Cached(wrong, tmp_path / "c")
    Cached(FunctionSimulator(noisy, SPACE, BLOCKS), tmp_path / "f")
    with pytest.raises(DataError, match="settings"):
        Cached(FunctionSimulator(named, SPACE, BLOCKS, name="noisy"), tmp_path / "f")
    Cached(parametric("lines"), tmp_path / "l")
    with pytest.raises(DataError, match="parameters"):
        Cached(parametric("lines", shortest=14), tmp_path / "l")
    with pytest.raises(DataError, match="settings"):
        Cached(parametric("lines", width=2), tmp_path / "l")


def test_a_cache_knows_when_a_script_has_changed(program, tmp_path):
    Cached(CommandSimulator(program, SPACE, BLOCKS), tmp_path / "c")
    Cached(CommandSimulator(program, SPACE, BLOCKS), tmp_path / "c")
    (tmp_path / "sim.py").write_text(PROGRAM + "\n# better")
    with pytest.raises(DataError, match="settings"):
        Cached(CommandSimulator(program, SPACE, BLOCKS), tmp_path / "c")


def test_a_damaged_or_unfinished_file_is_no_call(tmp_path, caplog):
    theta = points(64)
    cached = Cached(Counted(), tmp_path)
    whole = cached.call(theta)
    first, second = sorted((tmp_path / "calls").glob("*.npz"))
    first.write_bytes(first.read_bytes()[:100])
    (second.parent / f".{second.stem}.123.part.npz").write_bytes(b"half")
    again = Cached(Counted(), tmp_path)
    assert len(again.everything()) == 32
    same(again.call(theta), whole)
    assert again.made == 32
    assert len(again.everything()) == 64
    assert "is damaged" in caplog.text


def test_a_run_that_is_stopped_loses_the_shard_in_work_alone(tmp_path):
    class Stops(Counted):
        name = "counted"

        def _simulate(self, conditions, rng):
            if self.asked >= 64:
                raise KeyboardInterrupt
            return super()._simulate(conditions, rng)

    with pytest.raises(KeyboardInterrupt):
        Cached(Stops(), tmp_path).call(points(100))
    cached = Cached(Counted(), tmp_path)
    cached.call(points(100))
    assert cached.made == 36


def test_a_cache_works_from_several_threads(tmp_path):
    simulator = FunctionSimulator(named, SPACE, BLOCKS, workers=2)
    cached = Cached(simulator, tmp_path)
    theta = points(64)
    threads = [threading.Thread(target=cached.call, args=(theta,), kwargs={"seed": i}) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Cached(simulator, tmp_path).everything()) == 128
    assert len({p.name for p in (tmp_path / "calls").iterdir()}) == 8
    alone = FunctionSimulator(named, SPACE, BLOCKS)
    same(Cached(simulator, tmp_path).call(theta, seed=1), alone.call(theta, seed=1))


def test_calls_come_shard_by_shard():
    theta = points(100)
    simulator = Counted()
    parts = list(simulator.calls(theta, seed=5))
    assert [len(p) for p in parts] == [32, 32, 32, 4]
    same(Calls.join(parts), simulator.call(theta, seed=5))
    later = list(simulator.calls(theta, seed=5, start=40))
    assert [len(p) for p in later] == [24, 32, 4]
    same(Calls.join(later), _cut(simulator.call(theta, seed=5), 40)[0])
    assert all(a.conditions[-1, 0] != b.conditions[0, 0] for a, b in pairwise(parts))
    nothing = simulator.call(np.empty((0, 2)))
    assert len(nothing) == 0
    assert nothing.summary() == nothing.region() == ""


def test_the_how_to_works_as_it_stands(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[1] / "docs" / "howto" / "parameters.md").read_text()
    space, function, script, program, cache = re.findall(r"```(?:yaml|python)\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(space)
    (tmp_path / "my_sim.py").write_text(script)
    program = program.replace('"python ', f'"{sys.executable} ')  # an environment need not have a plain python
    exec(compile(function + program + cache, "parameters.md", "exec"), {"__name__": "how_to"})  # noqa: S102
    printed = capsys.readouterr().out
    assert "calls failed" in printed
    assert "ValueError: the step is too coarse for this width in lifetime " in printed
    assert printed.splitlines()[-1] == "50 50"

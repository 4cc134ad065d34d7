"""The cache tells functions apart by what they compute, whatever they are made of."""

import functools
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from facsim import Block
from facsim.errors import DataError
from facsim.simulators.parametric import Cached, FunctionSimulator, Parameter, Space
from facsim.simulators.parametric.fingerprint import fingerprint

SPACE = Space((Parameter("a", 0, 1),))
X = Block("x")
OFFSET, TABLE = 1.0, np.arange(3.0)


def closure(by):
    return lambda theta, _: by * theta


def plain(theta, _, by):
    return by * theta


def default(by):
    def function(theta, _, scale=by, *, more=by):
        return scale * theta + more

    return function


def without_source(by):
    return eval(f"lambda theta, rng: {by!r} * theta")  # noqa: S307 - a function without a file


def inner(by):
    def scale(theta):
        return by[0] * theta

    return lambda theta, _: scale(theta)


class Scales:
    def __init__(self, by):
        self.by = by

    def __call__(self, theta, _):
        return self.by * theta

    def method(self, theta, _):
        return self.by * theta


@dataclass(frozen=True, slots=True)
class Slotted:
    by: float

    def __call__(self, theta, _):
        return self.by * theta


MAKERS = {
    "closure": closure,
    "closure of an array": lambda by: closure(np.array([by])),
    "closure of a closure": lambda by: inner([by]),
    "partial": lambda by: functools.partial(plain, by=by),
    "default": default,
    "eval": without_source,
    "object": Scales,
    "method": lambda by: Scales(by).method,
    "slots": Slotted,
    "wrapped": lambda by: functools.lru_cache(closure(by)),
    "mapping": lambda by: closure({"by": [{by}]}),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_another_captured_value_is_another_function(kind, tmp_path):
    make = MAKERS[kind]
    assert fingerprint(make(2.0)) == fingerprint(make(2.0)) != fingerprint(make(3.0))
    Cached(FunctionSimulator(make(2.0), SPACE, X, name="one"), tmp_path)
    Cached(FunctionSimulator(make(2.0), SPACE, X, name="one"), tmp_path)
    with pytest.raises(DataError, match="another simulator: its settings"):
        Cached(FunctionSimulator(make(3.0), SPACE, X, name="one"), tmp_path)


def test_what_a_function_names_in_its_module_counts(monkeypatch):
    def function(theta, _):
        return helper(theta) + OFFSET + TABLE.sum()

    before = fingerprint(function)
    monkeypatch.setitem(globals(), "TABLE", np.arange(4.0))
    table = fingerprint(function)
    monkeypatch.setitem(globals(), "OFFSET", 2.0)
    offset = fingerprint(function)
    monkeypatch.setitem(globals(), "helper", lambda theta: 2 * theta)
    assert len({before, table, offset, fingerprint(function)}) == 4


def helper(theta):
    return theta


def test_another_body_of_a_class_is_another_function():
    def make(factor):
        class Same:
            def __call__(self, theta, _):
                return self.scaled(theta)

            scaled = closure(factor) if factor else Scales.method

        return Same()

    assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))


def test_a_value_that_holds_itself_can_be_read():
    loop = [1]
    loop.append(loop)
    other = [2]
    other.append(other)

    def again(theta, rng):
        return again(theta, rng)

    assert fingerprint(closure(loop)) != fingerprint(closure(other))
    assert len(fingerprint(again)) == 32


def test_the_digest_is_the_same_in_another_process():
    code = (
        "import numpy as np, datetime, re, pathlib\n"
        "from facsim.simulators.parametric.fingerprint import fingerprint\n"
        "def make(*held):\n    return lambda theta, rng: (theta, held, np.sin, 'a' in {'a', 'b', 'c'})\n"
        "class Own:\n    def __init__(self): self.names = {'x', 'y', 'z'}\n"
        "print(fingerprint(make(Own(), {'x', 'y'}, datetime.date(2000, 1, 1), re.compile('a'), pathlib.Path('a'))))\n"
    )
    # sets of strings have another order in each of these processes, and objects other addresses
    found = {subprocess.check_output([sys.executable, "-c", code], env={"PYTHONHASHSEED": s}) for s in ("1", "2")}
    assert len(found) == 1


def test_what_cannot_be_compared_is_not_reused_without_a_version(tmp_path):
    def make(**options):
        lock = threading.Lock()

        def locked(theta, _):
            with lock:
                return theta

        return FunctionSimulator(locked, SPACE, X, **options)

    Cached(make(), tmp_path / "a").call([[0.5]])
    with pytest.raises(DataError, match=r"perhaps of another one: it holds a _thread\.lock.*version='1'"):
        Cached(make(), tmp_path / "a")
    Cached(make(version="1"), tmp_path / "b").call([[0.5]])
    again = Cached(make(version="1"), tmp_path / "b")
    again.call([[0.5]])
    assert again.made == 0
    with pytest.raises(DataError, match="another simulator"):
        Cached(make(version="2"), tmp_path / "b")

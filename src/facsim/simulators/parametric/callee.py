"""Processes that call a Python function for us, so that it can be slow, hang or crash."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SimulationError
from facsim.schema import Block
from facsim.simulators.parametric.answers import single, too_long

__all__ = ["Callees", "evaluate"]

Array = NDArray[np.float64]
Task = tuple[Callable[..., Any], bool, tuple[Block, ...]]
DONE, FAILED = b"+", b"-"
WATCH = 2.0  # seconds between looks at whether the parent still lives
LONGEST = 200  # characters of a reason
LONGEST_START = 300.0  # seconds for a process to begin and to import the function


def evaluate(
    function: Callable[..., Any], batch: bool, features: Sequence[Block], rows: Array, stream: Sequence[int]
) -> NDArray[np.float32]:
    """Features (m, d) that a function gives for points (m, p); m = 1 without `batch`.

    Raises
    ------
    SimulationError
        If it raises an error, or returns something else than was agreed.

    Examples
    --------
    >>> evaluate(lambda theta, rng: theta + 1, False, [Block("x")], np.array([[1.0]]), (0,))
    array([[2.]], dtype=float32)
    """
    try:
        return _matrix(function(rows if batch else rows[0], np.random.default_rng(stream)), features, len(rows), batch)
    except SimulationError:
        raise
    except Exception as error:
        text = str(error).splitlines()[:1] or [""]
        msg = f"{type(error).__name__}: {text[0]}"[:LONGEST]
        raise SimulationError(msg) from error


def _matrix(given: Any, features: Sequence[Block], n: int, batch: bool) -> NDArray[np.float32]:
    """What a function returned, as features (n, d)."""
    width = sum(b.size for b in features)
    if isinstance(given, Mapping):
        lacking = [b.name for b in features if b.name not in given]
        if lacking:
            msg = f"'{lacking[0]}' is missing in what it returned"
            raise SimulationError(msg)
        return np.concatenate([single(given[b.name]).reshape(n, b.size) for b in features], axis=1)
    values = single(given)
    if values.size != n * width:
        msg = f"it returned an array of shape {values.shape}, expected {(n, width) if batch else (width,)}"
        raise SimulationError(msg)
    return values.reshape(n, width)


class Callees:
    """Processes that hold a function; each serves one thread at a time and waits for the next call.

    Parameters
    ----------
    task : (function, batch, features)
    start : {"fork", "spawn"}
    """

    def __init__(self, task: Task, start: str) -> None:
        if start not in multiprocessing.get_all_start_methods():
            msg = f"start='{start}': this system has {multiprocessing.get_all_start_methods()}"
            raise DataError(msg)
        self._task, self._start = task, start
        self._lock, self._stopped = threading.Lock(), False
        self._idle: list[_Callee] = []
        self._all: weakref.WeakSet[_Callee] = weakref.WeakSet()

    def ask(self, rows: Array, stream: Sequence[int], shape: tuple[int, ...], timeout: float | None) -> Array:
        """What `evaluate` gives in one of the processes; a process that hangs or ends is replaced.

        Raises
        ------
        SimulationError
            With what went wrong.
        """
        with self._lock:
            if self._stopped:
                msg = "it was stopped"
                raise SimulationError(msg)
            callee = self._idle.pop() if self._idle else self._begin()
        try:
            answer = callee.ask(rows, stream, timeout)
        except BaseException:
            callee.end()
            raise
        with self._lock:
            if not self._stopped:
                self._idle.append(callee)
        if answer[:1] == FAILED:
            raise SimulationError(answer[1:].decode())
        return np.frombuffer(answer[1:], np.float32).reshape(shape).astype(np.float64)

    def start(self) -> None:
        """Answer again, after `stop`."""
        self._stopped = False

    def stop(self) -> None:
        """End all processes, and answer no more."""
        with self._lock:
            self._stopped = True
            self._idle.clear()
            for callee in list(self._all):
                callee.end()

    def _begin(self) -> _Callee:
        callee = _Callee(self._task, self._start)
        self._all.add(callee)
        return callee


class _Callee:
    def __init__(self, task: Task, start: str) -> None:
        context = multiprocessing.get_context(start)
        self._pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, *task, os.getpid()), daemon=True)  # type: ignore[attr-defined]
        try:
            with warnings.catch_warnings():
                # Python warns of forking beside threads; the function's own threads are what `start` is about
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
        except Exception as error:
            msg = f"the function cannot be given to another process ({error}); define it at the top of a module"
            raise DataError(msg) from error
        theirs.close()
        self._process: BaseProcess = process
        self._begun = False
        self.end = weakref.finalize(self, _end, process, self._pipe)

    def ask(self, rows: Array, stream: Sequence[int], timeout: float | None) -> bytes:
        """One question and its answer."""
        with suppress(OSError):  # it ended: said below
            self._pipe.send_bytes(np.array([*rows.shape, *stream], np.int64).tobytes())
            self._pipe.send_bytes(np.ascontiguousarray(rows).tobytes())
        if not self._begun:  # its imports are no part of the call
            wait([self._pipe, self._process.sentinel], LONGEST_START)
            with suppress(EOFError, OSError):
                if self._pipe.poll():
                    self._pipe.recv_bytes()
            self._begun = True
        ready = wait([self._pipe, self._process.sentinel], timeout)
        if not ready:
            raise SimulationError(too_long(timeout or 0.0))
        try:
            if self._pipe.poll():
                return self._pipe.recv_bytes()
        except (EOFError, OSError):
            pass
        self._process.join(1)
        code = self._process.exitcode
        name = f" ({signal.Signals(-code).name})" if code is not None and -65 < code < 0 else ""
        msg = f"its process ended with exit status {code}{name}"
        raise SimulationError(msg)


def _end(process: BaseProcess, pipe: Connection) -> None:
    process.kill()
    process.join()
    pipe.close()


def _serve(pipe: Connection, function: Callable[..., Any], batch: bool, features: Sequence[Block], parent: int) -> None:
    """Answer until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send_bytes(DONE)  # ready
        while True:
            m, columns, *stream = np.frombuffer(pipe.recv_bytes(), np.int64).tolist()
            rows = np.frombuffer(pipe.recv_bytes(), np.float64).reshape(m, columns)
            try:
                answer = DONE + evaluate(function, batch, features, rows.copy(), stream).tobytes()
            except SimulationError as error:
                answer = FAILED + str(error).encode()
            pipe.send_bytes(answer)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)

"""Any program as a simulator with parameters: a parameter file in, a file of events out."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, FacsimError, SimulationError
from facsim.schema import Block
from facsim.simulators.parametric.answers import Tell, nobody, too_long, unusable
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.exchange import OUTPUTS, PARAMS, read_output, write_params
from facsim.simulators.parametric.space import Space

__all__ = ["CommandSimulator"]

Array = NDArray[np.float64]
TOKEN = re.compile(r"\{(?:(params|out)(\.\w+)|(seed|n))\}")
LARGEST_SEED = 900_000_000  # what Pythia takes; other programs take more
TAIL = 65536  # bytes of a program's messages that are kept per run
LONGEST = 200  # characters of a reason
INTERPRETER = re.compile(
    r"((i|micro)?python|pypy|perl|ruby|node|julia|Rscript|root|(ba|da|z|k|c)?sh|env|java)[\d.]*(\.exe)?"
)


class CommandSimulator(ParametricSimulator):
    """A program that reads parameters of several events from a file and writes these events, in order, to another.

    A batch whose run fails (exit status, time-out, output that is missing, short or unreadable) is repeated point by
    point, so that only the points that cannot be simulated are recorded as failed, with the reason.

    Parameters
    ----------
    command : str or sequence of str
        Such as ``"./my_sim {params.json} {out.h5}"``; run without a shell in the current folder. ``{params.json}`` (or
        ``.yaml``, ``.csv``) is the parameter file: ``n``, ``seed`` and, under ``parameters``, n values by name.
        ``{out.h5}`` (or ``.root``, ``.npz``, ``.parquet``, ``.json``, ``.csv``) is what the program writes: n events.
        ``{seed}`` and ``{n}`` can be given on the command line, too.
    space : Space
        The parameters, see `read_space` for a YAML file of them.
    features : sequence of Block, or Block, optional
        What an event holds; by default what the program writes in a trial call at the default point.
    name, summary : str, optional
        For messages and reports; the program's own name by default, or that of the script which an interpreter runs.
    given : sequence of Block, optional
        What is known of every event and not tuned; under ``given`` in the parameter file.
    batch : int, optional
        Events per run of the program.
    workers : int, optional
        Runs at once. The events do not depend on it.
    timeout : float, optional
        Seconds for one run; then the program and its children are killed.
    stochastic : bool, optional
        Whether two calls with the same parameters differ.
    log : path, optional
        File to which the messages of all runs are appended; by default one that goes with the simulator.

    Raises
    ------
    DataError
        If the command lacks a place for a file, or its program cannot be found.
    SimulationError
        If the trial call fails.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter, Space
    >>> space = Space((Parameter("m", -1, 1),))
    >>> CommandSimulator("./my_sim {params.json} {out.h5}", space, Block("x", (3,)), workers=4)  # doctest: +SKIP
    """

    def __init__(
        self,
        command: str | Sequence[str],
        space: Space,
        features: Block | Sequence[Block] | None = None,
        *,
        name: str | None = None,
        summary: str = "",
        given: Sequence[Block] = (),
        batch: int = 32,
        workers: int = 1,
        timeout: float | None = None,
        stochastic: bool = True,
        log: str | os.PathLike[str] | None = None,
    ) -> None:
        self.command = shlex.split(command) if isinstance(command, str) else list(command)
        self._check(batch, workers, timeout)
        self.space, self.given, self.workers, self.timeout = space, tuple(given), workers, timeout
        self.name, self.summary = name or _name(self.command), summary
        self.shard, self.stochastic, self.seconds_per_call = batch, stochastic, 1.0
        self._folder = Path(tempfile.mkdtemp(prefix="facsim-command-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.log = self._folder / "log.txt" if log is None else Path(log)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.trials = 1 if features is None else 0
        self.features = self._trial() if features is None else ()
        if isinstance(features, Block):
            self.features = (features,)
        elif features is not None:
            self.features = tuple(features)

    def settings(self) -> dict[str, Any]:
        """What decides the events: the command, and a hash of the files that it names (its scripts)."""
        digest = hashlib.sha256()
        for part in self.command:
            if not TOKEN.search(part) and Path(part).is_file():
                digest.update(Path(part).read_bytes())
        return {"command": shlex.join(self.command), "files": digest.hexdigest()[:16]}

    def _check(self, batch: int, workers: int, timeout: float | None) -> None:
        if batch < 1 or workers < 1 or (timeout is not None and not timeout > 0):
            msg = f"batch={batch}, workers={workers}, timeout={timeout}: all must be positive"
            raise DataError(msg)
        line = shlex.join(self.command)
        found = {kind: suffix for kind, suffix, _ in TOKEN.findall(line) if kind}
        for kind, known, example in (("params", PARAMS, "{params.json}"), ("out", OUTPUTS, "{out.h5}")):
            if found.get(kind) not in known:
                msg = f"command {line}: it must name {example} (suffixes: {', '.join(known)})"
                raise DataError(msg)
        if shutil.which(self.command[0]) is None:
            msg = f"command {line}: there is no program '{self.command[0]}' that can be run; check path and permissions"
            raise DataError(msg)

    def _trial(self) -> tuple[Block, ...]:
        if self.given:
            msg = f"{self.name}: say what an event holds (features=...), since there are conditions besides parameters"
            raise DataError(msg)
        return self._run(self.space.default[None], (0,), None)[0]

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        msg = f"{self.name}: calls go through _shard, which records what fails"
        raise NotImplementedError(msg)

    def _shard(
        self, rows: Array, seed: int, shard: int, tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        if len(rows) == 1:
            return self._again(rows, seed, shard, range(1), tell)
        try:
            values = self._run(rows, (seed, shard), self.features)[1]
        except SimulationError:
            return self._again(rows, seed, shard, range(len(rows)), tell)
        reasons = unusable(values)
        tell(len(rows), reasons.values())
        return values, reasons

    def _again(
        self, rows: Array, seed: int, shard: int, wanted: Sequence[int], tell: Tell = nobody
    ) -> tuple[NDArray[np.float32], dict[int, str]]:
        values = np.full((len(rows), sum(b.size for b in self.features)), np.nan, np.float32)
        reasons: dict[int, str] = {}
        for i in wanted:
            stream = (seed, shard, i) if len(rows) > 1 else (seed, shard)
            try:
                values[i] = self._run(rows[i : i + 1], stream, self.features)[1][0]
                why = unusable(values[i : i + 1]).get(0)
            except SimulationError as error:
                why = str(error)
            if why is not None:
                reasons[i] = why
            tell(1, [] if why is None else [why])
        return values, reasons

    def _run(
        self, rows: Array, stream: tuple[int, ...], features: tuple[Block, ...] | None
    ) -> tuple[tuple[Block, ...], NDArray[np.float32]]:
        """Blocks and features (m, d) of one run for points (m, p + k)."""
        seed = 1 + int(np.random.SeedSequence(stream).generate_state(1)[0]) % LARGEST_SEED
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            folder = Path(place)
            paths: dict[str, Path] = {}

            def fill(token: re.Match[str]) -> str:
                kind, suffix, number = token.groups()
                if number:
                    return str(seed if number == "seed" else len(rows))
                return str(paths.setdefault(kind, folder / f"{kind}{suffix}"))

            command = [TOKEN.sub(fill, part) for part in self.command]
            parts = np.split(rows, np.cumsum([b.size for b in (*self.space.blocks, *self.given)])[:-1], axis=1)
            columns = dict(zip((*self.space.names, *(b.name for b in self.given)), parts, strict=True))
            write_params(paths["params"], columns, self.space.names, seed)
            self._execute(command, folder, stream)
            try:
                blocks, values = read_output(paths["out"], features, skip=tuple(columns))
            except FacsimError as error:
                msg = f"its output cannot be read: {str(error).splitlines()[0].replace(str(folder) + os.sep, '')}"
                raise SimulationError(msg[:LONGEST]) from error
        if len(values) != len(rows):
            msg = f"it wrote {len(values)} events for {len(rows)} points"
            raise SimulationError(msg)
        return blocks, values

    def _execute(self, command: list[str], folder: Path, stream: tuple[int, ...]) -> None:
        """Run the program to its end; `SimulationError` if that is no good end."""
        if self._stopped.is_set():
            msg = "it was stopped"
            raise SimulationError(msg)
        status: int | None = None
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own program, without a shell
                    command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
                )
            except OSError as error:
                msg = f"it cannot be run: {error.strerror}"
                raise SimulationError(msg) from error
            with self._lock:
                self._running.add(process)
            if self._stopped.is_set():  # in the meantime
                _kill(process)
            try:
                status = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _kill(process)
                with self._lock:
                    self._running.discard(process)
        words = self._keep(folder, stream, status)
        if status is None:
            raise SimulationError(too_long(self.timeout or 0.0))
        if status:
            name = f" ({signal.Signals(-status).name})" if -65 < status < 0 else ""
            msg = f"exit status {status}{name}" + (f": {words}" if words else "")
            raise SimulationError(msg[:LONGEST])

    def _keep(self, folder: Path, stream: tuple[int, ...], status: int | None) -> str:
        """Append what the program said to the log; the last line of its errors."""
        errors, text = (_tail(folder / name) for name in ("stderr", "stdout"))
        said = errors if status == 0 else text + errors
        if said.strip() or status != 0:
            what = "took too long" if status is None else f"exit status {status}"
            place = " ".join(f"{word} {k}" for word, k in zip(("seed", "batch", "point"), stream, strict=False))
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, self.log.open("a", encoding="utf-8") as log:
                log.write(f"--- {place}: {what}\n{said.rstrip()}\n")
        lines = errors.strip().splitlines()
        return lines[-1] if lines else ""

    def _start(self) -> None:
        self._stopped.clear()

    def _stop(self) -> None:
        self._stopped.set()
        with self._lock:
            for process in self._running:
                _kill(process)


def _name(command: Sequence[str]) -> str:
    """Of the program, or of the script or module that an interpreter runs."""
    name = Path(command[0]).name
    if not INTERPRETER.fullmatch(name):
        return name
    for before, part in pairwise(command):
        if before == "-m" or (not TOKEN.search(part) and Path(part).is_file()):
            return Path(part).name
    return name


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children, unless it has ended itself."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL))
        return file.read().decode(errors="replace")

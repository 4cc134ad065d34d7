"""Pythia's jets as a sampler: classes in, images out."""

from __future__ import annotations

import importlib.metadata
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.detectors import jet_images
from facsim.detectors.jet_images import JET_CLASSES
from facsim.errors import DataError, SimulationError, nearest
from facsim.events import Events, concatenate
from facsim.sampler import as_conditions
from facsim.schema import Schema
from facsim.simulators.jets.generator import check_installed
from facsim.simulators.jets.processes import PROCESSES
from facsim.simulators.jets.processes import process as named
from facsim.simulators.pool import Job, Pool, Program
from facsim.simulators.run import Progress, Run, check_numbers, read_part

__all__ = ["JetSampler", "simulate_jets"]

_FORMAT = 1
_MOST_PER_JOB = 256


class JetSampler:
    """Images of jets, by Pythia and FastJet in worker processes (a `facsim.Sampler`).

    W bosons from W' -> WZ with an invisible Z (signal) against QCD jets, in the window 250 < pT < 300 GeV,
    60 < m < 100 GeV: the data of LAGAN (arXiv:1701.05927).

    Parameters
    ----------
    quantities : bool, optional
        Add the quantities of the jets to the features (`facsim.detectors.jet_images`).
    workers : int, optional
        Processes. Their number does not change the events.

    Raises
    ------
    MissingExtra
        On `sample`, if pythia8mc or fastjet is not installed.

    Notes
    -----
    Every jet has a random stream of its own, selected by the seed, its class and its number: Pythia's generator is
    seeded anew before each, and events are drawn from it until one is selected. That costs nothing (a microsecond of
    30 ms) and makes jet i the same whatever is simulated beside it, in however many processes.

    Examples
    --------
    >>> JetSampler().schema.conditions[0].names
    ('qcd', 'wprime')
    >>> events = JetSampler().sample([0, 1, 1], seed=1)  # doctest: +SKIP
    """

    def __init__(self, *, quantities: bool = False, workers: int = 1) -> None:
        self.quantities, self.workers = quantities, workers

    @property
    def schema(self) -> Schema:
        """Columns of the events."""
        return jet_images(self.quantities)

    def sample(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0) -> Events:
        """Simulate one jet per row of `conditions`: 0 for ``qcd``, 1 for ``wprime``."""
        return concatenate(self.stream(conditions, seed=seed))

    def stream(
        self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], *, seed: int = 0, start: int = 0
    ) -> Iterator[Events]:
        """Yield the events of ``sample(conditions, seed=seed)`` from event `start` on, in order."""
        matrix = as_conditions(conditions, self.schema)
        if (wrong := ~np.isin(matrix[:, 0], np.arange(len(PROCESSES)))).any():
            row = int(np.flatnonzero(wrong)[0])
            msg = f"condition 'signal' of event {row} is {matrix[row, 0]:g}: give the number of one of {JET_CLASSES}"
            raise DataError(msg)
        with tempfile.TemporaryDirectory(prefix="facsim-jets-") as name:
            size = _job_size(len(matrix) - start)
            starts = range(start, len(matrix), size)
            jobs = [Job(k, matrix[k : k + size], Path(name) / f"{k}.npz") for k in starts]
            with Pool(pythia(), seed, self.workers, Path(name)) as pool:
                for job in pool.in_order(jobs):
                    found = read_part(job.path, jet_images(quantities=True))
                    yield found if self.quantities else found.select(["image"])
                    job.path.unlink()


def simulate_jets(
    process: str = "both",
    *,
    n: int,
    output: str | os.PathLike[str],
    seed: int = 0,
    workers: int = 1,
    resume: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Simulate `n` images of jets with Pythia and FastJet into one file of LAGAN's layout.

    Parameters
    ----------
    process : {"both", "qcd", "wprime"}, optional
        ``"both"`` alternates QCD and W'.
    n, output, seed, workers, resume, progress : optional
        See `facsim.simulate`.

    Returns
    -------
    Path
        `output`, with images, ``signal`` and the quantities of the jets (`facsim.detectors.jet_images`).

    Raises
    ------
    SimulationError
        For an unknown process, and as `facsim.simulate` says.
    MissingExtra
        If pythia8mc or fastjet is not installed.

    Examples
    --------
    >>> simulate_jets("wprime", n=10_000, output="jets.h5")  # doctest: +SKIP
    """
    check_numbers(n, seed)
    signals = _signals(process)
    settings = {
        "format": _FORMAT,
        "simulator": "jets",
        "process": process,
        "n": n,
        "seed": seed,
        "events_per_shard": _job_size(n),
        "pythia_settings": {PROCESSES[k].name: list(PROCESSES[k].settings) for k in sorted({*signals})},
    }
    program = pythia()
    settings |= {name: importlib.metadata.version(name) for name in ("pythia8mc", "fastjet")}
    attributes = {
        "simulator": f"Pythia (pythia8mc {settings['pythia8mc']}), FastJet {settings['fastjet']}",
        "process": process,
        "seed": seed,
    }

    def conditions(first: int, stop: int) -> NDArray[np.float32]:
        return np.array([[signals[k % len(signals)]] for k in range(first, stop)], np.float32)

    settings = dict(json.loads(json.dumps(settings)))
    run = Run(program, jet_images(quantities=True), settings, conditions, lambda _: attributes)
    return run.write(Path(output), workers=workers, resume=resume, progress=progress)


def pythia() -> Program:
    """What a `Pool` needs to simulate jets.

    Raises
    ------
    MissingExtra
    """
    check_installed()
    return Program("Pythia", "facsim.simulators.jets.worker", {})


def _signals(process: str) -> tuple[int, ...]:
    """Classes of the events, in turns."""
    if process == "both":
        return tuple(range(len(PROCESSES)))
    known = ("both", *JET_CLASSES)
    if process not in known:
        msg = f"process '{process}': known are {list(known)}.{nearest(process, known)}"
        raise SimulationError(msg)
    return (named(process).signal,)


def _job_size(n: int) -> int:
    """Events per job of a run of `n`, whatever the number of workers: at most some ten seconds of work."""
    return max(1, min(_MOST_PER_JOB, n // 8))

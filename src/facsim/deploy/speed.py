"""The speed table: showers per second per core, in torch, in ONNX, and in the simulator that they replace."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim import runtime
from facsim.deploy.memory import open_model, peak_memory
from facsim.deploy.table import BenchTable, Rate, TruthRate
from facsim.errors import DataError
from facsim.sampler import SHARD, noise
from facsim.sharding import usable_cores

__all__ = ["bench"]

_PRESETS = {"calogan": "calogan", "calochallenge-2": "par04-siw", "calochallenge-3": "par04-siw"}
_GEV = {"GeV": 1.0, "MeV": 1e3, "TeV": 1e-3}


def bench(
    model: Any,
    *,
    exported: str | os.PathLike[str] | None = None,
    against_geant4: bool = False,
    energies: Sequence[float] | None = None,
    batches: Sequence[int] = (1, 100, 10_000),
    runs: int = 3,
    seed: int = 0,
    seconds: float = 0.3,
    preset: str | None = None,
    particle: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BenchTable:
    """Measure how fast a model draws events on one core.

    Everything is measured in CPU time of one thread, so that a busy machine counts less, in `runs` rounds that visit
    each engine in turn; the table gives medians with the slowest and fastest round. The row ``onnxruntime`` is the
    rival: the bare engine on the same graph, one call per batch, with noise drawn by numpy as any user would have to.

    Parameters
    ----------
    model : path, Surrogate or RuntimeModel
        Run folder, exported file, or one of them loaded.
    exported : path, optional
        The file that `facsim.deploy.export` made of a torch model; without it, it is exported again to a temporary one.
    against_geant4 : bool
        Also measure Geant4 at the same energies, between the rounds.
    energies : sequence of float, optional
        Incident energies in GeV that the batches cycle through; 10 and 50 where the model was trained there, else the
        geometric middle of its range. Other conditions are in the middle of their range.
    batches : sequence of int
        Events per call.
    runs : int
        Rounds, odd for a true median.
    seed : int
        Of the noise and of Geant4.
    seconds : float
        CPU time per engine, batch and round.
    preset, particle : str, optional
        What Geant4 simulates. By default the preset of the model's detector, and the particle of its provenance, else
        e+.
    progress : callable, optional
        Called with (rounds done, rounds).

    Returns
    -------
    BenchTable
        Prints as a table; `BenchTable.to_json` for machines.

    Raises
    ------
    DataError
        If `runs`, `batches` or `energies` make no sense, `exported` is of another model, or Geant4
        is asked for and it is unknown what to simulate.
    """
    if runs < 1 or not batches or min(batches) < 1:
        msg = f"runs={runs}, batches={tuple(batches)}: at least one run and one batch of at least one event are needed"
        raise DataError(msg)
    sampler = open_model(model) if isinstance(model, (str, os.PathLike)) else model
    energies = _energies(sampler, energies)
    preset = preset or _PRESETS.get(sampler.schema.detector, "")
    if against_geant4 and not (preset and energies):
        msg = (
            f"Geant4 cannot be measured beside this model (detector '{sampler.schema.detector}', conditions "
            f"{[b.name for b in sampler.schema.conditions]}): give preset=..., for a model with a condition 'energy'"
        )
        raise DataError(msg)
    particle = particle or str(sampler.provenance.get("particle", "e+"))
    with _as_file(sampler, exported) as path:
        copy = sampler if isinstance(sampler, runtime.RuntimeModel) else runtime.load(path)
        if copy.metadata.get("profile") == "sofie":
            msg = f"{path} takes one event per call (profile 'sofie'): measure the file of the default profile"
            raise DataError(msg)
        if copy.provenance != sampler.provenance:
            msg = f"exported={path}: this is the file of another model; export again, or leave it out"
            raise DataError(msg)
        engines = {"onnx": _sample_with(copy), "onnxruntime": _bare(copy)}
        if copy is not sampler:
            engines = {"torch": _sample_with(sampler), **engines}
        tasks = {(e, b): (engines[e], _conditions(sampler, energies, b)) for b in batches for e in engines}
        rates: dict[tuple[str, int], list[float]] = {task: [] for task in tasks}
        truth: tuple[TruthRate, ...] = ()
        with _one_torch_thread("torch" in engines):
            for draw, conditions in tasks.values():
                draw(conditions[:SHARD], seed)  # warm-up: memory, caches, lazy kernels
            for done in range(runs):
                for task, (draw, conditions) in tasks.items():
                    rates[task].append(_rate(draw, conditions, seed, seconds))
                if against_geant4 and done == (runs - 1) // 2:
                    truth = _geant4(preset, particle, energies, seed)
                if progress is not None:
                    progress(done + 1, runs)
        largest = tasks["onnx", max(batches)][1]
        memory = {"onnx": peak_memory(path, largest)}
        if isinstance(model, (str, os.PathLike)) and copy is not sampler:
            memory["torch"] = peak_memory(model, largest)
        size = path.stat().st_size
    return BenchTable(
        model=str(model) if isinstance(model, (str, os.PathLike)) else type(sampler).__name__,
        parameters=copy.metadata.get("parameters"),
        file_bytes=size,
        energies_gev=energies,
        rates=tuple(Rate(e, b, statistics.median(r), min(r), max(r)) for (e, b), r in rates.items()),
        memory_mib=memory,
        truth=truth,
        machine=_machine("torch" in engines),
    )


def _rate(draw: Callable[..., Any], conditions: NDArray[np.float32], seed: int, seconds: float) -> float:
    """Events per second of CPU time, over as many calls as fill `seconds`."""
    calls, began, used = 0, time.process_time(), 0.0
    while used < seconds:
        draw(conditions, seed)
        calls += 1
        used = time.process_time() - began
    return calls * len(conditions) / used


def _sample_with(sampler: Any) -> Callable[[NDArray[np.float32], int], Any]:
    return lambda conditions, seed: sampler.sample(conditions, seed=seed, threads=1)


def _bare(model: runtime.RuntimeModel) -> Callable[[NDArray[np.float32], int], Any]:
    run, latent = model.session.run, model.latent
    return lambda conditions, seed: run(
        None, {"conditions": conditions, "noise": noise(seed, 0, len(conditions), latent)}
    )


@contextlib.contextmanager
def _as_file(sampler: Any, exported: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The model's ONNX file; a temporary one for a torch model that has none yet."""
    if isinstance(sampler, runtime.RuntimeModel) or exported is not None:
        yield sampler.path if isinstance(sampler, runtime.RuntimeModel) else Path(str(exported))
        return
    from facsim.deploy.writer import export

    with tempfile.TemporaryDirectory() as folder:
        yield export(sampler, Path(folder) / "bench.onnx", check=False)


@contextlib.contextmanager
def _one_torch_thread(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _energy_column(sampler: Any) -> tuple[int, float] | None:
    """Column of the incident energy among the conditions, and its unit per GeV."""
    for block in sampler.schema.conditions:
        if block.name == "energy" and block.size == 1 and block.unit in _GEV:
            return sampler.schema.columns("energy").start, _GEV[block.unit]
    return None


def _energies(sampler: Any, energies: Sequence[float] | None) -> tuple[float, ...]:
    """Energies in GeV, inside the training range; none where the model has no incident energy."""
    found = _energy_column(sampler)
    if found is None:
        if energies:
            msg = "energies were given, but the model has no condition 'energy' in MeV, GeV or TeV: leave them out"
            raise DataError(msg)
        return ()
    column, unit = found
    low, high = (float(np.asarray(side)[column]) / unit for side in sampler.condition_range)
    if energies is None:
        middle = (low * high) ** 0.5 if low > 0 else (low + high) / 2
        return tuple(e for e in (10.0, 50.0) if low <= e <= high) or (middle,)
    outside = [e for e in energies if not low <= e <= high]
    if outside or not len(energies):
        msg = f"energies={list(energies)}: give at least one, all within the training range {low:g} to {high:g} GeV"
        raise DataError(msg)
    return tuple(float(e) for e in energies)


def _conditions(sampler: Any, energies: tuple[float, ...], n: int) -> NDArray[np.float32]:
    low, high = (np.asarray(side, np.float32) for side in sampler.condition_range)
    matrix: NDArray[np.float32] = np.tile((low + high) / 2, (n, 1)).astype(np.float32)
    found = _energy_column(sampler)
    if found is not None:
        matrix[:, found[0]] = np.resize(np.asarray(energies) * found[1], n)
    return matrix


def _geant4(preset: str, particle: str, energies: tuple[float, ...], seed: int) -> tuple[TruthRate, ...]:
    from facsim.simulators import measure_rate

    # About 60 GeV of showers per CPU second: some five seconds each, and never so few that one shower decides.
    counts = [max(8, round(300 / energy)) for energy in energies]
    return tuple(
        TruthRate(preset, particle, e, n, float(measure_rate(preset, particle, e, n, seed)))
        for e, n in zip(energies, counts, strict=True)
    )


def _machine(with_torch: bool) -> dict[str, str | int | float]:
    """What the figures depend on."""
    import onnxruntime

    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line for line in lines if line.startswith("model name")).split(":", 1)[1].strip()
    machine: dict[str, str | int | float] = {
        "cpu": cpu,
        "cores": usable_cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    if hasattr(os, "getloadavg"):
        machine["load"] = round(os.getloadavg()[0], 2)
    if with_torch:
        import torch

        machine["torch"] = str(torch.__version__)
    return machine

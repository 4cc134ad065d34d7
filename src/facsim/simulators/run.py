"""Simulation runs on disk: shards with a manifest, which can be killed at any moment and continued."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from facsim.errors import DataError, SimulationError
from facsim.files import write_json
from facsim.sampler import flat, parse_range
from facsim.simulators.calorimeter import SamplingCalorimeter
from facsim.simulators.geant4 import make_setup, read_part
from facsim.simulators.pool import Job, Pool, data_sets
from facsim.simulators.setup import Setup

__all__ = ["measure_rate", "simulate"]

_log = logging.getLogger(__name__)
_FORMAT = 1


def simulate(
    calorimeter: str | SamplingCalorimeter,
    *,
    n: int,
    output: str | os.PathLike[str],
    particle: str = "e+",
    energy: str | float = "1:100",
    seed: int = 0,
    workers: int = 1,
    active: bool = False,
    active_only: bool = False,
    cut_mm: float = 0.7,
    position_spread_mm: float = 0.0,
    angle_spread_deg: float = 0.0,
    physics: str = "auto",
    resume: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate `n` showers with Geant4 into one file.

    Events go to shards under ``<output>.parts/`` first. A run that was stopped in any way, even by SIGKILL or a full disk,
    continues where it was when called again with the same settings, and gives the same file as one that was not stopped.

    Parameters
    ----------
    calorimeter : str or SamplingCalorimeter
        A preset's name (`facsim.simulators.presets`) or a calorimeter of your own.
    n : int
        Number of events.
    output : path
        File to write; the suffix chooses the format (``.h5``).
    particle : str, optional
        See `Geant4Sampler`.
    energy : str or float, optional
        Kinetic energy: ``"50"``, ``"1:100"`` (flat) or ``"log:1:100"``, in the unit of the calorimeter's condition ``energy``
        (GeV for ``calogan``, MeV for ``par04-siw``).
    seed : int, optional
        Event i depends on (seed, i) alone: neither on `n`, nor on the workers.
    workers : int, optional
        Processes, with one Geant4 each.
    active, active_only, cut_mm, position_spread_mm, angle_spread_deg, physics : optional
        See `Geant4Sampler`.
    resume : bool, optional
        If False, shards of an earlier attempt are thrown away, and an existing `output` is replaced.
    progress : callable, optional
        Called with (events done, n).

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    SimulationError
        If the shards or the output were made with other settings (names the first that differs), another process works on
        them, Geant4 fails, or a file cannot be written.
    MissingExtra, MissingData
        If geant4-pybind or Geant4's data are not installed; says how to get them.
    KeyboardInterrupt
        On Ctrl-C, after the workers have been stopped, with a message that says what is kept.

    Examples
    --------
    >>> simulate("calogan", n=100, particle="gamma", energy="1:100", output="showers.h5")  # doctest: +SKIP
    """
    output = Path(output)
    if n < 1 or seed < 0:
        msg = f"n={n}, seed={seed}: at least one event, and a seed of 0 or more, are needed"
        raise DataError(msg)
    parse_range(energy)
    setup = make_setup(
        calorimeter,
        particle=particle,
        active=active,
        active_only=active_only,
        cut_mm=cut_mm,
        position_spread_mm=position_spread_mm,
        angle_spread_deg=angle_spread_deg,
        physics=physics,
    )
    settings = _settings(setup, n, str(energy), seed)
    parts = output.with_name(output.name + ".parts")
    tell = progress or (lambda _done, _total: None)
    with _locked(parts):
        if not resume:
            _clear(parts)
            output.unlink(missing_ok=True)
        if output.exists():
            _require_same(_settings_of(output), settings, str(output))
            _log.info("%s is complete", output)
        else:
            _open_manifest(parts, settings)
            version = _make_parts(setup, settings, parts, workers, tell)
            _merge(setup, settings, parts, output, version)
        _clear(parts)
    parts.rmdir()
    tell(n, n)
    return output


def measure_rate(
    calorimeter: str | SamplingCalorimeter, particle: str, energy: str | float, n: int, seed: int = 0
) -> float:
    """Showers per second of CPU time that one Geant4 process makes here, without its start-up.

    Parameters
    ----------
    calorimeter, particle, energy, seed
        As for `simulate`.
    n : int
        Showers to simulate; the relative error is about the spread of the time per shower over sqrt(n).
    """
    import tempfile

    from facsim.simulators.geant4 import Geant4Sampler

    setup = Geant4Sampler(calorimeter, particle).setup
    conditions = setup.draw(flat(energy, n, seed), seed)
    with tempfile.TemporaryDirectory(prefix="facsim-rate-") as folder, Pool(setup, seed, 1, Path(folder)) as pool:
        for _ in pool.run([Job(0, conditions, Path(folder) / "showers.npz")]):
            pass
        return n / pool.cpu_seconds


def _settings(setup: Setup, n: int, energy: str, seed: int) -> dict[str, Any]:
    """All that decides the events, as JSON."""
    data = data_sets(setup)
    settings = {
        "format": _FORMAT,
        "n": n,
        "seed": seed,
        "energy": energy,
        "geant4_pybind": importlib.metadata.version("geant4_pybind"),
        "data_sets": list(data.names),
        "photoelectric_tables": data.photoelectric,
        # many shards, so that several workers share even a small run, but never more than half a minute's work at 50 GeV
        "events_per_shard": max(1, min(32, n // 8)),
        **setup.to_json(),
    }
    return dict(json.loads(json.dumps(settings)))


def _make_parts(
    setup: Setup, settings: Mapping[str, Any], parts: Path, workers: int, tell: Callable[[int, int], None]
) -> str:
    """Simulate the shards that are not there yet; returns Geant4's version."""
    n, seed, size = settings["n"], settings["seed"], settings["events_per_shard"]
    energies = flat(settings["energy"], n, seed)
    missing = [k for k in range(0, n, size) if not _part(parts, k).exists()]
    left = sum(min(size, n - k) for k in missing)
    version_file = parts / "geant4-version.json"
    if not missing:
        return str(json.loads(version_file.read_text(encoding="utf-8")))
    if left < n:
        _log.info("continuing %s: %d of %d events are there", parts, n - left, n)
    done = n - left
    tell(done, n)

    def tick(events: int) -> None:
        nonlocal done
        done += events
        tell(done, n)

    jobs = (Job(k, setup.draw(energies[k : k + size], seed, first=k), _part(parts, k)) for k in missing)
    try:
        with Pool(setup, seed, min(workers, len(missing)), parts) as pool:
            for _ in pool.run(jobs, tick):
                if not version_file.exists():
                    write_json(version_file, pool.version)
    except KeyboardInterrupt:
        msg = f"simulation interrupted; {_kept(parts, size, n)}"
        raise KeyboardInterrupt(msg) from None
    except (SimulationError, OSError) as error:
        msg = f"{error}\n{_kept(parts, size, n)}"
        raise SimulationError(msg) from error
    return str(json.loads(version_file.read_text(encoding="utf-8")))


def _kept(parts: Path, size: int, n: int) -> str:
    events = sum(min(size, n - k) for k in range(0, n, size) if _part(parts, k).exists())
    return f"{events} of {n} events are kept in {parts}: the same call or command continues from there"


def _merge(setup: Setup, settings: Mapping[str, Any], parts: Path, output: Path, version: str) -> None:
    import facsim.io

    size, n = settings["events_per_shard"], settings["n"]
    attributes = {
        "simulator": version,
        "calorimeter": setup.calorimeter.name,
        "particle": setup.particle,
        "physics": setup.physics,
        "cut_mm": setup.cut_mm,
        "seed": settings["seed"],
        "data_sets": ", ".join(settings["data_sets"]),
        "settings": json.dumps(settings),
    }
    try:
        with facsim.io.create(output, setup.schema, attrs=attributes) as writer:
            for k in range(0, n, size):
                writer.append(read_part(_part(parts, k), setup.schema))
    except OSError as error:
        msg = f"cannot write {output}: {error}\n{_kept(parts, size, n)}"
        raise SimulationError(msg) from error


def _part(parts: Path, first: int) -> Path:
    return parts / f"{first:09d}.npz"


@contextmanager
def _locked(parts: Path) -> Iterator[None]:
    """Keep a second process out of the same run; the lock ends with the process, however it ends."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
        lock = (parts / "lock").open("w", encoding="utf-8")
    except OSError as error:
        msg = f"cannot make {parts}: {error}"
        raise SimulationError(msg) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            msg = f"another process is simulating into {parts}: wait for it, or choose another output"
            raise SimulationError(msg) from error
        yield


def _clear(parts: Path) -> None:
    for path in parts.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _open_manifest(parts: Path, settings: dict[str, Any]) -> None:
    manifest = parts / "manifest.json"
    if manifest.exists():
        _require_same(json.loads(manifest.read_text(encoding="utf-8")), settings, str(parts))
    else:
        write_json(manifest, settings)


def _settings_of(output: Path) -> dict[str, Any]:
    import facsim.io

    with facsim.io.open(output) as reader:
        text = reader.attrs.get("settings")
    if text is None:
        msg = f"{output} exists and was not made by simulate: choose another output, or resume=False to replace it"
        raise SimulationError(msg)
    return dict(json.loads(text))


def _require_same(old: dict[str, Any], new: dict[str, Any], where: str) -> None:
    before, now = dict(_flatten(old)), dict(_flatten(new))
    for key in sorted(before.keys() | now.keys(), key=lambda k: (k.count("."), k)):
        if before.get(key) != now.get(key):
            msg = (
                f"{where} was begun with {key} = {before.get(key)!r}, this run has {now.get(key)!r}. Repeat the old settings, "
                f"choose another output, or start again with resume=False"
            )
            raise SimulationError(msg)


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from _flatten(inner, f"{prefix}[{k}]")
    else:
        yield prefix, value

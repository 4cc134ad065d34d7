"""Simulation runs on disk: shards with a manifest, which can be killed at any moment and continued."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import facsim.io
from facsim.errors import DataError, FacsimError, FileFormatError, SimulationError
from facsim.sampler import flat, parse_range
from facsim.simulators.calorimeter import SamplingCalorimeter
from facsim.simulators.geant4 import geant4_version, job_size, make_setup, read_part
from facsim.simulators.pool import Job, Pool, data_sets
from facsim.simulators.setup import Setup
from facsim.simulators.shards import Shards, require_same

__all__ = ["simulate"]

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

    Events go to shards under ``<output>.parts/`` first. A run that was stopped in any way, even by SIGKILL or a full
    disk, continues where it was when called again with the same settings, and gives the same events as one that was
    not stopped.

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
        Kinetic energy: ``"50"``, ``"1:100"`` (flat) or ``"log:1:100"``, in the unit of the calorimeter's condition
        ``energy`` (GeV for ``calogan``, MeV for ``par04-siw``).
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
        If the shards or the output were made with other settings (names the first that differs), another process works
        on them, Geant4 fails, or a file cannot be written.
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
    settings = _settings(setup, n, _canonical(energy), seed)
    facsim.io.create(output, setup.schema)  # nothing is written yet, but a wrong suffix is found before the work
    shards = Shards(output, settings)
    tell = progress or (lambda _done, _total: None)
    try:
        with shards.locked():
            if not resume:
                shards.clear()
                output.unlink(missing_ok=True)
            if output.exists():
                require_same(_settings_of(output), settings, str(output))
                _log.info("%s is complete", output)
                tell(n, n)
            else:
                shards.open()
                _simulate_missing(setup, settings, shards, workers, tell)
                _merge(setup, settings, shards, output)
            shards.clear()
    except FacsimError:
        raise
    except OSError as error:
        msg = f"cannot write {shards.folder} or {output}: {error}\n{shards}"
        raise SimulationError(msg) from error
    return output


def _canonical(energy: str | float) -> str:
    """One spelling for 1, 1.0 and "1"."""
    low, high, law = parse_range(energy)
    words = [f"{v!r}".removesuffix(".0") for v in ([low] if law == "fixed" else [low, high])]
    return ":".join((["log"] if law == "log" else []) + words)


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
        "events_per_shard": job_size(n),
        **setup.to_json(),
    }
    return dict(json.loads(json.dumps(settings)))


def _simulate_missing(
    setup: Setup, settings: Mapping[str, Any], shards: Shards, workers: int, tell: Callable[[int, int], None]
) -> None:
    n, seed = settings["n"], settings["seed"]
    missing, done = shards.missing, shards.events
    if done:
        _log.info("continuing: %s", shards)
    tell(done, n)
    if not missing:
        return

    def tick(events: int) -> None:
        nonlocal done
        done += events
        tell(done, n)

    energies = flat(settings["energy"], n, seed)
    jobs = (Job(a, setup.draw(energies[a:b], seed, first=a), path) for a, b, path in missing)
    try:
        with Pool(setup, seed, min(workers, len(missing)), shards.folder) as pool:
            for _ in pool.run(jobs, tick):
                pass
    except KeyboardInterrupt:
        msg = f"simulation interrupted; {shards}"
        raise KeyboardInterrupt(msg) from None
    except SimulationError as error:
        msg = f"{error}\n{shards}"
        raise SimulationError(msg) from error


def _merge(setup: Setup, settings: Mapping[str, Any], shards: Shards, output: Path) -> None:
    paths = [path for _, _, path in shards]
    attributes = {
        "simulator": geant4_version(paths[0]),
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
            for path in paths:
                writer.append(read_part(path, setup.schema))
    except FileFormatError as error:
        msg = f"{error}\n{shards}"
        raise SimulationError(msg) from error


def _settings_of(output: Path) -> dict[str, Any]:
    with facsim.io.open(output) as reader:
        text = reader.attrs.get("settings")
    if text is None:
        msg = (
            f"{output} exists and was not made by simulate: choose another output, or resume=False (--no-resume) to "
            "replace it"
        )
        raise SimulationError(msg)
    return dict(json.loads(text))

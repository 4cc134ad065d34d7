"""Samples of showers on disk, by Geant4."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

from facsim.sampler import flat, parse_range
from facsim.simulators.calorimeter import SamplingCalorimeter
from facsim.simulators.geant4 import data_sets, geant4, geant4_version, job_size, make_setup
from facsim.simulators.run import Progress, Run, check_numbers
from facsim.simulators.setup import Setup

__all__ = ["simulate_showers", "write_showers"]

_FORMAT = 1


def simulate_showers(
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
    progress: Progress | None = None,
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
    >>> simulate_showers("calogan", n=100, particle="gamma", energy="1:100", output="showers.h5")  # doctest: +SKIP
    """
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
    return write_showers(
        setup, n=n, output=output, energy=energy, seed=seed, workers=workers, resume=resume, progress=progress
    )


def write_showers(
    setup: Setup,
    *,
    n: int,
    output: str | os.PathLike[str],
    energy: str | float,
    seed: int,
    workers: int,
    resume: bool,
    progress: Progress | None,
) -> Path:
    """Simulate `n` showers of a set-up into one file; see `simulate_showers`."""
    check_numbers(n, seed)
    program, settings = geant4(setup), _settings(setup, n, _canonical(energy), seed)
    energies = flat(settings["energy"], n, seed)

    def attributes(shard: Path) -> dict[str, Any]:
        return {
            "simulator": geant4_version(shard),
            "calorimeter": setup.calorimeter.name,
            "particle": setup.beam,
            "physics": setup.physics,
            "cut_mm": setup.cut_mm,
            "seed": seed,
            "data_sets": ", ".join(settings["data_sets"]),
        }

    run = Run(program, setup.schema, settings, lambda a, b: setup.draw(energies[a:b], seed, first=a), attributes)
    return run.write(Path(output), workers=workers, resume=resume, progress=progress)


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
        "particle": setup.beam,
    }
    return dict(json.loads(json.dumps(settings)))

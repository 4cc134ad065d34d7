"""Commands for files of events: simulate, info, split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from facsim.cli.options import KeyValue, SampleFile, output, selecting
from facsim.cli.terminal import progress, show
from facsim.cli.verb import Verb

__all__ = ["convert", "info", "simulate", "split"]


@click.command(cls=Verb, hint="The same command continues from there.")
@click.argument("simulator")
@click.option("--particle", default="e+", show_default=True, help="e+, e-, gamma, mu+, mu-, or a hadron.")
@click.option("--energy", default="1:100", show_default=True, help="50, 1:100 (flat) or log:1:100, kinetic.")
@click.option("-n", "n", type=int, required=True, help="Number of events.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes; the events do not depend on it.")
@click.option(
    "--process", type=click.Choice(["both", "qcd", "wprime"]), default="both", show_default=True, help="Of jets."
)
@click.option("--active", is_flag=True, help="Add the deposit of the active material as blocks of its own.")
@click.option("--active-only", is_flag=True, help="Put the active material's deposit alone into the layers.")
@click.option("--cut", "cut_mm", type=float, default=0.7, show_default=True, help="Production cut, mm.")
@click.option("--position-spread", "position_spread_mm", type=float, default=0.0, help="Of the entry point, mm.")
@click.option("--angle-spread", "angle_spread_deg", type=float, default=0.0, help="Of the direction, degrees.")
@click.option("--physics", default="auto", show_default=True, help="Geant4's physics list.")
@click.option("--set", "settings", type=KeyValue("std=0.05"), multiple=True, help="An option or a parameter.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Continue an earlier attempt.")
@output("File to write; the suffix chooses the format.")
def simulate(simulator: str, n: int, seed: int, output: Path, settings: tuple[tuple[str, str], ...], **_: Any) -> None:
    """Simulate events.

    SIMULATOR is a calorimeter whose showers Geant4 simulates (calogan, par04-siw, lhcb-calorimeter), or jets: images
    of jets by Pythia and FastJet. A run that was stopped in any way continues where it was when the command is given
    again. Or it is a toy: ring, grid, log-transport, sweights-mixture, light-curves, digits. Or particle
    identification: rich, dirc, muon, pid, rich-calibration (--set particle=K --set signal=0.7). Or images of one
    particle: tpc, zdc. Or a simulator with parameters: lines, tracks, two-moons, ...; its parameters are drawn, unless
    --set m=0.5 fixes them or --set m=0:0.5 narrows them.
    """
    from facsim import api, io

    with progress("simulating", "events") as tick:
        path = api.simulate(simulator, n=n, output=output, seed=seed, progress=tick, **_given(), **dict(settings))
    with io.open(path) as reader:
        written = len(reader)
    lost = f"; {n - written:,} of {n:,} calls failed and are left out" if written < n else ""
    show({"output": str(path), "events": written, "asked": n}, f"{written:,} events in {path}{lost}")


def _given() -> dict[str, Any]:
    """Options that were typed: which of them a simulator has, and what the others are by default, it says itself."""
    context = click.get_current_context()
    common = {"simulator", "n", "seed", "output", "settings"}
    typed = (k for k in context.params if context.get_parameter_source(k) is not ParameterSource.DEFAULT)
    return {key: context.params[key] for key in typed if key not in common}


@click.command(cls=Verb)
@click.argument("path", type=SampleFile())
@selecting("path")
def info(path: Path) -> None:
    """Describe a file of events, or a model.

    PATH is a file of events, a run folder or an exported .onnx file.
    """
    from facsim import api
    from facsim.cli.tables import describe

    with progress("reading", "events") as tick:
        found = api.info(path, progress=tick)
    show(found, describe(found))


@click.command(cls=Verb)
@click.argument("file", type=SampleFile())
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--fraction", type=float, default=0.5, show_default=True, help="Share of the events that goes to FIRST.")
@click.option("--seed", type=int, default=0, show_default=True)
@selecting("file")
def split(file: Path, first: Path, second: Path, fraction: float, seed: int) -> None:
    """Split a file at random into two.

    For instance to train on the one and to test on the other.
    """
    from facsim import api, io

    counts = {}
    for path in api.split(file, first, second, fraction=fraction, seed=seed):
        with io.open(path) as reader:
            counts[str(path)] = len(reader)
    show({"events": counts}, "\n".join(f"{events:,} events in {path}" for path, events in counts.items()))


@click.command(cls=Verb)
@click.argument("file", type=SampleFile())
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--layout", help="pixel-branches (as TMVA takes them), root, rntuple, hdf5, ... [default: by the suffix]")
@click.option("--tree", help="Name of the tree to write in a ROOT file; FILE.root:TREE names the one to read.")
@selecting("file", tree=False)
def convert(file: Path, output: Path, layout: str | None, tree: str | None) -> None:
    """Write events in another layout.

    FILE is whatever facsim reads: a file of events, a pattern in quotes (``runs/*.root``), IDX images, a folder of PNG
    images. The suffix of OUTPUT chooses the format; names and types of a ROOT file's tree and branches are kept.
    """
    from facsim import api

    events = 0

    with progress("converting", "events") as tick:

        def count(done: int, total: int) -> None:
            nonlocal events
            events = done
            tick(done, total)

        api.convert(file, output, layout=layout, tree=tree, progress=count)
    show({"output": str(output), "events": events}, f"{events:,} events in {output}")

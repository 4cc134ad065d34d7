"""Command that tunes a simulator's parameters to data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from facsim.cli.options import KeyValue, SampleFile, output
from facsim.cli.terminal import phases, show
from facsim.cli.verb import Verb

__all__ = ["tune"]


@click.command(cls=Verb, hint="The calls made so far are kept; the same command goes on with them.")
@click.argument("simulator", required=False)
@click.option("--data", type=SampleFile(), required=True, help="Events of the experiment.")
@click.option(
    "--method",
    type=click.Choice(["posterior", "population", "variational", "best-fit", "magan"]),
    default="posterior",
    show_default=True,
    help="One set of parameters with its uncertainty, or a distribution of them, or one best point.",
)
@click.option("--calls", type=int, default=10_000, show_default=True, help="Events that the simulator is asked for.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--command", metavar="TEXT", help="Instead of SIMULATOR: './my_sim {params.json} {out.h5}'.")
@click.option("--function", metavar="MODULE:NAME", help="Instead of SIMULATOR: a Python function, or an object.")
@click.option("--parameters", type=click.Path(path_type=Path), metavar="YAML", help="Of --command or --function.")
@click.option("--workers", type=int, default=1, show_default=True, help="Runs of --command or --function at once.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For one run of --command or --function.")
@click.option("--retry", is_flag=True, help="Make calls again that failed in an earlier run into the same folder.")
@click.option("--batch", type=int, default=32, show_default=True, help="Events per run of --command.")
@click.option("--option", "options", type=KeyValue("m_max=2"), multiple=True, help="Change an option of SIMULATOR.")
@click.option("--set", "settings", type=KeyValue("steps=2000"), multiple=True, help="Change a setting of the method.")
@click.option("--truth", type=KeyValue("m=0.5"), multiple=True, help="A known parameter, to be marked on the page.")
@click.option(
    "--apply", type=click.Path(path_type=Path), metavar="FILE", help="Write parameters: .json, .yaml, own .cmnd."
)
@output("Folder for the result, report.html and all calls.")
def tune(
    simulator: str | None,
    command: str | None,
    function: str | None,
    parameters: Path | None,
    workers: int,
    timeout: float | None,
    batch: int,
    data: Path,
    options: tuple[tuple[str, str], ...],
    settings: tuple[tuple[str, str], ...],
    truth: tuple[tuple[str, str], ...],
    output: Path,
    **given: Any,
) -> None:
    """Tune the parameters of a simulator to data.

    SIMULATOR is one of facsim's own with parameters (lines, tracks, pythia-tune, ...) or of an installed plug-in;
    --command takes any program that reads a file of parameters and writes a file of events, --function a Python
    function of parameters and a random generator, from a module of this folder or an installed one.
    """
    from facsim import api, io
    from facsim.simulators.parametric import CommandSimulator, ParametricSimulator, imported, parametric, read_space
    from facsim.simulators.parametric.cache import kept_features

    if sum(way is not None for way in (simulator, command, function)) != 1:
        msg = "give one of SIMULATOR, --command and --function"
        raise click.UsageError(msg)
    with io.open(data) as reader:  # before anything is made or called
        schema = reader.schema
    space = None if parameters is None else read_space(parameters)
    chosen: ParametricSimulator
    if simulator is not None:
        chosen = parametric(simulator, **dict(options))
    elif function is not None:
        chosen = imported(function, space, schema, workers=workers, timeout=timeout)
    elif space is None:
        msg = "--command needs --parameters: a YAML file with names and ranges"
        raise click.UsageError(msg)
    else:
        known = kept_features(output / "calls")  # what a trial call would find out
        about: dict[str, Any] = {"batch": batch, "workers": workers, "timeout": timeout}
        chosen = CommandSimulator(str(command), space, known, log=output / "simulator.log", **about)
    values = {name: _number(name, text) for name, text in truth} or None
    with phases() as phase:
        given |= {"calls_progress": phase("simulating", "calls"), "progress": phase("tuning", "steps")}
        found = api.tune(chosen, data, output=output, settings=dict(settings), truth=values, **given)
    page = output / "report.html"
    spent = f"{found.calls:,} calls of the simulator, {found.failed:,} failed; the page is {page}"
    lines = [f"{found.verdict['headline']} ({found.verdict['level']})", *found.lines(), spent]
    low, high = (
        {p.name: float(v) if math.isfinite(v) else None for p, v in zip(found.space, ends, strict=True)}
        for ends in found.interval()  # a point has none
    )
    plain = {"verdict": dict(found.verdict), "method": found.method, "kind": found.kind, "values": found.values()}
    plain |= {"low": low, "high": high}
    show({"output": str(output), "calls": found.calls, "failed": found.failed, **plain}, "\n".join(lines))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        msg = f"--truth {name}={text}: not a number"
        raise click.BadParameter(msg) from error

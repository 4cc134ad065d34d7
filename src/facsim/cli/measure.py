"""Commands that measure: evaluate, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from facsim.cli.options import KeyValue, SampleFile, output, selecting
from facsim.cli.terminal import progress, say, show
from facsim.cli.verb import Verb

__all__ = ["bench", "compare", "evaluate", "monitor"]

DRIFT = 1  # exit code

low_level = click.option(
    "--low-level/--no-low-level", default=True, show_default=True, help="Train a classifier on the cells."
)
tolerance = click.option(
    "--tolerance", type=float, default=0.05, show_default=True,
    help="W1 in standard deviations of the truth below which a difference is amber, not red.",
)  # fmt: skip
max_events = click.option(
    "--max-events", type=int, default=100_000, show_default=True, help="Most events for classifiers and neighbours."
)


@click.command(cls=Verb)
@click.argument("reference", type=SampleFile())
@click.argument("generated", type=SampleFile())
@click.option("--second", type=SampleFile(), help="Second truth sample for the floors; else REFERENCE is halved.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--training", type=SampleFile(), help="Truth that the model was fitted to: has it learnt events by heart?"
)
@low_level
@tolerance
@click.option("--protocol", type=click.Choice(["calochallenge", "caloflow"]), help="Also run its networks (hours).")
@click.option("--definition", type=click.Choice(["facsim", "jetnet"]), default="facsim", show_default=True,
              help="Of FPD and KPD; jetnet's is biased, and for comparison with old papers.")  # fmt: skip
@click.option("--challenge", metavar="DATASET", help="Stand among the submissions: ds1-photons|ds1-pions|ds2|ds3.")
@click.option("--time-per-event", type=float, metavar="SECONDS", help="Of the model, for the figures against speed.")
@max_events
@click.option("--binning", metavar="P:6,ETA:6", help="Conditions whose bins are judged one by one.")
@selecting("reference", "second", "training")
@output("Folder for report.html and metrics.json.", required=False)
def evaluate(reference: Path, generated: Path, second: Path | None, output: Path | None, **options: Any) -> None:
    """Compare generated events with the truth.

    REFERENCE holds events of the slow simulator, GENERATED those of a model, best at the same conditions. Every
    figure stands beside its floor: the same figure for truth against truth. Event weights of either may be negative.
    --tree, --cut and the like choose from the truth's files.
    """
    from facsim import api

    with progress("evaluating", "%") as tick:
        report = api.evaluate(
            reference,
            generated,
            second_reference=second,
            output=output,
            progress=tick,
            **options,
        )
    if output is not None:
        say(f"report: {output / 'report.html'}")
    show(report.metrics, report)


@click.command(cls=Verb)
@click.argument("reference", type=SampleFile())
@click.argument("generated", type=SampleFile(), nargs=-1, required=True)
@click.option("--second", type=SampleFile(), help="Second truth sample for the floors; else REFERENCE is halved.")
@click.option("--name", "names", multiple=True, help="Of each surrogate, in their order. [default: names of the files]")
@click.option("--time", "times", multiple=True, type=KeyValue("NAME=SECONDS"), metavar="NAME=SECONDS",
              help="Time per event of a surrogate.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@low_level
@tolerance
@max_events
@output("Folder for compare.html, compare.json and a report of each.", required=False)
def compare(
    reference: Path,
    generated: tuple[Path, ...],
    second: Path | None,
    names: tuple[str, ...],
    times: tuple[tuple[str, str], ...],
    output: Path | None,
    **options: Any,
) -> None:
    """Put several surrogates side by side.

    REFERENCE holds events of the slow simulator, each GENERATED those of a model. All are held against the same truth.
    """
    from facsim import api

    with progress("comparing", "%") as tick:
        comparison = api.compare(
            reference,
            generated,
            names=names or None,
            times=_seconds(times) or None,
            second_reference=second,
            output=output,
            progress=tick,
            **options,
        )
    if output is not None:
        say(f"comparison: {output / 'compare.html'}")
    show(comparison.to_json(), comparison)


@click.command(cls=Verb)
@click.argument("files", type=SampleFile(), nargs=-1, required=True)
@click.option("--reference", type=SampleFile(), help="Truth, or validated events; for the first call.")
@click.option("--state", type=click.Path(path_type=Path), metavar="PATH", help="File (.npz) to go on from next time.")
@click.option(
    "--alpha", type=float, default=0.01, show_default=True, help="Chance that good events ever raise an alarm."
)
@click.pass_context
def monitor(
    ctx: click.Context, files: tuple[Path, ...], reference: Path | None, state: Path | None, alpha: float
) -> None:
    """Watch a running production against a reference.

    FILES are its next files, in order, with other events than the reference's. The exit code is 1 once a drift has
    been seen.
    """
    from facsim import api
    from facsim.cli.tables import monitor_table

    with progress("watching", "files") as tick:
        result = api.monitor(files, reference=reference, state=state, alpha=alpha, progress=tick)
    show(result.to_json(), monitor_table(result))
    if result.alarm:
        ctx.exit(DRIFT)


def _seconds(times: tuple[tuple[str, str], ...]) -> dict[str, float]:
    from facsim.errors import DataError

    out = {}
    for name, text in times:
        try:
            out[name] = float(text)
        except ValueError:
            msg = f"--time {name}={text}: write the seconds per event as a number, such as {name}=4e-5"
            raise DataError(msg) from None
    return out


@click.command(cls=Verb)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--against-geant4", is_flag=True, help="Measure Geant4 at the same energies, in the same run.")
@click.option("--energy", "energies", type=float, multiple=True, help="GeV; several allowed. [default: 10 and 50]")
@click.option("--batch", "batches", type=int, multiple=True, default=(1, 100, 10_000), show_default=True)
@click.option("--runs", type=int, default=5, show_default=True, help="Rounds; the table gives medians.")
@click.option("--preset", help="Calorimeter for Geant4. [default: that of the model's detector]")
@click.option("--particle", help="Particle for Geant4. [default: that of the training data]")
def bench(
    model: Path,
    against_geant4: bool,
    energies: tuple[float, ...],
    batches: tuple[int, ...],
    runs: int,
    preset: str | None,
    particle: str | None,
) -> None:
    """Measure how fast a model is, on one core.

    MODEL is a run folder or an exported .onnx file.
    """
    from facsim import api

    with progress("measuring", "rounds") as tick:
        table = api.bench(
            model,
            against_geant4=against_geant4,
            energies=energies or None,
            batches=batches,
            runs=runs,
            preset=preset,
            particle=particle,
            progress=tick,
        )
    show(table.to_json(), str(table))

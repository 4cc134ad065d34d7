"""Commands that measure: evaluate, bench."""

from __future__ import annotations

from pathlib import Path

import click

from facsim.cli.options import SampleFile, output
from facsim.cli.terminal import progress, say, show
from facsim.cli.verb import Verb

__all__ = ["bench", "evaluate"]


@click.command(cls=Verb)
@click.argument("reference", type=SampleFile())
@click.argument("generated", type=SampleFile())
@click.option("--second", type=SampleFile(), help="Second truth sample for the floors; else REFERENCE is halved.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--low-level/--no-low-level", default=True, show_default=True, help="Train a classifier on the cells.")
@click.option("--max-events", type=int, default=20_000, show_default=True, help="Most events for the classifiers.")
@output("Folder for report.html and metrics.json.", required=False)
def evaluate(
    reference: Path,
    generated: Path,
    second: Path | None,
    seed: int,
    low_level: bool,
    max_events: int,
    output: Path | None,
) -> None:
    """Compare generated events with the truth.

    REFERENCE holds events of the slow simulator, GENERATED those of a model, best at the same conditions. Every
    figure stands beside its floor: the same figure for truth against truth.
    """
    from facsim import api

    with progress("evaluating", "%") as tick:
        report = api.evaluate(
            reference,
            generated,
            second_reference=second,
            output=output,
            seed=seed,
            low_level=low_level,
            max_events=max_events,
            progress=tick,
        )
    if output is not None:
        say(f"report: {output / 'report.html'}")
    show(report.metrics, report)


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

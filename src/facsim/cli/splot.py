"""The command splot: sWeights from a mass peak."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facsim.cli.options import KeyValue, SampleFile, output, selecting
from facsim.cli.terminal import progress, say, show
from facsim.cli.verb import Verb

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facsim.sweights import SPlot

__all__ = ["splot"]


class Range(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """``LOW:HIGH``, as a pair of numbers."""

    name = "low:high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Both ends."""
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in str(value).split(":"))
        except ValueError:
            self.fail(f"'{value}': write two numbers, 5100:5500", param, ctx)
        return low, high


@click.command(cls=Verb)
@click.argument("file", type=SampleFile())
@click.option("--mass", required=True, metavar="NAME", help="Column that tells signal from background.")
@click.option("--model", default="gauss+exp", show_default=True, metavar="PEAK+BACKGROUND",
              help="gauss|2gauss|cb|bw over exp|poly1|poly2|flat.")  # fmt: skip
@click.option("--range", "span", type=Range(), help="Of the mass; events outside are left out. [default: all]")
@click.option("--start", type=KeyValue("mu=5280"), multiple=True, help="Value of a parameter to begin with.")
@click.option("--fix", type=KeyValue("n=3"), multiple=True, help="Value of a parameter to keep.")
@click.option("--control", "controls", multiple=True, metavar="NAMES",
              help="Columns to test for independence of the mass. [default: all of one number]")  # fmt: skip
@click.option("--name", default="sweight", show_default=True, help="Of the weights' branch in a ROOT file.")
@click.option("--report", type=click.Path(path_type=Path), metavar="PATH", help="Figure (.svg) or page (.html).")
@selecting("file")
@output("File to write: the events within the range, with their weights.", required=False)
def splot(
    file: Path,
    span: tuple[float, float] | None,
    start: tuple[tuple[str, str], ...],
    fix: tuple[tuple[str, str], ...],
    controls: tuple[str, ...],
    output: Path | None,
    report: Path | None,
    **options: Any,
) -> None:
    """Weigh the events of a mass peak so that the background is gone.

    Fits peak and background to the mass by extended maximum likelihood, computes sWeights, tests whether the other
    columns are independent of the mass, and writes the events with the weights, which fit and evaluate then use.
    """
    from facsim import api

    with progress("writing", "events") as tick:
        found = api.splot(
            file,
            range=span,
            start=_numbers(start),
            fix=_numbers(fix),
            controls=[n.strip() for part in controls for n in part.split(",")] or None,
            output=output,
            report=report,
            progress=tick,
            **options,
        )
    if report is not None:
        say(f"report: {report}")
    show({**found.to_json(), "output": None if output is None else str(output)}, _table(found))


def _numbers(pairs: tuple[tuple[str, str], ...]) -> dict[str, float]:
    out = {}
    for key, text in pairs:
        try:
            out[key] = float(text)
        except ValueError as error:
            msg = f"{key}={text}: write a number"
            raise click.BadParameter(msg) from error
    return out


def _table(found: SPlot) -> RenderableType:
    """The fit, the weights and the tests."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from facsim.report.labels import with_error

    fit, weights = found.fit, found.to_json()["weights"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("fit")
    table.add_column("value", justify="right")
    for name in ("signal", "background"):
        table.add_row(name, with_error(getattr(fit, name), getattr(fit, f"{name}_error")))
    for name, value in fit.values.items():
        error = fit.errors[name]
        table.add_row(name, with_error(value, error) if error else f"{value:.6g} (fixed)")
    tests = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("independent of the mass?", "chi2", "dof", "p"):
        tests.add_column(column, justify="left" if column.startswith("indep") else "right")
    for name, test in found.controls.items():
        tests.add_row(Text(name), f"{test.chi2:.1f}", str(test.dof), f"{test.pvalue:.2g}")
    head = (
        f"{fit.model} in {found.mass} from {fit.low:g} to {fit.high:g}: chi2 = {fit.goodness.chi2:.1f} for "
        f"{fit.goodness.dof} degrees of freedom, p = {fit.goodness.pvalue:.2g}"
    )
    foot = (
        f"weights of {weights['events']:,} events add up to {weights['sum']:.1f} and are worth "
        f"{weights['effective']:,.0f} unweighted ones; {100 * weights['negative']:.0f} % are negative. "
        f"{weights['outside']:,} events outside the range"
    )
    parts: list[RenderableType] = [Text(head), Text(), table, Text(), Text(foot)]
    return Group(*parts, Text(), tests) if found.controls else Group(*parts)

"""The group of all commands."""

from __future__ import annotations

import click

import facsim
from facsim.cli import data, measure, model
from facsim.cli.splot import splot
from facsim.cli.tune import tune
from facsim.cli.verb import Verbs

__all__ = ["cli", "main"]


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(facsim.__version__, prog_name="facsim")
def cli() -> None:
    """Fast, faithful copies of slow physics simulations.

    The main job is fit, sample, evaluate, export; every command says with --help what it needs. Where FILE is asked
    for, the name of a bundled sample (calogan-eplus-mini) will do.
    """


for command in (
    data.simulate,
    data.info,
    data.split,
    data.convert,
    splot,
    model.recipes,
    model.fit,
    model.watch,
    model.sample,
    measure.evaluate,
    measure.compare,
    measure.monitor,
    tune,
    model.export,
    measure.bench,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; entry point of the program ``facsim``."""
    cli(prog_name="facsim")

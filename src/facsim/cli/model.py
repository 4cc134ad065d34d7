"""Commands for models: recipes, fit, sample, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facsim.cli.options import KeyValue, SampleFile, output, selecting
from facsim.cli.terminal import progress, say, show
from facsim.cli.verb import Verb, Verbs

if TYPE_CHECKING:
    from facsim.deploy.writer import Profile

__all__ = ["export", "fit", "recipes", "sample", "watch"]


class Listing(Verbs):
    """A group that without a command lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the command that may be left out."""
        wants_help = bool(args) and args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if args and (wants_help or args[0][0] != "-") else ["list", *args])


@click.group(cls=Listing)
def recipes() -> None:
    """List the recipes that fit knows, or show one."""


@recipes.command(cls=Verb, name="list")
def list_recipes() -> None:
    """List the names of all recipes, each with one line about it and its source."""
    from facsim.cli.tables import listed
    from facsim.recipes import names, reference, summary

    found = {name: {"summary": summary(name), "reference": reference(name)} for name in names()}
    show(found, listed({name: f"{words['summary']} [{words['reference']}]" for name, words in found.items()}))


@recipes.command(cls=Verb, name="show")
@click.argument("name")
def show_recipe(name: str) -> None:
    """Print the YAML of recipe NAME, or of an option string: save it, change it, and give the file to fit."""
    from facsim.recipes import text

    yaml = text(name)
    show({"name": name, "yaml": yaml}, yaml.rstrip())


@click.command(cls=Verb, hint="Give the same command with --resume to continue.")
@click.argument("recipe", default="cfm", metavar="[RECIPE=cfm]")
@click.option(
    "--data", type=SampleFile(), required=True, help="Events to fit: a file, or the name of a bundled sample."
)
@click.option(
    "--set", "overrides", type=KeyValue("training.steps=2000"), multiple=True, help="Change a recipe's value."
)
@click.option("--resume", is_flag=True, help="Continue the run in the output folder.")
@selecting("data")
@output("Run folder to make.")
def fit(recipe: str, data: Path, overrides: tuple[tuple[str, str], ...], resume: bool, output: Path) -> None:
    """Fit a model to events.

    RECIPE is a name that `facsim recipes` lists, a YAML file, or an option string of TMVA's MethodGAN. Ctrl-C stops
    after the step; with --resume the run goes on as if it had not been stopped. For several processes: torchrun
    --nproc-per-node 2 -m facsim fit ...
    """
    from facsim import api

    with progress("fitting", "steps") as tick:
        model = api.fit(data, recipe, output=output, overrides=dict(overrides), resume=resume, progress=tick)
    result = {"output": str(output), **{k: model.provenance.get(k) for k in ("family", "step", "validation")}}
    figures = ", ".join(f"{name} {value:.4f}" for name, value in model.provenance["validation"].items())
    show(result, f"{output}: best checkpoint at step {result['step']:,}; against held-out events: {figures}")


@click.command(cls=Verb)
@click.argument("run", type=click.Path(path_type=Path))
@output("File to write; page.html in the run folder by default.", required=False)
def watch(run: Path, output: Path | None) -> None:
    """Write the page of a training, also while it goes on.

    RUN is a folder that fit made. The page shows losses, the game of generator and critic, the variety of the events,
    symptoms of a collapse with what to try, and events over the training as a film.
    """
    from facsim import api
    from facsim.report.run import read_watch

    path = api.watch(run, output=output)
    rows = read_watch(run / "watch.jsonl")
    step = rows[-1]["step"] if rows else 0
    found = [s["name"] for s in rows[-1]["symptoms"]] if rows else []
    told = f"; at step {step:,}: {', '.join(found) or 'no symptom'}" if rows else ""
    show({"output": str(path), "step": step, "symptoms": found}, f"{path}{told}")


@click.command(cls=Verb, hint="Nothing was written; the same command draws the same events.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--like", type=SampleFile(), help="Take the conditions of these events.")
@click.option("--energy", help="Draw energies: 50, 1:100 (flat) or log:1:100, in the model's unit.")
@click.option(
    "--set-condition", "ranges", type=KeyValue("angle=0:0.5"), multiple=True, help="Range of another condition."
)
@click.option("-n", "n", type=int, help="Number of events; with --like, the first n.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--threads", type=int, help="All cores by default; the events do not depend on it.")
@click.option("--strict", is_flag=True, help="Refuse conditions outside the training range instead of warning.")
@click.option("--member", type=int, help="Draw from this member of an ensemble, from 0.")
@click.option("--layout", help="Of the file: pixel-branches, root or rntuple. [default: that of the training data]")
@click.option("--tree", help="Name of the tree in a ROOT file. [default: that of the training data]")
@output("File to write; the suffix chooses the format.")
def sample(
    model: Path,
    like: Path | None,
    energy: str | None,
    ranges: tuple[tuple[str, str], ...],
    n: int | None,
    seed: int,
    threads: int | None,
    strict: bool,
    member: int | None,
    layout: str | None,
    tree: str | None,
    output: Path,
) -> None:
    """Draw events from a model.

    MODEL is a run folder or an exported .onnx file. Its conditions come from a file (--like) or are drawn (--energy,
    --set-condition, and -n); one without conditions needs -n alone.
    """
    from facsim import api

    events = 0

    with progress("sampling", "events") as tick:

        def count(done: int, total: int) -> None:
            nonlocal events
            events = done
            tick(done, total)

        api.sample(
            model,
            like=like,
            energy=energy,
            ranges=dict(ranges) or None,
            n=n,
            seed=seed,
            threads=threads,
            strict=strict,
            member=member,
            output=output,
            layout=layout,
            tree=tree,
            progress=count,
        )
    show({"output": str(output), "events": events}, f"{events:,} events in {output}")


@click.command(cls=Verb)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--check/--no-check", default=True, show_default=True, help="Compare the file's events with the model's.")
@click.option("--licence", help="Terms for the file, stored in it.")
@click.option(
    "--profile",
    type=click.Choice(["default", "sofie", "lwtnn"]),
    default="default",
    show_default=True,
    help="For whom: ONNX Runtime, ROOT's SOFIE (one event per call), or lwtnn (JSON of a dense network).",
)
@output("The .onnx file; with --profile lwtnn the .json file.")
def export(model: Path, check: bool, licence: str | None, profile: Profile, output: Path) -> None:
    """Write a model as one .onnx file.

    It runs without torch: in Python by `facsim sample`, in C++ with ONNX Runtime, ROOT's SOFIE or lwtnn.
    """
    from facsim import api

    suffix = ".json" if profile == "lwtnn" else ".onnx"
    if output.suffix != suffix:
        say(f"{output} does not end with {suffix}, by which facsim and others know such a file")
    path = api.export(model, output, profile=profile, check=check, licence=licence)
    size = path.stat().st_size
    tested = "; it gives the model's events" if check else ""
    show({"output": str(path), "bytes": size, "checked": check}, f"{path}: {size / 1e6:.1f} MB{tested}")

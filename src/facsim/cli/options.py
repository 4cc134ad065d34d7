"""Kinds of arguments that several commands take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["KeyValue", "SampleFile", "output", "selecting"]

F = TypeVar("F", bound=Callable[..., Any])


class SampleFile(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A file of events, or the name of a bundled sample."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ARG002
        """Path of the file; what is wrong with it is said by whoever reads it."""
        path = Path(value)
        if path.suffix or path.exists():
            return path
        from facsim import datasets

        return datasets.path(value) if value in datasets.names() else path


class KeyValue(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """``key=value``, as a pair.

    Parameters
    ----------
    example : str
        For the message.
    """

    name = "key=value"

    def __init__(self, example: str) -> None:
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Key and value, both as text."""
        if isinstance(value, tuple):
            return value
        key, separator, text = str(value).partition("=")
        if not (key and separator and text):
            self.fail(f"'{value}': write {self.example}", param, ctx)
        return key, text


def output(help_text: str, *, required: bool = True) -> Callable[[F], F]:
    """Option ``-o``."""
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="PATH", required=required, help=help_text
    )


def selecting(*files: str, tree: bool = True) -> Callable[[F], F]:
    """Options that say what to take of files of events, and their application to the parameters called `files`.

    Parameters
    ----------
    *files : str
        Names of the command's parameters. A path among them becomes a `facsim.io.Selection` where an option is given.
    tree : bool
        Whether the option ``--tree`` belongs to them.
    """
    pair = KeyValue("m2=m*m")
    described = KeyValue("'x=28x28 energy'")
    options = [
        click.option("--features", multiple=True, metavar="NAMES", help="Blocks or branches to take: pt,eta."),
        click.option("--conditions", multiple=True, metavar="NAMES", help="Blocks to take as conditions."),
        click.option("--weights", metavar="NAME", help="Block of event weights."),
        click.option("--cut", metavar="EXPR", help="Events to take: 'pt > 250 && abs(eta) < 2'."),
        click.option("--define", multiple=True, type=pair, metavar="NAME=EXPR", help="A further column."),
        click.option("--friend", "friends", multiple=True, metavar="FILE", help="File with further columns."),
        click.option("--describe", multiple=True, type=described, metavar="NAME='28x28 energy MeV'", help="A block."),
        click.option("--length", type=int, help="Length of padded jagged branches. [default: of the longest]"),
    ]
    names = ["features", "conditions", "weights", "cut", "define", "friends", "describe", "length"]
    if tree:
        options.insert(0, click.option("--tree", help="Tree of a ROOT file."))
        names.append("tree")

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def run(**parameters: Any) -> Any:
            given = {n: v for n in names if (v := parameters.pop(n)) not in {None, ()}}
            for several in ("features", "conditions"):
                if several in given:
                    given[several] = [n.strip() for part in given[several] for n in part.split(",")]
            if given.get("features") == ["all"]:
                given["features"] = "all"
            given |= {n: dict(given[n]) for n in ("define", "describe") if n in given}
            if given:
                from facsim.io import select

                chosen = {n: parameters[n] for n in files if parameters.get(n) is not None}
                parameters |= {n: select(path, **given) for n, path in chosen.items()}
            return command(**parameters)

        for option in reversed(options):
            run = option(run)
        return run  # type: ignore[return-value]

    return decorate

"""Kinds of arguments that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["KeyValue", "SampleFile", "output"]

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

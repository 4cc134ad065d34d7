"""What people see: messages and progress on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import click

from facsim.cli.interrupt import check

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["duration", "phases", "progress", "say", "show", "silent"]

SECONDS_BETWEEN_LINES = 10.0
_live: Console | None = None  # of the progress bar on screen: messages must go through it


class Tick(Protocol):
    """Says how far it is: what is done, of how much, and how much of it failed."""

    def __call__(self, done: int, total: int, failed: int = 0) -> None: ...


def silent() -> bool:
    """Whether another process of the same ``torchrun`` does the talking."""
    return os.environ.get("RANK", "0") != "0"


def say(message: str) -> None:
    """Write a message to stderr."""
    if _live is not None:
        _live.print(message, markup=False, highlight=False, soft_wrap=True)
    else:
        click.echo(message, err=True)


def show(result: Any, human: Any) -> None:
    """Write a result to stdout: as JSON with ``--json``, else for people.

    Parameters
    ----------
    result
        Plain numbers, strings, lists and dictionaries.
    human : str or rich renderable
        The same for people.
    """
    if silent():
        return
    if click.get_current_context().meta.get("as_json"):
        click.echo(json.dumps(result, indent=2, allow_nan=False))
    elif isinstance(human, str):
        click.echo(human)
    else:
        from rich.console import Console

        console = Console(file=sys.stdout)
        if not console.is_terminal:
            console = Console(file=sys.stdout, width=160)  # nothing may be cut in a log or a pipe
        console.print(human)


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a long verb is, with rate and time left: a bar on a terminal, else a line now and then.

    Parameters
    ----------
    what : str
        ``"fitting"``.
    unit : str
        ``"steps"``.

    Yields
    ------
    callable
        To be called with (done, total).
    """
    with phases() as phase:
        yield phase(what, unit)


@contextmanager
def phases() -> Iterator[Callable[[str, str], Tick]]:
    """Show how far several parts of a long verb are; yields a function of what `progress` takes, for each of them.

    A third number, if given, is how many failed.
    """
    with _bars() if sys.stderr.isatty() and not silent() else nullcontext(_Lines) as begin:

        def phase(what: str, unit: str) -> Tick:
            tell = begin(what, unit)

            def tick(done: int, total: int, failed: int = 0) -> None:
                check()
                if not silent():
                    tell(done, total, failed)

            return tick

        yield phase


@contextmanager
def _bars() -> Iterator[Callable[[str, str], Tick]]:
    global _live  # noqa: PLW0603 - there is one terminal
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{_digits(speed)} {task.fields['unit']}/s" if speed else "")

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} {task.fields[unit]}{task.fields[failed]}"),
        Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, speed_estimate_period=60) as bars:

        def begin(what: str, unit: str) -> Tick:
            task = bars.add_task(what, total=1, visible=False, unit=unit, failed="")

            def tell(done: int, total: int, failed: int = 0) -> None:
                bars.update(task, completed=done, total=total, visible=True, failed=_failed(failed))

            return tell

        _live = console
        try:
            yield begin
        finally:
            _live = None


class _Lines:
    """Progress as lines of text, for logs."""

    def __init__(self, what: str, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.unit, self.clock = what, unit, clock
        self.begin: tuple[float, int] | None = None
        self.last = clock()

    def __call__(self, done: int, total: int, failed: int = 0) -> None:
        now = self.clock()
        if self.begin is None:
            self.begin = now, done
        if now - self.last < SECONDS_BETWEEN_LINES and done < total:
            return
        self.last = now
        seconds, more = now - self.begin[0], done - self.begin[1]
        rate = more / seconds if seconds > 0 else 0.0
        line = f"{self.what}: {done:,} of {total:,} {self.unit}{_failed(failed)}"
        if rate:
            line += f", {_digits(rate)} {self.unit}/s"
            line += f", {duration((total - done) / rate)} left" if done < total else f", took {duration(seconds)}"
        say(line)


def duration(seconds: float) -> str:
    """Time for people.

    Examples
    --------
    >>> duration(7.4), duration(312), duration(7500)
    ('7 s', '5 min 12 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _failed(count: int) -> str:
    return f" ({count:,} failed)" if count else ""


def _digits(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"

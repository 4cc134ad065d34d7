"""What all commands share: options, messages instead of tracebacks, exit codes, log and warnings on stderr."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from facsim.cli.interrupt import interruptible
from facsim.cli.terminal import say, silent
from facsim.errors import FacsimError, RangeWarning

__all__ = ["INTERRUPTED", "Verb", "Verbs"]

INTERRUPTED = 130  # as shells report a process that Ctrl-C ended
FAILED = 2  # as click's own usage errors
FULL = "No space left on device"  # also inside the messages of libraries that hide the number


class Verb(click.Command):
    """A command with ``--json`` and ``--debug``, and one clear message for everything that facsim raises on purpose.

    Parameters
    ----------
    hint : str, optional
        What to do after Ctrl-C.
    """

    def __init__(self, *args: Any, hint: str = "Nothing half-written is left.", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hint = hint
        self.params += [
            click.Option(
                ["--json", "as_json"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                help="Print JSON on stdout.",
            ),
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                envvar="FACSIM_DEBUG",
                help="Show the traceback of an error.",
            ),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, with errors told as messages."""
        with interruptible(), _logging(), _warnings():
            try:
                return super().invoke(ctx)
            except (KeyboardInterrupt, Exception) as error:
                message, code = self._tell(error, ctx)
                if not message or ctx.meta.get("debug"):
                    raise
                say(message)
                ctx.exit(code)

    def _tell(self, error: BaseException, ctx: click.Context) -> tuple[str, int]:
        """Message and exit code of an error; no message for one that is a defect, whose traceback is wanted."""
        if isinstance(error, KeyboardInterrupt):
            return str(error) or f"Interrupted. {self.hint}", INTERRUPTED
        if isinstance(error, FacsimError):
            return f"{type(error).__name__}: {error}", FAILED
        where = getattr(error, "filename", None) or ctx.params.get("output") or "the output"
        if getattr(error, "errno", None) == errno.ENOSPC or FULL in str(error):
            return f"no space left on device: {where} could not be written. Free some space. {self.hint}", FAILED
        if isinstance(error, OSError) and error.strerror and error.errno != errno.EPIPE:
            return f"{where}: {error.strerror}", FAILED
        return "", 1


class Verbs(click.Group):
    """A group that lists its commands in the order of the work, not of the alphabet."""

    command_class = Verb

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order in which they were added."""
        return list(self.commands)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta[str(parameter.name)] = value or ctx.meta.get(str(parameter.name), False)


class _Handler(logging.Handler):
    """Log records as plain messages, beside a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextmanager
def _logging() -> Iterator[None]:
    logger, handler, before = logging.getLogger("facsim"), _Handler(), logging.getLogger("facsim").level
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if silent() else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def _warnings() -> Iterator[None]:
    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        say(f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", RangeWarning)
        warnings.showwarning = show
        yield

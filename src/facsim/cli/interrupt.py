"""Ctrl-C that cannot get lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["check", "interruptible"]

_requests: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Remember Ctrl-C besides raising `KeyboardInterrupt`.

    An exception that is raised while Python runs a destructor is dropped, and libraries that write files spend much of
    their time just before one. `check` then raises it again.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # not ours to handle: ignored on purpose (nohup), or somebody else's
        return
    hook = sys.unraisablehook

    def unraisable(told: Any) -> None:
        if not isinstance(told.exc_value, KeyboardInterrupt):
            hook(told)

    _requests.clear()
    signal.signal(signal.SIGINT, _note)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, signal.default_int_handler)


def check() -> None:
    """Raise `KeyboardInterrupt` if Ctrl-C was pressed."""
    if _requests:
        _requests.clear()
        raise KeyboardInterrupt


def _note(number: int, _frame: FrameType | None) -> None:
    _requests.append(number)
    raise KeyboardInterrupt

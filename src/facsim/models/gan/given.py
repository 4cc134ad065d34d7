"""What a turn may lack."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["given"]

T = TypeVar("T")


def given(value: T | None) -> T:
    """The value; None is a programming error: this turn lacks what a part reads.

    Examples
    --------
    >>> given(3)
    3
    """
    if value is None:
        msg = "this turn lacks a sample or a module that the part reads; ask Penalty.applies() or build() first"
        raise TypeError(msg)
    return value

"""One progress over stages of different length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate

__all__ = ["Stages", "silent"]


def silent(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


class Stages:
    """Turns the progress of each stage into one, in per cent.

    Parameters
    ----------
    progress : callable or None
        Told (done, 100).
    shares : mapping of str to int
        Per cent of the work in each stage, in order.

    Examples
    --------
    >>> told = []
    >>> stages = Stages(lambda done, total: told.append((done, total)), {"read": 40, "write": 60})
    >>> stages("write")(1, 2)
    >>> told
    [(70, 100)]
    """

    def __init__(self, progress: Callable[[int, int], None] | None, shares: Mapping[str, int]) -> None:
        self._progress = progress or silent
        self._shares = dict(shares)
        self._before = dict(zip(shares, accumulate(shares.values(), initial=0), strict=False))

    def __call__(self, stage: str) -> Callable[[int, int], None]:
        """Give the progress function of one stage."""

        def tick(done: int, total: int) -> None:
            self._progress(self._before[stage] + self._shares[stage] * done // max(1, total), 100)

        return tick

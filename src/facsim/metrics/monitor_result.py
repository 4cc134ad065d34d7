"""What a running test shows when one looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["MonitorResult", "MonitorRow"]


@dataclass(frozen=True)
class MonitorRow:
    """State of one observable.

    Parameters
    ----------
    w1, floor : float
        Wasserstein-1 distance of the stream so far from the reference, on the reference's quantiles, and what chance
        alone would give on average; in the observable's unit.
    ks : float
        Kolmogorov-Smirnov distance on the same quantiles.
    mean, spread, reference_mean, reference_spread : float
        Moments of the stream so far and of the reference.
    pvalue : float
        Valid whenever one looks: the smallest value of 1/E so far.
    alarm : bool
        Whether this observable alone is seen to drift, all observables considered.
    """

    w1: float
    floor: float
    ks: float
    mean: float
    spread: float
    reference_mean: float
    reference_spread: float
    pvalue: float
    alarm: bool


@dataclass(frozen=True)
class MonitorResult:
    """State of a monitor.

    Parameters
    ----------
    events : int
        Events of the stream that entered.
    alarm : bool
        Whether a drift has been seen since the start.
    alarm_at : int or None
        After how many events it was seen first.
    pvalue : float
        Of all observables together, valid whenever one looks.
    rows : dict of MonitorRow
        By observable, the smallest p-value first.
    """

    events: int
    alarm: bool
    alarm_at: int | None
    pvalue: float
    rows: dict[str, MonitorRow]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {**vars(self), "rows": {name: vars(row) for name, row in self.rows.items()}}

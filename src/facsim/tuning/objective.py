"""What a best fit makes small: a function of the events of one point, or their distance to data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, WeightError
from facsim.events import Events
from facsim.tuning.population.slices import Slices

__all__ = ["Distance", "DistanceKind", "Objective", "measure"]

Array = NDArray[np.float64]
Objective = Callable[[Events], Any]
DistanceKind = Literal["chi2", "sliced"]

REPEATS = 20  # resampled samples behind the error of an objective that is one number


def measure(objective: Objective, events: Events, seed: int) -> tuple[float, float]:
    """Objective and its statistical error.

    Parameters
    ----------
    objective : callable
        Takes the events of one point; returns one number, or one per event, whose mean is then the objective.
    events : Events
    seed : int
        Of the resampling that gives the error of one number.

    Raises
    ------
    DataError
        If the result has another shape or is not finite.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> events = Events(np.arange(100.0)[:, None], np.empty((100, 0)), Schema((Block("x"),)))
    >>> value, error = measure(lambda e: e["x"], events, seed=0)
    >>> value, round(error, 2)
    (49.5, 2.9)
    """
    found = np.asarray(objective(events), np.float64)
    n = len(events)
    if found.shape not in {(), (n,)} or not np.isfinite(found).all():
        msg = (
            f"the objective gave an array {found.shape} for {n} events, {np.sum(~np.isfinite(found))} not finite: it "
            "must give one finite number, or one per event"
        )
        raise DataError(msg)
    if found.shape == (n,) and n > 1:
        return float(found.mean()), float(found.std(ddof=1) / np.sqrt(n))
    if n == 1:
        return float(found.mean()), 0.0
    place = np.random.default_rng([seed, 0x0B1])
    others = [float(objective(events[place.integers(n, size=n)])) for _ in range(REPEATS)]
    return float(found), float(np.std(others, ddof=1))


class Distance:
    r"""Distance of simulated events to data, quadratic in the parameters near the best fit.

    ``chi2``: of the histograms of every column, with 10 bins or fewer of equal content of the data,

    .. math:: \chi^2 = \sum_{cb} \frac{(d_{cb} - s_{cb})^2}{\sigma^2_{cb}}

    with shares d, s and the variance of both. ``sliced``: square of the sliced Wasserstein distance over its floor,
    which sees correlations.

    Parameters
    ----------
    data : Events
        Features, and what is given; weights may be negative.
    kind : {"chi2", "sliced"}
    points : int
        Events that will be compared at once.
    seed : int

    Raises
    ------
    WeightError
        If the weights do not add up to more than zero.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> rng, schema = np.random.default_rng(0), Schema((Block("x"),))
    >>> one, two, far = (Events(rng.normal(m, 1, (1000, 1)), np.empty((1000, 0)), schema) for m in (0, 0, 2))
    >>> distance = Distance(one, "chi2", points=1000, seed=0)
    >>> distance(two) < 30 < 300 < distance(far)
    True
    """

    def __init__(self, data: Events, kind: DistanceKind, *, points: int, seed: int) -> None:
        self.kind, self.schema = kind, data.schema
        columns = self.columns(data)
        spread = columns.std(0)
        self.middle, self.scale = columns.mean(0), np.where(spread > 0, spread, 1.0)
        self.slices = self.edges = None
        if kind == "sliced":
            scaled = (columns - self.middle) / self.scale
            self.slices = Slices(scaled, data.weights, points=points, directions=32, seed=seed)
            return
        bins = int(np.clip(len(data) // 20, 2, 10))
        self.edges = [np.unique(np.quantile(c, np.arange(1, bins) / bins)) for c in columns.T]
        share = np.ones(len(data)) if data.weights is None else data.weights
        total = share.sum()
        if not total > 0:
            msg = f"the weights of the data add up to {total:g}; a comparison needs a positive sum"
            raise WeightError(msg)
        self.shares = [np.bincount(p, share, len(e) + 1) / total for p, e in self._places(columns)]
        self.errors = [np.bincount(p, share**2, len(e) + 1) / total**2 for p, e in self._places(columns)]

    def columns(self, events: Events) -> Array:
        """Columns that are compared: features, and what is given."""
        k = self.schema.condition_width
        given = events.conditions[:, events.conditions.shape[1] - k :]
        return np.column_stack([events.features, given]).astype(np.float64)

    def __call__(self, events: Events) -> float:
        """Of simulated events, whose conditions end with what is given."""
        columns = self.columns(events)
        if self.slices is not None:
            import torch

            scaled = torch.from_numpy((columns - self.middle) / self.scale).float()
            with torch.no_grad():
                return float(self.slices(scaled) / self.slices.floor) ** 2
        n, chi2 = len(events), 0.0
        for (places, edges), share, error in zip(self._places(columns), self.shares, self.errors, strict=True):
            own = np.bincount(places, minlength=len(edges) + 1) / n
            # The simulated share's variance from that of the data: where nothing was simulated it has none of its own.
            variance = error + np.maximum(share, 1 / n) * (1 - np.minimum(share, 1 - 1 / n)) / n
            chi2 += float(((own - share) ** 2 / variance).sum())
        return chi2

    def _places(self, columns: Array) -> list[tuple[NDArray[np.intp], Array]]:
        assert self.edges is not None  # noqa: S101 - only histograms have places
        return [(np.searchsorted(e, c, side="right"), e) for c, e in zip(columns.T, self.edges, strict=True)]

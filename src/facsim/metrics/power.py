"""Power of tests: from how many events on does which statistic see a given difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError

__all__ = ["PowerCurve", "power_curve", "power_curves"]

SIZES = (50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class PowerCurve:
    """Share of experiments that see a difference, against the number of events.

    Parameters
    ----------
    sizes : tuple of int
        Events per sample.
    power : dict
        Name of the statistic -> share for each size; `alpha` where there is nothing to see.
    repeats : int
        Experiments per size, which give the share an error of sqrt(p (1 - p) / repeats).
    alpha : float
        Share of false alarms.
    """

    sizes: tuple[int, ...]
    power: dict[str, tuple[float, ...]]
    repeats: int
    alpha: float

    def events_for(self, name: str, power: float = 0.9) -> float:
        """Events per sample from which on the statistic has this power; infinite if it does not reach it.

        Interpolated in the logarithm of the size; the smallest size is returned as an upper limit.
        """
        shares = np.asarray(self.power[name])
        below = np.flatnonzero(shares < power)
        if len(below) == 0:
            return float(self.sizes[0])
        i = int(below[-1])  # from here on the power stays above
        if i == len(shares) - 1:
            return float("inf")
        part = (power - shares[i]) / (shares[i + 1] - shares[i])
        return float(self.sizes[i] * (self.sizes[i + 1] / self.sizes[i]) ** part)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "sizes": list(self.sizes),
            "power": {name: list(shares) for name, shares in self.power.items()},
            "repeats": self.repeats,
            "alpha": self.alpha,
        }


def power_curve(
    truth: Any,
    other: Any,
    statistics: Mapping[str, Callable[[Any, Any], float]],
    *,
    origin: ArrayLike | None = None,
    sizes: Sequence[int] = SIZES,
    repeats: int = 200,
    alpha: float = 0.05,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PowerCurve:
    """Measure the power of statistics against a known difference.

    Parameters
    ----------
    truth, other : array, Events or callable
        Pools of events of which samples are drawn without replacement, or samplers ``draw(n, generator)``. A pool needs
        twice as many events as the largest size. To test a distortion, give ``other = distortion(truth)``; the two
        samples of an experiment are then made of different events.
    statistics : mapping of callable
        ``statistic(x, y) -> float``, larger for more different samples; all see the same experiments.
    origin : array (len(other),), optional
        For pools: row of `truth` of which each event of `other` was made, where rows were dropped; -1 for none.
        Default: the same row if both are equally long (of independent samples this only costs choice), else none.
    sizes : sequence of int, optional
        Events per sample.
    repeats : int, optional
        Experiments per size, with and without the difference.
    alpha : float, optional
        Share of false alarms; the threshold of each statistic is its quantile for truth against truth.
    seed : int, optional
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    PowerCurve
        For two samples of one truth the power is `alpha` within sqrt(2 alpha / repeats).

    Raises
    ------
    DataError
        If a pool is too small, there are fewer than 1/alpha repeats, or a statistic is not finite.

    Notes
    -----
    Experiments drawn from one pool share events: where the samples take up most of it, thresholds come out narrow and
    the power a little too high. A statistic that combines several quantities (the largest of many distances relative
    to their floors) is calibrated as a whole, which costs less power than a Bonferroni correction.

    Examples
    --------
    >>> from facsim.metrics import ks_statistic
    >>> draw = lambda n, generator: generator.normal(0, 1, n)
    >>> shifted = lambda n, generator: generator.normal(0.5, 1, n)
    >>> curve = power_curve(draw, shifted, {"ks": ks_statistic}, sizes=(20, 100, 500), repeats=100)
    >>> 60 < curve.events_for("ks") < 250
    True
    """
    curves = power_curves(
        truth,
        {"other": other},
        statistics,
        origins=None if origin is None else {"other": origin},
        sizes=sizes,
        repeats=repeats,
        alpha=alpha,
        seed=seed,
        progress=progress,
    )
    return curves["other"]


def power_curves(
    truth: Any,
    others: Mapping[str, Any],
    statistics: Mapping[str, Callable[[Any, Any], float]],
    *,
    origins: Mapping[str, ArrayLike] | None = None,
    sizes: Sequence[int] = SIZES,
    repeats: int = 200,
    alpha: float = 0.05,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, PowerCurve]:
    """Measure the power against several differences at once, which share the experiments without a difference.

    Parameters
    ----------
    truth, statistics, sizes, repeats, alpha, seed, progress
        As for `power_curve`.
    others, origins : mapping
        Name of the difference -> what `power_curve` takes as `other` and `origin`.

    Returns
    -------
    dict of PowerCurve
        By name of the difference.

    Raises
    ------
    DataError
        As `power_curve`.
    """
    if repeats * alpha < 1 or not 0 < alpha < 1:
        msg = f"repeats={repeats}, alpha={alpha}: a threshold needs at least 1/alpha repeats, better ten times as many"
        raise DataError(msg)
    pools = _Pools(truth, others, origins or {}, max(sizes))
    generator = np.random.default_rng([seed, 0x90E5])
    power = {kind: {name: list[float]() for name in statistics} for kind in others}
    for done, size in enumerate(sizes):
        values = {kind: np.empty((len(statistics), repeats)) for kind in (None, *others)}
        for i in range(repeats):
            x, taken, same = pools.draw(size, generator)
            for kind in (None, *others):
                y = same if kind is None else pools.draw_other(kind, size, taken, generator)
                values[kind][:, i] = [statistic(x, y) for statistic in statistics.values()]
            if progress:
                progress(done * repeats + i + 1, len(sizes) * repeats)
        for j, name in enumerate(statistics):
            if not all(np.isfinite(found[j]).all() for found in values.values()):
                msg = f"statistic '{name}' is not finite for {size} events. Leave out such small sizes"
                raise DataError(msg)
            # as a p-value: (1 + values above) / (1 + repeats) <= alpha
            allowed = int(np.floor(alpha * (repeats + 1))) - 1
            threshold = np.sort(values[None][j])[repeats - 1 - allowed]
            for kind in others:
                power[kind][name].append(float(np.mean(values[kind][j] > threshold)))
    return {
        kind: PowerCurve(tuple(sizes), {name: tuple(v) for name, v in found.items()}, repeats, alpha)
        for kind, found in power.items()
    }


class _Pools:
    """Draws samples of the truth and of the other kinds, made of different events."""

    def __init__(self, truth: Any, others: Mapping[str, Any], origins: Mapping[str, ArrayLike], largest: int) -> None:
        self.truth, self.others = truth, others
        self.rows: dict[str, NDArray[np.intp]] = {}
        if not callable(truth) and len(truth) < 2 * largest:
            msg = f"truth has {len(truth)} events: {largest} per sample need {2 * largest}. Ask for smaller sizes"
            raise DataError(msg)
        for kind, other in others.items():
            if callable(other):
                continue
            if kind in origins:
                rows = np.asarray(origins[kind], np.intp)
            else:
                paired = not callable(truth) and len(other) == len(truth)
                rows = np.arange(len(other)) if paired else np.full(len(other), -1)
            if len(rows) != len(other) or len(other) < largest:
                msg = f"{kind} has {len(other)} events and {len(rows)} origins, the largest size is {largest}"
                raise DataError(msg)
            self.rows[kind] = rows

    def draw(self, size: int, generator: np.random.Generator) -> tuple[Any, NDArray[np.bool_], Any]:
        """Two samples of the truth, and which rows of it the first one took."""
        if callable(self.truth):
            return self.truth(size, generator), np.zeros(1, bool), self.truth(size, generator)
        order = generator.permutation(len(self.truth))
        taken = np.zeros(len(order) + 1, bool)  # the last one is for events without origin
        taken[order[:size]] = True
        return self.truth[order[:size]], taken, self.truth[order[size : 2 * size]]

    def draw_other(self, kind: str, size: int, taken: NDArray[np.bool_], generator: np.random.Generator) -> Any:
        """Sample of another kind that was not made of the rows taken."""
        other = self.others[kind]
        if callable(other):
            return other(size, generator)
        rows = self.rows[kind]
        free = ~taken[rows] if len(taken) > 1 else np.ones(len(rows), bool)
        chosen = generator.permutation(np.flatnonzero(free))[:size]
        if len(chosen) < size:
            msg = f"{kind}: only {len(chosen)} events are left for a sample of {size}. Ask for smaller sizes"
            raise DataError(msg)
        return other[chosen]

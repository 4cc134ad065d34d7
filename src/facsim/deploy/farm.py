"""How many events per second a farm of cores simulates, and how long an event waits for its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError

__all__ = ["Farm", "Latency"]

Array = NDArray[np.float64]

STEPS = 100  # of the time grid in the longer of a turn and a call
LONGEST = 2**16  # steps of the grid
SETTLED = 1e-8
ROUNDS = 20_000


@dataclass(frozen=True)
class Latency:
    """Time in seconds from an event's arrival to its answer, and the share of the time that a core is busy.

    Infinite where more arrives than the farm can take.
    """

    mean: float
    median: float
    p99: float
    load: float


@dataclass(frozen=True)
class Farm:
    r"""Cores that answer events in calls of many tracks at once.

    Events arrive independently of each other (Poisson). Those that arrive within one window are answered in one call,
    which takes a + b n seconds for n tracks; windows go to the cores in turn. A core's queue is then D/G/1: every
    c-th window, c the number of cores, it gets a Poisson number N of events, and the wait V of its call obeys

    .. math:: V' = \max(0,\; V + S - c w), \qquad S = a + b k N \;\; (N > 0), \quad 0 \;\; (N = 0),

    (Lindley, Proc. Camb. Phil. Soc. 48 (1952) 277), with k tracks per event and the window w. Its stationary law is
    found on a grid. An event waits for the end of its window (flat), for the core, and for its own call, which has one
    event more than a typical one. Without a window every event is a call, sent to a core at random: M/D/1, whose wait
    is a geometric sum of flat times (Pollaczek and Khinchine).

    Parameters
    ----------
    overhead : float
        Seconds of a call, a.
    per_track : float
        Seconds of a track in a call, b.
    tracks : float
        Tracks per event, k.
    cores : int, optional

    Raises
    ------
    DataError
        If a number is not positive (an overhead may be 0).

    Notes
    -----
    Left out: the way of data to and from the core, events of different size, other work on the cores.

    Examples
    --------
    >>> farm = Farm(overhead=50e-6, per_track=1e-6, tracks=100, cores=4)
    >>> round(farm.capacity(window=0)), round(farm.capacity(window=1e-3))
    (26667, 39500)
    >>> farm.latency(20_000, window=1e-3).mean < 5e-3
    True
    """

    overhead: float
    per_track: float
    tracks: float
    cores: int = 1

    def __post_init__(self) -> None:
        for name in ("per_track", "tracks", "cores"):
            if not 0 < getattr(self, name) < np.inf:
                msg = f"{name} = {getattr(self, name)}: it must be a positive number"
                raise DataError(msg)
        if not 0 <= self.overhead < np.inf:
            msg = f"overhead = {self.overhead}: it must be 0 or a positive number of seconds"
            raise DataError(msg)

    @classmethod
    def measured(cls, batches: Sequence[int], seconds: Sequence[float], *, tracks: float, cores: int = 1) -> Self:
        """The farm of measured calls: a and b by least squares of the relative deviations.

        Parameters
        ----------
        batches : sequence of int
            Tracks of each call, two different numbers at least.
        seconds : sequence of float
            How long the calls took.
        tracks, cores
            As of the class.

        Examples
        --------
        >>> farm = Farm.measured([1, 100, 1000], [51e-6, 150e-6, 1050e-6], tracks=100)
        >>> round(farm.overhead * 1e6, 6), round(farm.per_track * 1e6, 6)
        (50.0, 1.0)
        """
        n, t = np.asarray(batches, float), np.asarray(seconds, float)
        if n.shape != t.shape or len(np.unique(n)) < 2 or not (t > 0).all() or not (n > 0).all():
            msg = f"batches = {list(batches)}, seconds = {list(seconds)}: give times of two different batches or more"
            raise DataError(msg)
        (a, b), *_ = np.linalg.lstsq(np.stack([1 / t, n / t], 1), np.ones(len(t)), rcond=None)
        if a < 0:  # no overhead that could be seen
            a, b = 0.0, float((n / t).sum() / ((n / t) ** 2).sum())
        return cls(float(a), float(b), tracks, cores)

    def load(self, rate: float, window: float = 0.0) -> float:
        """Share of the time that a core works, or would have to, at `rate` events per second."""
        self._check(rate, window)
        if not window:
            return rate * self._call / self.cores
        return float(self._busy(rate, window) / (self.cores * window))

    def capacity(self, window: float = 0.0) -> float:
        """Events per second that the farm can take at most; 0 where windows are shorter than calls can be."""
        self._check(1.0, window)
        if not window:
            return self.cores / self._call
        low, high = 0.0, self.cores / (self.per_track * self.tracks)
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (low, middle) if self._busy(middle, window) > self.cores * window else (middle, high)
        return low

    def latency(self, rate: float, window: float = 0.0) -> Latency:
        """What an event waits, at `rate` events per second in windows of so many seconds.

        Raises
        ------
        DataError
            If the rate is not positive, or the window negative.
        """
        load = self.load(rate, window)
        if load >= 1:
            return Latency(np.inf, np.inf, np.inf, load)
        if window:
            turn = self.cores * window
            counts, chance = _poisson(rate * window)
            services = np.where(counts > 0, self.overhead + self._each * counts, 0.0)
            own = self.overhead + self._each * (1 + counts)  # the event itself, and those that are with it
            step = max(turn, float(services @ chance)) / STEPS
            waiting = _stationary(_law(services, chance, step), _law(np.array([turn]), np.ones(1), step))
            answers, gathering = _law(own, chance, step), _flat(window, step)
        else:
            step = self._call / STEPS
            waiting = _compound(_flat(self._call, step), load)
            answers, gathering = _law(np.array([self._call]), np.ones(1), step), np.ones(1)
        whole = np.convolve(np.convolve(waiting, answers), gathering)
        times, reached = np.arange(len(whole)) * step, np.cumsum(whole)
        median, p99 = (float(np.interp(q, reached, times)) for q in (0.5, 0.99))
        return Latency(float(times @ whole), median, p99, load)

    @property
    def _each(self) -> float:
        """Seconds that an event adds to a call."""
        return self.per_track * self.tracks

    @property
    def _call(self) -> float:
        """Seconds of a call with one event."""
        return self.overhead + self._each

    def _busy(self, rate: float, window: float) -> float:
        """Mean seconds of the call of a window."""
        return float(self.overhead * -np.expm1(-rate * window) + self._each * rate * window)

    def _check(self, rate: float, window: float) -> None:
        if not (0 < rate < np.inf and 0 <= window < np.inf):
            msg = f"rate = {rate}, window = {window}: a positive number of events per second, and seconds of 0 or more"
            raise DataError(msg)


def _poisson(mean: float) -> tuple[Array, Array]:
    """Numbers that happen, and their probabilities."""
    from scipy.stats import poisson

    counts = np.arange(poisson.ppf(1e-12, mean), poisson.ppf(1 - 1e-12, mean) + 1)
    chance = poisson.pmf(counts, mean)
    return counts, chance / chance.sum()


def _law(times: Array, chance: Array, step: float) -> Array:
    """Probabilities on the grid; a time between two of its points is shared, which keeps the mean."""
    place = times / step
    cell = np.floor(place).astype(int)
    law = np.zeros(int(cell.max()) + 2)
    np.add.at(law, cell, chance * (1 - (place - cell)))
    np.add.at(law, cell + 1, chance * (place - cell))
    return law


def _flat(width: float, step: float) -> Array:
    """Flat between 0 and `width`."""
    middles = (np.arange(STEPS) + 0.5) * width / STEPS
    return _law(middles, np.full(STEPS, 1 / STEPS), step)


def _compound(law: Array, load: float) -> Array:
    """Law of a sum of N such times, N geometric: n of them with probability (1 - load) load^n."""
    size = 2 ** int(np.ceil(np.log2(len(law) * (4 + 20 / (1 - load)))))  # the tail is beyond in less than one in 10^9
    return np.fft.irfft((1 - load) / (1 - load * np.fft.rfft(law, size)), size).clip(0)


def _stationary(calls: Array, arrivals: Array) -> Array:
    """Law of the wait on the grid: the fixed point of V -> max(0, V + call - arrival)."""
    change = np.convolve(calls, arrivals[::-1])  # from -(len(arrivals) - 1) on
    back = len(arrivals) - 1
    size = 2 ** int(np.ceil(np.log2(4 * len(change))))
    while True:
        full = 2 * size
        spectrum = np.fft.rfft(change, full)
        wait = np.zeros(size)
        wait[0] = 1.0
        for _ in range(ROUNDS):
            moved = np.fft.irfft(np.fft.rfft(wait, full) * spectrum, full).clip(0)
            new = moved[back : back + size].copy()
            new[0] += moved[:back].sum()
            new /= new.sum()
            done = np.abs(new - wait).sum() < SETTLED
            wait = new
            if done:
                break
        if wait[-size // 16 :].sum() < 1e-6 or size >= LONGEST:
            return wait
        size *= 2

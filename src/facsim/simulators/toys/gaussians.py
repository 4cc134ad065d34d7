"""Gaussians on a ring and on a grid: problems on which the modes that a generator finds are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.schema import Block, Schema
from facsim.simulators.toys.base import Toy, positive

__all__ = ["GaussianGrid", "Ring", "good_share", "modes_found"]

Array = NDArray[np.float64]

PLANE = Schema((Block("x"), Block("y")))
SIGMAS = 3.0
"""Within so many standard deviations of a mode an event is good."""


class _Gaussians(Toy):
    """Equally many events around every mode."""

    std: float

    @property
    def schema(self) -> Schema:
        """Two real columns, ``x`` and ``y``; no conditions."""
        return PLANE

    def modes(self) -> Array:
        """Centres of the Gaussians, (m, 2)."""
        raise NotImplementedError

    def density(self, x: ArrayLike) -> Array:
        r"""Density (n,) at points x (n, 2): :math:`\frac1m \sum_k N(x; \mu_k, \sigma^2 1)`."""
        apart = _squares(np.asarray(x, np.float64), self.modes())
        return np.asarray(np.exp(-apart / (2 * self.std**2)).mean(axis=1) / (2 * np.pi * self.std**2))

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        modes = self.modes()
        n = len(conditions)
        return np.asarray(modes[rng.integers(len(modes), size=n)] + rng.normal(0, self.std, (n, 2)))


@dataclass(frozen=True)
class Ring(_Gaussians):
    """Gaussians on a circle (Metz et al., arXiv:1611.02163: 8 of them, radius 2, standard deviation 0.02).

    Parameters
    ----------
    count : int
        Number of modes.
    radius, std : float

    Examples
    --------
    >>> ring = Ring()
    >>> events = ring.sample(4000, seed=1)
    >>> modes_found(events, ring.modes(), ring.std), round(good_share(events, ring.modes(), ring.std), 2)
    (8, 0.99)
    """

    count: int = 8
    radius: float = 2.0
    std: float = 0.02

    name = "ring"
    summary = "Gaussians on a circle in the plane; modes are counted"

    def __post_init__(self) -> None:
        positive(self, "count", "radius", "std")

    def modes(self) -> Array:
        """Centres of the Gaussians, (count, 2)."""
        angle = 2 * np.pi * np.arange(self.count) / self.count
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@dataclass(frozen=True)
class GaussianGrid(_Gaussians):
    """Gaussians on a square grid (Lin et al., arXiv:1712.04086: 5 x 5, at -4, -2, ... 4, standard deviation 0.05).

    Parameters
    ----------
    side : int
        Modes along each axis.
    spacing, std : float
    """

    side: int = 5
    spacing: float = 2.0
    std: float = 0.05

    name = "grid"
    summary = "25 Gaussians on a square grid in the plane; modes are counted"

    def __post_init__(self) -> None:
        positive(self, "side", "spacing", "std")

    def modes(self) -> Array:
        """Centres of the Gaussians, (side * side, 2)."""
        axis = self.spacing * (np.arange(self.side) - (self.side - 1) / 2)
        return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def modes_found(events: Events | ArrayLike, modes: ArrayLike, std: float, sigmas: float = SIGMAS) -> int:
    """Count the modes that have at least one event within `sigmas` standard deviations.

    Parameters
    ----------
    events : Events or array (n, d)
    modes : array (m, d)
    std : float
        Of every mode, along each axis.
    sigmas : float, optional

    Returns
    -------
    int
        Arrives at m for the truth: a mode of m has no event among n with a chance of about ``exp(-n / m)``.
    """
    return int(np.unique(_nearest(events, modes, std, sigmas)[0]).size)


def good_share(events: Events | ArrayLike, modes: ArrayLike, std: float, sigmas: float = SIGMAS) -> float:
    r"""Share of events within `sigmas` standard deviations of a mode.

    Parameters
    ----------
    events, modes, std, sigmas
        As for `modes_found`.

    Returns
    -------
    float
        For the truth in two dimensions :math:`1 - e^{-9/2} = 0.9889` at three standard deviations.
    """
    good, n = _nearest(events, modes, std, sigmas)
    return len(good) / n


def _nearest(events: Events | ArrayLike, modes: ArrayLike, std: float, sigmas: float) -> tuple[NDArray[np.intp], int]:
    """Nearest mode of every good event, and the number of all events."""
    x = np.asarray(events.features if isinstance(events, Events) else events, np.float64)
    centres = np.asarray(modes, np.float64)
    if x.ndim != 2 or len(x) == 0 or centres.ndim != 2 or centres.shape[1] != x.shape[1]:
        msg = f"events {x.shape} and modes {centres.shape}: give both as (n, d) with one d, and at least one event"
        raise DataError(msg)
    apart = _squares(x, centres)
    which = apart.argmin(axis=1)
    good = apart[np.arange(len(x)), which] <= (sigmas * std) ** 2
    return which[good], len(x)


def _squares(x: Array, centres: Array) -> Array:
    return np.asarray(((x[:, None] - centres) ** 2).sum(axis=2))

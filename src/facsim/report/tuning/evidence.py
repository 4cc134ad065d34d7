"""What a verdict rests on: tests of the errors, of the simulator's reach, and of the events at the tuned parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALARM", "QUOTED", "Calibration", "Closeness", "Pushforward", "State", "noticed"]

Array = NDArray[np.float64]
State = Literal["like", "differs", "unclear"]

ALARM = 0.01
"""p-value below which a test counts as failed."""
QUOTED = (0.68, 0.95)
"""Levels of the intervals that people are shown."""
FACTORS = (1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0)
POWER = 0.9

CLOSE = 0.06
"""Excess of the AUC below which events count as alike."""
SURE = 2.5
"""Standard errors by which an AUC must exceed the floor to count as different."""
APART, RELEVANT = (2.0, 3.0), 0.1
"""Sliced Wasserstein distance over that of one truth (no longer near; surely far), and in units of the spread."""


@dataclass(frozen=True)
class Calibration:
    """How often intervals hold the truth, in simulations with known parameters.

    Parameters
    ----------
    tests : int
        Simulations.
    levels : array (l,)
        Credible levels, ascending, between 0 and 1.
    coverage : dict of str to array (l,)
        Share of tests whose truth was inside, by parameter.
    pvalue : float
        That the ranks of all parameters are flat.
    ranks : dict of str to array (t,), optional
        Of the truth among the draws, from 0 to 1.
    tarp : array (l,), optional
        Coverage of regions around random points.
    events : int, optional
        Of each simulation.
    """

    tests: int
    levels: Array
    coverage: dict[str, Array]
    pvalue: float
    ranks: dict[str, Array] = field(default_factory=dict)
    tarp: Array | None = None
    events: int = 1

    def at(self, level: float) -> dict[str, float]:
        """Coverage at one level, by parameter."""
        return {name: float(np.interp(level, self.levels, shares)) for name, shares in self.coverage.items()}

    def worst(self) -> tuple[float, float]:
        """p-values (too narrow, too wide) of the intervals that are quoted: binomial, times the number of looks.

        Examples
        --------
        >>> Calibration(230, np.array([0.68, 0.95]), {"x0": np.array([0.81, 0.95])}, 0.3).worst()[1] < 1e-4
        True
        """
        from scipy.stats import binomtest

        looks = [(level, round(share * self.tests)) for level in QUOTED for share in self.at(level).values()]
        less, more = (
            min((float(binomtest(k, self.tests, level, alternative=side).pvalue) for level, k in looks), default=1.0)
            for side in ("less", "greater")
        )
        return min(1.0, 2 * len(looks) * less), min(1.0, 2 * len(looks) * more)

    def excluded(self) -> float | None:
        """Factor by which errors would have to be too small for these tests to notice; see `noticed`."""
        return noticed(self.tests, len(self.coverage))


def noticed(tests: int, parameters: int = 1) -> float | None:
    r"""Smallest factor by which one parameter's errors are too small that tests of coverage notice in 9 of 10 cases.

    Gaussian errors that are too small by f hold the truth in a share :math:`2 \Phi(z / f) - 1`, z being the half-width
    of the interval; None if a factor 10 is not noticed.

    Examples
    --------
    >>> noticed(20), noticed(100), noticed(1000)
    (2.5, 1.5, 1.2)
    """
    from scipy.stats import binom, norm

    looks = 2 * len(QUOTED) * max(parameters, 1)
    for factor in FACTORS:
        for level in QUOTED:
            lowest = binom.ppf(ALARM / looks, tests, level) - 1  # counts up to here raise the alarm
            share = 2 * norm.cdf(norm.ppf((1 + level) / 2) / factor) - 1
            if binom.cdf(lowest, tests, share) >= POWER:
                return factor
    return None


@dataclass(frozen=True)
class Closeness:
    """Whether the data look like something that the simulator produces.

    Parameters
    ----------
    pvalue : float
        Chance that data of the simulator lie as far from its other events.
    words : str, optional
        What was compared.
    """

    pvalue: float
    words: str = ""


@dataclass(frozen=True)
class Pushforward:
    """How the simulator's events at the tuned parameters differ from the data.

    Parameters
    ----------
    auc, auc_error : float, optional
        Of a classifier that tells them apart; 0.5: not at all.
    auc_floor : float, optional
        The same for data against data.
    sliced, null : float, optional
        Sliced Wasserstein distance in units of the data's spread, and what two samples of one truth give.

    Examples
    --------
    >>> Pushforward(0.51, 0.01, 0.5).state, Pushforward(0.51, 0.05, 0.5).state, Pushforward(0.7, 0.05, 0.5).state
    ('like', 'unclear', 'differs')
    """

    auc: float | None = None
    auc_error: float | None = None
    auc_floor: float | None = None
    sliced: float | None = None
    null: float | None = None

    @property
    def excess(self) -> float | None:
        """AUC above that of data against data."""
        return None if self.auc is None else self.auc - max(self.auc_floor or 0.5, 0.5)

    @property
    def ratio(self) -> float | None:
        """Sliced Wasserstein distance over that of two samples of one truth."""
        if self.sliced is None or self.null is None:
            return None
        return self.sliced / self.null if self.null > 0 else (math.inf if self.sliced > 0 else 1.0)

    @property
    def state(self) -> State:
        """``like``: a difference that matters is excluded; ``differs``: one is seen; ``unclear``: neither."""
        sliced, ratio, excess = self.sliced or 0.0, self.ratio or 0.0, self.excess
        near, far = (sliced <= RELEVANT or ratio <= limit for limit in APART)
        if not far:
            return "differs"
        if excess is None:
            return "like" if near and self.null is not None and self.null <= RELEVANT else "unclear"
        error = self.auc_error or 0.0
        if excess + 2 * error >= CLOSE and excess > SURE * error:
            return "differs"
        return "like" if near and excess + 2 * error < CLOSE else "unclear"

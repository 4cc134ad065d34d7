"""The verdict on a tuning, in sentences: is the error to be trusted, and can the simulator make these data at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.report.labels import number, with_error

__all__ = ["Calibration", "Closeness", "Pushforward", "Verdict", "judge"]

Array = NDArray[np.float64]

ALARM = 0.01
"""p-value below which a test counts as failed."""
IMPROVED, SMALL = 0.8, 0.1


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
    """How well a classifier tells the simulator's events at the tuned parameters from the data.

    Parameters
    ----------
    auc, auc_error : float
        0.5: not at all.
    auc_floor : float
        The same for data against data.
    """

    auc: float
    auc_error: float
    auc_floor: float

    @property
    def far(self) -> bool:
        """Whether the events differ from the data by more than the test scatters and than 0.05."""
        return self.auc - max(self.auc_floor, 0.5) > 0.05 + 2 * self.auc_error


@dataclass(frozen=True)
class Verdict:
    """One sentence, what supports it, and whether to worry."""

    headline: str
    findings: tuple[str, ...]
    alarm: bool


def judge(
    kind: str,
    calibration: Calibration | None,
    closeness: Closeness | None,
    compared: Mapping[str, Mapping[str, Any]],
    pushforward: Pushforward | None = None,
) -> Verdict:
    """Sum up.

    Parameters
    ----------
    kind : str
        ``posterior``, ``population`` or ``point``.
    calibration, closeness : optional
        Tests, where they were made.
    compared : mapping
        Of `facsim.report.tuning.simulations.compare_simulations`.
    pushforward : Pushforward, optional
        Of events at the tuned parameters; decides over a population.

    Examples
    --------
    >>> judge("posterior", None, Closeness(0.001), {}).headline
    'The simulator cannot produce these data: do not use these parameters'
    """
    foreign = closeness is not None and closeness.pvalue < ALARM
    wrong = calibration is not None and calibration.pvalue < ALARM
    findings = []
    if closeness is not None:
        what = f" ({closeness.words})" if closeness.words else ""
        outcome = "the data lie outside what it can produce" if foreign else "the data look like its events"
        findings.append(f"Test of the simulator against the data{what}: p = {number(closeness.pvalue, 2)}; {outcome}.")
    else:
        findings.append("Whether the simulator can produce the data was not tested.")
    if calibration is not None:
        many = f" of {calibration.events:,} events" if calibration.events > 1 else ""
        inside = ", ".join(f"{n} {100 * v:.0f} %" for n, v in calibration.at(0.68).items())
        findings.append(
            f"In {calibration.tests:,} simulations{many} with known parameters the 68 % intervals held the truth in "
            f"{inside}; flat ranks: p = {number(calibration.pvalue, 2)}."
        )
    elif kind == "posterior":
        findings.append("The intervals were not tested on simulations with known parameters.")
    if pushforward is not None:
        findings.append(
            f"A classifier tells the simulator's events at the tuned parameters from the data with an AUC of "
            f"{with_error(pushforward.auc, pushforward.auc_error)} (data against data: "
            f"{number(pushforward.auc_floor, 3)})."
        )
    findings.append(_closer(compared))
    missed = pushforward is not None and pushforward.far
    if foreign:
        headline = "The simulator cannot produce these data: do not use these parameters"
    elif wrong:
        headline = "The errors cannot be trusted: the intervals miss the truth too often or too rarely"
    elif missed:
        headline = "The events at the tuned parameters do not look like the data: not tuned yet, or not tunable"
    elif kind == "population" and pushforward is None:
        headline = "A population of parameters; whether its events look like the data was not tested"
    elif kind == "population":
        headline = "A population of parameters whose events look like the data; its width is no error"
    elif calibration is None:
        headline = "The tuned parameters are below; their errors were not tested"
    else:
        headline = "The parameters are tuned, and their errors can be trusted"
    return Verdict(headline, tuple(f for f in findings if f), foreign or wrong or missed)


def _closer(compared: Mapping[str, Mapping[str, Any]]) -> str:
    both = [entry["w1"] for entry in compared.values() if {"default", "tuned"} <= set(entry["w1"])]
    if not both:
        return ""
    far = [w for w in both if w["default"] > SMALL]
    better = sum(w["tuned"] < IMPROVED * w["default"] for w in far)
    still = sum(w["tuned"] > SMALL for w in both)
    return (
        f"{len(far)} of {len(both)} observables of the default simulation are further than {SMALL:g} standard "
        f"deviations from the data; tuning brings {better} of them closer, and leaves {still} further than that."
    )

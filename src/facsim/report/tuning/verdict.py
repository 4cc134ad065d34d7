"""The verdict on a tuning, in sentences: is the error to be trusted, and can the simulator make these data at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from facsim.report.labels import number, with_error
from facsim.report.tuning.evidence import ALARM, QUOTED, Calibration, Closeness, Pushforward

__all__ = ["Level", "Verdict", "judge"]

Level = Literal["good", "unsure", "alarm"]

NEARLY = 0.9  # share of the data's events that a test needs
IMPROVED, CHANCE = 0.8, 2.0
ENOUGH = 100
"""Tests from which on errors are called trusted."""

CLAIMS = {  # kind: events like the data, too few to tell, not looked at
    "population": (
        "A population of parameters whose events look like the data; its width is no error",
        "A population of parameters; that its events look like the data is not shown: too few events to tell",
        "A population of parameters; whether its events look like the data was not tested",
    ),
    "point": (
        "A best point whose events look like the data; it has no error",
        "A best point without error; that its events look like the data is not shown: too few events to tell",
        "A best point without error; whether its events look like the data was not tested",
    ),
}


@dataclass(frozen=True)
class Verdict:
    """One sentence, what supports it, and whether to worry.

    Parameters
    ----------
    headline : str
    findings : tuple of str
    level : {"good", "unsure", "alarm"}
        Tested and passed; not tested, or not enough; failed.
    """

    headline: str
    findings: tuple[str, ...]
    level: Level

    def to_json(self) -> dict[str, str]:
        """Headline and level, for files."""
        return {"headline": self.headline, "level": self.level}


def judge(
    kind: str,
    calibration: Calibration | None,
    closeness: Closeness | None,
    compared: Mapping[str, Mapping[str, Any]],
    pushforward: Pushforward | None = None,
    events: int = 1,
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
        Of events at the tuned parameters; decides over a population and a point.
    events : int, optional
        Of the data.

    Examples
    --------
    >>> judge("posterior", None, Closeness(0.001), {}).headline
    'The simulator cannot produce these data: do not use these parameters'
    >>> judge("point", None, None, {}, Pushforward(0.51, 0.01, 0.5)).level
    'good'
    """
    findings = [
        *_reach(closeness, pushforward),
        *_errors(calibration, kind, events),
        *_events(pushforward),
        _closer(compared),
    ]
    headline, level = _headline(kind, calibration, closeness, pushforward, events)
    return Verdict(headline, tuple(f for f in findings if f), level)


def _headline(
    kind: str,
    calibration: Calibration | None,
    closeness: Closeness | None,
    pushforward: Pushforward | None,
    events: int,
) -> tuple[str, Level]:
    """The worst that was found."""
    narrow, wide = (1.0, 1.0) if calibration is None else calibration.worst()
    if closeness is not None and closeness.pvalue < ALARM:
        return "The simulator cannot produce these data: do not use these parameters", "alarm"
    if narrow < ALARM:
        return "The errors cannot be trusted: the intervals miss the truth too often", "alarm"
    if calibration is not None and calibration.pvalue < ALARM and not wide < ALARM:
        return "The errors cannot be trusted: the truth does not lie in the samples as often as it should", "alarm"
    if pushforward is not None and pushforward.state == "differs":
        return "The events at the tuned parameters do not look like the data: not tuned yet, or not tunable", "alarm"
    if kind in CLAIMS:
        like, few, untested = CLAIMS[kind]
        if pushforward is None:
            return untested, "unsure"
        return (like, "good") if pushforward.state == "like" else (few, "unsure")
    if calibration is None:
        return "The tuned parameters are below; their errors were not tested", "unsure"
    if wide < ALARM:
        return "The parameters are tuned; their errors are too large, and hold the truth too often", "unsure"
    if calibration.events < NEARLY * events:
        sets = f"sets of {calibration.events:,} event{'' if calibration.events == 1 else 's'}"
        return f"The parameters are tuned; their errors were tested with {sets}, the data have {events:,}", "unsure"
    if calibration.tests < ENOUGH:
        seen = f"{calibration.tests} tests exclude only errors that are {_seen(calibration)}"
        return f"The parameters are tuned; {seen}", "unsure"
    if closeness is None:
        return "The errors passed their tests; whether the simulator can produce these data was not tested", "unsure"
    return "The parameters are tuned, and their errors can be trusted", "good"


def _seen(calibration: Calibration) -> str:
    factor = calibration.excluded()
    return "wrong by orders of magnitude" if factor is None else f"too small by a factor {factor:g} or more"


def _reach(closeness: Closeness | None, pushforward: Pushforward | None) -> list[str]:
    if closeness is not None:
        what = f" ({closeness.words})" if closeness.words else ""
        foreign = closeness.pvalue < ALARM
        outcome = "the data lie outside what it can produce" if foreign else "the data look like its events"
        return [f"Test of the simulator against the data{what}: p = {number(closeness.pvalue, 2)}; {outcome}."]
    if pushforward is None:
        return ["Whether the simulator can produce the data was not tested."]
    return []


def _errors(calibration: Calibration | None, kind: str, events: int) -> list[str]:
    if calibration is None:
        return ["The intervals were not tested on simulations with known parameters."] if kind == "posterior" else []
    many = f" of {calibration.events:,} events" if calibration.events > 1 else ""
    parts = []
    for level in QUOTED:
        inside = ", ".join(f"{n} {100 * v:.0f} %" for n, v in calibration.at(level).items())
        parts.append(f"the {100 * level:.0f} % intervals held the truth in {inside}")
    words = (
        f"In {calibration.tests:,} simulations{many} with known parameters {' and '.join(parts)}; the worst has "
        f"p = {number(min(calibration.worst()), 2)}, flat ranks p = {number(calibration.pvalue, 2)}. Errors "
        f"{_seen(calibration)} would have been noticed in 9 of 10 cases."
    )
    found = [words]
    if calibration.events < NEARLY * events:
        found.append(f"The data have {events:,} events, more than each of these simulations.")
    return found


def _events(pushforward: Pushforward | None) -> list[str]:
    if pushforward is None:
        return []
    found = []
    if pushforward.auc is not None:
        found.append(
            f"A classifier tells the simulator's events at the tuned parameters from the data with an AUC of "
            f"{with_error(pushforward.auc, pushforward.auc_error)} (data against data: "
            f"{number(pushforward.auc_floor, 3)})."
        )
    if pushforward.sliced is not None:
        found.append(
            f"Sliced Wasserstein distance of these events to the data: {number(pushforward.sliced, 2)} "
            f"(two samples of one truth: {number(pushforward.null, 2)})."
        )
    return found


def _closer(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """How many observables are further from the data than two samples of one truth are, before and after."""
    both = [entry for entry in compared.values() if {"default", "tuned"} <= set(entry["w1"])]
    if not both:
        return ""
    off = {k: [e["w1"][k] > CHANCE * e["chance"][k] for e in both] for k in ("default", "tuned")}
    far = [e["w1"] for e, is_far in zip(both, off["default"], strict=True) if is_far]
    better = sum(w1["tuned"] < IMPROVED * w1["default"] for w1 in far)
    return (
        f"{len(far)} of {len(both)} observables of the default simulation are further from the data than "
        f"samples of these sizes are by chance (more than {CHANCE:g} times the expected W₁); tuning brings {better} of "
        f"them closer, and leaves {sum(off['tuned'])} further than that."
    )

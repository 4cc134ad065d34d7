"""Collapse of a training: names the symptom from the series of figures that `Watch` writes, and says what to try."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.training.cures import Cure, cures

__all__ = ["Detector", "Symptom", "symptoms"]

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
Array = NDArray[np.float64]
Rule = Callable[[Sequence[Row]], str | None]

HOLD = 2
"""Looks in a row at which a rule must hold: one may be chance."""


@dataclass(frozen=True)
class Symptom:
    """What is wrong.

    Parameters
    ----------
    name : str
        ``lost modes``, ``frozen generator``, ``saturated discriminator``, ``diverging`` or ``memorising``.
    words : str
        What is seen, with numbers.
    since : int
        Step of the first look in a row at which it was seen.
    looks : int
        How many these are.
    cures : tuple of Cure
        What to try, the most promising first.
    """

    name: str
    words: str
    since: int
    looks: int
    cures: tuple[Cure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = [{"words": c.words, "options": c.options} for c in self.cures]
        return {"name": self.name, "words": self.words, "since": self.since, "looks": self.looks, "cures": told}

    def __str__(self) -> str:
        lines = [f"{self.name} since step {self.since}: {self.words}. Try", *(f"  {cure}" for cure in self.cures)]
        return "\n".join(lines)


def symptoms(rows: Sequence[Row], family: str = "gan") -> list[Symptom]:
    """Symptoms that the last rows of a series show; a pure function.

    Parameters
    ----------
    rows : sequence of mapping
        As in ``watch.jsonl``: ``step``, ``finite``, ``figures``. Figures may be missing; then rules that need them do
        not hold.
    family : str, optional
        Of the model, for the cures.

    Returns
    -------
    list of Symptom
        Each was seen at the last two looks at least; events that are not finite need one.

    Notes
    -----
    The rules compare a run with itself, since good values differ between problems:

    - *lost modes*: ``kinds`` or ``coverage`` has fallen below 0.7 of its best, while precision stayed within 0.8 of
      what it was then; or less than half of the kinds were there at three looks in a row; or events lie where truth is
      (precision at least 0.6) with less than 0.4 of its spread.
    - *frozen generator*: events of the same noise have stopped to move (below 2 % of what they moved at most, learning
      rates apart) while the critic's gap grows and its AUC is above 0.9; or the generator's gradient is below 1e-4 of
      its largest.
    - *saturated discriminator*: at least 99 % right answers on both sides, and a generator gradient below 2 % of its
      largest (or, where it is not known, a gap above 8).
    - *diverging*: events or scores are not finite; the spread of the scores is thirtyfold and still grows; or
      the distance of the validation is four times its best and above 0.3.
    - *memorising*: more than 2 % copies of training events with p < 0.001.

    Examples
    --------
    >>> good = {"figures": {"coverage": 0.9, "precision": 0.8, "support": 0.9}}
    >>> bad = {"figures": {"coverage": 0.2, "precision": 0.9, "support": 0.15}}
    >>> [s.name for s in symptoms([{"step": i, **row} for i, row in enumerate([good, bad, bad])])]
    ['lost modes']
    """
    found = []
    for name, rule in RULES.items():
        words, looks = rule(rows) if rows else None, 0
        while looks < len(rows) and rule(rows[: len(rows) - looks]):
            looks += 1
        fatal = name == "diverging" and looks and not rows[-1].get("finite", True)
        if words and (looks >= HOLD or fatal):
            found.append(Symptom(name, words, int(rows[-looks]["step"]), looks, cures(name, family)))
    return found


class Detector:
    """Follow a series: warn once of every symptom, and say when one has lasted too long.

    Parameters
    ----------
    stop_after : int, optional
        Looks that a symptom may last; 0 for ever.
    rows : iterable of mapping, optional
        What was seen before, in a training that goes on.

    Examples
    --------
    >>> detector = Detector(stop_after=3)
    >>> for step in range(4):
    ...     found = detector({"step": step, "finite": True, "figures": {"memorised": 0.5, "memorised_pvalue": 1e-9}})
    >>> found[0].name, found[0].looks, detector.stop.splitlines()[0]
    ('memorising', 4, "'memorising' has lasted for 4 validations, since step 0")
    """

    def __init__(self, stop_after: int = 0, rows: Iterable[Row] = ()) -> None:
        self.stop_after, self.rows = stop_after, list(rows)
        self.told = {s["name"] for row in self.rows for s in row.get("symptoms", [])}
        self.symptoms: list[Symptom] = []

    def __call__(self, row: Row, family: str = "gan") -> list[Symptom]:
        """Take the next row; return its symptoms."""
        self.rows.append(row)
        self.symptoms = symptoms(self.rows, family)
        for symptom in self.symptoms:
            if symptom.name not in self.told:
                log.warning("%s", symptom)
                self.told.add(symptom.name)
        return self.symptoms

    @property
    def stop(self) -> str | None:
        """Why the training should stop; None if it need not."""
        lasting = [s for s in self.symptoms if self.stop_after and s.looks >= self.stop_after]
        if not lasting:
            return None
        first = lasting[0]
        cure = "\n".join(f"  {c}" for c in first.cures)
        lasted = f"'{first.name}' has lasted for {first.looks} validations, since step {first.since}"
        return f"{lasted}\n{first.words}. Try\n{cure}"


def _lost(rows: Sequence[Row]) -> str | None:
    sharp = _series(rows, "precision")
    for name, words in (("kinds", "overlap with the truth's kinds of events"), ("coverage", "coverage of the truth")):
        share = _series(rows, name)
        if not np.isfinite(share[-1] + sharp[-1]):
            continue
        best = int(np.nanargmax(share))  # there is one: the last
        fallen = share[best] > 0.3 and share[-1] < 0.7 * share[best]
        if fallen and sharp[-1] >= 0.8 * sharp[best] - 0.05:
            return (
                f"{words} has fallen from {share[best]:.2f} (step {rows[best]['step']}) to {share[-1]:.2f}, while "
                f"precision is {sharp[-1]:.2f}"
            )
    kinds = _series(rows, "kinds")
    if len(rows) > 2 and (kinds[-3:] < 0.5).all():
        return f"events are of a few kinds only: their overlap with the truth's kinds is {kinds[-1]:.2f}"
    spread = _series(rows, "spread")[-1]
    if sharp[-1] >= 0.6 and spread < 0.4:
        return f"events lie where truth is (precision {sharp[-1]:.2f}), but have {spread:.2f} of its spread"
    return None


def _frozen(rows: Sequence[Row]) -> str | None:
    gradient = _series(rows, "generator_gradient")
    if gradient[-1] <= 1e-4 * _most(gradient):
        return f"the generator's gradient is {gradient[-1]:.1g}, of at most {_most(gradient):.1g} before"
    moved, gap = _series(rows, "moved"), _series(rows, "gap")
    if len(rows) < 4 or not np.isfinite(moved[-1] + gap[-1]):
        return None
    rate = _series(rows, "rate")
    speed = moved / np.where(np.isfinite(rate) & (rate > 0), rate / _most(rate), 1.0)
    still = speed[-1] < 0.02 * _most(speed) and moved[-1] < 0.01
    if still and gap[-1] > 1.1 * gap[-3] and _series(rows, "auc")[-1] > 0.9:
        return (
            f"events of the same noise hardly move any more ({moved[-1]:.1g} standard deviations since the last look), "
            f"while the critic tells them better and better (gap {gap[-1]:.1f})"
        )
    return None


def _saturated(rows: Sequence[Row]) -> str | None:
    right, rejected = (_series(rows, name)[-1] for name in ("true_positive", "true_negative"))
    if not (right >= 0.99 and rejected >= 0.99):
        return None
    gradient, gap = _series(rows, "generator_gradient"), _series(rows, "gap")[-1]
    weak = gradient[-1] < 0.02 * _most(gradient) if np.isfinite(gradient[-1]) else gap > 8
    if not weak:
        return None
    left = f", and the generator's gradient is down to {gradient[-1]:.1g}" if np.isfinite(gradient[-1]) else ""
    return f"the critic is right about {right:.1%} of real and {rejected:.1%} of generated events{left}"


def _diverging(rows: Sequence[Row]) -> str | None:
    if not rows[-1].get("finite", True):
        return "generated events, or the critic's scores, are not finite"
    scale, distance = _series(rows, "scale"), _series(rows, "distance")
    early = _least(scale[:3])
    if len(rows) > 3 and scale[-1] > 30 * early and scale[-1] > scale[-2] > scale[-3]:
        return f"the scores' spread has grown from {early:.2g} to {scale[-1]:.2g} and still grows"
    if distance[-1] > max(0.3, 4 * _least(distance)):
        return f"the validation's distance is {distance[-1]:.2f}, after {_least(distance):.2f} at best"
    return None


def _memorising(rows: Sequence[Row]) -> str | None:
    share, pvalue = _series(rows, "memorised")[-1], _series(rows, "memorised_pvalue")[-1]
    if share > 0.02 and pvalue < 1e-3:
        return f"about {share:.0%} of the events are copies of training events (p = {pvalue:.1g})"
    return None


RULES: dict[str, Rule] = {
    "lost modes": _lost,
    "frozen generator": _frozen,
    "saturated discriminator": _saturated,
    "diverging": _diverging,
    "memorising": _memorising,
}


def _most(values: Array) -> float:
    """Largest number that is known, else NaN."""
    return float(values[np.isfinite(values)].max(initial=-np.inf)) if np.isfinite(values).any() else np.nan


def _least(values: Array) -> float:
    return -_most(-values)


def _series(rows: Sequence[Row], name: str) -> Array:
    """One figure over all rows; NaN where it is missing."""
    values = (row.get("figures", {}).get(name) for row in rows)
    return np.array([np.nan if v is None else v for v in values], np.float64)

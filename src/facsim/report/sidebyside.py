"""Several surrogates beside each other, each judged against the same truth."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facsim.errors import DataError
from facsim.files import atomic, write_json
from facsim.report.drawing import identifier
from facsim.report.labels import label, number, with_error
from facsim.report.result import CLASSIFIERS, Report

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Comparison", "Row", "check", "compare"]

MOST_MODELS = 8
"""As many lines as can be told apart."""
WORST = 3
SCATTER = 0.35
"""Of W1 between samples of one truth, relative to its mean."""
MOST_OBSERVABLES = 10
BEST = "the best, and what lies within one standard error of it"


@dataclass(frozen=True)
class Row:
    """One figure of merit of every surrogate.

    Parameters
    ----------
    key, title : str
    unit : str
    group : str
        ``classifiers``, ``distances``, ``observables`` or ``speed``.
    values, errors, floors : tuple of float or None
        One per surrogate; None where it was not measured.
    best : tuple of bool
        The best, and those that lie within one standard error of it; for W1, which has none, its scatter for one truth.
    """

    key: str
    title: str
    unit: str
    group: str
    values: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    floors: tuple[float | None, ...]
    best: tuple[bool, ...]

    @property
    def floor(self) -> float | None:
        """Mean of the floors, which differ only by sample sizes and luck."""
        known = [f for f in self.floors if f is not None]
        return float(np.mean(known)) if known else None

    def texts(self) -> list[str]:
        """Values with errors, for people."""
        return [with_error(v, e) for v, e in zip(self.values, self.errors, strict=True)]


@dataclass(frozen=True)
class Comparison:
    """Outcome of `compare`.

    Parameters
    ----------
    reports : dict of Report
        By the surrogate's name.
    times : dict of float
        Seconds per event, of those that are known.
    rows : tuple of Row
    warnings : tuple of str
        Why the figures may not be comparable.
    """

    reports: dict[str, Report] = field(repr=False)
    times: dict[str, float]
    rows: tuple[Row, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the surrogates, in the order given."""
        return tuple(self.reports)

    def table(self) -> list[dict[str, Any]]:
        """One row per figure of merit: ``quantity``, ``unit``, ``floor``, and a column per surrogate.

        ``pandas.DataFrame(comparison.table())`` takes it as it is.
        """
        return [
            {"quantity": r.title, "unit": r.unit, "floor": r.floor, **dict(zip(self.names, r.values, strict=True))}
            for r in self.rows
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and strings; the metrics of each surrogate are in its own report."""
        return {
            "format": 1,
            "names": list(self.names),
            "times": self.times,
            "rows": [{**vars(r), "floor": r.floor} for r in self.rows],
            "verdicts": {name: report.verdict for name, report in self.reports.items()},
            "warnings": list(self.warnings),
        }

    @property
    def html(self) -> str:
        """The page ``compare.html``; it links to the reports as `save` places them."""
        from facsim.report.sidepage import render

        return render(self)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``compare.html``, ``compare.json``, and each surrogate's report into a folder of its name.

        Returns
        -------
        Path
            Of the page.
        """
        page = Path(folder) / "compare.html"
        for name, place in self.folders().items():
            self.reports[name].save(Path(folder) / place)
        write_json(Path(folder) / "compare.json", self.to_json())
        with atomic(page) as temporary:
            temporary.write_text(self.html, encoding="utf-8")
        return page

    def folders(self) -> dict[str, str]:
        """Folder of each surrogate's report: its name, made safe where it is no plain file name."""
        safe = [n if re.fullmatch(r"\w[\w .+-]*", n) else identifier(n) or "report" for n in self.names]
        return {
            name: s if safe.count(s) == 1 else f"{s}-{i + 1}"
            for i, (name, s) in enumerate(zip(self.names, safe, strict=True))
        }

    def __str__(self) -> str:
        head = ["", *self.names, "floor"]
        lines = [head]
        for row in self.rows:
            cells = [t + ("*" if b else " ") for t, b in zip(row.texts(), row.best, strict=True)]
            lines.append([row.title + (f" [{row.unit}]" if row.unit else ""), *cells, number(row.floor)])
        widths = [max(map(len, column)) + 2 for column in zip(*lines, strict=True)]
        text = [
            "".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))])
            for first, *rest in lines
        ]
        return "\n".join([*text, f"* {BEST}", *self.warnings])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("")
        for name in self.names:
            table.add_column(name, justify="right")
        table.add_column("floor", justify="right", style="dim")
        for row in self.rows:
            cells = [f"[bold]{t}[/]" if b else t for t, b in zip(row.texts(), row.best, strict=True)]
            table.add_row(row.title + (f" ({row.unit})" if row.unit else ""), *cells, number(row.floor))
        return Group(table, f"bold: {BEST}", *self.warnings)


def check(names: Sequence[str], times: Mapping[str, float]) -> None:
    """Raise `DataError` as `compare` does, before the work."""
    if not 1 <= len(names) <= MOST_MODELS:
        msg = f"{len(names)} surrogates to compare: give 1 to {MOST_MODELS} of them"
        raise DataError(msg)
    for name, time in times.items():
        if name not in names:
            msg = f"times: no surrogate is called '{name}'; there are {list(names)}"
            raise DataError(msg)
        if not (np.isfinite(time) and time > 0):
            msg = f"times: '{name}' takes {time} s per event: must be positive"
            raise DataError(msg)


def compare(reports: Mapping[str, Report], times: Mapping[str, float] | None = None) -> Comparison:
    """Put the reports of several surrogates beside each other.

    Parameters
    ----------
    reports : mapping of str to Report
        By name, of evaluations against the same reference; at most `MOST_MODELS`.
    times : mapping of str to float, optional
        Seconds per event, of surrogates whose speed is known.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        For no or too many reports, a time of a surrogate that is not there, or one that is not positive.
    """
    times = dict(times or {})
    check(list(reports), times)
    metrics = [r.metrics for r in reports.values()]
    rows = [*_classifiers(metrics), *_distances(metrics), *_lights(metrics), *_observables(metrics)]
    if times:
        rows.append(
            _row(
                "time",
                "time per event",
                "ms",
                "speed",
                [(1e3 * times[n] if n in times else None, None, None) for n in reports],
            )
        )
    return Comparison(dict(reports), times, tuple(rows), tuple(_warnings(reports)))


Entry = tuple[float | None, float | None, float | None]
NOTHING: Entry = (None, None, None)


def _row(
    key: str,
    title: str,
    unit: str,
    group: str,
    entries: Sequence[Entry],
    *,
    aim: float | None = 0.0,
    slack: float = 0.0,
) -> Row:
    """A row; the best is nearest to the aim, which is infinite where more is better, and None where none is best.

    Values without error may lie within `slack` times the floor of the best.
    """
    values, errors, floors = zip(*entries, strict=True)
    best = [False] * len(values)
    if aim is not None:
        away = np.array([np.inf if v is None else (-v if np.isinf(aim) else abs(v - aim)) for v in values])
        if np.isfinite(away).any():
            first = int(np.argmin(away))
            error = np.array([e or slack * (f or 0.0) for e, f in zip(errors, floors, strict=True)])
            reach = np.where(np.arange(len(away)) == first, 0, np.hypot(error, error[first]))
            best = [bool(b) for b in away - away[first] <= reach]
    return Row(key, title, unit, group, values, errors, floors, tuple(best))


def _classifiers(metrics: Sequence[dict[str, Any]]) -> list[Row]:
    names = dict.fromkeys(n for m in metrics for n, e in m["classifiers"].items() if "auc" in e)
    rows = []
    for name in names:
        found = [m["classifiers"].get(name, {}) for m in metrics]
        entries = [(e["auc"], e["auc_error"], e["floor"]) if "auc" in e else NOTHING for e in found]
        rows.append(_row(name, f"AUC, {CLASSIFIERS.get(name, name)}", "", "classifiers", entries, aim=0.5))
    return rows


def _distances(metrics: Sequence[dict[str, Any]]) -> list[Row]:
    from facsim.report.page import DISTANCES, QUALITY

    rows = []
    tables = [m.get("distances") or {} for m in metrics]
    for name, title in DISTANCES.items():
        found = [t.get(name) or {} for t in tables]
        if any("value" in e for e in found):
            entries = [(e["value"], e.get("error"), e.get("floor")) if "value" in e else NOTHING for e in found]
            rows.append(_row(name, title, "", "distances", entries))
    for name in QUALITY:
        found = [t.get("prdc") or {} for t in tables]
        if any(name in e for e in found):
            entries = [(e[name], None, e["floor"][name]) if name in e else NOTHING for e in found]
            rows.append(_row(name, name, "", "distances", entries, aim=None))
    return rows


def _lights(metrics: Sequence[dict[str, Any]]) -> list[Row]:
    sound = [[e for e in m["observables"].values() if "error" not in e] for m in metrics]
    seen = [(float(sum(e["differs"] for e in entries)), None, None) for entries in sound]
    rows = [_row("differing", "observables that differ", f"of {max(map(len, sound))}", "observables", seen)]
    if all("light" in e for entries in sound for e in entries):
        red = [(float(sum(e["light"] == "red" for e in entries)), None, None) for entries in sound]
        rows.append(_row("red", "observables that differ much (red)", "", "observables", red))
        worth = []
        for m, entries in zip(metrics, sound, strict=True):
            events = [e.get("equivalent_events") or float(m["events"]["generated"]) for e in entries]
            worth.append((float(np.median(events)) if events else None, None, None))
        rows.append(
            _row(
                "worth",
                "worth in truth events (median)",
                "",
                "observables",
                worth,
                aim=np.inf,
            )
        )
    return rows


def _observables(metrics: Sequence[dict[str, Any]]) -> list[Row]:
    """W1 of the observables that are worst for any of them."""
    names: dict[str, None] = {}
    for place in range(WORST):
        for m in metrics:
            sound = [n for n, e in m["observables"].items() if "error" not in e]
            names |= dict.fromkeys(sound[place : place + 1])
    rows = []
    for name in list(names)[:MOST_OBSERVABLES]:
        found = [m["observables"].get(name, {}) for m in metrics]
        entries = [(e["w1"], None, e["floor"]["w1"]) if "w1" in e else NOTHING for e in found]
        info = label(name)
        rows.append(_row(name, f"W₁ of {info.words}", info.unit, "observables", entries, slack=SCATTER))
    return rows


def _warnings(reports: Mapping[str, Report]) -> list[str]:
    found = []
    for what, words in (("reference", "references"), ("generated", "generated samples")):
        sizes = {name: r.metrics["events"][what] for name, r in reports.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
            found.append(f"The {words} have different sizes ({listed}): distances and floors depend on them.")
    if len({r.metrics["samples"]["reference"] for r in reports.values()}) > 1:
        found.append("The reports are of different references: their figures cannot be compared.")
    found += [f"{name}: {text}" for name, r in reports.items() for text in r.metrics.get("warnings", [])]
    return found

"""What an evaluation returns: figures of merit, a verdict in words, a page."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facsim.files import atomic, write_json
from facsim.report import pid_tables
from facsim.report.labels import label, number, with_error

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Report"]

ROW = ("excess", "relative", "pvalue", "light", "events_needed", "equivalent_events")
CLASSIFIERS = {"high_level": "high-level classifier", "low_level": "low-level classifier"}


@dataclass(frozen=True)
class Report:
    """Outcome of `facsim.report.evaluate`.

    Parameters
    ----------
    metrics : dict
        Plain numbers, lists and strings, as in ``metrics.json``.
    verdict : str
        Which test sees a difference, and the three worst observables, in plain words.
    html : str
        The page ``report.html``.
    """

    metrics: dict[str, Any] = field(repr=False)
    verdict: str
    html: str = field(repr=False)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``metrics.json`` and ``report.html`` into `folder`, each whole or not at all.

        Where bins were judged, their table comes as ``bins.md``, ``bins.tex`` and ``bins.csv``, too.

        Returns
        -------
        Path
            Of the page.
        """
        page = Path(folder) / "report.html"
        write_json(Path(folder) / "metrics.json", self.metrics)
        with atomic(page) as temporary:
            temporary.write_text(self.html, encoding="utf-8")
        bins = self.metrics.get("pid")
        if bins and "error" not in bins:
            pid_tables.write(bins, Path(folder))
        return page

    def table(self) -> list[dict[str, Any]]:
        """One row per observable, the farthest from its floor first.

        Returns
        -------
        list of dict
            Keys ``observable``, ``w1`` (in its unit), ``floor``, ``excess`` (their ratio; None: the truth never
            varies), ``relative`` (W1 in standard deviations of the truth), ``pvalue``, ``light`` (green, amber, red),
            ``events_needed`` and ``equivalent_events``; an observable that could not be compared has ``error``.
            ``pandas.DataFrame(report.table())`` takes it as it is.
        """
        rows = []
        for name, entry in self.metrics["observables"].items():
            if "error" in entry:
                rows.append({"observable": name, "error": entry["error"]})
                continue
            row = {"observable": name, "w1": entry["w1"], "floor": entry["floor"]["w1"]}
            rows.append(row | {key: entry[key] for key in ROW if key in entry})
        return rows

    def worst(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the first `count` rows of `table` that have a distance."""
        return [row for row in self.table() if "error" not in row][:count]

    def __str__(self) -> str:
        lines = [self.verdict, *self._mind(), ""]
        lines += [f"  {name:<32}{value:>20}   floor {floor}" for name, value, floor, _ in self._rows()]
        return "\n".join(lines)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("test")
        table.add_column("value", justify="right")
        table.add_column("floor (truth against truth)", justify="right")
        table.add_column("")
        for name, value, floor, differs in self._rows():
            table.add_row(name, value, floor, "[yellow]differs[/]" if differs else "[green]same[/]")
        return Group(self.verdict, *(Text(line, "yellow") for line in self._mind()), "", table)

    def _mind(self) -> list[str]:
        """What a reader must know before trusting the figures."""
        return [f"Mind: {warning}" for warning in self.metrics.get("warnings", [])]

    def _rows(self) -> list[tuple[str, str, str, bool]]:
        """Name, value, floor and whether it differs, of the classifiers and the worst observables."""
        rows = []
        for key, entry in self.metrics["classifiers"].items():
            name = CLASSIFIERS.get(key, f"{key} classifier")  # others are protocols
            if "auc" in entry:
                value, floor = (
                    with_error(entry[k], entry[e]) for k, e in (("auc", "auc_error"), ("floor", "floor_error"))
                )
                rows.append((f"{name}: AUC", value, floor, bool(entry["differs"])))
        for name, entry in list(self.metrics["observables"].items())[:5]:
            if "error" in entry:
                continue
            words = label(name)
            unit = f" {words.unit}" if words.unit else ""
            rows.append(
                (f"{name}: W1", number(entry["w1"]) + unit, number(entry["floor"]["w1"]) + unit, entry["differs"])
            )
        return rows

"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from facsim.metrics import MonitorResult

__all__ = ["describe", "listed", "monitor_table"]

MANY = 12  # more blocks than these are shortened


def describe(found: Mapping[str, Any]) -> RenderableType:
    """What `facsim.info` found."""
    is_model = "model" in found
    head = [
        f"{found['path']}: " + (_about_model(found) if is_model else _about_file(found)),
        *(f"  {key}: {value}" for key, value in _notes(found).items()),
        "",
    ]
    table = Table(box=None, pad_edge=False, header_style="dim")
    ranges = ("trained from", "to") if is_model else ("min", "max", "mean", "zero", "below threshold", "not finite")
    for column in ("block", "role", "shape", "unit", *ranges):
        table.add_column(column, justify="left" if column in {"block", "role"} else "right")
    for role in ("condition", "feature"):
        blocks = found[f"{role}s"]
        for name, block in _shortened(blocks):
            shape = " x ".join(map(str, block["shape"]))
            table.add_row(Text(name), role, shape, block["unit"], *_figures(block, is_model=is_model))
        if len(blocks) > MANY:
            table.add_row("...", f"{len(blocks)} in all", *([""] * (len(table.columns) - 2)))
    return Group(*map(Text, head), table)


def listed(lines: Mapping[str, str]) -> RenderableType:
    """Names, each with a line of text."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in lines.items():
        table.add_row(Text(name), Text(text))
    return table


def monitor_table(result: MonitorResult, most: int = 10) -> RenderableType:
    """State of a monitor: the verdict, and the observables nearest to an alarm."""
    seen = f"a drift was seen after {result.alarm_at:,} events" if result.alarm else "no drift is seen"
    head = f"{result.events:,} events so far: {seen} (p = {result.pvalue:.2g}, valid however often one looks)"
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("observable", "mean", "reference", "W1", "floor", "p", ""):
        table.add_column(column, justify="left" if column == "observable" else "right")
    for name, row in list(result.rows.items())[:most]:
        figures = (row.mean, row.reference_mean, row.w1, row.floor)
        table.add_row(
            Text(name), *(f"{v:.4g}" for v in figures), f"{row.pvalue:.2g}", "[yellow]drifts[/]" if row.alarm else ""
        )
    return Group(Text(head), table)


def _about_file(found: Mapping[str, Any]) -> str:
    detector = f", detector {found['detector']}" if found["detector"] else ""
    return f"{found['events']:,} events, layout {found['layout']}{detector}, {found['bytes'] / 1e6:.1f} MB"


def _about_model(found: Mapping[str, Any]) -> str:
    detector = f", detector {found['detector']}" if found["detector"] else ""
    size = f", {found['parameters']:,} parameters" if found["parameters"] else ""
    return f"model of family {found['model']}{size}{detector}, {found['latent']} noise numbers per event"


def _notes(found: Mapping[str, Any]) -> dict[str, Any]:
    """Short plain attributes; long ones are for --json."""
    attributes = {**found.get("attrs", {}), **found.get("provenance", {})}
    short = {k: v for k, v in attributes.items() if isinstance(v, (str, int, float)) and len(str(v)) <= 80}
    if found.get("weights"):
        share = found["weights"]["negative"] or 0.0
        short["weights"] = f"sum {found['weights']['sum']:g}, negative in {share:.1%} of the events"
    return short


def _shortened(blocks: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(blocks.items())[:MANY]


def _figures(block: Mapping[str, Any], *, is_model: bool) -> list[str]:
    if is_model:
        return [_number(block.get("min")), _number(block.get("max"))]
    shares = [_share(block["zeros"]), _share(block["below_threshold"])]
    bad = f"{block['not_finite']:,}" if block["not_finite"] else ""
    return [_number(block["min"]), _number(block["max"]), _number(block["mean"]), *shares, bad]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"

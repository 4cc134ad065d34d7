"""Tables of docs/gans.md, in Markdown, from the numbers of `gan_study.py`."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["write"]


def write(numbers: Path) -> Iterator[str]:
    """Tables of what there are numbers for."""
    for name, make in TABLES.items():
        file = numbers / f"{name}.json"
        if file.is_file():
            yield make(json.loads(file.read_text()))


def plane(found: dict[str, Any]) -> str:
    """Ring and grid: modes, good events, seconds."""
    rows = []
    for name, e in found.items():
        seconds = f"{e['seconds']:.0f}"
        reached = "-" if e["reached"] is None else f"{e['reached']:.0f}"
        rows.append((name, f"`{e['recipe']}`", e["modes"], f"{e['good']:.3f}", reached, f"{seconds} ({e['step']:,})"))
    head = ("objective", "recipe", "modes", "good", "seconds to all modes and 90 %", "seconds in all (steps)")
    return _table(head, rows)


def unrolled(found: dict[str, Any]) -> str:
    """Modes and good events over the second half of each training."""
    rows = []
    for name, e in found.items():
        late = e["history"][len(e["history"]) // 2 :]
        modes, good = [h["modes"] for h in late], [h["good"] for h in late]
        share = f"{min(good):.3f} to {max(good):.3f}"
        rows.append((name, f"{min(modes)} to {max(modes)}", share, f"{1000 * e['seconds'] / late[-1]['step']:.0f}"))
    return _table(("", "modes, second half", "good, second half", "ms per step"), rows)


def sweights(found: dict[str, Any]) -> str:
    """Distances in units of the floor."""
    rows = []
    for share in ("30% signal", "70% signal"):
        floor = found[f"{share}, floor"]["floor"]
        sample = found[f"{share}, training sample"]
        rows.append((share, "the sample itself, without weights", *_distance(sample["unweighted"], floor)))
        rows.append((share, "the sample itself, with sWeights", *_distance(sample["weighted"], floor)))
        for name, e in found.items():
            if name.startswith(share) and "distance" in e:
                rows.append((share, name.removeprefix(f"{share}, "), *_distance(e["distance"], floor)))
    return _table(("sample", "", "distance, 10⁻³", "in floors"), rows)


def _distance(value: float, floor: float) -> tuple[str, str]:
    return f"{1000 * value:.2f}", f"{value / floor:.1f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


TABLES = {"ring": plane, "grid": plane, "unrolled": unrolled, "sweights": sweights}

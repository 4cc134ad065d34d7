"""The judgement on bins in words and as tables to paste into a note: Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from facsim.files import atomic
from facsim.report.labels import number, with_error

__all__ = [
    "LIGHTS",
    "header",
    "latex",
    "markdown",
    "pair_header",
    "pair_rows",
    "sentence",
    "table_rows",
    "to_csv",
    "write",
]

LIGHTS = {"green": "usable", "amber": "usable, small difference", "red": "not usable", "grey": "too few events"}


def sentence(data: Mapping[str, Any]) -> str:
    """Put the lights of all bins into one or two sentences.

    Examples
    --------
    >>> bins = {"light": [["green", "grey"]], "edges": [[0, 1], [0, 1, 2]], "fewest": 200.0}
    >>> one = {"lights": {"green": 1, "amber": 0, "red": 0, "grey": 1}, "bins": bins, "rows": []}
    >>> sentence({"conditions": ["P", "ETA"], "species": {"": one}, "pairs": []})
    'The copy may be used in 1 of 2 bins of P and ETA; 1 has too few events to say.'
    """
    first, second = data["conditions"]
    parts = []
    for name, entry in data["species"].items():
        if "error" in entry:
            continue
        lights = entry["lights"]
        good, total = lights["green"] + lights["amber"], sum(lights.values())
        text = f"{f'{name}: the' if name else 'The'} copy may be used in {good} of {total} bins of {first} and {second}"
        if lights["amber"]:
            text += f"; in {lights['amber']} of them a small difference is seen"
        if lights["red"]:
            worst = max((r for r in entry["rows"] if r["light"] == "red"), key=lambda r: r["ks"] or 0)
            place = f"{first} {_range(worst, 'first')}, {second} {_range(worst, 'second')}"
            verb = "differs" if lights["red"] == 1 else "differ"
            text += f"; {lights['red']} {verb}, most at {place} ({worst['worst']}, KS {number(worst['ks'], 2)})"
        if lights["grey"]:
            text += f"; {lights['grey']} {'has' if lights['grey'] == 1 else 'have'} too few events to say"
        parts.append(f"{text}.{_blunt(entry['rows'])}")
    out = " ".join(parts) or "No bin could be judged."
    pairs = [p for p in data["pairs"] if "error" not in p]
    for p in pairs:
        out += (
            f" {p['score']} separates {p['first']} from {p['second']} within {p['tolerance']:g} of the truth’s AUC in "
            f"{p['within']} of {p['known']} bins."
        )
    return out


def header(data: Mapping[str, Any]) -> list[str]:
    """Titles of the columns of `table_rows`."""
    species = ["species"] if len(data["species"]) > 1 or "" not in data["species"] else []
    last = ["events (truth)", "events (copy)", "worst", "KS", "seen from", "AUC", "verdict"]
    return [*species, *data["conditions"], *last]


def table_rows(data: Mapping[str, Any]) -> Iterator[list[str]]:
    """One row of words per bin and species."""
    several = header(data)[0] == "species"
    for name, entry in data["species"].items():
        if "error" in entry:
            continue
        for row in entry["rows"]:
            auc = "–" if row["auc"] is None else with_error(row["auc"], row["auc_error"])
            yield [
                *([name] if several else []),
                _range(row, "first"),
                _range(row, "second"),
                f"{row['events_reference']:.0f}",
                f"{row['events_generated']:.0f}",
                row["worst"] or "–",
                number(row["ks"], 2),
                number(row["resolution"], 2) if row["worst"] else "–",
                auc,
                LIGHTS[row["light"]],
            ]


def pair_header(data: Mapping[str, Any]) -> list[str]:
    """Titles of the columns of `pair_rows`."""
    return ["score", *data["conditions"], "AUC (truth)", "AUC (copy)", "difference", "verdict"]


def pair_rows(data: Mapping[str, Any]) -> Iterator[list[str]]:
    """One row of words per bin and pair of species."""
    for pair in data["pairs"]:
        if "error" in pair:
            continue
        first, second = pair["edges"]
        for i, lights in enumerate(pair["light"]):
            for j, light in enumerate(lights):
                yield [
                    f"{pair['score']}, {pair['first']}/{pair['second']}",
                    f"{number(first[i])}–{number(first[i + 1])}",
                    f"{number(second[j])}–{number(second[j + 1])}",
                    number(pair["reference"][i][j]),
                    number(pair["generated"][i][j]),
                    with_error(pair["delta"][i][j], pair["sigma"][i][j]),
                    LIGHTS[light],
                ]


def markdown(data: Mapping[str, Any]) -> str:
    """Tables in Markdown: bins, then pairs of species."""
    parts = []
    for titles, rows in _tables(data):
        head, *body = ("| " + " | ".join(line) + " |" for line in (titles, *rows))
        parts.append("\n".join([head, "|" + "---|" * len(titles), *body, ""]))
    return "\n".join([*parts, *_notes(data)]) + "\n"


def latex(data: Mapping[str, Any]) -> str:
    """Tables in LaTeX, without packages: bins, then pairs of species."""
    parts = [f"% {note}" for note in _notes(data)]
    for titles, rows in _tables(data):
        start = [f"\\begin{{tabular}}{{{'l' * len(titles)}}}", "\\hline", _line(titles), "\\hline"]
        parts += [*start, *map(_line, rows), "\\hline", "\\end{tabular}"]
    return "\n".join(parts) + "\n"


def _tables(data: Mapping[str, Any]) -> list[tuple[list[str], list[list[str]]]]:
    found = [(header(data), list(table_rows(data))), (pair_header(data), list(pair_rows(data)))]
    return [(titles, rows) for titles, rows in found if rows]


def to_csv(data: Mapping[str, Any]) -> str:
    """All numbers of every bin."""
    buffer = io.StringIO()
    rows = [
        {"species": name, **row}
        for name, entry in data["species"].items()
        if "error" not in entry
        for row in entry["rows"]
    ]
    first, second = data["conditions"]
    names = {k: k.replace("first", first).replace("second", second) for k in (rows[0] if rows else ["species"])}
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names.values())
    writer.writerows([["" if v is None else v for v in row.values()] for row in rows])
    return buffer.getvalue()


def write(data: Mapping[str, Any], folder: Path) -> None:
    """Write ``bins.md``, ``bins.tex`` and ``bins.csv``, each whole or not at all."""
    for suffix, fill in (("md", markdown), ("tex", latex), ("csv", to_csv)):
        with atomic(folder / f"bins.{suffix}") as temporary:
            temporary.write_text(fill(data), encoding="utf-8")


def _range(row: Mapping[str, Any], which: str) -> str:
    return f"{number(row[f'{which}_low'])}–{number(row[f'{which}_high'])}"


def _blunt(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what a bin that is judged would not have shown."""
    known = [r["resolution"] for r in rows if r["light"] != "grey"]
    return f" A typical bin would not show a KS distance below {number(median(known), 2)}." if known else ""


def _notes(data: Mapping[str, Any]) -> list[str]:
    sound = next((e["bins"] for e in data["species"].values() if "error" not in e), None)
    if sound is None:
        return []
    text = (
        f"Usable: no difference with KS above {sound['tolerance']:g} or AUC above {sound['auc_tolerance']:g} is seen, "
        f"at {100 * sound['alpha']:g} % false alarms over all bins, with at least {sound['fewest']:g} effective events "
        "on either side. Seen from: KS distance that would have been seen."
    )
    return [text]


def _line(cells: list[str]) -> str:
    return " & ".join(map(_tex, cells)) + " \\\\"


def _tex(text: str) -> str:
    for plain, written in (("\\", ""), ("_", "\\_"), ("%", "\\%"), ("&", "\\&"), ("#", "\\#"), ("Δ", "$\\Delta$")):
        text = text.replace(plain, written)
    return text.replace("±", "$\\pm$").replace("–", "--").replace("−", "$-$")

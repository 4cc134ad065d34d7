"""Tables of a study in Markdown, and the ROC curves of a classification transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facsim.metrics.transfer import EFFICIENCIES, TransferResult
from facsim.report.labels import number, with_error
from facsim.report.studies.paper import TRUTH_LINE, canvas, colour, log_axis, save

__all__ = ["auc_cell", "distance_cell", "draw_rocs", "markdown", "per_cent", "plain", "transfer_table"]

Published = Mapping[tuple[str, str], tuple[float, float]]
NONE: Published = {}
FEWEST = 5  # events that pass at a point of a ROC curve


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Examples
    --------
    >>> print(markdown(["model", "AUC"], [["lagan", "0.9"]]), end="")
    | model | AUC |
    |---|---|
    | lagan | 0.9 |
    """
    head, *body = ("| " + " | ".join(line) + " |" for line in (header, *rows))
    return "\n".join([head, "|" + "---|" * len(header), *body]) + "\n"


def distance_cell(entry: Mapping[str, float]) -> str:
    """A distance with its error, and the floor.

    Examples
    --------
    >>> distance_cell({"value": 1.234, "error": 0.1, "floor": 0.31})
    '1.23 ± 0.10 (0.310)'
    """
    return f"{with_error(entry['value'], entry['error'])} ({number(entry['floor'])})"


def auc_cell(entry: Mapping[str, Any] | None) -> str:
    """An area under a ROC curve with its error; an en dash if it was not measured."""
    return "–" if entry is None else with_error(float(entry["auc"]), float(entry["auc_error"]))


def per_cent(mean: float, spread: float) -> str:
    """A share and its spread in per cent.

    Examples
    --------
    >>> per_cent(0.661, 0.012)
    '66.1 ± 1.2 %'
    """
    return f"{100 * mean:.1f} ± {100 * spread:.1f} %"


def transfer_table(found: Mapping[str, TransferResult], published: Published = NONE) -> str:
    """Accuracies of every training and test sample, one row per sample and training; published ones last."""
    rows = []
    for name, result in found.items():
        for trained in ("truth", "copies"):
            entries = [result[trained, tested] for tested in ("truth", "copies")]
            cells = [f"{per_cent(*e.accuracy)}, AUC {with_error(*e.auc)}" for e in entries]
            rows.append([name, name if trained == "copies" else "truth", *cells, str(entries[0].events[0])])
    for trained, name in (("truth", "Geant4"), ("copies", "CaloGAN")) if published else ():
        cells = [per_cent(*published[trained, tested]) for tested in ("truth", "copies")]
        rows.append(["published (recalled, unverified)", name, *cells, ""])
    return markdown(["copies", "trained on", "tested on truth", "tested on the copies", "training events"], rows)


def draw_rocs(found: Mapping[str, TransferResult], path: Path) -> Path:
    """ROC curves of every sample: trained on truth or copies (colour), tested on truth or copies (line)."""
    with canvas(3.3 * len(found), 3.1) as figure:
        panels = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        for i, (axes, (name, result)) in enumerate(zip(panels, found.items(), strict=True)):
            least = 1.0
            for trained, ink in (("truth", TRUTH_LINE), ("copies", colour(i))):
                for tested, line in (("truth", "-"), ("copies", "--")):
                    mistag = result[trained, tested].mistags.mean(axis=0)
                    # of the tested events about half are of the first class; a few of all runs must pass
                    known = mistag * result[trained, tested].events[1] * result.runs / 2 >= FEWEST
                    least = min(least, float(mistag[known].min(initial=1.0)))
                    label = f"{trained} → {tested}"
                    axes.plot(EFFICIENCIES[known], 1 / mistag[known], color=ink, linestyle=line, label=label)
            axes.set(title=name, xlabel=f"efficiency of {result.classes[1]}", xlim=(0, 1), ylim=(1, 1.5 / least))
            axes.plot(EFFICIENCIES[1:], 1 / EFFICIENCIES[1:], color=TRUTH_LINE, linewidth=0.8, linestyle=":")
            axes.legend(fontsize=7.5, title="trained → tested", title_fontsize=7.5)
        highest = max(axes.get_ylim()[1] for axes in panels)
        for axes in panels:
            axes.set_ylim(1, min(highest, 2000.0))
            log_axis(axes, "y")
        panels[0].set_ylabel(f"rejection of {next(iter(found.values())).classes[0]}")
        return save(figure, path)


def plain(value: Any) -> Any:
    """Numbers of numpy as those of Python, tuples as lists, what is not finite as None: ready for JSON."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value

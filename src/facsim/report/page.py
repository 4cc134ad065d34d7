"""The page: everything of the evaluation in one HTML file that needs nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facsim.observables.tables import column_names
from facsim.report import figures, images
from facsim.report.binning import Histogram, histogram
from facsim.report.gather import Gathered
from facsim.report.labels import Label, label, number, with_error
from facsim.report.neighbours import Neighbours
from facsim.report.progress import silent
from facsim.report.verdict import Verdict

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["render"]

MOST_ROWS = 60
MOST_HISTOGRAMS = 36


@dataclass(frozen=True)
class Drawing:
    """A figure with its words."""

    title: str
    svg: Markup
    notes: tuple[str, ...] = ()
    differs: bool | None = None


def render(
    samples: Gathered,
    metrics: dict[str, Any],
    verdict: Verdict,
    neighbours: list[Neighbours],
    *,
    progress: Callable[[int, int], None] = silent,
) -> str:
    """Draw all figures and fill the template; return the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    names = _chosen(metrics)
    sections: dict[str, Callable[[], list[Drawing]]] = {
        "overview": lambda: [_excess(metrics, samples)],
        "histograms": lambda: [_observable(samples, metrics, name) for name in names],
        "means": lambda: _profiles(metrics),
        "response": lambda: _response(metrics),
        "images": lambda: _images(samples, neighbours),
        "neighbours": lambda: [_neighbour(n, samples) for n in neighbours],
        "conditions": lambda: _conditions(samples, metrics),
    }
    drawn: dict[str, list[Drawing]] = {}
    for i, (section, draw) in enumerate(sections.items()):
        drawn[section] = draw()
        progress(i + 1, len(sections))
    environment = Environment(
        loader=PackageLoader("facsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "with_error": with_error, "pvalue": _pvalue, "events": lambda n: f"{n:,}"}
    schema = samples.reference.events.schema
    return environment.get_template("report.html.j2").render(
        metrics=metrics,
        verdict=verdict,
        drawn=drawn,
        rows=_rows(metrics, samples),
        rows_differing=sum(entry["differs"] for entry in metrics["observables"].values()),
        hidden_rows=max(0, len(metrics["observables"]) - MOST_ROWS),
        hidden_histograms=len(metrics["observables"]) - len(names),
        mean_rows=_mean_rows(metrics),
        layers=len(schema.layers),
        shown_layers=len(neighbours),
        unit=schema.layers[0].unit if schema.layers else "",
    )


def _svg(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - our own drawing; its texts were escaped by matplotlib


def _chosen(metrics: dict[str, Any]) -> list[str]:
    """Observables to draw, in the order of physics; of very many, those of whole events and those farthest off."""
    whole = [name for name in metrics["order"] if not re.search(r"_\d+$", name)]  # not of one layer or column
    worst = set(list(dict.fromkeys([*whole, *metrics["observables"]]))[:MOST_HISTOGRAMS])
    return [name for name in metrics["order"] if name in worst]


def _rows(metrics: dict[str, Any], samples: Gathered) -> list[dict[str, Any]]:
    schema = samples.reference.events.schema
    rows = []
    for name, entry in list(metrics["observables"].items())[:MOST_ROWS]:
        rows.append({"name": name, "label": label(name, schema), **entry})
    return rows


def _excess(metrics: dict[str, Any], samples: Gathered) -> Drawing:
    schema = samples.reference.events.schema
    worst = dict(list(metrics["observables"].items())[:MOST_HISTOGRAMS])
    words = [label(name, schema).words for name in worst]
    return Drawing(
        "Distance of every observable relative to its floor", _svg(figures.draw_excess(worst, words, "excess"))
    )


def _observable(samples: Gathered, metrics: dict[str, Any], name: str) -> Drawing:
    info, entry = label(name, samples.reference.events.schema), metrics["observables"][name]
    data = histogram(samples.reference.observables[name], samples.generated.observables[name], info)
    unit = f" {info.unit}" if info.unit else ""
    notes = [f"W₁ {number(entry['w1'])}{unit}, floor {number(entry['floor']['w1'])}{unit}", *_outside(data)]
    svg = figures.draw_histogram(data, info, f"h-{_id(name)}")
    title = info.words if info.words == name else _capital(info.words)  # a column's name stays as it is
    return Drawing(title, _svg(svg), tuple(notes), entry["differs"])


def _outside(data: Histogram) -> list[str]:
    """What the axes cannot show."""
    out = []
    for what, counts in (("at 0", data.zeros), ("outside the axis", data.outside)):
        if any(counts):
            first, second = (f"{100 * c / n:.2g} %" for c, n in zip(counts, data.sizes, strict=True))
            out.append(f"{what}: reference {first}, generated {second}")
    return out


def _profiles(metrics: dict[str, Any]) -> list[Drawing]:
    """Means against the layer, where there are more layers than a table shows well."""
    out = []
    for stem, title in (("f", "energy fraction"), ("occupancy", "occupancy")):
        entries = {n.partition("_")[2]: e for n, e in metrics["means"].items() if n.startswith(f"{stem}_")}
        if len(entries) < 4:
            continue
        values = {
            role: tuple(np.array([e[role][k] for e in entries.values()], float) for k in ("mean", "mean_error"))
            for role in ("reference", "generated")
        }
        svg = figures.draw_profile(values, list(entries), f"mean {title}", f"profile-{stem}")  # type: ignore[arg-type]
        out.append(Drawing(f"Mean {title} by layer", _svg(svg)))
    return out


def _response(metrics: dict[str, Any]) -> list[Drawing]:
    if metrics["response"] is None:
        return []
    return [Drawing("Energy response and resolution", _svg(figures.draw_response(metrics["response"], "response")))]


def _images(samples: Gathered, neighbours: list[Neighbours]) -> list[Drawing]:
    schema, out = samples.reference.events.schema, []
    for block in (n.block for n in neighbours):
        columns = schema.columns(block.name)
        truth, copy = (s.mean[columns].reshape(block.shape) for s in (samples.reference, samples.generated))
        svg = images.draw_mean_images(block, truth, copy, f"mean-{_id(block.name)}")
        out.append(Drawing(_capital(block.name.replace("_", " ")), _svg(svg)))
    return out


def _neighbour(found: Neighbours, samples: Gathered) -> Drawing:
    schema = samples.reference.events.schema
    unit = schema.conditions[0].unit if schema.conditions else ""
    svg = images.draw_neighbours(found, unit, f"near-{_id(found.block.name)}")
    asked = len(found.to_generated)
    return Drawing(
        _capital(found.block.name.replace("_", " ")),
        _svg(svg),
        (f"{100 * found.share_closer:.0f} % of {asked:,} reference events are nearer to a generated event",),
    )


def _conditions(samples: Gathered, metrics: dict[str, Any]) -> list[Drawing]:
    names = [(name, block) for block in samples.reference.events.schema.conditions for name in column_names(block)]
    out = []
    for i, (name, block) in enumerate(names[:MOST_HISTOGRAMS]):
        truth, copy = (s.conditions[:, i].astype(np.float64) for s in (samples.reference, samples.generated))
        info = Label(name, name, name, block.unit, log=False, discrete=block.kind in {"category", "mask", "count"})
        data, entry = histogram(truth, copy, info), metrics["conditions"][name]
        svg = figures.draw_histogram(data, info, f"c-{_id(name)}")
        out.append(Drawing(name, _svg(svg), (f"KS p = {number(entry['ks_pvalue'], 2)}",), entry["differs"]))
    return out


def _mean_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of means: value and error of each sample, and how far they are apart."""
    rows = []
    for name, entry in metrics["means"].items():
        for what in ("mean", "spread") if name == "response" else ("mean",):
            truth, copy, second = (entry[role] for role in ("reference", "generated", "second_reference"))
            if truth[what] is None or copy[what] is None:
                continue
            error = float(np.hypot(truth[f"{what}_error"], copy[f"{what}_error"]))
            difference = copy[what] - truth[what]
            if abs(difference) < 1e-12 * abs(truth[what]):  # rounding of the sums
                difference = 0.0
            rows.append(
                {
                    "words": f"{'spread of ' if what == 'spread' else ''}{label(name).words}",
                    "cells": [with_error(e[what], e[f"{what}_error"]) for e in (truth, second, copy)],
                    "difference": number(difference, 2),
                    "relative": f"{'+' if difference > 0 else ''}{number(100 * difference / truth[what], 2)} %"
                    if truth[what]
                    else "–",
                    "sigmas": f"{abs(difference) / error:.1f}" if error > 0 else "–",
                    "far": error > 0 and abs(difference) > 3 * error,
                }
            )
    return rows


def _pvalue(value: float) -> str:
    return number(value, 2) if value > 1e-6 else "< 10⁻⁶"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _id(name: str) -> str:
    return re.sub(r"\W", "-", name)

"""The page: everything of the evaluation in one HTML file that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facsim.report import figures, histograms, images
from facsim.report.drawing import Drawing, capital, identifier, markup
from facsim.report.gather import Gathered
from facsim.report.labels import label, number, with_error
from facsim.report.neighbours import Neighbours
from facsim.report.progress import silent
from facsim.report.verdict import Verdict

__all__ = ["render"]

MOST_ROWS = 60


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

    schema = samples.reference.events.schema
    bins = metrics.get("histograms") or histograms.measure(
        samples.reference, samples.generated, histograms.chosen(metrics)
    )
    sections: dict[str, Callable[[], list[Drawing]]] = {
        "overview": lambda: [_excess(metrics, samples)],
        "histograms": lambda: histograms.draw(bins, metrics, schema),
        "means": lambda: _profiles(metrics),
        "response": lambda: _response(metrics),
        "images": lambda: _images(samples, neighbours),
        "neighbours": lambda: [_neighbour(n, samples) for n in neighbours],
        "conditions": lambda: histograms.draw_conditions(bins, metrics, schema),
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
    return environment.get_template("report.html.j2").render(
        metrics=metrics,
        verdict=verdict,
        drawn=drawn,
        rows=_rows(metrics, samples),
        broken={name: entry["error"] for name, entry in metrics["observables"].items() if "error" in entry},
        rows_differing=sum(entry.get("differs", False) for entry in metrics["observables"].values()),
        hidden_rows=max(0, len(metrics["observables"]) - MOST_ROWS),
        hidden_histograms=len(metrics["observables"]) - len(bins["observables"]),
        mean_rows=_mean_rows(metrics),
        layers=len(schema.layers),
        shown_layers=len(neighbours),
        unit=schema.layers[0].unit if schema.layers else "",
    )


def _sound(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Observables that could be compared."""
    return {name: entry for name, entry in metrics["observables"].items() if "error" not in entry}


def _rows(metrics: dict[str, Any], samples: Gathered) -> list[dict[str, Any]]:
    schema = samples.reference.events.schema
    rows = []
    for name, entry in list(_sound(metrics).items())[:MOST_ROWS]:
        rows.append({"name": name, "label": label(name, schema), **entry})
    return rows


def _excess(metrics: dict[str, Any], samples: Gathered) -> Drawing:
    schema = samples.reference.events.schema
    worst = dict(list(_sound(metrics).items())[:MOST_ROWS])
    words = [label(name, schema).words for name in worst]
    return Drawing("Distance of every observable relative to its floor", markup(figures.draw_excess(worst, words)))


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
        svg = figures.draw_profile(values, list(entries), f"mean {title}")  # type: ignore[arg-type]
        out.append(Drawing(f"Mean {title} by layer", markup(svg)))
    return out


def _response(metrics: dict[str, Any]) -> list[Drawing]:
    if metrics["response"] is None:
        return []
    return [Drawing("Energy response and resolution", markup(figures.draw_response(metrics["response"])))]


def _images(samples: Gathered, neighbours: list[Neighbours]) -> list[Drawing]:
    schema, out = samples.reference.events.schema, []
    for block in (n.block for n in neighbours):
        columns = schema.columns(block.name)
        truth, copy = (s.mean[columns].reshape(block.shape) for s in (samples.reference, samples.generated))
        svg = images.draw_mean_images(block, truth, copy, f"mean-{identifier(block.name)}")
        out.append(Drawing(capital(block.name.replace("_", " ")), markup(svg)))
    return out


def _neighbour(found: Neighbours, samples: Gathered) -> Drawing:
    schema = samples.reference.events.schema
    unit = schema.conditions[0].unit if schema.conditions else ""
    svg = images.draw_neighbours(found, unit, f"near-{identifier(found.block.name)}")
    asked = len(found.to_generated)
    return Drawing(
        capital(found.block.name.replace("_", " ")),
        markup(svg),
        (f"{100 * found.share_closer:.0f} % of {asked:,} reference events are nearer to a generated event",),
    )


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

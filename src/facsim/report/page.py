"""The page: everything of the evaluation in one HTML file that needs nothing from outside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.report import (
    by_condition,
    correlations,
    figures,
    histograms,
    images,
    pid_figures,
    pid_tables,
    profiles,
    sections,
    tails,
)
from facsim.report.drawing import Drawing, capital, identifier, markup
from facsim.report.gather import Gathered
from facsim.report.labels import label, number, with_error
from facsim.report.neighbours import Neighbours
from facsim.report.progress import silent
from facsim.report.sample import Sample
from facsim.report.verdict import Verdict

__all__ = ["environment", "render"]

logger = logging.getLogger(__name__)

MOST_ROWS = 60

DISTANCES = {
    "fpd": "Fréchet distance (FPD)",
    "kpd": "kernel distance, fourth degree (KPD)",
    "mmd": "kernel distance, Gaussian kernel (MMD)",
    "energy": "energy distance",
    "sliced_w1": "sliced Wasserstein distance",
    "sliced_ks": "sliced Kolmogorov–Smirnov distance",
    "correlation": "distance of the correlation matrices",
}
PUBLISHED = {
    "fpd": "FPD",
    "kpd": "KPD",
    "auc_low": "AUC, low-level classifier",
    "auc_high": "AUC, high-level classifier",
    "auc_cnn": "AUC, CNN",
    "separation_E_tot": "separation in total energy",
    "separation_E_layer": "separation in layer energies",
    "separation_cell": "separation in cell energies",
    "separation_EC_eta": "separation in centres along η",
    "separation_EC_r": "separation in centres along r",
    "separation_width_eta": "separation in widths along η",
    "separation_width_r": "separation in widths along r",
    "separation_sparsity": "separation in sparsity",
    **{
        f"{device}_{batch}": f"time per shower [ms], {device.upper()}, batch of {batch:,}"
        for device in ("gpu", "cpu")
        for batch in (1, 100, 10_000)
    },
}
QUALITY = {
    "precision": "generated events that lie where truth is",
    "recall": "truth that generated events reach",
    "density": "how crowded generated events are there",
    "coverage": "truth events with a generated neighbour",
}


def render(
    samples: Gathered,
    metrics: dict[str, Any],
    verdict: Verdict,
    neighbours: list[Neighbours],
    *,
    progress: Callable[[int, int], None] = silent,
) -> str:
    """Draw all figures and fill the template; return the page.

    Sections that `metrics` does not hold are left out, except the histograms, which are then measured here.
    """
    schema = samples.reference.events.schema
    if "histograms" not in metrics:
        found = histograms.measure(samples.reference, samples.generated, histograms.chosen(metrics))
        metrics = {**metrics, "histograms": found}
    bins = metrics["histograms"]
    response = metrics.get("response")
    work: dict[str, Callable[[], list[Drawing]]] = {
        "overview": lambda: [_excess(metrics, samples)],
        "histograms": lambda: histograms.draw(bins, metrics, schema),
        "challenge": lambda: _challenge(metrics["challenge"]),
        "tails": lambda: tails.draw(metrics["tails"]),
        "worst_fake": lambda: _worst(samples.generated, metrics, "fake"),
        "worst_missing": lambda: _worst(samples.reference, metrics, "missing"),
        "by_condition": lambda: by_condition.draw(metrics["by_condition"]),
        "pid": lambda: pid_figures.draw(metrics["pid"]),
        "correlations": lambda: correlations.draw(metrics["correlations"]),
        "profiles": lambda: profiles.draw(metrics["profiles"]),
        "means": lambda: _means(metrics),
        "response": lambda: _response(response, metrics.get("resolution")) if response else [],
        "images": lambda: _images(samples, neighbours),
        "neighbours": lambda: [_neighbour(n, samples) for n in neighbours],
        "conditions": lambda: histograms.draw_conditions(bins, metrics, schema),
    }
    needs = {"worst_fake": "tails", "worst_missing": "tails"}
    broken = {
        name: data["error"] for name, data in metrics.items() if isinstance(data, dict) and set(data) == {"error"}
    }
    drawn: dict[str, list[Drawing]] = {}
    for i, (section, draw) in enumerate(work.items()):
        source = needs.get(section, section)
        measured = source not in (*sections.NAMES, "challenge") or bool(metrics.get(source))
        drawn[section] = draw() if measured and source not in broken else []
        progress(i + 1, len(work))
    sound = _sound(metrics)
    template = environment().get_template("report.html.j2")
    return str(
        template.render(
            metrics=metrics,
            verdict=verdict,
            drawn=drawn,
            sections_broken=broken,
            rows=[{"name": n, "label": label(n, schema), **e} for n, e in list(sound.items())[:MOST_ROWS]],
            broken={name: entry["error"] for name, entry in metrics["observables"].items() if "error" in entry},
            lights={c: sum(e.get("light") == c for e in sound.values()) for c in ("green", "amber", "red")},
            rows_differing=sum(entry.get("differs", False) for entry in sound.values()),
            hidden_rows=max(0, len(sound) - MOST_ROWS),
            hidden_histograms=len(sound) - len(bins.get("observables", {})),
            mean_rows=_mean_rows(metrics),
            distance_names=DISTANCES,
            quality_names=QUALITY,
            published_names=PUBLISHED,
            worst={key: _worst_rows(metrics, key, samples) for key in ("fake", "missing")},
            pid_table=_pid_table(metrics, broken),
            short=correlations.short,
            words=lambda name: label(name, schema).words,
            layers=len(schema.layers),
            shown_layers=len(neighbours),
            unit=schema.layers[0].unit if schema.layers else "",
        )
    )


def _pid_table(metrics: Mapping[str, Any], broken: Mapping[str, str]) -> dict[str, Any] | None:
    data = metrics.get("pid")
    if not data or "pid" in broken:
        return None
    rows = list(pid_tables.table_rows(data))
    words = {"markdown": pid_tables.markdown(data), "latex": pid_tables.latex(data), "csv": pid_tables.to_csv(data)}
    return {"header": pid_tables.header(data), "rows": rows, **words}


def environment() -> Any:
    """Jinja environment of the report's templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    out = Environment(
        loader=PackageLoader("facsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    out.filters |= {
        "capital": capital,
        "number": number,
        "with_error": with_error,
        "pvalue": _pvalue,
        "events": lambda n: f"{n:,.0f}",
        "percent": lambda v: "–" if v is None else f"{number(100 * v, 2)} %",
    }
    return out


def _sound(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Observables that could be compared."""
    return {name: entry for name, entry in metrics["observables"].items() if "error" not in entry}


def _excess(metrics: dict[str, Any], samples: Gathered) -> Drawing:
    schema = samples.reference.events.schema
    worst = dict(list(_sound(metrics).items())[:MOST_ROWS])
    words = [label(name, schema).words for name in worst]
    return Drawing("Distance of every observable relative to its floor", markup(figures.draw_excess(worst, words)))


def _challenge(data: Mapping[str, Any]) -> list[Drawing]:
    """Quality against speed among the published models, for the first quality that was measured."""
    from facsim.report.standing import draw_standing

    places = data["standing"]["places"]
    results = {name: place["value"] for name, place in places.items()}
    quality = next((q for q in ("fpd", "auc_high", "auc_low") if q in results), None)
    speed = next((s for s in ("gpu_100", "cpu_100", "gpu_1", "cpu_1") if s in results), "gpu_100")
    if quality is None:
        return []
    svg = draw_standing(data["data_set"], results, name=data["name"], quality=quality, speed=speed)
    return [Drawing("Quality against speed", markup(svg))]


def _means(metrics: dict[str, Any]) -> list[Drawing]:
    """Means against the layer, where there are more layers than a table shows well."""
    out = []
    for stem, title in (("f", "energy fraction"), ("occupancy", "occupancy")):
        entries = {n.partition("_")[2]: e for n, e in metrics["means"].items() if n.startswith(f"{stem}_")}
        if len(entries) < 4:
            continue
        values: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for role in ("reference", "generated"):
            mean, error = (np.array([e[role][k] for e in entries.values()], float) for k in ("mean", "mean_error"))
            values[role] = mean, error
        out.append(
            Drawing(f"Mean {title} by layer", markup(figures.draw_profile(values, list(entries), f"mean {title}")))
        )
    return out


def _response(response: Mapping[str, Any], fits: Mapping[str, Any] | None) -> list[Drawing]:
    return [Drawing("Energy response and resolution", markup(figures.draw_response(response, fits)))]


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


def _worst(sample: Sample, metrics: Mapping[str, Any], which: str) -> list[Drawing]:
    """Pictures of the events that the classifier singles out, where they have cells."""
    chosen = metrics["tails"][which]
    if not sample.events.schema.layers or not chosen:
        return []
    events = sample.events[np.array([e["row"] for e in chosen])]
    titles = [f"{i + 1}" for i in range(len(chosen))]
    return [Drawing(which, markup(images.draw_events(events, titles, f"worst-{which}")))]


def _worst_rows(metrics: Mapping[str, Any], which: str, samples: Gathered) -> list[dict[str, Any]]:
    """What is said of each of these events."""
    data = metrics.get("tails") or {}
    blocks = samples.reference.events.schema.conditions
    out = []
    for event in data.get(which, []):
        first = f"{blocks[0].name} {number(event['conditions'][0])} {blocks[0].unit}".strip() if blocks else ""
        out.append({"condition": first, "weight": event["weight"], "why": tails.in_words(event["reasons"])})
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


def _pvalue(value: float | None) -> str:
    if value is None:
        return "–"
    return number(value, 2) if value > 1e-6 else "< 10⁻⁶"

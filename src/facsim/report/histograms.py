"""One-dimensional distributions: which are drawn, their bins, their figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facsim.observables.tables import column_names
from facsim.report.binning import Histogram, histogram
from facsim.report.drawing import Drawing, capital, markup
from facsim.report.figures import draw_histogram
from facsim.report.labels import Label, label, number
from facsim.report.sample import Sample
from facsim.schema import Schema

__all__ = ["chosen", "draw", "draw_conditions", "measure"]

MOST_HISTOGRAMS = 45


def chosen(metrics: Mapping[str, Any], most: int = MOST_HISTOGRAMS) -> list[str]:
    """Observables to draw, in the order of physics; of very many, those of whole events and those farthest off."""
    sound = [name for name, entry in metrics["observables"].items() if "error" not in entry]
    whole = [n for n in metrics["order"] if n in sound and not re.search(r"_\d+$", n)]  # not of one layer or column
    first = set(list(dict.fromkeys([*whole, *sound]))[:most])
    return [name for name in metrics["order"] if name in first]


def measure(reference: Sample, generated: Sample, names: Sequence[str]) -> dict[str, Any]:
    """Bin observables and conditions.

    Returns
    -------
    dict
        ``observables`` and ``conditions``: name -> `Histogram.to_json`.
    """
    schema, wr, wg = reference.events.schema, reference.weights, generated.weights
    out: dict[str, dict[str, Any]] = {"observables": {}, "conditions": {}}
    for name in names:
        values = reference.observables[name], generated.observables[name]
        out["observables"][name] = histogram(*values, label(name, schema), wr=wr, wg=wg).to_json()
    for i, info in enumerate(_condition_labels(schema)[:MOST_HISTOGRAMS]):
        truth, copy = (s.conditions[:, i].astype(np.float64) for s in (reference, generated))
        out["conditions"][info.name] = histogram(truth, copy, info, wr=wr, wg=wg).to_json()
    return out


def draw(data: Mapping[str, Any], metrics: Mapping[str, Any], schema: Schema) -> list[Drawing]:
    """One figure per observable, with its distance and what the axes cannot show."""
    out = []
    for name, bins in data["observables"].items():
        info, entry, found = label(name, schema), metrics["observables"][name], Histogram.from_json(bins)
        unit = f" {info.unit}" if info.unit else ""
        notes = [f"W₁ {number(entry['w1'])}{unit}, floor {number(entry['floor']['w1'])}{unit}", *_outside(found)]
        title = info.words if info.words == name else capital(info.words)  # a column's name stays as it is
        out.append(Drawing(title, markup(draw_histogram(found, info)), tuple(notes), entry["differs"]))
    return out


def draw_conditions(data: Mapping[str, Any], metrics: Mapping[str, Any], schema: Schema) -> list[Drawing]:
    """One figure per condition."""
    out = []
    for info in _condition_labels(schema):
        if info.name in data["conditions"]:
            entry, found = metrics["conditions"][info.name], Histogram.from_json(data["conditions"][info.name])
            notes = (f"KS p = {number(entry['ks_pvalue'], 2)}", *_outside(found))
            out.append(Drawing(info.name, markup(draw_histogram(found, info)), notes, entry["differs"]))
    return out


def _condition_labels(schema: Schema) -> list[Label]:
    few = {"category", "mask", "count"}
    return [
        Label(name, name, name, block.unit, log=False, discrete=block.kind in few)
        for block in schema.conditions
        for name in column_names(block)
    ]


def _outside(data: Histogram) -> list[str]:
    """What the axes cannot show."""
    out = []
    for what, counts in (("at 0", data.zeros), ("outside the axis", data.outside)):
        shares = [100 * c / n for c, n in zip(counts, data.sizes, strict=True)]
        if any(abs(s) > 1e-9 for s in shares):
            out.append(f"{what}: reference {shares[0]:.2g} %, generated {shares[1]:.2g} %")
    return out

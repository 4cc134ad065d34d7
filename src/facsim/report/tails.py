"""Section on what the classifier sees: scores, the weights they imply, and the events that give a copy away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.metrics import ClassifierResult
from facsim.metrics.tails import classifier_weights, explain, most_fake, most_missing
from facsim.report.chart import Chart
from facsim.report.drawing import Drawing, markup
from facsim.report.figures import BOTH, LEFT, RIGHT, WIDTH, top_of
from facsim.report.labels import label, number
from facsim.report.sample import Sample, Wide
from facsim.report.scale import Scale, Ticks

__all__ = ["Tested", "draw", "in_words", "measure"]

Array = NDArray[np.float64]

EXAMPLES = 5
COMMON = 100
"""Most extreme events of which is said what they have in common, at most one in ten."""
REASONS = 3
CHANCE = 0.05
"""Of an ordinary event (with Gaussian observables) to have any observable that is named as a reason."""
WEIGHT_DECADES = 2.0
POINTS = 150


@dataclass(frozen=True)
class Tested:
    """A classifier test and its floor, with the events that were scored.

    Parameters
    ----------
    result, floor : ClassifierResult
        Reference against generated, and against second truth; NaN for what was not scored.
    reference, generated, second : Wide
        Row by row as in the results.
    """

    result: ClassifierResult
    floor: ClassifierResult
    reference: Wide
    generated: Wide
    second: Wide

    @classmethod
    def of(cls, result: ClassifierResult | None, floor: ClassifierResult | None, *samples: Sample) -> Tested | None:
        """Put together the scores of the whole events (`Sample.events`) of reference, generated and second."""
        if result is None or floor is None:
            return None
        return cls(result, floor, *(s.wide[np.flatnonzero(s.whole)] for s in samples))


def measure(tested: Tested) -> dict[str, Any]:
    """Describe what the classifier sees.

    Returns
    -------
    dict
        ``roc`` and ``floor_roc``: shares of reference and generated events above falling thresholds; ``scores``
        (calibrated) and ``weights`` (log10 of `facsim.metrics.tails.classifier_weights`; what lies beyond the edges is
        in the outer bins): ``edges`` and shares per bin of ``reference``, ``generated``, ``floor_reference``,
        ``floor_second``; ``tails``: shares of reference events with w > 2, 5, 10 and of generated events with w < 1/2,
        1/5, 1/10, with the floor's; ``fake`` and ``missing``: the generated events most recognised, and the reference
        events that the copy lacks most, each with ``row``, ``conditions``, ``score``, ``weight`` and ``reasons``
        (``name``, ``value``, ``sigmas``: deviation from the reference at like conditions); ``common``: the same for
        many such events together.
    """
    sides = (
        _Side.of(tested.result, tested.reference, tested.generated),
        _Side.of(tested.floor, tested.reference, tested.second),
    )
    edges = {"scores": np.linspace(0, 1, 31), "weights": np.linspace(-WEIGHT_DECADES, WEIGHT_DECADES, 41)}
    out: dict[str, Any] = {
        "roc": sides[0].roc(),
        "floor_roc": sides[1].roc(),
        "events": [len(s) for s in sides[0].scores],
    }
    names = (("reference", "generated"), ("floor_reference", "floor_second"))
    for what, cuts in edges.items():
        out[what] = {"edges": cuts.tolist()}
        for side, pair in zip(sides, names, strict=True):
            for name, p, w in zip(pair, side.fake, side.weights, strict=True):
                values = p if what == "scores" else np.clip(np.log10((1 - p) / p), cuts[0], cuts[-1])
                out[what][name] = np.round(np.histogram(values, cuts, weights=w)[0] / w.sum(), 7).tolist()
    out["tails"] = [
        {"factor": factor, "missing": sides[0].beyond(0, factor), "missing_floor": sides[1].beyond(0, factor)}
        | {"invented": sides[0].beyond(1, factor), "invented_floor": sides[1].beyond(1, factor)}
        for factor in (2, 5, 10)
    ]
    out["common"] = {}
    for key, choose, sample in (("fake", most_fake, tested.generated), ("missing", most_missing, tested.reference)):
        rows = choose(tested.result, EXAMPLES)
        out[key] = [_event(tested, sample, int(row), key) for row in rows]
        many = choose(tested.result, max(EXAMPLES, min(COMMON, len(sample) // 10)))
        found = explain(tested.reference, sample, many)
        conditions = _conditions(sample)
        out["common"][key] = {
            "events": len(many),
            "observables": [vars(d) for d in found if d.name not in conditions][:REASONS],
        }
    return out


def _conditions(sample: Wide) -> tuple[str, ...]:
    """Names of the last columns: the conditions."""
    return sample.names[len(sample.names) - sample.conditions.shape[1] :]


def _event(tested: Tested, sample: Wide, row: int, which: str) -> dict[str, Any]:
    scores = tested.result.scores_generated if which == "fake" else tested.result.scores_reference
    weights = classifier_weights(tested.result)[1 if which == "fake" else 0]
    conditions = _conditions(sample)
    found = [d for d in explain(tested.reference, sample, np.array([row])) if d.name not in conditions]
    column = {name: j for j, name in enumerate(sample.names)}
    clear = -NormalDist().inv_cdf(CHANCE / 2 / max(1, len(found)))
    reasons = [
        {"name": d.name, "value": float(sample.values[row, column[d.name]]), "sigmas": d.shift}
        for d in found[:REASONS]
        if abs(d.shift) >= clear
    ]
    return {
        "row": row,
        "conditions": sample.conditions[row].tolist(),
        "score": float(scores[row]),
        "weight": float(weights[row]),
        "reasons": reasons,
    }


@dataclass(frozen=True)
class _Side:
    """Scored events of two samples."""

    scores: tuple[Array, Array]
    fake: tuple[Array, Array]
    weights: tuple[Array, Array]

    @classmethod
    def of(cls, result: ClassifierResult, reference: Wide, generated: Wide) -> _Side:
        kept = [np.isfinite(fake) for fake in (result.fake_reference, result.fake_generated)]
        given = (result.scores_reference, result.scores_generated), (result.fake_reference, result.fake_generated)
        scores, fake = ([v[rows] for v, rows in zip(values, kept, strict=True)] for values in given)
        weights = [
            np.ones(int(rows.sum())) if w is None else w[rows]
            for w, rows in zip((reference.weights, generated.weights), kept, strict=True)
        ]
        return cls((scores[0], scores[1]), (fake[0], fake[1]), (weights[0], weights[1]))

    def roc(self) -> dict[str, list[float]]:
        """Shares above thresholds at even quantiles of both samples."""
        cuts = np.unique(np.quantile(np.concatenate(self.scores), np.linspace(0, 1, POINTS)))[::-1]
        out = {}
        for name, scores, w in zip(("reference", "generated"), self.scores, self.weights, strict=True):
            order = np.argsort(scores)
            filled = np.concatenate([[0.0], np.cumsum(w[order])]) / w.sum()
            above = 1 - filled[np.searchsorted(scores[order], cuts, "left")]
            out[name] = [0.0, *np.round(above, 5).tolist(), 1.0]
        return out

    def beyond(self, which: int, factor: float) -> float:
        """Share of the first sample with w above the factor, or of the second with w below its inverse."""
        p, weights = self.fake[which], self.weights[which]
        w = (1 - p) / p if which == 0 else p / (1 - p)
        return float(weights[w > factor].sum() / weights.sum())


def draw(data: Mapping[str, Any]) -> list[Drawing]:
    """Draw the ROC curve, the calibrated scores and the weights."""
    return [
        Drawing("ROC curve", markup(_roc(data))),
        Drawing("Calibrated scores", markup(_scores(data))),
        Drawing("Weights", markup(_weights(data)), (_tails(data),)),
    ]


def in_words(reasons: list[dict[str, Any]]) -> str:
    """Say what gives an event away.

    Examples
    --------
    >>> in_words([{"name": "E_0", "value": 120.0, "sigmas": 3.14}])
    'energy in layer 0: 120 MeV, 3.1 σ above the usual'
    """
    if not reasons:
        return "no single observable is unusual: a rare combination"
    parts = []
    for r in reasons:
        info = label(r["name"])
        unit = f" {info.unit}" if info.unit else ""
        far = "at least " if abs(r["sigmas"]) >= 10 else ""
        side = "above" if r["sigmas"] > 0 else "below"
        parts.append(f"{info.words}: {number(r['value'])}{unit}, {far}{abs(r['sigmas']):.1f} σ {side} the usual")
    return "; ".join(parts)


def _roc(data: Mapping[str, Any]) -> str:
    chart = Chart(WIDTH, 232, "ROC curve of the classifier, and of truth against truth")
    panel = chart.panel(LEFT, 16, WIDTH - LEFT - RIGHT, 184, Scale(0, 1), Scale(0, 1))
    panel.line([0, 1], [0, 1], "rule")
    panel.line(data["floor_roc"]["reference"], data["floor_roc"]["generated"], "reference")
    panel.line(data["roc"]["reference"], data["roc"]["generated"], "generated")
    panel.frame("reference events above threshold", "generated events above")
    chart.key(LEFT, 11, (("line", "generated", "generated"), ("line", "reference", "floor: second truth")))
    return chart.svg()


def _scores(data: Mapping[str, Any]) -> str:
    bins = data["scores"]
    edges, values = np.array(bins["edges"]), {k: np.array(v) for k, v in bins.items() if k != "edges"}
    chart = Chart(WIDTH, 232, "Calibrated scores of reference and generated events")
    y = Scale(0, top_of(values["reference"], values["generated"]))
    panel = chart.panel(LEFT, 16, WIDTH - LEFT - RIGHT, 184, Scale(0, 1), y)
    panel.steps(edges, values["reference"], "reference-fill", fill=True)
    panel.steps(edges, values["reference"], "reference")
    panel.steps(edges, values["generated"], "generated")
    panel.steps(edges, values["floor_second"], "muted dashed")
    panel.upright(0.5, "rule")
    panel.frame("probability of being generated", "share of events")
    chart.key(LEFT, 11, (*BOTH, ("line", "muted dashed", "floor")))
    return chart.svg()


def _weights(data: Mapping[str, Any]) -> str:
    bins = data["weights"]
    edges, values = np.array(bins["edges"]), {k: np.array(v) for k, v in bins.items() if k != "edges"}
    chart = Chart(WIDTH, 232, "Classifier weights of reference and generated events, and of two truth samples")
    least = 0.5 / max(data["events"])
    y = Scale(least, 3 * max(float(v.max()) for v in values.values()), log=True)
    panel = chart.panel(LEFT, 16, WIDTH - LEFT - RIGHT, 184, Scale(float(edges[0]), float(edges[-1])), y)
    panel.steps(edges, values["reference"], "reference-fill", fill=True)
    panel.steps(edges, values["reference"], "reference")
    panel.steps(edges, values["generated"], "generated")
    panel.steps(edges, values["floor_second"], "muted dashed")
    panel.upright(0, "rule")
    marks = Ticks((-2.0, -1.0, 0.0, 1.0, 2.0), ("0.01", "0.1", "1", "10", "100"))
    panel.frame("weight w (what lies beyond is in the outer bins)", "share of events", x_ticks=marks)
    chart.key(LEFT, 11, (*BOTH, ("line", "muted dashed", "floor")))
    return chart.svg()


def _tails(data: Mapping[str, Any]) -> str:
    two = next(e for e in data["tails"] if e["factor"] == 2)
    missing, invented, *floors = (
        f"{100 * two[k]:.2g} %" for k in ("missing", "invented", "missing_floor", "invented_floor")
    )
    return (
        f"w > 2: {missing} of the reference (floor {floors[0]}); w < ½: {invented} of the generated (floor {floors[1]})"
    )

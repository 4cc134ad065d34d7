"""Which metric sees which distortion of real showers, and from how many events on.

    python scripts/sensitivity.py -o sensitivity            # bundled showers
    python scripts/sensitivity.py -o sensitivity --data train.h5 test.h5 --repeats 100

Writes ``sensitivity.md`` (the table) and ``sensitivity.json`` (all power curves), after every group of metrics. Samples
of each size are drawn from the showers again and again; the second sample is undistorted (which gives the threshold for
5 % false alarms) or distorted, and always of other showers than the first. An entry is the number of events per sample
from which on 90 % of the experiments see the distortion; "-" with the power at the largest size: not by then.
"""

import argparse
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facsim import Events, datasets, io
from facsim.events import concatenate
from facsim.files import atomic, write_json
from facsim.metrics import DISTANCES, chi2, compare, high_level_auc, power_curves
from facsim.metrics.distortions import cut_tail, decorrelate, drop_mode, scale, smear
from facsim.metrics.power import PowerCurve
from facsim.observables.matrix import named_columns
from facsim.observables.showers import layer_energies

SIZES = (50, 100, 200, 500, 1000, 2000, 3000)
FEWER = (100, 300, 1000, 3000)
SLOW = dict.fromkeys(("sliced W1", "sliced KS", "classifier"), 20)  # experiments
ALPHA, POWER = 0.05, 0.9


@dataclass(frozen=True)
class Group:
    """Metrics that are evaluated at the same sizes, with the same number of experiments."""

    statistics: dict[str, Callable[[np.ndarray, np.ndarray], float]]
    sizes: tuple[int, ...] = SIZES
    repeats: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", default="sensitivity", help="name of the .md and .json file")
    parser.add_argument("--data", nargs="+", help="shower files; default: the bundled sample")
    parser.add_argument("--repeats", type=int, default=100, help="experiments per size (at least 20)")
    parser.add_argument("--drop", nargs="+", default=[], help="observables that no metric shall look at")
    parser.add_argument("--metrics", nargs="+", help="only these; added to what OUTPUT.json has already")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    paths = arguments.data or [datasets.path(datasets.names()[0])]
    truth = concatenate([io.read(path).with_weights(None) for path in paths])
    kinds, origins = distorted(truth, arguments.seed)
    names, table = columns(truth, arguments.drop)
    others = {kind: columns(events, arguments.drop)[1] for kind, events in kinds.items()}
    settings = {"showers": len(truth), "alpha": ALPHA, "power": POWER, "seed": arguments.seed, "drop": arguments.drop}
    target = Path(f"{arguments.output}.json")
    stored = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    kept = stored if {k: stored.get(k) for k in settings} == settings else {}
    curves = kept.get("curves", {kind: {} for kind in kinds})
    for group in groups(names, table):
        chosen = {k: v for k, v in group.statistics.items() if not arguments.metrics or k in arguments.metrics}
        if not chosen:
            continue
        start = time.perf_counter()
        found = power_curves(
            table,
            others,
            chosen,
            origins=origins,
            sizes=[n for n in group.sizes if 2 * n <= 0.9 * len(truth)],
            repeats=group.repeats or arguments.repeats,
            alpha=ALPHA,
            seed=arguments.seed,
        )
        print(f"{', '.join(chosen)}: {time.perf_counter() - start:.0f} s", flush=True)
        for kind, curve in found.items():
            for name in chosen:
                one = PowerCurve(curve.sizes, {name: curve.power[name]}, curve.repeats, curve.alpha)
                curves[kind][name] = one.to_json() | {"events": finite(one.events_for(name, POWER))}
        text = render(curves, len(truth))
        with atomic(target.with_suffix(".md")) as temporary:
            temporary.write_text(text, encoding="utf-8")
        write_json(target, settings | {"curves": curves})
    print(text)


def finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def columns(events: Events, drop: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    names, table = named_columns(events)
    kept = [j for j, name in enumerate(names) if name not in drop]
    return tuple(names[j] for j in kept), table[:, kept]


def distorted(truth: Events, seed: int) -> tuple[dict[str, Events], dict[str, np.ndarray]]:
    """Distorted copies of all showers, and the rows they were made of where some are missing."""
    energy = truth.conditions[:, 0]
    names, table = named_columns(truth)
    deepest = table[:, names.index(f"E_{len(truth.schema.layers) - 1}")] / energy  # leakage into the last layer
    depth = table[:, names.index("s_d")]
    rows = np.arange(len(truth))
    kinds = {f"energies x {1 + s:g}": scale(truth, 1 + s) for s in (0.001, 0.005, 0.01, 0.02)}
    origins = {}
    for share in (0.01, 0.05):
        kind = f"without the {share:.0%} that leak most"
        kinds[kind], origins[kind] = cut_tail(truth, share, by=deepest), cut_tail(rows, share, by=deepest)
    for low, high in ((0.2, 0.25), (0.2, 0.4)):
        kind = f"{high - low:.0%} of the depths missing"
        kinds[kind], origins[kind] = drop_mode(truth, low, high, by=depth), drop_mode(rows, low, high, by=depth)
    kinds |= {f"cells smeared by {w:.0%}": smear(truth, w, seed) for w in (0.05, 0.2)}
    kinds["layer 1 of another shower"] = swapped_layer(truth, "layer_1", seed)
    kinds["one cell in ten of another shower"] = swapped_cells(truth, 0.1, seed)
    return kinds, origins


def swapped_layer(truth: Events, name: str, seed: int) -> Events:
    """Pattern of a layer from a shower of nearly the same energy, with the layer's own energy."""
    layer = [block.name for block in truth.schema.layers].index(name)
    other = decorrelate(truth, truth.schema.columns(name), seed, by=truth.conditions[:, 0])
    own, foreign = layer_energies(truth)[:, layer], layer_energies(other)[:, layer]
    columns = truth.schema.columns(name)
    features = other.features.copy()
    features[:, columns] *= np.divide(own, foreign, out=np.ones_like(own), where=foreign > 0)[:, None]
    return scale(replace(other, features=features), 1.0)


def swapped_cells(truth: Events, share: float, seed: int) -> Events:
    """Some cells, each for itself, from showers of nearly the same energy."""
    generator = np.random.default_rng([seed, 0x5CE11])
    out = truth
    for column in np.flatnonzero(generator.random(truth.schema.width) < share):
        out = decorrelate(out, [int(column)], seed + int(column), by=truth.conditions[:, 0])
    return out


def groups(names: tuple[str, ...], table: np.ndarray) -> list[Group]:
    """All metrics; those of a module that does not exist are left out."""
    observables = OneByOne(table)
    # a column that is nearly always the same can be constant in a small sample
    varying = np.flatnonzero([np.unique(c, return_counts=True)[1].max() < 0.95 * len(c) for c in table.T])
    centre, scales = table[:, varying].mean(axis=0), table[:, varying].std(axis=0)

    def on_features(statistic: Callable[..., object], **options: object) -> Callable[[np.ndarray, np.ndarray], float]:
        def value(x: np.ndarray, y: np.ndarray) -> float:
            # one scale for all samples, so that a small one cannot change it
            return float(statistic(*((z[:, varying] - centre) / scales for z in (x, y)), **options))

        return value

    multivariate = {}
    for label, (module, function, options) in {
        "energy": ("energy", "energy_distance", {"normalise": None}),
        "MMD": ("kernels", "mmd", {"normalise": None}),
        "KPD": ("kernels", "kpd", {"normalise": None}),
        "FPD": ("frechet", "fpd", {"normalise": None}),
        "sliced W1": ("sliced", "sliced_wasserstein", {"normalise": None}),
        "sliced KS": ("sliced", "sliced_ks", {"normalise": None}),
        "correlation": ("correlation", "correlation_distance", {}),
    }.items():
        try:
            found = getattr(importlib.import_module(f"facsim.metrics.{module}"), function)
        except (ImportError, AttributeError):
            print(f"left out: {label}")
            continue
        multivariate[label] = on_features(found, **options)
    return [
        Group({name: partial(observables, name) for name in DISTANCES}),
        Group({"chi2": observables.chi2}),
        *(Group({label: statistic}, FEWER, SLOW.get(label)) for label, statistic in multivariate.items()),
        Group({"classifier": partial(classifier, names)}, FEWER[1:], SLOW["classifier"]),
    ]


class OneByOne:
    """Largest distance over all observables, each in units of what chance gives."""

    def __init__(self, table: np.ndarray) -> None:
        self.columns = np.flatnonzero(np.ptp(table, axis=0) > 0)
        self.floors = {
            name: np.array([max(d.null(table[:, j], 1.0, 1.0), 1e-300) for j in self.columns])
            for name, d in DISTANCES.items()
        }
        self.last: tuple[np.ndarray, np.ndarray] | None = None
        self.found: dict[str, float] = {}

    def __call__(self, name: str, x: np.ndarray, y: np.ndarray) -> float:
        if self.last is None or self.last[0] is not x or self.last[1] is not y:
            values = [compare(x[:, j], y[:, j]) for j in self.columns]
            self.found = {
                d: float(np.max(np.array([v[d] for v in values]) / floor)) for d, floor in self.floors.items()
            }
            self.last = x, y
        return self.found[name]

    def chi2(self, x: np.ndarray, y: np.ndarray) -> float:
        pvalues = [chi2(x[:, j], y[:, j]).pvalue for j in self.columns]
        return -float(np.log(max(min(pvalues), 1e-300)))


def classifier(names: tuple[str, ...], x: np.ndarray, y: np.ndarray) -> float:
    return high_level_auc(Table(names, x), Table(names, y), folds=3).auc


@dataclass(frozen=True)
class Table:
    """Observables as the classifier takes them; the incident energy is among the values."""

    names: tuple[str, ...]
    values: np.ndarray
    weights: None = None

    @property
    def conditions(self) -> np.ndarray:
        return np.empty((len(self.values), 0), np.float32)

    def __len__(self) -> int:
        return len(self.values)


def render(curves: dict[str, dict[str, Any]], showers: int) -> str:
    """Markdown table: distortions down, metrics across."""
    metrics = list(next(iter(curves.values())))
    rates = f"{POWER:.0%} of the experiments see it, with {ALPHA:.0%} false alarms ({showers:,} showers)"
    lines = [
        f"Events per sample from which on {rates}:",
        "",
        f"| distortion | {' | '.join(metrics)} |",
        "|---" * (len(metrics) + 1) + "|",
    ]
    for kind, found in curves.items():
        lines.append(f"| {kind} | {' | '.join(entry(found[name], name) for name in metrics)} |")
    return "\n".join(lines) + "\n"


def entry(curve: dict[str, Any], name: str) -> str:
    events = curve["events"]
    if events is None:
        return f"- ({curve['power'][name][-1]:.0%})"
    digits = 10 ** max(0, int(np.log10(events)) - 1)  # two digits: the experiments give no more
    below = "≤ " if events <= curve["sizes"][0] else ""
    return f"{below}{round(events / digits) * digits:,.0f}"


if __name__ == "__main__":
    main()

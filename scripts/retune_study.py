"""What tuning is for: a classifier of images trained on the default and on the tuned simulation, tested on data.

    python scripts/retune_study.py --fragment docs/generated/retune.md --figures docs/images/tuning

The data are tracks of a chamber whose charge scale, lifetime, diffusion and noise are not the default ones. Muons of
a test beam tune the simulation; then a network learns from simulated images to tell muons from particles that ionise
more, and is asked about data. What the simulation promises (its efficiency and its mistag rate) is compared with what
the data have.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _study import Clock
from sklearn.neural_network import MLPClassifier

from facsim.events import Events
from facsim.files import atomic, write_json
from facsim.simulators.parametric import parametric
from facsim.tuning import tune

TRUTH = {"scale": 1.1, "width": 0.7, "lifetime": 60.0, "noise": 0.14, "angle": 20.0}
"""Of the detector. The default simulation has scale 1, width 0.9, lifetime 110, noise 0.1; it knows the angle."""
IONISATION = 1.25
EVENTS = 4000  # of each kind


def images(points: np.ndarray, ionisation: float, seed: int) -> Events:
    """Events of one kind at points (n, 5), or all at one (5,)."""
    theta = np.broadcast_to(points, (EVENTS, 5)) if points.ndim == 1 else points
    return parametric("tracks", ionisation=ionisation).sample(theta, seed=seed)


def kinds(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (2n, 1024) of both kinds and their labels."""
    one, two = (images(points, i, seed + k).features for k, i in enumerate((1.0, IONISATION)))
    return np.concatenate([one, two]), np.repeat([0, 1], [len(one), len(two)])


def promise_and_truth(points: np.ndarray, data: tuple, seed: int) -> dict:
    """Train on half of a simulation; efficiency and mistag rate on its other half, and on data."""
    x, y = kinds(points, 100 * seed)
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[: len(x) // 2], order[len(x) // 2 :]
    net = MLPClassifier((64, 64), batch_size=128, max_iter=25, early_stopping=True, random_state=seed)
    scale = x[train].std()
    net.fit(x[train] / scale, y[train])

    def rates(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        heavy = net.predict(x / scale) == 1
        return float(heavy[y == 1].mean()), float(heavy[y == 0].mean())

    efficiency, mistag = rates(x[test], y[test])
    real_efficiency, real_mistag = rates(*data)
    return {
        "promised efficiency": efficiency,
        "efficiency": real_efficiency,
        "promised mistag": mistag,
        "mistag": real_mistag,
        "accuracy": (real_efficiency + 1 - real_mistag) / 2,
    }


def main() -> None:
    out = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--calls", type=int, default=20_000)
    out.add_argument("--beam", type=int, default=200, help="muons of the test beam")
    out.add_argument("--runs", type=int, default=5, help="trainings of the classifier")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="setting of the tuning")
    out.add_argument("-o", "--output", type=Path, default=Path("bench/out/retune-study"))
    out.add_argument("--figures", type=Path)
    out.add_argument("--fragment", type=Path)
    options = out.parse_args()
    clock = Clock()

    simulator = parametric("tracks")
    truth = simulator.space.point(TRUTH)
    default = simulator.space.point({"angle": TRUTH["angle"]})
    beam = simulator.sample(np.broadcast_to(truth, (options.beam, 5)), seed=1)
    settings = dict(pair.split("=", 1) for pair in options.set)
    found = tune(simulator, beam, output=options.output / "tuned", calls=options.calls, settings=settings, truth=TRUTH)
    clock(f"tuned: {found}")
    rng = np.random.default_rng(0)
    chosen = {
        "default": default,
        "tuned": found.samples[rng.integers(len(found.samples), size=EVENTS)],
        "truth (floor)": truth,
    }
    data = kinds(truth, 7)
    results = {}
    for name, points in chosen.items():
        runs = [promise_and_truth(points, data, seed + 1) for seed in range(options.runs)]
        results[name] = {key: (np.mean([r[key] for r in runs]), np.std([r[key] for r in runs])) for key in runs[0]}
        clock(f"{name}: {results[name]}")
    publish(options, results, found)


def publish(options: argparse.Namespace, results: dict, found) -> None:
    """Numbers, table and figure."""
    columns = ["promised efficiency", "efficiency", "promised mistag", "mistag", "accuracy"]
    head = ["trained on", "efficiency promised", "in data", "mistag rate promised", "in data", "accuracy in data"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in results.items():
        cells = [f"{100 * row[c][0]:.1f} ± {100 * row[c][1]:.1f} %" for c in columns]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    low, high = found.interval()
    lines += ["", "| parameter | truth | default | tuned | 68 % |", "|---|---|---|---|---|"]
    for i, p in enumerate(found.space):
        cells = [p.name, f"{TRUTH[p.name]:g}", f"{p.default:g}", f"{found.estimate[i]:.4g}"]
        lines.append("| " + " | ".join([*cells, f"{low[i]:.4g} to {high[i]:.4g}"]) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    write_json(options.output / "numbers.json", {"results": results, "calls": found.calls, "seconds": found.seconds})
    if options.fragment:
        with atomic(options.fragment) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
        for axis, what in zip(axes, ("efficiency", "mistag"), strict=True):
            for i, name in enumerate(results):
                promised, real = results[name][f"promised {what}"], results[name][what]
                axis.errorbar(i - 0.08, 100 * promised[0], 100 * promised[1], fmt="s", color="C0", label="promised")
                axis.errorbar(i + 0.08, 100 * real[0], 100 * real[1], fmt="o", color="C1", label="in data")
            axis.set_xticks(range(len(results)), [f"{n}" for n in results])
            axis.set_xlim(-0.5, len(results) - 0.5)
            axis.set_ylabel(f"{'efficiency' if what == 'efficiency' else 'mistag rate'} [%]")
        handles, labels = axes[0].get_legend_handles_labels()
        axes[0].legend(handles[:2], labels[:2], frameon=False)
        figure.savefig(options.figures / "classifier.svg")


if __name__ == "__main__":
    main()

"""Train recipes of the time-projection chamber, and compare moments against variables: the published figure of quality.

    python scripts/tpc_bench.py tpc --events 200000 --minutes 30

For each of the six moments and five variables (19 bins each, 570 in all): mean and width of the copy against those of
the simulation. Deviations of a moment's mean count in units of the mean of its absolute value, since centres and the
covariance go through zero; those of its width in units of the width. The floor is the same for a second
simulated sample of equal size. Rows are appended to ``FOLDER/tpc_bench.jsonl``.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import facsim
from facsim.events import Events
from facsim.metrics import high_level_auc
from facsim.models.base import MODEL_FILE
from facsim.observables import tpc
from facsim.simulators import simulate
from facsim.simulators.images import Tpc


def deviations(truth: Events, copy: Events) -> dict[str, Any]:
    """Largest and typical relative deviation of means and widths, and how many bins are within 2 and 5 %."""
    one, two = tpc.profiles(truth), tpc.profiles(copy)
    unit = {name: np.abs(value).mean() for name, value in tpc.moments(truth["response"]).items()}
    mean = {key: np.abs(two[key].mean - one[key].mean) / unit[key[0]] for key in one}
    width = {key: np.abs(two[key].width / one[key].width - 1) for key in one}
    means, widths = (np.concatenate(list(found.values())) for found in (mean, width))
    worst = max(mean, key=lambda key: mean[key].max()), max(width, key=lambda key: width[key].max())
    return {
        "mean": [round(float(np.quantile(means, q)), 4) for q in (0.5, 0.95, 1)],
        "width": [round(float(np.quantile(widths, q)), 4) for q in (0.5, 0.95, 1)],
        "means within 2 %": round(float((means < 0.02).mean()), 3),
        "widths within 5 %": round(float((widths < 0.05).mean()), 3),
        "worst": ["/".join(key) for key in worst],
        "by moment": {
            m: [round(max(float(f[m, v].max()) for name, v in f if name == m), 4) for f in (mean, width)] for m in unit
        },
    }


def bench(recipe: str, source: Path, truth: tuple[Events, Events], options: argparse.Namespace) -> dict[str, Any]:
    """Train one recipe, and judge it."""
    run = options.output / f"{recipe}_tpc_{time.strftime('%Y%m%d-%H%M%S')}"
    began, limit = time.perf_counter(), 60 * options.minutes

    def stop(done: int, steps: int) -> None:
        if time.perf_counter() - began > limit:
            print(f"{recipe}: stopped after {done} of {steps} steps")
            raise KeyboardInterrupt

    changes = dict(change.split("=", 1) for change in options.set)
    used = time.process_time()
    try:
        facsim.fit(source, recipe, output=run, overrides=changes, progress=stop)
    except KeyboardInterrupt:
        print(f"{recipe}: the best model so far")
    if not (run / MODEL_FILE).is_file():
        msg = f"{recipe}: stopped before its first validation, nothing to judge; raise --minutes"
        raise SystemExit(msg)
    row = {"recipe": recipe, "set": options.set, "events": options.events, "test": options.test}
    row |= {"minutes": round((time.perf_counter() - began) / 60, 1)}
    row |= {"processor minutes": round((time.process_time() - used) / 60, 1)}
    drawn = facsim.load(run).sample(truth[0], seed=11)
    some = slice(0, 10_000)
    found = high_level_auc(truth[0][some], drawn[some])
    return row | {
        "copy": deviations(truth[0], drawn),
        "floor": deviations(*truth),
        "auc of moments and conditions": [round(float(found.auc), 4), round(float(found.auc_error), 4)],
    }


def main() -> None:
    """Every recipe in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--test", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("-o", "--output", type=Path, default=Path("tpc_bench"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    source = options.output / f"tpc_{options.events}.h5"
    if not source.is_file():
        simulate("tpc", n=options.events, output=source, seed=1)
    one = Tpc().sample(options.test, seed=101)
    truth = one, Tpc().sample(one, seed=102)  # at the same conditions, as the copy is
    for recipe in options.recipes:
        row = bench(recipe, source, truth, options)
        print(json.dumps(row))
        with (options.output / "tpc_bench.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

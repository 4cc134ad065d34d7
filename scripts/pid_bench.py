"""Train recipes of identification on simulated tracks, and ask a classifier how good they are.

    python scripts/pid_bench.py rich-cramer+ rich-cramer pid-flow --events 1000000
    python scripts/pid_bench.py rich-cramer+ rich-cramer --signal 0.7 --events 1000000
    python scripts/pid_bench.py dirc --detector dirc --events 1000000
    python scripts/pid_bench.py pid-chain --detector pid --particle mu --events 300000

With ``--signal`` there is background under the tracks, taken away by sWeights. For every recipe: AUC of boosted trees
on all variables and conditions, of the untrained model and of the trained one at the truth's conditions, with the floor
(truth against truth); energy distance with its own; and the share of tracks with equal features. A training that has
not ended after ``--minutes`` (60) is stopped, and the best model so far is asked. Rows are appended to
``FOLDER/pid_bench.jsonl``.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import facsim
from facsim.events import Events
from facsim.io import select
from facsim.metrics import energy_distance, high_level_auc
from facsim.models.base import MODEL_FILE
from facsim.simulators import simulate
from facsim.simulators.cherenkov import detector
from facsim.simulators.toys.base import Toy

OUTPUT = ["RichDLLe", "RichDLLmu", "RichDLLk", "RichDLLp", "RichDLLbt"]
TRACK = ["P", "ETA", "nTracks", "charge"]


def data(options: argparse.Namespace, folder: Path) -> Any:
    """File to fit; with background it holds sWeights."""
    name = options.detector if options.signal == 1 else f"{options.detector}-calibration"
    file = folder / f"{name}_{options.particle}_{options.events}_{options.signal:g}.h5"
    settings: dict[str, Any] = {"particle": options.particle} | (
        {"signal": options.signal} if options.signal < 1 else {}
    )
    if not file.is_file():
        simulate(name, n=options.events, output=file, seed=1, **settings)
    if options.signal == 1:
        return file
    weighted = file.with_suffix(".sweights.h5")
    if not weighted.is_file():
        print(facsim.splot(file, "mass", output=weighted))
    return select(weighted, features=OUTPUT, conditions=TRACK)  # their weights are marked as such


def equal(events: Events) -> float:
    """Share of tracks of which two features are equal."""
    ordered = np.sort(events.features, axis=1)
    return float((np.diff(ordered, axis=1) == 0).any(axis=1).mean())


def auc(truth: Events, copy: Events) -> list[float]:
    found = high_level_auc(truth, copy, folds=3)
    return [round(float(found.auc), 4), round(float(found.auc_error), 4)]


def distance(truth: Events, copy: Events) -> list[float]:
    """Energy distance of features and conditions, and its error."""
    found = energy_distance(*(np.hstack([e.features, e.conditions]) for e in (truth, copy)))
    return [float(f"{x:.2g}") for x in (found.value, found.error)]


def bench(recipe: str, source: Any, truth: tuple[Events, Events], options: argparse.Namespace) -> dict[str, Any]:
    """Train one recipe, and judge it."""
    run = (
        options.output
        / f"{recipe}_{options.detector}_{options.particle}_{options.signal:g}_{time.strftime('%Y%m%d-%H%M%S')}"
    )
    changes = dict(change.split("=", 1) for change in options.set)
    first = facsim.fit(source, recipe, output=run / "first", overrides=changes | {"training.steps": "1"})
    began, limit = time.perf_counter(), 60 * options.minutes

    def stop(done: int, steps: int) -> None:
        if time.perf_counter() - began > limit:
            print(f"{recipe}: stopped after {done} of {steps} steps")
            raise KeyboardInterrupt

    try:
        facsim.fit(source, recipe, output=run / "whole", overrides=changes, progress=stop)
    except KeyboardInterrupt:
        print(f"{recipe}: the best model so far")
    took = time.perf_counter() - began
    if not (run / "whole" / MODEL_FILE).is_file():
        msg = f"{recipe}: stopped before its first validation, nothing to judge; raise --minutes"
        raise SystemExit(msg)
    model = facsim.load(run / "whole")
    drawn, raw = model.sample(truth[0], seed=11), first.sample(truth[0], seed=11)
    return {
        "recipe": recipe, "detector": options.detector, "particle": options.particle,
        "events": options.events, "signal": options.signal,
        "seconds": round(took), "auc": auc(truth[0], drawn), "before": auc(truth[0], raw), "floor": auc(*truth),
        "distance": distance(truth[0], drawn), "distance floor": distance(*truth),
        "equal": [round(equal(e), 4) for e in (truth[0], drawn)],
    }  # fmt: skip


def main() -> None:
    """Every recipe in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--detector", default="rich", help="rich, muon, pid or dirc")
    parser.add_argument("--particle", default="K")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--test", type=int, default=20_000, help="tracks that the classifier sees of each sample")
    parser.add_argument("--signal", type=float, default=1.0, help="share of signal; less than 1: rich with background")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("-o", "--output", type=Path, default=Path("pid_bench"))
    options = parser.parse_args()
    if options.signal < 1 and options.detector != "rich":
        parser.error("--signal: the columns to learn are known for detector rich alone")
    options.output.mkdir(parents=True, exist_ok=True)
    made: Toy = detector(options.detector, particle=options.particle)
    one = made.sample(options.test, seed=101)
    truth = one, made.sample(one, seed=102)  # at the same conditions, as the copy is
    source = data(options, options.output)
    for recipe in options.recipes:
        row = bench(recipe, source, truth, options)
        print(json.dumps(row))
        with (options.output / "pid_bench.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

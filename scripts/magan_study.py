"""Closure of population methods and of the posterior, one table: accuracy per call, time, calibration.

python scripts/magan_study.py --cases ii,iii --methods magan --set magan.seeds=3 -o ii.json    # an hour on one core
python scripts/magan_study.py --cases i --datasets 20 --methods population,posterior -o i.json
python scripts/magan_study.py --cases i,v --datasets 1 --methods magan --calls 1500 --events 200 --trial   # a trial

Cases on `lines` (or another simulator): (i) data sets of one point each, (ii) a truncated Gaussian population, (iii)
one of two peaks, (iv) one point at the edge of the space, (v) data that no parameters give, which must be flagged.

Source W1: Wasserstein distance of the tuned to the true parameters, mean over the parameters, in units of their ranges.
AUC: a classifier between data and the real simulator at the tuned parameters, both fresh, beside its floor; these calls
are not counted. Coverage: how often the true point lies in the central 68 % interval, over parameters and data sets of
(i) and (iv): for a population it is no promise. Flagged: AUC more than three errors above its floor.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facsim.errors import FacsimError
from facsim.files import atomic, write_json
from facsim.metrics import wasserstein
from facsim.models import Surrogate
from facsim.simulators.parametric import ParametricSimulator, Space, parametric
from facsim.tuning.calls import observed
from facsim.tuning.emulator import train_emulator
from facsim.tuning.magan import MaganSettings
from facsim.tuning.pushforward import pushforward
from facsim.tuning.verb import METHODS, settings_of

Array = NDArray[np.float64]

CASES = ("i", "ii", "iii", "iv", "v")
FRESH = 2000  # events of the comparison with fresh data, at most
TRIAL = {  # settings with which every method runs through in a minute
    "magan": {
        "seeds": 1,
        "emulator_steps": 60,
        "steps": 60,
        "checks": 1,
        "channels": 4,
        "overrides": {
            "training.validate_every": 60,
            "training.validation_events": 100,
            "training.batch": 32,
        },
    },
}


@dataclass(frozen=True)
class Problem:
    """Data of one closure test: `draw(n, seed)` gives true points (n, p), `simulator` makes the data of them."""

    case: str
    number: int
    draw: Callable[[int, int], Array]
    simulator: ParametricSimulator
    single: bool


@dataclass(frozen=True)
class Shared:
    """An emulator, and what it has cost."""

    model: Surrogate | None = None
    calls: int = 0
    seconds: float = 0.0


def emulator_of(chosen: argparse.Namespace, settings: MaganSettings) -> Shared:
    """The emulator of the Model-Assisted GAN does not know the data: one serves all data sets of a study.

    Every data set's row counts its calls and its time as if it had been made for it alone.
    """
    if not _EMULATORS:
        calls, begun = int(settings.emulator_share * chosen.calls), time.perf_counter()
        model = train_emulator(
            parametric(chosen.simulator),
            calls=calls,
            recipe="magan",
            overrides=settings.changes("magan"),
            seed=chosen.seed,
        )
        _EMULATORS.append(Shared(model, calls, time.perf_counter() - begun))
    return _EMULATORS[0]


_EMULATORS: list[Shared] = []


def problems(name: str, case: str, datasets: int, seed: int) -> Iterator[Problem]:
    """The data sets of a case."""
    simulator = parametric(name)
    space = simulator.space
    if case in {"i", "v"}:
        other = parametric(name, width=2) if case == "v" else simulator
        for number, point in enumerate(space.draw(datasets if case == "i" else 1, seed, stream=11)):
            yield Problem(case, number, lambda n, _, at=point: np.tile(at, (n, 1)), other, True)
    elif case == "iv":
        corner = space.draw(2000, seed, stream=12)
        edge = corner[np.abs(space.to_unit(corner) - 0.5).max(axis=1).argmax()]
        yield Problem(case, 0, lambda n, _: np.tile(edge, (n, 1)), simulator, True)
    else:
        centres = np.array([[0.5, 0.5]] if case == "ii" else [[0.3, 0.3], [0.7, 0.7]])
        yield Problem(case, 0, lambda n, s: _population(space, centres, n, s), simulator, False)


def _population(space: Space, centres: Array, n: int, seed: int) -> Array:
    """Valid points (n, p): Gaussians a tenth of the range wide in the first two parameters, flat in the others."""
    rng, found = np.random.default_rng([seed, 0x909]), []
    while sum(map(len, found)) < n:
        unit = rng.random((4 * n, len(space)))
        unit[:, :2] = centres[rng.integers(len(centres), size=4 * n)] + 0.1 * rng.normal(size=(4 * n, 2))
        inside = ((unit >= 0) & (unit <= 1)).all(axis=1)
        points = space.from_unit(unit[inside])
        found.append(points[space.contains(points)])
    return np.concatenate(found)[:n]


def judge(problem: Problem, method: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Tune once, and compare with the truth."""
    simulator = parametric(chosen.simulator)
    n = chosen.events
    seed = chosen.seed + 100 * problem.number
    data = observed(simulator, problem.simulator.sample(problem.draw(n, seed + 1), seed=seed + 1))
    settings = settings_of(method, {**(TRIAL.get(method, {}) if chosen.trial else {}), **_settings(chosen.set, method)})
    module, function, _ = METHODS[method]
    tune = getattr(__import__(module, fromlist=[function]), function)
    row: dict[str, Any] = {"case": problem.case, "data_set": problem.number, "method": method}
    shared = emulator_of(chosen, settings) if method == "magan" else Shared()
    extra = {"emulator": shared.model} if shared.model else {}
    try:
        found = tune(simulator, data, calls=chosen.calls - shared.calls, seed=seed, settings=settings, **extra)
    except FacsimError as error:
        return row | {"error": str(error)}
    truth, p = problem.draw(max(n, FRESH), seed + 2), len(simulator.space)
    fresh = observed(simulator, problem.simulator.sample(truth[:FRESH], seed=seed + 2))
    valid = found.samples[simulator.space.contains(found.samples)]
    rng = np.random.default_rng(seed)
    points = valid[rng.permutation(len(valid))[: len(fresh)]]  # none twice: a classifier would know its events again
    test = pushforward(fresh, observed(simulator, simulator.sample(points, seed=seed + 3)), seed=seed)
    unit, true = simulator.space.to_unit(found.samples), simulator.space.to_unit(truth)
    low, high = found.interval(0.68)
    row |= {
        "source_w1": float(np.mean([wasserstein(unit[:, j], true[:, j]) for j in range(p)])),
        "auc": test["auc"],
        "auc_error": test["auc_error"],
        "auc_floor": test["auc_floor"],
        "flagged": bool(test["auc"] > max(test["auc_floor"], 0.5) + 3 * test["auc_error"]),
        "calls": found.calls + shared.calls,
        "seconds": found.seconds + shared.seconds,
    }
    if problem.single:
        row["estimate"] = found.estimate.tolist()
        row["truth"] = truth[0].tolist()
        row["covered"] = ((truth[0] >= low) & (truth[0] <= high)).tolist()
    if method == "magan":
        row["games"] = found.details["games"]
        row["seed_spread"] = found.details["seed_spread"]
    return row


def _settings(pairs: list[str], method: str) -> dict[str, Any]:
    """``magan.steps=500`` for the method magan."""
    chosen = (pair.partition("=") for pair in pairs)
    return {key.removeprefix(f"{method}."): value for key, _, value in chosen if key.startswith(f"{method}.")}


def table(rows: list[dict[str, Any]]) -> str:
    """One line per case and method, mean over data sets."""
    lines = [
        "| case | method | source W1 | AUC | floor | flagged | coverage of 68 % | calls | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        for method in METHODS:
            some = [r for r in rows if r["case"] == case and r["method"] == method]
            good = [r for r in some if "error" not in r]
            if not good:
                lines += [f"| ({case}) | {method} | {r['error'].splitlines()[0]} |||||||" for r in some[:1]]
                continue
            w1, auc, floor, calls, seconds = (
                float(np.mean([r[k] for r in good])) for k in ("source_w1", "auc", "auc_floor", "calls", "seconds")
            )
            covered = [c for r in good for c in r.get("covered", [])]
            share = f"{np.mean(covered):.2f}" if covered and case != "v" else ""
            flagged = f"{sum(r['flagged'] for r in good)} of {len(some)}"
            lines.append(
                f"| ({case}) | {method} | {w1:.4f} | {auc:.3f} | {floor:.3f} | {flagged} | {share} | {calls:,.0f} | "
                f"{seconds:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """All cases and methods; figures are written after each."""
    out = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--simulator", default="lines")
    out.add_argument("--cases", default=",".join(CASES))
    out.add_argument("--methods", default="magan,population,variational,posterior")
    out.add_argument("--calls", type=int, default=50_000)
    out.add_argument("--events", type=int, default=1000, help="of each data set")
    out.add_argument("--datasets", type=int, default=20, help="of case (i)")
    out.add_argument("--set", action="append", default=[], metavar="METHOD.KEY=VALUE", help="settings of a method")
    out.add_argument("--trial", action="store_true", help="tiny trainings: only to see that it runs")
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("-o", "--output", type=Path, default=Path("bench/out/magan-study.json"))
    out.add_argument("--merge", type=Path, nargs="+", help="results to put into one table; nothing is tuned")
    out.add_argument("--fragment", type=Path, help="Markdown file for the table")
    chosen = out.parse_args()
    if chosen.merge:
        publish(merged(chosen.merge), chosen.fragment)
        return
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for case in chosen.cases.split(","):
        for problem in problems(chosen.simulator, case, chosen.datasets, chosen.seed):
            for method in chosen.methods.split(","):
                rows.append(judge(problem, method, chosen))
                print({k: v for k, v in rows[-1].items() if k not in {"games", "seed_spread"}}, flush=True)
                write_json(chosen.output, {"simulator": chosen.simulator, "rows": rows})
    publish(rows, chosen.fragment)


def merged(files: list[Path]) -> list[dict[str, Any]]:
    """Rows of several results; of the same case, data set and method the last."""
    found = [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))["rows"]]
    return list({(row["case"], row["data_set"], row["method"]): row for row in found}.values())


def publish(rows: list[dict[str, Any]], fragment: Path | None) -> None:
    """Print the table, and write it."""
    text = table(rows)
    print(text)
    if fragment:
        with atomic(fragment) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

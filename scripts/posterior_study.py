"""Posteriors of toys with a known answer: C2ST against exact samples, calibration, and lines against their floor.

    python scripts/posterior_study.py two-moons -o out/two-moons.json      # engine 'flow'
    python scripts/posterior_study.py slcp -o out/slcp.json                # 'likelihood' of one of the four points
    python scripts/posterior_study.py slcp --set engine=flow --set points=null --name slcp-flow -o out/slcp-flow.json
    python scripts/posterior_study.py gaussian-linear-uniform -o out/gaussian.json
    python scripts/posterior_study.py lines -o out/lines.json

The toys have the budget of arXiv:2605.27499, 30,000 calls; C2ST is that of arXiv:2101.04653, the mean over 10
observations with 10,000 samples each. For `slcp` the structure is used that an event is four independent points of one
law; who does not want it gives the options of the third line. `lines` has one event per point and no budget in the
literature: its figures are the root mean square error of the posterior mean over the exact floor, and coverage.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from facsim.files import atomic, write_json
from facsim.metrics import c2st, coverage, sbc, tarp
from facsim.simulators.parametric.lines import exact_line_posterior
from facsim.simulators.parametric.table import parametric
from facsim.tuning.posterior import PosteriorSettings, fit_density, fit_posterior

TASKS: dict[str, tuple[int, dict[str, Any]]] = {  # calls, settings
    "two-moons": (30_000, {"steps": 20_000, "summary": 16}),
    "slcp": (
        30_000,
        {"engine": "likelihood", "points": "x", "components": 2, "steps": 10_000, "learning_rate": 4e-3},
    ),
    "gaussian-linear": (30_000, {"steps": 10_000}),
    "gaussian-linear-uniform": (30_000, {"steps": 10_000}),
    "lines": (200_000, {"steps": 25_000, "batch": 256, "channels": 4, "solver_steps": 8}),
}


def main() -> None:
    args = parser().parse_args()
    calls, chosen = TASKS[args.task]
    chosen = {**chosen, **{k: yaml.safe_load(v) for k, v in (pair.split("=", 1) for pair in args.set)}}
    settings = PosteriorSettings(**chosen)
    simulator = parametric(args.task)
    calls = args.calls or calls
    theta = simulator.space.draw(calls, args.seed, 1)
    begun, cpu = time.perf_counter(), time.process_time()
    fit = fit_density if settings.engine == "likelihood" else fit_posterior
    events = simulator.sample(theta, seed=args.seed + 1).features
    posterior = fit(simulator.space, theta, events, blocks=simulator.features, settings=settings, seed=args.seed)
    found: dict[str, Any] = {
        "task": args.name or args.task,
        "calls": calls,
        "settings": chosen,
        "seconds": round(time.perf_counter() - begun),
        "cpu": round(time.process_time() - cpu),
        "history": getattr(posterior, "history", []),
    }
    print(f"{found['task']}: trained in {found['cpu']} s of CPU", flush=True)
    found |= calibrated(simulator, posterior, args)
    found |= lines(simulator, posterior, args) if args.task == "lines" else compared(simulator, posterior, args)
    write_json(args.output, found)
    print(f"written: {args.output}")
    if args.fragment:
        with atomic(args.fragment) as temporary:
            temporary.write_text(table(args.output.parent), encoding="utf-8")


def table(folder: Path) -> str:
    """All results of a folder as Markdown."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    lines = [
        "| task | simulations | engine | C2ST: mean, each | 68 %, 95 % coverage (error) | SBC, TARP p | CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        each = row.get("c2st", [])
        closeness = f"{row['c2st_mean']:.3f}: {', '.join(f'{v:.2f}' for v in each)}" if each else "see below"
        shares = [np.mean(row["coverage"][level]) for level in ("0.68", "0.95")]
        error = np.sqrt(0.68 * 0.32 / row["tests"] / len(row["coverage"]["0.68"]))
        lines.append(
            f"| `{row['task']}` | {row['calls']:,} | {row['settings'].get('engine', 'flow')} | {closeness} | "
            f"{100 * shares[0]:.1f}, {100 * shares[1]:.1f} % (± {100 * error:.1f}) | {row['sbc_pvalue']:.2f}, "
            f"{row['tarp_pvalue']:.2f} | {row['cpu']} s |"
        )
    for row in (r for r in rows if "rmse" in r):
        pairs = zip(row["rmse"], row["floor"], strict=True)
        m, c = (f"{value:.4f} (floor {floor:.4f}, {100 * (value / floor - 1):+.1f} %)" for value, floor in pairs)
        lines += ["", f"`{row['task']}`, one image: RMSE of m {m}, of c {c}."]
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("task", choices=TASKS)
    out.add_argument("-o", "--output", type=Path, required=True)
    out.add_argument("--name", help="in the numbers")
    out.add_argument("--fragment", type=Path, help="Markdown file: a table of all results in the folder of the output")
    out.add_argument("--calls", type=int, default=0, help="points to learn from (default: the task's)")
    out.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE", help="of PosteriorSettings")
    out.add_argument("--observations", type=int, default=10)
    out.add_argument("--samples", type=int, default=10_000, help="per observation")
    out.add_argument("--tests", type=int, default=0, help="simulations that test the calibration (default: the task's)")
    out.add_argument("--seed", type=int, default=0)
    return out


def compared(simulator: Any, posterior: Any, args: argparse.Namespace) -> dict[str, Any]:
    """C2ST against the exact posterior."""
    theta = simulator.space.draw(args.observations, args.seed, 2)
    data = simulator.sample(theta, seed=args.seed + 2).features
    values = []
    for i, x in enumerate(data):
        exact = simulator.reference_posterior(x, args.samples, seed=i)
        values.append(c2st(exact, posterior.sample(x[None], args.samples, seed=i)))
        print(f"  observation {i}: C2ST {values[-1]:.3f}", flush=True)
    print(f"  mean {np.mean(values):.3f}")
    return {"c2st": values, "c2st_mean": float(np.mean(values))}


def calibrated(simulator: Any, posterior: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Ranks, balls and coverage over new simulations."""
    tests = args.tests or {"lines": 2000, "slcp": 100}.get(args.task, 300)
    theta = simulator.space.draw(tests, args.seed, 3)
    samples = posterior.sample_each(simulator.sample(theta, seed=args.seed + 3).features, 400, seed=args.seed)
    ranks, balls, held = sbc(theta, samples), tarp(theta, samples), coverage(theta, samples)
    print(f"  SBC p = {ranks.pvalue:.3f}, TARP p = {balls.pvalue:.3f}, largest TARP deviation {balls.largest:.3f}")
    for level, shares, error in zip(held.levels, held.shares, held.errors, strict=True):
        print(f"  coverage at {level:.2f}: {np.round(shares, 3).tolist()} (error {error:.3f})")
    return {
        "tests": tests,
        "sbc_pvalue": ranks.pvalue,
        "tarp_pvalue": balls.pvalue,
        "tarp_largest": balls.largest,
        "coverage": {f"{level:.2f}": s.tolist() for level, s in zip(held.levels, held.shares, strict=True)},
    }


def lines(simulator: Any, posterior: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Errors of the posterior mean of (m, c), over the floor that the images allow."""
    theta = simulator.space.draw(2000, args.seed, 4)
    images = simulator.sample(theta, seed=args.seed + 4).features
    exact = [exact_line_posterior(image) for image in images]
    floor = np.sqrt(np.mean([np.diag(e.covariance) for e in exact], axis=0))
    means = posterior.sample_each(images, 400, seed=args.seed).mean(axis=1)[:, :2]
    error = np.sqrt(((means - theta[:, :2]) ** 2).mean(axis=0))
    best = np.sqrt(((np.array([e.mean for e in exact]) - theta[:, :2]) ** 2).mean(axis=0))
    excess = np.sqrt(((means - np.array([e.mean for e in exact])) ** 2).mean(axis=0))
    print(f"  RMSE of (m, c) {error.round(4)}; of the exact posterior mean {best.round(4)}; floor {floor.round(4)}")
    print(f"  distance to the exact posterior mean {excess.round(4)}")
    keys = ("rmse", "rmse_exact", "floor", "distance_to_exact_mean")
    return dict(zip(keys, (v.tolist() for v in (error, best, floor, excess)), strict=True))


if __name__ == "__main__":
    main()

"""Calls of the simulator that adversarial variational optimisation needs, with adaptive and with plain divergence.

    python scripts/variational_study.py -o variational --repeats 5      # about 15 minutes on one core

Tasks of arXiv:1912.00520, in our own parameters: a Gaussian's place (`gaussians`), the angle and width of four petals
whose labels alternate (`petals`), the turns and noise of a Swiss roll (`roll`). The table has the calls
after which the mean (for Bayesian optimisation the answer) stays within the tolerance of the truth, in units of the
ranges, and the distance at the end; medians with the 16 % and 84 % quantiles. Who never gets there counts with all.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from facsim import Block
from facsim.files import atomic, write_json
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space
from facsim.tuning.population import VariationalSettings, tune_variational


class Gaussians(ParametricSimulator):
    """Two places, spread 1."""

    name, summary = "gaussians", "a Gaussian's place"
    space = Space((Parameter("x", -10, 10), Parameter("y", -10, 10)))
    features = (Block("place", (2,)),)
    truth = (6.0, -4.0)

    def _simulate(self, conditions, rng):
        return conditions + rng.normal(size=conditions.shape)


class Petals(ParametricSimulator):
    """Four petals along the diagonals; a third column is the sign of x y, blurred."""

    name, summary = "petals", "exclusive-or petals"
    space = Space((Parameter("angle", -0.7, 0.7), Parameter("width", 0.05, 0.6)))
    features = (Block("place", (3,)),)
    truth = (0.4, 0.15)

    def _simulate(self, conditions, rng):
        n = len(conditions)
        angle = conditions[:, 0] + (rng.integers(4, size=n) + 0.5) * np.pi / 2 + conditions[:, 1] * rng.normal(size=n)
        radius = rng.gamma(6, 1 / 6, n)
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        return np.column_stack([x, y, np.sign(x * y) + 0.3 * rng.normal(size=n)])


class Roll(ParametricSimulator):
    """A spiral with noise."""

    name, summary = "roll", "Swiss roll"
    space = Space((Parameter("turns", 0.5, 2.5), Parameter("noise", 0.02, 0.5)))
    features = (Block("place", (2,)),)
    truth = (1.8, 0.1)

    def _simulate(self, conditions, rng):
        n = len(conditions)
        t = np.sqrt(rng.random(n))
        angle = 2 * np.pi * conditions[:, 0] * t
        return np.column_stack([t * np.cos(angle), t * np.sin(angle)]) * 3 + conditions[:, 1:] * rng.normal(size=(n, 2))


WAYS = {
    "adaptive": {},
    "plain": {"adaptive": False},
    "adaptive, no reuse": {"reuse": False},
    "plain, no reuse": {"adaptive": False, "reuse": False},
    "Bayesian, adaptive": {"engine": "bayes"},
    "Bayesian, plain": {"engine": "bayes", "adaptive": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", default="variational", help="name of the .md and .json file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--calls", type=int, default=16_384, help="budget per run")
    parser.add_argument("--tasks", nargs="+", default=["gaussians", "petals", "roll"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--within", type=float, default=0.05, help="tolerance, in units of the ranges")
    arguments = parser.parse_args()
    rows = []
    for simulator in (Gaussians(), Petals(), Roll()):
        if simulator.name not in arguments.tasks:
            continue
        truth = np.array(simulator.truth)
        span = simulator.space.high - simulator.space.low
        for way in arguments.ways:
            begun, calls, errors = time.process_time(), [], []
            for seed in range(arguments.repeats):
                data = simulator.sample(np.repeat(truth[None], 2000, 0), seed=1000 + seed)
                settings = VariationalSettings(enough=0, tight=0.02, **WAYS[way])
                found = tune_variational(simulator, data, calls=arguments.calls, seed=seed, settings=settings)
                calls.append(needed(found, truth, span, arguments.within))
                errors.append(float(np.sqrt((((found.estimate - truth) / span) ** 2).mean())))
            rows.append({"task": simulator.name, "way": way, "calls": calls, "error": errors})
            seconds = (time.process_time() - begun) / arguments.repeats
            print(
                f"{simulator.name:10} {way:20} calls {three(calls)}  error {three(errors)}  {seconds:.1f} s", flush=True
            )
            write_json(f"{arguments.output}.json", {"rows": rows, "calls": arguments.calls, "within": arguments.within})
    lines = ["| task | divergence | calls | error / range |", "|---|---|---|---|"]
    lines += [f"| {r['task']} | {r['way']} | {three(r['calls'])} | {three(r['error'])} |" for r in rows]
    with atomic(Path(f"{arguments.output}.md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def needed(found, truth, span, within) -> int:
    """Calls after which the path stays near the truth."""
    path = np.array(found.details.get("path", [found.estimate]))
    spent = found.details.get("path_calls", [found.calls])
    far = np.flatnonzero(np.sqrt((((path - truth) / span) ** 2).mean(1)) > within)
    return spent[far[-1] + 1] if len(far) and far[-1] + 1 < len(spent) else spent[0] if not len(far) else found.calls


def three(values: list[float]) -> str:
    """Median and central 68 %."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()

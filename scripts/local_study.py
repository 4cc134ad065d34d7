"""Best fits from few calls: local surrogates against numerical gradients, an evolution strategy and a Gaussian process.

    python scripts/local_study.py -o local --repeats 5      # about 10 minutes on one core

Tasks: the three-hump function, Rosenbrock's in 10 dimensions, the same in a 10-dimensional subspace of 100 parameters
(arXiv:2002.04632), and the plates of a calorimeter in closed form. All have noise. The table has the true objective at
the estimate, less that at the best point, after the same number of calls; medians and central 68 %.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import norm

from facsim import Block
from facsim.files import atomic, write_json
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space
from facsim.tuning.local import LocalSettings, tune_local

Ask = Callable[[np.ndarray], float]


class Task(ParametricSimulator):
    """One number per event: a known function with noise."""

    features = (Block("value"),)
    noise = 0.1
    lowest = 0.0

    def true(self, theta: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _simulate(self, conditions, rng):
        return (self.true(conditions) + self.noise * rng.normal(size=len(conditions)))[:, None]


class ThreeHump(Task):
    name, summary = "three-hump", ""
    space = Space((Parameter("x", -2, 2, default=0.7), Parameter("y", -2, 2, default=1.5)))

    def true(self, theta):
        x, y = theta.T
        return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


class Rosenbrock(Task):
    name, summary, noise = "rosenbrock-10", "", 1.0
    space = Space(tuple(Parameter(f"t{i}", -10, 10, default=2.0) for i in range(10)))

    def true(self, theta):
        a, b = theta[:, :-1], theta[:, 1:]
        return (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum(1)


class Subspace(Rosenbrock):
    name = "rosenbrock-10-of-100"
    space = Space(tuple(Parameter(f"t{i}", -10, 10, default=2.0) for i in range(100)))
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(100, 10)))[0]

    def true(self, theta):
        return super().true(theta @ self.mixing)


class Plates(Task):
    """Relative resolution at 50 GeV of 40 plates: sampling fluctuations against leakage."""

    name, summary, noise = "plates", "", 0.01
    space = Space((Parameter("absorber", 1, 12, default=10.0, unit="mm"),))
    energy = 50.0

    def true(self, theta):
        absorber = theta[:, 0]
        return np.hypot(0.04 * np.sqrt(absorber / self.energy), 0.6 * np.exp(-40 * absorber / 5.6 / 12))

    @property
    def lowest(self):
        return float(self.true(np.linspace(1, 12, 10_000)[:, None]).min())


class Counter:
    """Mean of some calls at a point of the unit cube; counts them."""

    def __init__(self, task: Task, each: int, seed: int) -> None:
        self.task, self.each, self.seed, self.calls = task, each, seed, 0

    def __call__(self, unit: np.ndarray) -> float:
        theta = self.task.space.from_unit(np.clip(unit, 0, 1))
        self.calls += self.each
        events = self.task.sample(np.repeat(theta[None], self.each, 0), seed=self.seed * 10**6 + self.calls)
        return float(events["value"].mean())


def surrogate(kind: str) -> Callable[[Task, int, int], np.ndarray]:
    def run(task: Task, calls: int, seed: int) -> np.ndarray:
        objective = (lambda x, _: x[:, 0]) if kind == "generative" else (lambda events: events["value"])
        settings = LocalSettings(surrogate=kind, narrowest=1e-3, steps=200, events=10)
        return tune_local(task, calls=calls, objective=objective, seed=seed, settings=settings).estimate

    return run


def numerical(task: Task, calls: int, seed: int) -> np.ndarray:
    """Central differences of 0.02 of the range, and Adam with rate 0.02."""
    ask, p = Counter(task, 10, seed), len(task.space)
    x, first, second = task.space.to_unit(task.space.default), np.zeros(p), np.zeros(p)
    for step in range(1, 10**6):
        if ask.calls + 20 * p > calls:
            break
        gradient = np.array([(ask(x + 0.02 * e) - ask(x - 0.02 * e)) / 0.04 for e in np.eye(p)])
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        x = np.clip(x - 0.02 * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-9), 0, 1)
    return task.space.from_unit(x)


def evolution(task: Task, calls: int, seed: int) -> np.ndarray:
    """Rank-mu evolution with a full covariance: the better half of a generation moves mean and covariance."""
    ask, p, place = Counter(task, 10, seed), len(task.space), np.random.default_rng(seed)
    mean, covariance = task.space.to_unit(task.space.default), 0.15**2 * np.eye(p)
    size = 4 + int(3 * np.log(p)) + p // 2
    weight = np.log(size / 2 + 0.5) - np.log(np.arange(1, size // 2 + 1))
    weight /= weight.sum()
    pace = min(0.5, 2 * size / (p + 2) ** 2 + 0.05)
    while ask.calls + 10 * size <= calls:
        drawn = np.clip(mean + place.multivariate_normal(np.zeros(p), covariance, size), 0, 1)
        best = drawn[np.argsort([ask(x) for x in drawn])][: size // 2]
        moved = best - mean
        covariance = (1 - pace) * covariance + pace * (moved.T * weight) @ moved + 1e-9 * np.eye(p)
        mean = weight @ best
    return task.space.from_unit(mean)


def bayesian(task: Task, calls: int, seed: int) -> np.ndarray:
    """Gaussian process (Matern 5/2), expected improvement; at most 150 points of equal share of the budget."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    points, place = min(150, calls // 10), np.random.default_rng(seed)
    ask, p = Counter(task, calls // points, seed), len(task.space)
    x = np.concatenate([[task.space.to_unit(task.space.default)], place.random((5, p))])
    y = np.array([ask(u) for u in x])
    process = GaussianProcessRegressor(Matern(0.5, (0.02, 20), nu=2.5) + WhiteKernel(1e-3), normalize_y=True)
    while len(x) < points:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            process.fit(x, y)
        near = np.clip(x[y.argmin()] + 10 ** place.uniform(-3, -0.5, (500, 1)) * place.normal(size=(500, p)), 0, 1)
        tried = np.concatenate([place.random((500, p)), near])
        mean, spread = process.predict(tried, return_std=True)
        gain = process.predict(x).min() - mean
        z = gain / np.maximum(spread, 1e-9)
        x = np.concatenate([x, [tried[np.argmax(gain * norm.cdf(z) + spread * norm.pdf(z))]]])
        y = np.append(y, ask(x[-1]))
    return task.space.from_unit(x[process.predict(x[: len(process.X_train_)]).argmin()])


WAYS = {
    "local quadratic": surrogate("quadratic"),
    "local generative": surrogate("generative"),
    "numerical gradient": numerical,
    "evolution strategy": evolution,
    "Gaussian process": bayesian,
}
BUDGETS = {
    "three-hump": (1000, 4000),
    "rosenbrock-10": (5000, 20_000),
    "rosenbrock-10-of-100": (40_000,),
    "plates": (1000,),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", default="local", help="name of the .md and .json file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=["three-hump", "rosenbrock-10", "plates"], choices=list(BUDGETS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    arguments = parser.parse_args()
    rows = []
    for task in (ThreeHump(), Rosenbrock(), Subspace(), Plates()):
        for calls in BUDGETS[task.name] if task.name in arguments.tasks else ():
            for way in arguments.ways:
                begun = time.process_time()
                found = [WAYS[way](task, calls, seed) for seed in range(arguments.repeats)]
                excess = [float(task.true(theta[None])[0] - task.lowest) for theta in found]
                seconds = (time.process_time() - begun) / arguments.repeats
                rows.append({"task": task.name, "calls": calls, "way": way, "excess": excess, "seconds": seconds})
                print(f"{task.name:22} {calls:6} {way:20} {three(excess)}  {seconds:.1f} s", flush=True)
                write_json(f"{arguments.output}.json", {"rows": rows})
    lines = ["| task | calls | way | objective above the lowest | seconds |", "|---|---|---|---|---|"]
    lines += [f"| {r['task']} | {r['calls']} | {r['way']} | {three(r['excess'])} | {r['seconds']:.1f} |" for r in rows]
    with atomic(Path(f"{arguments.output}.md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def three(values: list[float]) -> str:
    """Median and central 68 %."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()

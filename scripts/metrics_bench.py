"""Measure the distances between samples of many columns: calibration, speed, memory, and agreement with JetNet.

    python scripts/metrics_bench.py calibration [--pairs 200]
    python scripts/metrics_bench.py speed --jetnet-python PATH
    python scripts/metrics_bench.py jetnet --jetnet-python PATH
    python scripts/metrics_bench.py memory

PATH is the interpreter of an environment with jetnet==0.2.5, "numpy<2" and "pyarrow<20". One thread. The tables go to
standard output and into bench/out/metrics-NAME.json. Showers are those of FACSIM_DATA, else of ../shared/data.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"  # numpy reads them when it is imported

import numpy as np  # noqa: E402

ROOT = Path(__file__).parents[1]
SHOWERS = Path(os.environ.get("FACSIM_DATA", ROOT.parent / "shared" / "data")) / "showers" / "eplus.h5"
COLUMNS = 36


def gaussian(rng, n, columns=COLUMNS):
    """Correlated Gaussian columns."""
    return rng.normal(size=(n, columns)) @ np.random.default_rng(5).normal(size=(columns, columns))


def products(rng, n):
    """Products of up to four positive numbers, as energy-flow polynomials are: skewed, correlated, collinear."""
    which = np.random.default_rng(6).integers(0, 7, (COLUMNS, 4))
    degree = np.random.default_rng(7).integers(1, 5, COLUMNS)
    factors = rng.beta(2, 6, (n, 7)) * rng.beta(4, 4, (n, 1))
    return np.stack([factors[:, w[:d]].prod(axis=1) for w, d in zip(which, degree, strict=True)], axis=1)


def showers(rng, n):
    """Observables of Geant4 showers, drawn again with a tenth of their spread added."""
    pool, spread = _pool()
    return pool[rng.integers(0, len(pool), n)] + rng.normal(size=(n, COLUMNS)) @ spread.T


@cache
def _pool():
    from facsim import io
    from facsim.observables import compute

    columns = np.column_stack(list(compute(io.read(SHOWERS), extended=True).values()))[:, :COLUMNS]
    covariance = np.cov(columns.T)
    return columns, np.linalg.cholesky(0.01 * covariance + 1e-3 * np.diag(np.diag(covariance)))


TRUTHS = {"gaussian": gaussian, "products": products, "showers": showers}


def calibration(options):
    """Do the errors cover the true distance, and are the p-values flat?"""
    from facsim.metrics import MULTIVARIATE

    heads = (
        "metric",
        "truth",
        "n",
        "shift",
        "weights",
        "pairs",
        "mean",
        "its error",
        "spread",
        "mean error",
        "in 1",
        "in 2",
    )
    table = Table((*heads, "p<0.05", "p<0.5", "s/pair"))
    least, most = min(options.sizes), max(options.sizes)
    plan = [("fpd", truth, n, 0.0, False) for truth in options.truths for n in options.sizes]
    plan += [("fpd", truth, n, 0.1, False) for truth in options.truths for n in options.sizes]
    plan += [("fpd", truth, most, 0.0, True) for truth in options.truths]
    others = [name for name in MULTIVARIATE if name != "fpd"]
    plan += [(name, truth, least, 0.0, False) for name in others for truth in options.truths]
    for name, truth, n, shift, weighted in plan:
        if options.metric and name not in options.metric:
            continue
        distance, make = MULTIVARIATE[name], TRUTHS[truth]
        spread = make(np.random.default_rng(99), 100_000).std(0)
        results, begin = [], time.perf_counter()
        for pair in range(options.pairs):
            rng = np.random.default_rng([2026, n, pair])
            x, y = make(rng, n), make(rng, n)
            y[:, 0] += shift * spread[0]
            w = rng.choice([-1.0, 3.0], n) if weighted else None  # an effective size of n / 5
            results.append(distance(x, y, wx=w, seed=pair))
        value, error, pvalue, null = np.array([(r.value, r.error, r.pvalue, r.null) for r in results]).T
        # unbiased metrics: off the true value; plug-ins: off their own null
        off = value - (null if null.any() else shift**2)
        row = (
            name,
            truth,
            n,
            shift,
            weighted,
            len(off),
            off.mean(),
            off.std() / len(off) ** 0.5,
            off.std(),
            error.mean(),
        )
        shares = (
            (np.abs(off) < error).mean(),
            (np.abs(off) < 2 * error).mean(),
            (pvalue < 0.05).mean(),
            (pvalue < 0.5).mean(),
        )
        table.add(*row, *shares, (time.perf_counter() - begin) / len(off))
    table.save("calibration")


JETNET = """
import sys, json, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from jetnet.evaluation import fpd, kpd
x, y = np.load(sys.argv[1]), np.load(sys.argv[2])
small = x[:1000]
kpd(small, small, num_batches=1, batch_size=100)  # compile
out = {}
for name, metric in (("fpd", fpd), ("kpd", kpd)):
    begin = time.perf_counter()
    value, error = metric(x, y)
    out[name] = [float(value), float(error), time.perf_counter() - begin]
print(json.dumps(out))
"""


def reference(python, x, y):
    """FPD and KPD of the package itself: value, error, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("x.npy", "y.npy")]
        np.save(paths[0], x)
        np.save(paths[1], y)
        run = subprocess.run([python, "-c", JETNET, *paths], check=True, capture_output=True, text=True, cwd=folder)
    return json.loads(run.stdout.splitlines()[-1])


def speed(options):
    """50,000 x 10, medians of rounds in which each takes its turn."""
    from facsim import metrics
    from facsim.metrics import MULTIVARIATE

    rng = np.random.default_rng(0)
    x, y = (gaussian(rng, 50_000, 10) for _ in range(2))
    wx, wy = rng.normal(1, 1, (2, len(x)))
    turns = {
        **{name: lambda d=d: d(x, y) for name, d in MULTIVARIATE.items()},
        **{f"{name}, weights": lambda d=d: d(x, y, wx=wx, wy=wy) for name, d in MULTIVARIATE.items()},
        "prdc": lambda: metrics.precision_recall(x, y),
        "fpd, definition=jetnet": lambda: metrics.fpd(x, y, definition="jetnet"),
        "kpd, definition=jetnet": lambda: metrics.kpd(x, y, definition="jetnet"),
    }
    seconds = {}
    for turn in range(options.rounds + 1):
        for name, run in turns.items():
            begin = time.perf_counter()
            run()
            if turn:  # the first is to warm up
                seconds.setdefault(name, []).append(time.perf_counter() - begin)
        if turn and options.jetnet_python:
            for name, (_, _, taken) in reference(options.jetnet_python, x, y).items():
                seconds.setdefault(f"{name}, jetnet 0.2.5", []).append(taken)
    table = Table(("what", "median s", "min", "max", "rounds"))
    for name, taken in seconds.items():
        table.add(name, statistics.median(taken), min(taken), max(taken), len(taken))
    table.save("speed")


def jetnet(options):
    """Three data sets, with the package and with definition="jetnet"."""
    from facsim import metrics

    table = Table(
        ("data", "metric", "jetnet 0.2.5", "its error", "ours", "error", "difference / error", "default", "its error")
    )
    for name, make in TRUTHS.items():
        rng = np.random.default_rng(1)
        x, y = make(rng, 50_000), make(rng, 50_000)
        if name != "gaussian":  # which stays truth against truth
            y = y * 1.02
        for metric, (value, error, _) in reference(options.jetnet_python, x, y).items():
            ours, default = (getattr(metrics, metric)(x, y, definition=d) for d in ("jetnet", "facsim"))
            pull = abs(ours.value - value) / error if error else 0.0
            table.add(name, metric, value, error, ours.value, ours.error, pull, default.value, default.error)
    table.save("jetnet")


def memory(options):
    """Peak of a process that computes one distance of 100,000 x 362, float32; the samples alone are 290 MB."""
    from facsim.metrics import MULTIVARIATE

    if options.one:
        rng = np.random.default_rng(0)
        mix = rng.normal(size=(362, 362)).astype(np.float32)
        x, y = (rng.standard_normal((100_000, 362), np.float32) @ mix for _ in range(2))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begin = time.perf_counter()
        estimate = MULTIVARIATE[options.one](x, y)
        taken = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([before, after, taken, estimate.value, estimate.error, estimate.pvalue]))
        return
    table = Table(("metric", "MB before", "MB peak", "s", "value", "error", "p"))
    for name in options.metric or MULTIVARIATE:
        command = [sys.executable, __file__, "memory", "--one", name]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        table.add(name, *json.loads(run.stdout))
    table.save("memory")


class Table:
    """Rows that are printed as they come, and stored."""

    def __init__(self, heads):
        self.heads, self.rows = heads, []
        print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads), flush=True)

    def add(self, *cells):
        self.rows.append(cells)
        print("| " + " | ".join(f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells) + " |", flush=True)

    def save(self, name):
        folder = ROOT / "bench" / "out"
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            dict(zip(self.heads, (c.item() if hasattr(c, "item") else c for c in row), strict=True))
            for row in self.rows
        ]
        (folder / f"metrics-{name}.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["calibration", "speed", "jetnet", "memory"])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 50_000])
    parser.add_argument("--truths", nargs="+", choices=TRUTHS, default=list(TRUTHS))
    parser.add_argument("--metric", nargs="+", help="only these")
    parser.add_argument("--jetnet-python", help="interpreter of an environment with jetnet 0.2.5")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    {"calibration": calibration, "speed": speed, "jetnet": jetnet, "memory": memory}[arguments.what](arguments)

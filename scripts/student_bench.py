"""Distil a RICH's generator for the online farm, and measure what is gained and what is lost.

    python scripts/student_bench.py --teacher runs/kaons --data kaons.h5 -o student_bench
    python scripts/student_bench.py --steps 3000 --events 100000       # with a hasty teacher of its own

Prints and writes ``FOLDER/student_bench.json``: operations (multiplications of dense layers per event), AUC of boosted
trees between teacher and student at the same conditions with its floor (teacher against teacher), what the student
changes in the teacher's AUC between kaons and true pions in bins of P and ETA, and times of the exported files, one
thread, noise included, in CPU time: medians of ``--runs`` rounds in turn, with and without looking conditions up in a
table. Draws the latency of a farm to ``--figure``.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import facsim
from facsim.deploy import Farm
from facsim.events import Events
from facsim.metrics import high_level_auc
from facsim.metrics.auc_map import Scored, delta_auc_map
from facsim.models import Surrogate
from facsim.simulators import simulate
from facsim.simulators.cherenkov import detector

BATCHES = (1, 10, 100, 1_000, 10_000)
WINDOWS = (0.0, 1e-3, 5e-3, 20e-3)  # seconds
MARK = 70e-3  # seconds per event, of the talk


def operations(model: Surrogate) -> int:
    """Multiplications of dense layers for one event."""
    found = 0

    def count(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        nonlocal found
        found += out.numel() * int(layer.in_features)  # type: ignore[arg-type]

    generator = model.generator()
    hooks = [m.register_forward_hook(count) for m in generator.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        generator(model.low[None], torch.zeros(1, model.latent))
    for hook in hooks:
        hook.remove()
    return found


def summed(model: Surrogate) -> Surrogate:
    """The same model, its conditions as sums over all steps between quantiles, as before."""
    other = copy.deepcopy(model)
    scales: Any = other.transform.conditions
    scales.grid = scales.grid[:, :0]
    return other


def caller(file: Path, rows: int) -> Callable[[], None]:
    """One call of an exported model, with fresh noise."""
    model = facsim.load(file)
    rng = np.random.default_rng(0)
    low, high = model.condition_range
    given = (low + (high - low) * rng.random((rows, len(low)))).astype(np.float32)
    shape = rows, model.latent

    def call() -> None:
        noise = rng.standard_normal(shape, dtype=np.float32)
        model.session.run(None, {"conditions": given, "noise": noise})

    return call


def timed(files: dict[str, Path], runs: int, seconds: float) -> dict[str, dict[int, float]]:
    """CPU seconds per call by file and batch: medians of rounds that visit each in turn."""
    calls = {(name, rows): caller(file, rows) for name, file in files.items() for rows in BATCHES}
    found: dict[tuple[str, int], list[float]] = {key: [] for key in calls}
    for call in calls.values():
        call()
    for _ in range(runs):
        for key, call in calls.items():
            began, count = time.process_time(), 0
            while time.process_time() - began < seconds:
                for _ in range(max(1, 200 // key[1])):  # the clock costs a microsecond
                    call()
                    count += 1
            found[key].append((time.process_time() - began) / count)
    return {name: {rows: statistics.median(found[name, rows]) for rows in BATCHES} for name in files}


def auc(one: Events, two: Events) -> list[float]:
    found = high_level_auc(one, two, folds=3)
    return [round(float(found.auc), 4), round(float(found.auc_error), 4)]


def shift(teacher: Events, student: Events, pions: Events) -> dict[str, float]:
    """What the student changes in the teacher's AUC of RichDLLk between kaons and true pions, in 6 x 6 bins."""
    scored = {
        name: Scored(e["RichDLLk"], np.stack([e["P"], e["ETA"]], 1))
        for name, e in (("t", teacher), ("s", student), ("pi", pions))
    }
    found = delta_auc_map((scored["t"], scored["pi"]), (scored["s"], scored["pi"]))
    size = np.abs(found.delta)
    return {
        "largest": float(np.nanmax(size)), "mean": float(np.nanmean(size)), "error": float(np.nanmedian(found.error)),
        "bins": int(np.isfinite(size).sum()), "within_0.005": int((size <= 0.005).sum()), "p": found.pvalue,
    }  # fmt: skip


def draw(farms: dict[str, Farm], figure: Path) -> None:
    """Latency of an event against the rate, for several windows."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    made, axes = plt.subplots(1, len(farms), figsize=(4.6 * len(farms), 3.8), sharex=True, sharey=True, squeeze=False)
    for axis, (name, farm) in zip(axes[0], farms.items(), strict=True):
        for i, window in enumerate(WINDOWS):
            most = farm.capacity(window)
            rates = np.append(np.geomspace(30 / most, 0.9, 18), [0.95, 0.98, 0.99]) * most
            found = [farm.latency(rate, window) for rate in rates]
            label = f"windows of {1e3 * window:g} ms" if window else "event by event"
            (line,) = axis.plot(rates, [1e3 * f.mean for f in found], color=f"C{i}", label=label)
            axis.plot(rates, [1e3 * f.p99 for f in found], color=line.get_color(), lw=0.8, ls=":")
            axis.axvline(most, color=line.get_color(), lw=0.5, alpha=0.6)
        axis.axhline(1e3 * MARK, color="0.4", ls="--", lw=0.8)
        axis.text(
            0.03, 1e3 * MARK * 1.15, "about 70 ms per event (talk)", transform=axis.get_yaxis_transform(), fontsize=8
        )
        axis.set(xscale="log", yscale="log", xlabel="events per second", ylim=(0.02, 500), title=name)
    axes[0, 0].set_ylabel("latency of an event / ms")
    axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    made.tight_layout()
    figure.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(figure, dpi=80)


def main() -> None:
    """Teacher, student, figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, help="run folder; without it a hasty one is trained")
    parser.add_argument("--recipe", default="rich-cramer+", help="of the hasty teacher")
    parser.add_argument("--steps", type=int, default=3000, help="of the hasty teacher")
    parser.add_argument("--student", type=Path, help="run folder of a student that is there")
    parser.add_argument("--student-recipe", default="student")
    parser.add_argument("--data", type=Path, help="tracks, of which the conditions are used; simulated without it")
    parser.add_argument("--events", type=int, default=100_000, help="tracks that are simulated")
    parser.add_argument("--test", type=int, default=20_000, help="tracks that the classifier sees of each sample")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the student's recipe")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="CPU time of one timing")
    parser.add_argument("--tracks", type=float, default=100, help="per event, for the farm")
    parser.add_argument("--cores", type=int, default=1, help="of the farm")
    parser.add_argument("--figure", type=Path, help="where to draw the farm's latency")
    parser.add_argument("-o", "--output", type=Path, default=Path("student_bench"))
    options = parser.parse_args()
    out = options.output
    out.mkdir(parents=True, exist_ok=True)
    data = options.data or out / f"kaons_{options.events}.h5"
    if not data.is_file():
        simulate("rich", n=options.events, output=data, seed=1, particle="K")
    taught = options.teacher or out / "teacher"
    if options.teacher is None and not taught.is_dir():
        facsim.fit(data, options.recipe, output=taught, overrides={"training.steps": options.steps})
    teacher = facsim.load(taught)
    began = time.process_time()
    if options.student is None:
        changes = dict(change.split("=", 1) for change in options.set)
        run = out / time.strftime("student_%Y%m%d-%H%M%S")
        student = facsim.fit(
            data, options.student_recipe, output=run, overrides=changes | {"model.teacher": str(taught)}
        )
    else:
        student = facsim.load(options.student)
    took = time.process_time() - began
    assert isinstance(teacher, Surrogate)
    assert isinstance(student, Surrogate)
    made = detector("rich", particle="K")
    truth = made.sample(options.test, seed=101)
    one, two, copied = teacher.sample(truth, seed=5), teacher.sample(truth, seed=6), student.sample(truth, seed=7)
    files = {
        "teacher": facsim.export(teacher, out / "teacher.onnx"),
        "student": facsim.export(student, out / "student.onnx"),
        "student, steps summed": facsim.export(summed(student), out / "summed.onnx"),
    }
    times = timed(files, options.runs, options.seconds)
    farms = {
        name: Farm.measured(BATCHES, list(times[name].values()), tracks=options.tracks, cores=options.cores)
        for name in ("teacher", "student")
    }
    found = {
        "teacher": str(taught), "cpu_seconds": round(took),
        "operations": {"teacher": operations(teacher), "student": operations(student)},
        "auc": {
            "teacher_student": auc(one, copied), "floor": auc(one, two), "truth_teacher": auc(truth, one),
            "truth_student": auc(truth, copied),
        },
        "delta_auc": shift(one, copied, detector("rich", particle="pi").sample(options.test, seed=201)),
        "microseconds_at_1": {name: round(1e6 * t[1], 1) for name, t in times.items()},
        "tracks_per_second_at_1000": {name: round(1_000 / t[1_000]) for name, t in times.items()},
        "tracks_per_second_at_10000": {name: round(10_000 / t[10_000]) for name, t in times.items()},
        "farm": {
            name: {
                "overhead_us": round(1e6 * f.overhead, 1), "per_track_us": round(1e6 * f.per_track, 3),
                "capacity": {f"{1e3 * w:g} ms": round(f.capacity(w)) for w in WINDOWS},
            }
            for name, f in farms.items()
        },
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    (out / "student_bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.figure:
        draw(farms, options.figure)


if __name__ == "__main__":
    main()

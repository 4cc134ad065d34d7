"""Measure the figures that this project promises, on this machine: `make bench`.

Trains the default recipe and the GAN on reference showers (FACSIM_DATA, else ../shared/data), evaluates them on
held-out showers, measures speeds side by side with their rivals, and writes bench/out/results.json. Takes about two
hours on two cores; `--only NAME` measures one thing, trained runs are kept and reused.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "bench" / "out"
SHOWERS = Path(os.environ.get("FACSIM_DATA", ROOT.parent / "shared" / "data")) / "showers" / "eplus.h5"
HELD_OUT = 1500


def split_showers() -> tuple[Path, Path]:
    """Training and held-out showers, the same for every measurement."""
    from facsim import io

    train, test = OUT / "train.h5", OUT / "test.h5"
    if not (train.exists() and test.exists()):
        events = io.read(SHOWERS)
        first, second = events.split(1 - HELD_OUT / len(events), seed=1)
        io.write(train, first)
        io.write(test, second)
    return train, test


def fitted(recipe: str) -> tuple[Path, dict]:
    """Run folder of a recipe with its default settings; fitted if it is not there yet."""
    import facsim

    train, _ = split_showers()
    folder = OUT / recipe
    timing = OUT / f"{recipe}.time.json"
    if not timing.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        facsim.fit(train, recipe, output=folder, resume=folder.exists(), progress=ticker(recipe))
        timing.write_text(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))
    return folder, json.loads(timing.read_text())


def quality(recipe: str) -> dict:
    """Held-out figures of a recipe, with floors; the floor's second truth sample is part of the training showers."""
    import facsim
    from facsim import io

    folder, timing = fitted(recipe)
    train, test = split_showers()
    truth = io.read(test)
    drawn = facsim.load(folder).sample(truth, seed=11)
    second = io.read(train)[: len(truth)]
    report = facsim.evaluate(truth, drawn, second_reference=second, output=OUT / f"{recipe}-report", seed=0)
    return {"training": timing, "verdict": report.verdict, "metrics": report.metrics}


def speed(recipe: str) -> dict:
    """Showers per second beside bare onnxruntime and Geant4."""
    import facsim

    folder, _ = fitted(recipe)
    table = facsim.bench(folder, against_geant4=True)
    print(table)
    return table.to_json()


def overhead() -> dict:
    """Our loop against a hand-written one with the same networks and batches; CPU time, in turns."""
    import tempfile

    import torch

    from facsim import io, recipes
    from facsim.detectors.mirrors import mirror_images
    from facsim.models import Draw, family
    from facsim.training.data import TrainingData, encode
    from facsim.training.loop import optimisers_of, train
    from facsim.training.processes import Processes
    from facsim.training.state import TrainingState

    torch.set_num_threads(1)
    events = io.read(split_showers()[0])[:2000]
    recipe = recipes.load("cfm", {"training.steps": 10**9, "training.validate_every": 10**9})
    settings = recipe.training
    model = family(recipe.family)(events.schema, recipe.config)
    model.prepare(events)
    rows = encode(model, iter([events]), len(events), 512, OUT)
    data = TrainingData(rows, model, mirror_images(events.schema), settings.batch, 0)
    state = TrainingState(model, optimisers_of(model, settings))
    steps, ratios = 60, []

    def by_hand() -> float:
        begin = time.process_time()
        players, average = model.players(), [p.detach().clone() for p in model.parameters()]
        optimisers = {k: torch.optim.AdamW(v, lr=1e-4, fused=True) for k, v in players.items()}
        for step in range(steps):
            for player, loss, _ in model.turns(data[step], step, Draw(0, step)):
                optimisers[player].zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(players[player], 1.0)
                optimisers[player].step()
            with torch.no_grad():
                torch._foreach_lerp_(average, list(model.parameters()), 1e-3)
        return time.process_time() - begin

    def ours(folder: str) -> float:
        state.step = 0
        begin = time.process_time()
        only = settings.model_copy(update={"steps": 10**9})
        stop_after(steps, state, data, only, folder)
        return time.process_time() - begin

    class Enough(Exception):  # noqa: N818
        pass

    def stop_after(count: int, state: object, data: object, settings: object, folder: str) -> None:
        def tick(done: int, _: int) -> None:
            if done == count:
                raise Enough

        with contextlib.suppress(Enough):
            train(state, data, lambda _: {}, settings, Path(folder), processes=Processes(), progress=tick)

    with tempfile.TemporaryDirectory() as folder:
        by_hand(), ours(folder)  # warm-up
        for _ in range(7):
            hand = by_hand()
            ratios.append(ours(folder) / hand)
    return {"ratio_median": statistics.median(ratios), "ratios": ratios, "steps": steps}


def memory() -> dict:
    """Peak memory of fit, sample and evaluate on a file of 2 GB (written and deleted here)."""
    from facsim import io

    big, run, drawn = OUT / "big.h5", OUT / "big-run", OUT / "big-drawn.h5"
    events = io.read(split_showers()[0])
    target = 2e9
    with io.create(big, events.schema, attrs={"copies": "the same showers again and again"}) as sink:
        written = 0
        while big_enough(sink, written) < target:
            sink.append(events)
            written += len(events)
    peaks = {"bytes": big.stat().st_size, "events": written}
    quick = ["--set", "training.steps=200", "--set", "training.checkpoint_every=100"]
    commands = {
        "fit": ["fit", "cfm", "--data", big, "-o", run, *quick],
        "sample": ["sample", run, "--like", big, "-o", drawn],
        "evaluate": ["evaluate", big, drawn, "-o", OUT / "big-report", "--no-low-level"],
    }
    for name, arguments in commands.items():
        measured = f"import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); {PEAK}"
        command = [sys.executable, "-m", "facsim", *map(str, arguments)]
        done = subprocess.run([sys.executable, "-c", measured, *command], capture_output=True, text=True, check=True)
        peaks[f"{name}_peak_MB"] = int(done.stdout.splitlines()[-1]) / 1024
    for path in (big, drawn):
        path.unlink()
    return peaks


PEAK = "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def big_enough(sink: object, written: int) -> float:
    """Bytes of plain float32 numbers written so far: what a reader that loads everything would need."""
    return written * 4.0 * (sink.schema.width + sink.schema.condition_width)


def imports() -> dict:
    """Seconds of `import facsim`, median of 7 processes."""
    code = "import time; t = time.perf_counter(); import facsim; print(time.perf_counter() - t)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(7)]
    return {"import_s": statistics.median(runs)}


def ticker(name: str):
    """Print progress now and then."""

    def tick(done: int, total: int) -> None:
        if done % 1000 == 0:
            print(f"{name}: {done} of {total} steps", flush=True)

    return tick


MEASURES = {
    "imports": imports,
    "overhead": overhead,
    "cfm": lambda: quality("cfm"),
    "cfm-speed": lambda: speed("cfm"),
    "wgan-gp": lambda: quality("wgan-gp"),
    "wgan-gp-speed": lambda: speed("wgan-gp"),
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(MEASURES), action="append")
    chosen = parser.parse_args().only or list(MEASURES)
    OUT.mkdir(parents=True, exist_ok=True)
    results_file = OUT / "results.json"
    results = json.loads(results_file.read_text()) if results_file.exists() else {}
    for name in chosen:
        results[name] = MEASURES[name]()
        results_file.write_text(json.dumps(results, indent=2))
        shown = {k: v for k, v in results[name].items() if k not in {"metrics", "ratios"}}
        print(name, json.dumps(shown, indent=2), flush=True)


if __name__ == "__main__":
    main()

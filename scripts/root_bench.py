"""How fast facsim reads ROOT trees, against uproot's own arrays, in one thread; and how much memory a large file takes.

python scripts/root_bench.py                    # 784 branches and an array branch, medians of 5: about a minute
python scripts/root_bench.py --memory 2         # also the peak of reading a file of 2 GB: several minutes
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
from pathlib import Path

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")

import numpy as np
import uproot

import facsim.io

PIXELS = 784
PEAK = """
import resource, sys, facsim.io
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with facsim.io.open(sys.argv[1]) as reader:
    sums = [float(events.features[0].sum()) for events in getattr(reader, sys.argv[2])(10_000)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, before / 1024)
"""


def make(path, events, per_basket, *, pixels):
    """Write sparse images, a fifth of the pixels lit, with zlib's level 1 as ROOT does."""
    rng = np.random.default_rng(0)
    types = {f"x{i}": np.float32 for i in range(PIXELS)} if pixels else {"x": np.dtype((np.float32, (28, 28)))}
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("images", types, initial_basket_capacity=1 + events // per_basket)
        for start in range(0, events, per_basket):
            n = min(per_basket, events - start)
            values = (rng.random((n, PIXELS), np.float32) * (rng.random((n, PIXELS), np.float32) < 0.2)).round(2)
            tree.extend({f"x{i}": values[:, i] for i in range(PIXELS)} if pixels else {"x": values.reshape(n, 28, 28)})


def seconds(action):
    """Time of the process, not of the clock: the machine may be busy."""
    start = time.process_time()
    action()
    return time.process_time() - start


def bare(path):
    with uproot.open(path, array_cache=None) as file:
        tree = file["images"]
        return seconds(lambda: tree.arrays(library="np"))


def ours(path, how="batches"):
    with facsim.io.open(path) as reader:
        return seconds(lambda: [None for _ in getattr(reader, how)(1024)])


def rates(path, events, rounds):
    """Medians, in turns, so that both see the same machine."""
    times = {"uproot": [], "batches": [], "shuffled": []}
    for _ in range(rounds):
        times["uproot"].append(bare(path))
        for how in ("batches", "shuffled"):
            times[how].append(ours(path, how))
    out = {f"{k}_MB_per_s": 4e-6 * PIXELS * events / statistics.median(v) for k, v in times.items()}
    for how in ("batches", "shuffled"):
        out[f"{how}_ratio"] = statistics.median(a / b for a, b in zip(times["uproot"], times[how], strict=True))
    return {k: round(v, 3) for k, v in out.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--basket", type=int, default=8_000, help="events per basket; ROOT's 32 kB are 8,000 floats")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=float, default=0, metavar="GB", help="size of a file to read for its peak")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, pixels in (("784 branches", True), ("array branch", False)):
            path = Path(folder) / "images.root"
            make(path, options.events, options.basket if pixels else 500, pixels=pixels)
            found[name] = rates(path, options.events, options.rounds)
        if options.memory:
            path = Path(folder) / "large.root"
            events = int(options.memory * 1e9 / (4 * PIXELS))
            make(path, events, options.basket, pixels=True)
            size = path.stat().st_size / 1e9
            for how in ("batches", "shuffled"):
                done = subprocess.run(
                    [sys.executable, "-c", PEAK, str(path), how], capture_output=True, text=True, check=True
                )
                peak, before = map(float, done.stdout.split())
                found[f"memory, {how}"] = {
                    "GB in memory as float32": round(events * PIXELS * 4e-9, 2),
                    "GB on disk": round(size, 2),
                    "peak MB": round(peak),
                    "of it libraries MB": round(before),
                }
    print(json.dumps(found, indent=2))
    print(f"CPU: {sum(resource.getrusage(resource.RUSAGE_SELF)[:2]):.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Measure the jet simulator: how fast it is, what dropping events early loses, what pixels keep of a jet.

python scripts/jets_bench.py rate -n 150
python scripts/jets_bench.py prefilter -n 1000      # minutes
python scripts/jets_bench.py pixels --file jets.h5
"""

import argparse
import time

import numpy as np
from sklearn.metrics import roc_auc_score

import facsim.io
from facsim.observables import compute
from facsim.simulators.jets import prefilter
from facsim.simulators.jets.generator import Generator, event_seed
from facsim.simulators.jets.image import image
from facsim.simulators.jets.processes import PROCESSES
from facsim.simulators.jets.selection import quantities

WIDE = prefilter.Bounds((222.0, 375.0), 2.45, (0.0, np.inf), (-1.0, np.inf))
"""Instead of the early bounds, while what these lose is measured: without any, a jet takes a second."""


def rate(n: int) -> None:
    """Selected jets per second of CPU, with images and quantities, without setting up Pythia."""
    seconds = []
    for process in PROCESSES:
        generator = Generator(process)
        start = time.process_time()
        for event in range(n):
            jet = generator.jet(event_seed(1, process.signal, event))
            image(jet)
            quantities(jet)
        seconds.append((time.process_time() - start) / n)
        print(f"{process.name}: {1 / seconds[-1]:.1f} jets per CPU second")
    print(f"both in turns: {len(seconds) / sum(seconds):.1f}")


def lost(n: int) -> None:
    """Share of the selected jets that each of the three bounds would have lost, and how the means move."""
    verdicts = {}
    passes = prefilter.Prefilter.passes

    def record(self: prefilter.Prefilter, event: object, bounds: prefilter.Bounds) -> bool:
        verdicts[id(bounds)] = passes(self, event, bounds)
        return passes(self, event, WIDE) if bounds is prefilter.EARLY else True

    prefilter.Prefilter.passes = record
    names = ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_delta_R", "tau_1", "tau_2", "tau_3", "tau_21", "tau_32")
    for process in PROCESSES:
        generator, kept, rows = Generator(process), [], []
        for event in range(n):
            rows.append(quantities(generator.jet(event_seed(77, process.signal, event))))
            stages = (prefilter.EARLY, prefilter.PARTONS, prefilter.PARTICLES)
            kept.append([verdicts.get(id(bounds), True) for bounds in stages])
        table, all_three = np.array(rows), np.all(kept, axis=1)
        print(process.name, "lost by each:", 1 - np.mean(kept, axis=0), "by all:", 1 - all_three.mean())
        shift = (table[all_three].mean(axis=0) - table.mean(axis=0)) / table.std(axis=0)
        print("  means move by, in standard deviations:", dict(zip(names, shift.round(3).tolist(), strict=True)))


def pixels(path: str) -> None:
    """Momentum, mass and subjettiness from pixels against those of the jet."""
    jets, found = facsim.io.read(path, blocks="all"), compute(facsim.io.read(path))
    boson = jets["signal"] == 1
    for name in ("jet_pt", "jet_mass"):
        ratio = found[name] / jets[name]
        print(f"{name}: pixels / jet {ratio.mean():.3f}, spread {ratio.std():.3f}")
    print("median mass of W:", np.median(jets["jet_mass"][boson]))
    print("AUC of tau21:", roc_auc_score(boson, -jets["tau_21"]), "from pixels:", roc_auc_score(boson, -found["tau21"]))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rate", "prefilter", "pixels"])
    parser.add_argument("-n", type=int, default=150, help="jets per process")
    parser.add_argument("--file", default="jets.h5")
    given = parser.parse_args()
    if given.what == "pixels":
        pixels(given.file)
    else:
        {"rate": rate, "prefilter": lost}[given.what](given.n)


if __name__ == "__main__":
    main()

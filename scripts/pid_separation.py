"""How well copies tell two species apart, and the simulation does: differences of areas in 6 x 6 bins of P and ETA.

    python scripts/pid_separation.py RichDLLk K=RUN pi=RUN [--tracks 500000] [--bins 6]

A species without a run (``pi=``) is simulated a second time: then the differences are those of the other copy alone.
Without any run (``K= pi=``) they are the floor.
"""

import argparse

import numpy as np

import facsim
from facsim.events import Events
from facsim.metrics import Scored, delta_auc_map
from facsim.simulators.cherenkov import detector


def scored(events: Events, score: str) -> Scored:
    """A score with momentum and pseudorapidity."""
    return Scored(events[score], np.column_stack([events["P"], events["ETA"]]))


def main() -> None:
    """Draw, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("score")
    parser.add_argument("species", nargs=2, metavar="NAME=RUN")
    parser.add_argument("--tracks", type=int, default=500_000)
    parser.add_argument("--bins", type=int, default=6)
    options = parser.parse_args()
    truth, copies = [], []
    for number, text in enumerate(options.species):
        name, _, run = text.partition("=")
        simulator = detector("rich", particle=name)
        one = simulator.sample(options.tracks, seed=201 + number)
        copy = facsim.load(run).sample(one, seed=11) if run else simulator.sample(one, seed=301 + number)
        truth.append(scored(one, options.score))
        copies.append(scored(copy, options.score))
    found = delta_auc_map((truth[0], truth[1]), (copies[0], copies[1]), bins=options.bins)
    print("P:", np.round(found.edges[0], 1), "ETA:", np.round(found.edges[1], 2))
    print("area of the simulation\n", np.round(found.reference, 3))
    print("difference\n", np.round(found.delta, 4))
    print("error\n", np.round(found.error, 4))
    size = np.abs(found.delta)
    print(f"{(size <= 0.01).sum()} of {size.size} within 0.01; largest {size.max():.4f}; median {np.median(size):.4f}")


if __name__ == "__main__":
    main()

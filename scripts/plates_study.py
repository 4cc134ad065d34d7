"""The absorber of best resolution at fixed depth: a detector is optimised with showers by Geant4.

    python scripts/plates_study.py -o plates.json      # about 5 minutes on one core; needs geant4-pybind and its data

Lead and liquid argon fill 480 mm, the gaps stay at 4 mm. Thin plates sample a shower often, but leave too little lead
to hold it. `tune_local` looks for the thickness; a scan with showers of its own says whether it was right.
"""

import argparse
import time

import numpy as np

from facsim.files import write_json
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space
from facsim.simulators.parametric.plates import Plates
from facsim.tuning.local import LocalSettings, tune_local
from facsim.tuning.objective import measure

GAP = 4.0  # mm
SCAN = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # mm


class Absorber(ParametricSimulator):
    """`Plates` with the gap fixed."""

    name, summary = "absorber", "plates whose absorber alone may change"
    space = Space((Parameter("absorber", 0.5, 6, default=2, unit="mm"),))
    features = Plates().features
    given = Plates.given
    shard = Plates.shard

    def __init__(self, workers: int = 1) -> None:
        self.plates, self.workers = Plates(workers=workers), workers

    def _simulate(self, conditions, rng):
        return self.plates._simulate(np.insert(conditions, 1, GAP, axis=1), rng)


def resolution(events):
    visible = events["visible"].sum(axis=1)
    return visible.std() / visible.mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", default="plates.json")
    parser.add_argument("--energy", type=float, default=5.0, help="of the electrons, GeV")
    parser.add_argument("--calls", type=int, default=3000, help="showers of the search")
    parser.add_argument("--scanned", type=int, default=250, help="showers of each thickness in the scan")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    simulator, begun = Absorber(chosen.workers), time.perf_counter()
    found = tune_local(
        simulator,
        calls=chosen.calls,
        objective=resolution,
        given=[[chosen.energy]],
        seed=chosen.seed,
        settings=LocalSettings(events=60, narrowest=0.02),
        progress=lambda done, total: print(f"{done} of {total} showers", flush=True),
    )
    rows = []
    for i, thickness in enumerate((*SCAN, float(found.estimate[0]))):
        events = simulator.sample([[thickness, chosen.energy]] * chosen.scanned, seed=1000 + chosen.seed + i)
        value, error = measure(resolution, events, chosen.seed)
        rows.append({"absorber": thickness, "resolution": value, "error": error})
        print(f"{thickness:6.3f} mm: {100 * value:5.2f} ± {100 * error:.2f} %", flush=True)
    print(f"best absorber {found.estimate[0]:.2f} mm with {found.calls} showers")
    record = {"estimate": found.values(), "calls": found.calls}
    seconds = time.perf_counter() - begun
    write_json(chosen.output, {**record, "details": found.details, "scan": rows, "seconds": seconds})


if __name__ == "__main__":
    main()

"""Simulate the bundled sample `calogan-eplus-mini`: about an hour on one core; stop and repeat the command as you like.

Needs geant4-pybind and Geant4's data (GEANT4_DATA_DIR):

    python scripts/make_mini_dataset.py --folder src/facsim/datasets/data
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import facsim
import facsim.io
from facsim.files import write_json
from facsim.simulators import simulate

NAME = "calogan-eplus-mini"
RUN = {"particle": "e+", "energy": "1:100", "n": 4000, "seed": 20170508}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the sample and its provenance go")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    path = options.folder / f"{NAME}.h5"
    simulate("calogan", **RUN, output=path, workers=options.workers, progress=show)
    write_json(path.with_suffix(".json"), provenance(path))


def show(done: int, n: int) -> None:
    sys.stderr.write(f"\r{done} of {n} showers" + ("\n" if done == n else ""))


def provenance(path: Path) -> dict[str, object]:
    with facsim.io.open(path, blocks="all") as reader:
        attributes, events = dict(reader.attrs), reader.read()
    settings = json.loads(attributes.pop("settings"))
    cells = events.select(["layer_0", "layer_1", "layer_2"])
    total, energy = cells.features.sum(axis=1, dtype=float), 1e3 * events["energy"]
    return {
        "name": NAME,
        "description": "e+ showers in the calorimeter of CaloGAN, flat in kinetic energy from 1 to 100 GeV; energy in "
        "lead and argon per cell in MeV, beside the cells as `overflow`; kinetic energy of the positron in GeV",
        "made_by": "scripts/make_mini_dataset.py",
        "licence": "BSD-3-Clause, as facsim",
        "notice": "Simulated with software developed by Members of the Geant4 Collaboration (http://cern.ch/geant4)",
        "facsim": facsim.__version__,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "means": {
            "deposit_in_cells_over_energy": round(float((total / energy).mean()), 5),
            "layer_fractions": [
                round(float((cells[b.name].sum(axis=(1, 2)) / total).mean()), 5) for b in cells.schema.layers
            ],
            "occupancy": [round(float((cells[b.name] > b.threshold).mean()), 4) for b in cells.schema.layers],
        },
        **attributes,
        "settings": settings,
    }


if __name__ == "__main__":
    main()

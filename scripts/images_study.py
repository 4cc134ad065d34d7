"""Draw images of the detectors that answer with one, and time them: ``python scripts/images_study.py``.

Writes ``docs/images/detectors/images.png`` and ``docs/generated/images-detectors.md``.
"""

import time
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from facsim.files import atomic
from facsim.observables.tpc import moments, variables
from facsim.simulators import LHCbCalorimeter
from facsim.simulators.images import Tpc, Zdc
from facsim.simulators.rate import rate_of

DOCS = Path(__file__).parents[1] / "docs"
N = 4096
ENERGY = "log:1:100"
TRACKS = [[0, 0, 40, 20.5], [0, 0, 280, 20.5], [20, 55, 100, 20.5], [-20, 55, 100, 20.5]]
PARTICLES = {
    "photon, 1 TeV": (1000.0, 0.0),
    "neutron, 2.5 TeV": (2500.0, 0.939565),
    "neutron, 150 GeV": (150.0, 0.939565),
}


def draw() -> None:
    """Tracks, their moments, and four answers each to three particles."""
    mpl.rcParams.update({"font.size": 8})
    figure, axes = plt.subplots(5, 4, figsize=(12, 13), layout="constrained")
    for plot, given in zip(axes[0], TRACKS, strict=True):
        image = Tpc().sample([given], seed=4)["response"][0]
        plot.imshow(np.where(image > 0, image, np.nan).T, origin="lower", aspect="auto")
        plot.set(title=f"crossing {given[0]}°, dip {given[1]}°, drift {given[2]}", xlabel="pad", ylabel="time bin")
    events = Tpc().sample(N, seed=5)
    five, six = variables(events), moments(events["response"])
    pairs = (("drift_length", "sigma0^2"), ("dip_angle", "sigma1^2"), ("dip_angle", "sum"), ("pad_fraction", "mean0"))
    for plot, (x, y) in zip(axes[1], pairs, strict=True):
        plot.plot(five[x], six[y], ".", ms=1)
        plot.set(xlabel=x, ylabel=y, ylim=np.percentile(six[y], [0, 99]))
    for row, (name, (energy, mass)) in zip(axes[2:], PARTICLES.items(), strict=True):
        given = [[energy, mass, 0, 0, 0, 0, 0, 0, np.sqrt(energy**2 - mass**2)]] * 4
        for plot, image in zip(row, Zdc().sample(given, seed=6)["response"], strict=True):
            plot.imshow(np.log10(1 + image).T, origin="lower")
            plot.set(title=f"{name}: {image.sum():.0f} photons")
    target = DOCS / "images" / "detectors" / "images.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=70)


def rate(kind: type[Tpc] | type[Zdc]) -> float:
    """Events per second of processor time, the best of three."""
    best = np.inf
    for seed in range(3):
        began = time.process_time()
        kind().sample(N, seed=seed)
        best = min(best, time.process_time() - began)
    return N / best


def table() -> None:
    """Write the rates."""
    rows = [f"| `{kind.name}` | {rate(kind):,.0f} |" for kind in (Tpc, Zdc)]
    rows.append(f"| `lhcb-calorimeter` (1 to 100 GeV, log-flat) | {rate_of(LHCbCalorimeter().setup, ENERGY, 64):.1f} |")
    with atomic(DOCS / "generated" / "images-detectors.md") as path:
        path.write_text(
            "\n".join(["| simulator | images per second and core |", "|---|---|", *rows, ""]), encoding="utf-8"
        )


if __name__ == "__main__":
    table()
    draw()

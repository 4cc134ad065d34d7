"""Draw the README's picture from real output: ``python scripts/readme_figure.py TEST.h5 COPIES.h5``."""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from facsim import io


def main(truth_path: str, copy_path: str) -> None:
    truth, copy = io.read(truth_path), io.read(copy_path)
    mpl.rcParams.update({"font.size": 10, "font.family": "DejaVu Sans"})
    figure, rows = plt.subplots(3, 3, figsize=(10.5, 7.4), layout="constrained")
    for k, (block, row) in enumerate(zip(truth.schema.layers, rows, strict=True)):
        a, b = (events[block.name].mean(0, dtype=np.float64) for events in (truth, copy))
        norm = LogNorm(max(a[a > 0].min(), a.max() * 1e-5), a.max())
        edges = block.grid.edges
        extent = (edges[1][0], edges[1][-1], edges[0][0], edges[0][-1])
        for axes, image in zip(row, (a, b), strict=False):
            shown = axes.imshow(image, extent=extent, norm=norm, cmap="viridis", aspect="equal", interpolation="none")
        figure.colorbar(shown, ax=row[:2], label="mean energy [MeV]", pad=0.01)
        ratio = row[2].imshow(b / a, extent=extent, norm=LogNorm(0.5, 2), cmap="RdBu_r", interpolation="none")
        bar = figure.colorbar(ratio, ax=row[2], pad=0.02, label="copy / truth", ticks=[0.5, 0.7, 1, 1.4, 2])
        bar.ax.set_yticklabels(["0.5", "0.7", "1", "1.4", "2"])
        bar.ax.minorticks_off()
        row[0].set_ylabel(f"layer {k}\nx [mm]")
    for axes, title in zip(rows[0], (f"Geant4, {len(truth):,} showers", "facsim", "ratio"), strict=True):
        axes.set_title(title)
    for axes in rows[-1]:
        axes.set_xlabel("y [mm]")
    target = Path(__file__).parents[1] / "docs" / "images" / "showers.png"
    figure.savefig(target, dpi=90)


if __name__ == "__main__":
    main(*sys.argv[1:])

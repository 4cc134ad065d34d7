"""Figures of CaloGAN's evaluation: observables, average layers, nearest neighbours, what the energy does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.observables import showers as shower_observables
from facsim.observables.weights import shares
from facsim.report.labels import number
from facsim.report.neighbours import nearest_neighbours
from facsim.report.studies.paper import EMPTY, TRUTH_FILL, TRUTH_LINE, canvas, colour, log_axis, log_bar, save
from facsim.schema import Block, Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_averages", "draw_energies", "draw_neighbours", "draw_observables", "draw_walk"]

Array = NDArray[np.float64]

GEV = 1e-3  # per MeV
AXES: dict[str, tuple[Array, str, float, str]] = {
    # name: edges, title, factor, logarithmic axes
    "E_0": (np.geomspace(1e-2, 1e2, 100), "E₀ [GeV]", GEV, "x"),
    "E_1": (np.geomspace(1e-1, 1e3, 100), "E₁ [GeV]", GEV, "x"),
    "E_2": (np.geomspace(1e-2, 1e2, 100), "E₂ [GeV]", GEV, "x"),
    "E_tot": (np.linspace(0, 120, 50), "Eₜₒₜ [GeV]", GEV, "y"),
    "f_0": (np.linspace(0, 0.4, 100), "f₀", 1, ""),
    "f_1": (np.linspace(0, 1, 100), "f₁", 1, "y"),
    "f_2": (np.linspace(0, 0.008, 100), "f₂", 1, "y"),
    "max_depth": (np.arange(4.0), "deepest layer", 1, ""),
    "occupancy_0": (np.linspace(0, 1, 20), "occupancy, layer 0", 1, ""),
    "occupancy_1": (np.linspace(0, 1, 20), "occupancy, layer 1", 1, ""),
    "occupancy_2": (np.linspace(0, 1, 20), "occupancy, layer 2", 1, ""),
    "l_d": (np.geomspace(10, 1e5, 100), "depth-weighted energy [MeV]", 1, "x"),
    "E_ratio_0": (np.linspace(0, 1, 100), "E ratio, layer 0", 1, ""),
    "E_ratio_1": (np.linspace(0, 1, 100), "E ratio, layer 1", 1, ""),
    "E_ratio_2": (np.linspace(0, 1, 100), "E ratio, layer 2", 1, ""),
    "s_d": (np.linspace(0.4, 2, 100), "shower depth", 1, ""),
    "width_x_0": (np.geomspace(1, 1e3, 100), "width, layer 0 [mm]", 1, "x"),
    "width_x_1": (np.geomspace(1, 1e2, 100), "width, layer 1 [mm]", 1, "x"),
    "width_x_2": (np.geomspace(1, 1e3, 100), "width, layer 2 [mm]", 1, "x"),
    "sigma_sd": (np.linspace(0, 0.9, 100), "depth width", 1, ""),
}
"""The binning of the authors' notebook; numbers of bins that it does not say are taken as 99."""

COLUMNS = 4
INSIDE, BEYOND = "#1b7f3b", "#b3261e"


def draw_observables(truth: Events, copies: Mapping[str, Events], path: Path) -> Path:
    """All 20 observables with the published axes: truth filled, every model a line."""
    known = shower_observables.observables(truth)
    samples = {name: (shower_observables.observables(e), e.weights) for name, e in copies.items()}
    with canvas(11, 12) as figure:
        panels = figure.subplots(len(AXES) // COLUMNS, COLUMNS)
        for axes, (name, (edges, title, factor, log)) in zip(panels.ravel(), AXES.items(), strict=True):
            counts = _shares(known[name] * factor, edges, truth.weights)
            axes.stairs(counts, edges, fill=True, color=TRUTH_FILL, label="truth")
            top = counts.max(initial=0.0)
            for i, (model, (values, weights)) in enumerate(samples.items()):
                entries = _shares(values[name] * factor, edges, weights)
                axes.stairs(entries, edges, color=colour(i), label=model, linewidth=1.2)
                top = max(top, entries.max(initial=0.0))
            least = 0.5 * float(counts[counts > 0].min(initial=1.0)) if "y" in log else 0.0
            axes.set(xlabel=title, xlim=(edges[0], edges[-1]), ylim=(least, (3 if "y" in log else 1.1) * top or 1.0))
            if name == "max_depth":
                axes.set_xticks([0.5, 1.5, 2.5], ["0", "1", "2"])
                axes.tick_params(axis="x", which="minor", bottom=False, top=False)
            for axis in log:
                log_axis(axes, axis)
        for row in panels:
            row[0].set_ylabel("share of showers")
        panels[0, 0].legend(fontsize=8, loc="upper left")
        return save(figure, path)


def draw_averages(truth: Events, copies: Mapping[str, Events], path: Path) -> Path:
    """Average of every layer on the truth's logarithmic scale, one column per sample."""
    samples = {"truth": truth, **copies}
    layers = truth.schema.layers
    with canvas(2.7 * len(samples) + 0.8, 2.5 * len(layers)) as figure:
        rows = figure.subplots(len(layers), len(samples), squeeze=False)
        for row, block in zip(rows, layers, strict=True):
            means = [_mean(e, block) for e in samples.values()]
            limits = float(means[0][means[0] > 0].min()), float(means[0].max())
            for axes, image in zip(row, means, strict=True):
                shown = _layer(axes, block, image, limits)
            row[0].set_ylabel(f"{block.name.replace('_', ' ')}\nx [mm]")
            log_bar(figure, shown, list(row), f"mean energy [{block.unit}]")
        for axes, name in zip(rows[0], samples, strict=True):
            axes.set_title(name)
        for axes in rows[-1]:
            axes.set_xlabel("y [mm]")
        return save(figure, path)


def draw_neighbours(truth: Events, copies: Mapping[str, Events], block: Block, path: Path, *, seed: int = 0) -> Path:
    """Five truth showers in one layer, below them the nearest copy of every model, with its distance."""
    found = {
        name: nearest_neighbours(truth, events, (block,), seed=seed, queries=5)[0] for name, events in copies.items()
    }
    first = next(iter(found.values()))
    with canvas(2.0 * len(first.reference) + 1, 2.0 * (len(found) + 1)) as figure:
        rows = figure.subplots(len(found) + 1, len(first.reference), squeeze=False)
        high = float(first.reference.max())
        limits = high * 1e-5, high
        for i, axes in enumerate(rows[0]):
            shown = _layer(axes, block, first.reference[i], limits)
            if first.energy is not None:
                axes.set_title(f"{first.energy[i]:.0f} GeV")
        rows[0, 0].set_ylabel("truth")
        for row, (name, near) in zip(rows[1:], found.items(), strict=True):
            for i, axes in enumerate(row):
                _layer(axes, block, near.generated[i], limits)
                axes.set_xlabel(f"distance {number(near.to_generated[i])} {block.unit}", fontsize=8)
            row[0].set_ylabel(name)
        for axes in rows.ravel():
            axes.set(xticks=[], yticks=[])
        log_bar(figure, shown, list(rows.ravel()), f"energy [{block.unit}]")
        return save(figure, path)


def draw_walk(showers: Events, trained: tuple[float, float], path: Path) -> Path:
    """Showers of one latent code at rising energies, in a green box within the trained energies, else in a red one.

    Parameters
    ----------
    showers : Events
        In the order to be shown.
    trained : (float, float)
        Lowest and highest energy of the training, in the unit of the condition.
    path : Path
    """
    layers = showers.schema.layers
    energies = showers.conditions[:, 0]
    unit = showers.schema.conditions[0].unit
    with canvas(1.15 * len(showers) + 0.8, 1.3 * len(layers) + 0.2) as figure:
        rows = figure.subplots(len(layers), len(showers), squeeze=False)
        for row, block in zip(rows, layers, strict=True):
            cells = showers[block.name]
            high = float(cells.max()) or 1.0
            for axes, image, energy in zip(row, cells, energies, strict=True):
                shown = _layer(axes, block, image, (high * 1e-5, high))
                inside = trained[0] <= energy <= trained[1]
                axes.set(xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set(color=INSIDE if inside else BEYOND, linewidth=2.5)
            row[0].set_ylabel(block.name.replace("_", " "))
            log_bar(figure, shown, list(row), block.unit)
        for axes, energy in zip(rows[0], energies, strict=True):
            axes.set_title(f"{energy:.0f} {unit}", fontsize=9)
        return save(figure, path)


def draw_energies(
    samples: Mapping[str, Events], energies: Sequence[float], trained: tuple[float, float], path: Path
) -> Path:
    """Response E_tot / E at a few incident energies, within and beyond the trained ones.

    Parameters
    ----------
    samples : mapping of Events
        Truth (filled; may lack some energies) first, then models, all with showers of exactly these energies.
    energies : sequence of float
        GeV.
    trained : (float, float)
    path : Path
    """
    with canvas(3.2 * len(energies), 2.9) as figure:
        panels = figure.subplots(1, len(energies), squeeze=False)[0]
        ratios = {name: _ratios(events) for name, events in samples.items()}
        for axes, energy in zip(panels, energies, strict=True):
            chosen = [r[np.abs(e / energy - 1) < 1e-3] for e, r in ratios.values()]
            edges = _edges(chosen)
            for i, (name, values) in enumerate(zip(ratios, chosen, strict=True)):
                if not len(values):
                    continue
                style = {"fill": True, "color": TRUTH_FILL} if not i else {"color": colour(i - 1)}
                axes.stairs(_shares(values, edges, None), edges, label=name, **style)
            beyond = not trained[0] <= energy <= trained[1]
            axes.set_title(
                f"{energy:g} GeV{', beyond the training' if beyond else ''}", color=BEYOND if beyond else TRUTH_LINE
            )
            axes.set(xlabel="Eₜₒₜ / E", xlim=(edges[0], edges[-1]), ylim=(0, None))
            axes.axvline(1, color=TRUTH_LINE, linewidth=0.8, linestyle=":")
        panels[0].set_ylabel("share of showers")
        panels[0].legend(fontsize=8)
        return save(figure, path)


def _shares(values: Array, edges: Array, weights: Array | None) -> Array:
    counts: Array = np.histogram(values, edges, weights=shares(weights, len(values)))[0]
    return counts


def _mean(events: Events, block: Block) -> Array:
    mean: Array = np.tensordot(shares(events.weights, len(events)), events[block.name].astype(np.float64), 1)
    return mean


def _ratios(events: Events) -> tuple[Array, Array]:
    """Incident energy in GeV, and response."""
    incident = cast("Array", shower_observables.incident_energy(events))
    return incident * GEV, shower_observables.layer_energies(events).sum(axis=1) / incident


def _edges(chosen: Sequence[Array]) -> Array:
    """Common bins over the central range of all samples."""
    filled = [np.quantile(v, [0.005, 0.995]) for v in chosen if len(v)]
    low, high = min(f[0] for f in filled), max(f[1] for f in filled)
    room = 0.1 * (high - low) + 1e-3
    return np.linspace(low - room, high + room, 41)


def _layer(axes: Axes, block: Block, image: Any, limits: tuple[float, float]) -> Any:
    """Cells where they are: columns (y) to the right, rows (x) up; empty cells grey."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    grid = cast("Grid", block.grid)
    colours = colormaps["viridis"]
    colours = colours.with_extremes(bad=(0, 0, 0, 0), under=colours(0.0))
    axes.set_facecolor(EMPTY)
    cells = np.ma.masked_where(~(np.asarray(image) > 0), image)
    shown = axes.pcolormesh(
        np.array(grid.edges[1]), np.array(grid.edges[0]), cells, cmap=colours, norm=LogNorm(*limits), rasterized=True
    )
    axes.set_aspect("equal")
    axes.minorticks_off()
    axes.set(xticks=(-200, 0, 200), yticks=(-200, 0, 200))
    return shown

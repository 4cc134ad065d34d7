"""Pictures of layers: mean showers and nearest neighbours, cells drawn where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.report.labels import number
from facsim.report.neighbours import Neighbours
from facsim.report.style import MUTED, RULE, canvas, power_of_ten, to_svg
from facsim.schema import Block, Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

__all__ = ["draw_events", "draw_mean_images", "draw_neighbours"]

COLOURS = "viridis"
DECADES = 6
ARC_PIECES = 8  # straight pieces per cell edge of a cylinder with few cells
PICTURE_DPI = 160
MOST_ROWS = 3
"""Layers of one event drawn below each other."""


def draw_mean_images(block: Block, reference: NDArray[Any], generated: NDArray[Any], prefix: str) -> str:
    """Mean layer of reference and generated on one logarithmic colour scale, and their ratio.

    Parameters
    ----------
    block : Block
        A layer.
    reference, generated : array (*block.shape)
        Mean energy per cell.
    prefix : str
        For ids.
    """
    from matplotlib.colors import LogNorm

    scale = _scale(reference, generated)
    ratio = np.divide(generated, reference, out=np.full(block.shape, np.nan), where=reference > 0)
    with canvas(9.6, 3.0) as figure:
        axes = figure.subplots(1, 3)
        for ax, values, title in zip(axes, (reference, generated), ("reference", "generated"), strict=False):
            mesh = _layer(ax, block, values, norm=scale, cmap=COLOURS)
            ax.set_title(title)
        _colour_bar(figure, mesh, list(axes[:2]), f"mean energy per cell [{block.unit}]")
        mesh = _layer(axes[2], block, ratio, norm=LogNorm(0.5, 2), cmap="RdBu_r")
        axes[2].set_title("generated / reference")
        _colour_bar(figure, mesh, [axes[2]], "", ticks=(0.5, 0.7, 1.0, 1.4, 2.0))
        for ax in axes[1:]:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
        return to_svg(figure, prefix, f"Mean of {block.name}: reference, generated and ratio", dpi=PICTURE_DPI)


def draw_neighbours(found: Neighbours, unit: str, prefix: str) -> str:
    """Reference events on top, the generated event nearest to each below.

    Parameters
    ----------
    found : Neighbours
    unit : str
        Of the first condition.
    prefix : str
        For ids.
    """
    count = max(1, len(found.reference))
    with canvas(9.6, 4.1) as figure:
        axes = figure.subplots(2, count, squeeze=False)
        mesh = None
        scale = _scale(found.reference, found.generated)
        for i in range(len(found.reference)):
            for ax, values in zip(axes[:, i], (found.reference[i], found.generated[i]), strict=True):
                mesh = _layer(ax, found.block, values, norm=scale, cmap=COLOURS)
                ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
            if found.energy is not None:
                axes[0, i].set_title(f"{number(float(found.energy[i]))} {unit}".strip())
            axes[1, i].set_xlabel(
                f"distance {number(found.to_generated[i])}\nother truth {number(found.to_reference[i])}", fontsize=9
            )
        axes[0, 0].set_ylabel("reference")
        axes[1, 0].set_ylabel("nearest generated")
        if mesh is not None:
            _colour_bar(figure, mesh, list(axes.ravel()), f"energy per cell [{found.block.unit}]")
        title = f"Five reference events in {found.block.name} and their nearest generated neighbours"
        return to_svg(figure, prefix, title, dpi=PICTURE_DPI)


def draw_events(events: Events, titles: Sequence[str], prefix: str) -> str:
    """A few events side by side, one layer below the other; of many layers, some are picked evenly.

    Parameters
    ----------
    events : Events
    titles : sequence of str
        One per event.
    prefix : str
        For ids.
    """
    layers = events.schema.layers
    if len(layers) > MOST_ROWS:
        layers = tuple(layers[round(i * (len(layers) - 1) / (MOST_ROWS - 1))] for i in range(MOST_ROWS))
    with canvas(9.6, 0.35 + 1.55 * len(layers)) as figure:
        axes = figure.subplots(len(layers), max(1, len(events)), squeeze=False)
        scale = _scale(np.concatenate([events[b.name].ravel() for b in layers]))
        mesh = None
        for row, block in zip(axes, layers, strict=True):
            for ax, values in zip(row, events[block.name], strict=True):
                mesh = _layer(ax, block, values, norm=scale, cmap=COLOURS)
                ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
            row[0].set_ylabel(block.name.replace("_", " "))
        for ax, title in zip(axes[0], titles, strict=True):
            ax.set_title(title)
        if mesh is not None:
            _colour_bar(figure, mesh, list(axes.ravel()), f"energy per cell [{layers[0].unit}]")
        return to_svg(figure, prefix, f"{len(events)} events, layer by layer", dpi=PICTURE_DPI)


def _scale(*values: NDArray[Any]) -> LogNorm:
    """Logarithmic colours over the filled cells of the first array, at most `DECADES`."""
    from matplotlib.colors import LogNorm

    for array in values:
        filled = array[array > 0]
        if len(filled):
            high = float(filled.max())
            return LogNorm(max(float(filled.min()), high / 10**DECADES, 1e-30), high * (1 + 1e-6), clip=False)
    return LogNorm(1e-3, 1.0)


def _layer(axes: Axes, block: Block, values: NDArray[Any], **style: Any) -> Any:
    """Draw cells at their place; empty cells stay grey."""
    from matplotlib import colormaps
    from matplotlib.patches import Circle

    grid = cast("Grid", block.grid)  # layers have one
    x, y, cells = _corners(grid, np.asarray(values, np.float64))
    colours = colormaps[style.pop("cmap")]
    colours = colours.with_extremes(bad=(0, 0, 0, 0), under=colours(0.0))
    shown = np.ma.masked_where(~(cells > 0), cells)
    mesh = axes.pcolormesh(x, y, shown, cmap=colours, rasterized=True, **style)
    round_ = "r" in grid.axes
    axes.set_aspect("equal")
    axes.set(xlabel="x [mm]" if round_ else "y [mm]", ylabel="y [mm]" if round_ else "x [mm]")
    if round_:
        axes.set_frame_on(False)
        axes.add_patch(Circle((0, 0), grid.edges[grid.axes.index("r")][-1], color=RULE, linewidth=0, zorder=0))
    else:
        axes.set_facecolor(RULE)
    axes.minorticks_off()
    axes.tick_params(direction="out", top=False, right=False)
    return mesh


def _corners(grid: Grid, values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Corner coordinates and values: columns (y) to the right and rows (x) up; rings as short straight pieces."""
    if grid.axes == ("x", "y"):
        return np.array(grid.edges[1]), np.array(grid.edges[0]), values
    alpha, r = np.array(grid.edges[0]), np.array(grid.edges[1])
    pieces = max(1, -(-128 // max(1, len(alpha) - 1))) if len(alpha) <= 2 * ARC_PIECES * 4 else 1
    fine = np.interp(np.arange((len(alpha) - 1) * pieces + 1) / pieces, np.arange(len(alpha)), alpha)
    return np.cos(fine)[:, None] * r, np.sin(fine)[:, None] * r, np.repeat(values, pieces, axis=0)


def _colour_bar(
    figure: Figure, mesh: Any, axes: list[Axes], title: str, ticks: tuple[float, ...] | None = None
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    bar = figure.colorbar(mesh, ax=axes, fraction=0.05, pad=0.02, aspect=22)
    if ticks:
        bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    else:
        decades = np.floor(np.log10(mesh.norm.vmax)) - np.ceil(np.log10(mesh.norm.vmin)) + 1
        bar.ax.yaxis.set_major_locator(LogLocator(10, subs=(1.0,) if decades >= 2 else (1.0, 2.0, 5.0), numticks=9))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.tick_params(direction="out", which="both")
    bar.outline.set_edgecolor(MUTED)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)
    bar.set_label(title)

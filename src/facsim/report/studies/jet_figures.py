"""Figures of LAGAN's evaluation that need images alone: spectra, averages, nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.observables.weights import shares
from facsim.report.studies.jets import HALF_WIDTH, RANGES, JetSample
from facsim.report.studies.paper import TRUTH_FILL, canvas, colour, log_axis, log_bar, pixels, save

__all__ = [
    "draw_averages",
    "draw_intensity",
    "draw_neighbours",
    "draw_pixels",
    "draw_spectra",
    "mean_image",
]

Array = NDArray[np.float64]

CLASS_COLOURS = (("#b9cbe4", "#23548f"), ("#efc4bd", "#b3261e"))
"""Filled and line: background blue and signal red, as published."""

TITLES = {"jet_mass": "jet mass [GeV]", "jet_pt": "jet pT [GeV]", "tau21": "τ₂₁"}
BINS = 49  # 50 edges
LEAST_GEV, MOST_GEV = 1e-6, 300.0  # of the published colour scale
EXTENT = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)


def draw_spectra(truth: JetSample, copies: Mapping[str, JetSample], path: Path) -> Path:
    """Mass, momentum and subjettiness per class: truth filled, copies dashed; one row per model."""
    with canvas(9.6, 0.3 + 2.6 * len(copies)) as figure:
        rows = figure.subplots(len(copies), len(RANGES), squeeze=False, sharex="col", sharey="col")
        for row, (name, copy) in zip(rows, copies.items(), strict=True):
            for axes, (quantity, interval) in zip(row, RANGES.items(), strict=True):
                edges = np.linspace(*interval, BINS + 1)
                _class_histograms(axes, truth, copy, quantity, edges)
                axes.set(xlim=interval, ylim=(0, None))
            row[0].set_ylabel(f"{name}\nshare of class")
        for axes, title in zip(rows[-1], TITLES.values(), strict=True):
            axes.set_xlabel(title)
        rows[0, 0].legend(fontsize=8)
        return save(figure, path)


def draw_pixels(truth: JetSample, copies: Mapping[str, JetSample], path: Path) -> Path:
    """Spectrum of the pixels, share of lit pixels, and the central pixel: truth filled, every model a line."""
    most = 1.2 * max(float(s.quantities["occupancy"].max()) for s in (truth, *copies.values()))
    gev = np.linspace(0, MOST_GEV, BINS + 1)
    panels = {
        "pixel intensity [GeV]": (gev, [s.images.reshape(len(s.images), -1) for s in (truth, *copies.values())]),
        "lit pixels": (np.linspace(0, most, 41), _columns("occupancy", truth, copies)),
        "central pixel [GeV]": (gev, _columns("central", truth, copies)),
    }
    with canvas(9.6, 3.0) as figure:
        for axes, (title, (edges, values)) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
            for i, ((name, sample), entries) in enumerate(zip({"truth": truth, **copies}.items(), values, strict=True)):
                w = np.repeat(shares(sample.weights, len(entries)), entries.shape[1])
                counts = np.histogram(entries.ravel(), edges, weights=w)[0]
                if not i:
                    axes.stairs(counts, edges, label=name, fill=True, color=TRUTH_FILL)
                    lowest = 0.5 * float(counts[counts > 0].min(initial=1.0))
                else:
                    axes.stairs(counts, edges, label=name, color=colour(i - 1), linestyle="--")
            axes.set(xlabel=title, xlim=(edges[0], edges[-1]))
            if "GeV" in title:
                axes.set_ylim(lowest, 2 * axes.get_ylim()[1])
                log_axis(axes, "y")
        figure.axes[0].set_ylabel("pixels per image")
        for axes in figure.axes[1:]:
            axes.set_ylabel("share of images")
        figure.axes[1].legend(fontsize=8)
        return save(figure, path)


def draw_averages(truth: JetSample, copy: JetSample, name: str, path: Path) -> Path:
    """Average image of truth and copies, of all jets and per class, and truth less copies."""
    selections = [("all", None), *((label, k) for k, label in enumerate(truth.names))]
    with canvas(8.4, 2.5 * len(selections)) as figure:
        rows = figure.subplots(len(selections), 3)
        for row, (label, k) in zip(rows, selections, strict=True):
            a, b = (mean_image(s, None if k is None else s.labels == k) for s in (truth, copy))
            for axes, image in zip(row, (a, b), strict=False):
                draw_intensity(figure, axes, image)
            _difference(figure, row[2], a - b, "GeV")
            row[0].set_ylabel(label)
        for axes, title in zip(rows[0], ("truth", name, "truth − copies"), strict=True):
            axes.set_title(title)
        return save(figure, path)


def draw_neighbours(found: Mapping[str, tuple[Array, Array, Array]], path: Path) -> Path:
    """Truth images on top, below them the nearest copy of every model, with its distance.

    Parameters
    ----------
    found : mapping
        By model what `facsim.report.studies.jets.neighbours` gives, for the same truth images.
    path : Path
    """
    first = next(iter(found.values()))[0]
    with canvas(1.75 * len(first) + 1, 1.85 * (len(found) + 1)) as figure:
        rows = figure.subplots(len(found) + 1, len(first), squeeze=False)
        for axes, image in zip(rows[0], first, strict=True):
            shown = _jet(axes, image)
        rows[0, 0].set_ylabel("truth")
        for row, (name, (_, near, distance)) in zip(rows[1:], found.items(), strict=True):
            for axes, image, d in zip(row, near, distance, strict=True):
                _jet(axes, image)
                axes.set_xlabel(f"{d:.0f} GeV", fontsize=8)
            row[0].set_ylabel(name)
        log_bar(figure, shown, list(rows.ravel()), "pixel pT [GeV]")
        return save(figure, path)


def mean_image(sample: JetSample, rows: NDArray[np.bool_] | None = None) -> Array:
    """Weighted mean of some images."""
    images = sample.images if rows is None else sample.images[rows]
    weights = sample.weights if rows is None or sample.weights is None else sample.weights[rows]
    mean: Array = np.tensordot(shares(weights, len(images)), images, 1)
    return mean


def _class_histograms(axes: Any, truth: JetSample, copy: JetSample, quantity: str, edges: Array) -> None:
    for sample, filled in ((truth, True), (copy, False)):
        for k, name in enumerate(truth.names):
            fill, line = CLASS_COLOURS[k % 2]
            w = shares(
                None if sample.weights is None else sample.of(k, sample.weights), int((sample.labels == k).sum())
            )
            counts = np.histogram(sample.of(k, sample.quantities[quantity]), edges, weights=w)[0]
            if filled:
                axes.stairs(counts, edges, fill=True, color=fill, alpha=0.8, label=f"{name}, truth")
            else:
                axes.stairs(counts, edges, color=line, linestyle="--", label=f"{name}, copies")


def _columns(quantity: str, truth: JetSample, copies: Mapping[str, JetSample]) -> list[Array]:
    return [s.quantities[quantity][:, None] for s in (truth, *copies.values())]


def draw_intensity(figure: Any, axes: Any, image: Array) -> None:
    """An average image on the published scale."""
    from matplotlib.colors import LogNorm

    norm = LogNorm(LEAST_GEV, MOST_GEV)
    shown = pixels(axes, np.where(image > 0, image, np.nan), extent=EXTENT, cmap="viridis", norm=norm)
    log_bar(figure, shown, axes, "GeV")


def _difference(figure: Any, axes: Any, image: Array, unit: str) -> None:
    """Signed values on a scale that is linear around 0 and logarithmic beyond."""
    from matplotlib.colors import SymLogNorm

    limit = float(f"{max(float(np.abs(image).max()), 1e-9):.1g}")
    norm = SymLogNorm(limit * 1e-3, vmin=-limit, vmax=limit)
    shown = pixels(axes, image, extent=EXTENT, cmap="RdBu_r", norm=norm)
    places = [-limit, -limit / 100, 0, limit / 100, limit]
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, ticks=places)
    bar.ax.minorticks_off()
    bar.ax.set_yticklabels([f"{p:g}".replace("-", "−") for p in places])
    bar.set_label(unit, fontsize=8)


def _jet(axes: Any, image: Array) -> Any:
    """One jet on a scale for single images."""
    from matplotlib.colors import LogNorm

    lit = np.where(image > 0, image, np.nan)
    return pixels(axes, lit, extent=EXTENT, cmap="viridis", norm=LogNorm(0.01, MOST_GEV))

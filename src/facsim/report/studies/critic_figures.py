"""Figures of what LAGAN's networks look at: the discriminator's outputs, its filters, the generator's activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.observables.weights import shares
from facsim.report.studies.jet_figures import EXTENT, TITLES, draw_intensity
from facsim.report.studies.jets import RANGES, JetSample, Scores
from facsim.report.studies.paper import canvas, pixels, save

__all__ = [
    "draw_activations",
    "draw_discriminator",
    "draw_filters",
    "draw_pixel_correlations",
    "draw_representative",
    "mean_difference",
    "pixel_correlation",
]

Array = NDArray[np.float64]

GRID = 30
FEWEST = 10  # images in a column of the figure of the discriminator


def draw_representative(
    truth: JetSample, copy: JetSample, of_truth: Scores, of_copy: Scores, name: str, path: Path, *, count: int = 500
) -> Path:
    """Average of the images with the highest and the lowest P(signal), and with the highest P(real)."""
    with canvas(8.4, 5.2) as figure:
        rows = figure.subplots(2, 3)
        for row, sample, scores, label in ((rows[0], truth, of_truth, "truth"), (rows[1], copy, of_copy, name)):
            picks = (
                []
                if scores.signal is None
                else [(scores.signal, "highest P(signal)"), (-scores.signal, "lowest P(signal)")]
            )
            picks.append((scores.real, "highest P(real)"))
            for axes, (order, title) in zip(row, picks, strict=False):
                chosen = np.argsort(-order, kind="stable")[:count]
                draw_intensity(figure, axes, sample.images[chosen].mean(axis=0))
                axes.set_title(f"{title}, {len(chosen)} images", fontsize=9)
            row[0].set_ylabel(label)
            for axes in row[len(picks) :]:
                axes.set_axis_off()
        return save(figure, path)


def draw_discriminator(
    truth: JetSample, copy: JetSample, of_truth: Scores, of_copy: Scores, name: str, path: Path
) -> Path:
    """Output of the discriminator against mass and momentum, 30 x 30 bins, each column of a sum of 1."""
    outputs = [("P(real)", of_truth.real, of_copy.real)]
    if of_truth.signal is not None and of_copy.signal is not None:
        outputs.append(("P(signal)", of_truth.signal, of_copy.signal))
    kinematics = ("jet_mass", "jet_pt")
    with canvas(9.6, 2.4 * len(outputs)) as figure:
        rows = figure.subplots(len(outputs), 4, squeeze=False)
        for row, (title, *values) in zip(rows, outputs, strict=True):
            low, high = _reach(values)
            for i, (sample, given) in enumerate(zip((truth, copy), values, strict=True)):
                for j, quantity in enumerate(kinematics):
                    axes = row[2 * i + j]
                    x, y = np.linspace(*RANGES[quantity], GRID + 1), np.linspace(low, high, GRID + 1)
                    w = shares(sample.weights, len(given))
                    counts = np.histogram2d(sample.quantities[quantity], given, (x, y), weights=w)[0]
                    total = counts.sum(axis=1, keepdims=True)
                    known = total > FEWEST / len(given)
                    share = np.divide(counts, total, out=np.full_like(counts, np.nan), where=known)
                    mesh = axes.pcolormesh(x, y, share.T, cmap="viridis", vmin=0, vmax=0.3, rasterized=True)
                    axes.set_xlabel(TITLES[quantity])
                    axes.set_title(("truth", name)[i], fontsize=9)
            row[0].set_ylabel(title)
            for axes in row[1:]:
                axes.tick_params(labelleft=False)
            bar = figure.colorbar(mesh, ax=list(row), pad=0.01)
            bar.set_label("share of column", fontsize=8)
        return save(figure, path)


def draw_pixel_correlations(
    truth: JetSample, copy: JetSample, of_truth: Scores, of_copy: Scores, name: str, path: Path
) -> Path:
    """Correlation of every pixel with the outputs of the discriminator, on truth and on copies."""
    with canvas(6.4, 5.2) as figure:
        rows = figure.subplots(2, 2)
        for row, sample, scores, label in ((rows[0], truth, of_truth, "truth"), (rows[1], copy, of_copy, name)):
            for axes, values, title in zip(row, (scores.real, scores.signal), ("P(real)", "P(signal)"), strict=True):
                axes.set_title(title)
                if values is None:
                    axes.set_axis_off()
                    continue
                image = pixel_correlation(sample.images, values, sample.weights)
                limit = float(np.nanmax(np.abs(image), initial=0.01))
                shown = pixels(axes, image, extent=EXTENT, cmap="RdBu_r", vmin=-limit, vmax=limit)
                figure.colorbar(shown, ax=axes, shrink=0.85)
            row[0].set_ylabel(label)
        return save(figure, path)


def draw_activations(differences: Mapping[str, Array], path: Path) -> Path:
    """Mean activation of signal less background, channel by channel; one row per layer.

    Parameters
    ----------
    differences : mapping of array (channels, rows, columns)
        By layer what `mean_difference` gives.
    path : Path
    """
    most = max(len(d) for d in differences.values())
    with canvas(1.5 * most + 1, 1.75 * len(differences)) as figure:
        rows = figure.subplots(len(differences), most, squeeze=False)
        for row, (name, maps) in zip(rows, differences.items(), strict=True):
            limit = float(np.abs(maps).max()) or 1.0
            for axes, image in zip(row, maps, strict=False):
                shown = pixels(axes, image, cmap="RdBu_r", vmin=-limit, vmax=limit)
            for axes in row[len(maps) :]:
                axes.set_axis_off()
            row[0].set_ylabel(name)
            figure.colorbar(shown, ax=list(row), pad=0.01)
        return save(figure, path)


def draw_filters(filters: Array, difference: Array, path: Path, *, most: int = 32) -> Path:
    """First-layer filters (f, h, w) of the discriminator, each above its convolution with a mean difference image."""
    from scipy.signal import correlate2d

    shown = filters[:most]
    columns = 8
    lines = -(-len(shown) // columns)
    with canvas(1.1 * columns, 2.3 * lines) as figure:
        panels = figure.subplots(2 * lines, columns, squeeze=False)
        for axes in panels.ravel():
            axes.set_axis_off()
        for i, kernel in enumerate(shown):
            line, column = divmod(i, columns)
            for axes, image in (
                (panels[2 * line, column], kernel),
                (panels[2 * line + 1, column], correlate2d(difference, kernel, mode="same")),
            ):
                limit = float(np.abs(image).max()) or 1.0
                axes.set_axis_on()
                pixels(axes, image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        return save(figure, path)


def pixel_correlation(images: Array, values: Array, weights: Array | None = None) -> Array:
    """Pearson's correlation of every pixel with a number per image; NaN for pixels that never change.

    Examples
    --------
    >>> pixel_correlation(np.array([[[0.0, 1.0]], [[1.0, 1.0]]]), np.array([3.0, 4.0]))
    array([[ 1., nan]])
    """
    w = shares(weights, len(values))
    centred = values - w @ values
    deviations = images - np.tensordot(w, images, 1)
    covariance = np.tensordot(w * centred, deviations, 1)
    spread = np.sqrt(np.maximum(np.tensordot(w, deviations**2, 1) * (w @ centred**2), 0))
    out: Array = np.divide(covariance, spread, out=np.full(spread.shape, np.nan), where=spread > 0)
    return out


def mean_difference(activations: NDArray[Any], labels: NDArray[np.integer[Any]]) -> Array:
    """Mean activation of class 1 less that of class 0.

    Parameters
    ----------
    activations : array (n, channels, rows, columns)
        Output of a layer of the generator.
    labels : array (n,)
        Requested classes.

    Examples
    --------
    >>> mean_difference(np.arange(4.0).reshape(4, 1, 1, 1), np.array([0, 0, 1, 1]))
    array([[[2.]]])
    """
    return np.asarray(activations[labels == 1].mean(axis=0) - activations[labels == 0].mean(axis=0), np.float64)


def _reach(values: Sequence[Array]) -> tuple[float, float]:
    """Probabilities fill 0 to 1; other scores their central range."""
    both = np.concatenate(values)
    if both.min() >= 0 and both.max() <= 1:
        return 0.0, 1.0
    low, high = np.quantile(both, [0.005, 0.995])
    return float(low), float(high)

"""How the figures of a study look, and how they are written: as PNG or SVG files that stand alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facsim.files import atomic
from facsim.report.labels import power_of_ten
from facsim.report.style import canvas, log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EMPTY", "MODELS", "TRUTH_FILL", "TRUTH_LINE", "canvas", "colour", "log_axis", "log_bar", "pixels", "save"]

TRUTH_FILL, TRUTH_LINE = "#c3cbd3", "#4a5560"
MODELS = ("#c8460b", "#2f6496", "#1b7f5a", "#8a3ea8", "#9a7a00")
EMPTY = "#eceff1"
"""Colour of pixels without intensity."""
DPI = 100


def colour(number: int) -> str:
    """Colour of the model of that number."""
    return MODELS[number % len(MODELS)]


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure under a temporary name first; the suffix says the format (.png or .svg)."""
    path = Path(path)
    metadata: dict[str, Any] = {"Software": None} if path.suffix == ".png" else {"Date": None, "Creator": None}
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI, facecolor="white", metadata=metadata)
    return path


def pixels(axes: Axes, image: Any, *, extent: tuple[float, float, float, float] | None = None, **style: Any) -> Any:
    """Show an image, its first row on top, without ticks; what is not positive on a logarithmic scale stays grey."""
    axes.set_facecolor(EMPTY)
    shown = axes.imshow(image, extent=extent, interpolation="none", **style)
    axes.set(xticks=[], yticks=[])
    axes.minorticks_off()
    return shown


def log_bar(figure: Figure, shown: Any, axes: Any, title: str, *, decades: int = 2) -> None:
    """Add the scale of logarithmic colours, with a number every few decades."""
    import numpy as np

    low, high = (np.log10(v) for v in shown.get_clim())
    places = 10.0 ** np.arange(np.ceil(low - 1e-9), high + 1e-9, decades if high - low > 3 else 1)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, pad=0.02, ticks=list(places))
    bar.ax.minorticks_off()
    bar.ax.set_yticklabels([f"{p:g}" if 0.005 < p < 2000 else power_of_ten(float(p)) for p in places])
    bar.set_label(title, fontsize=8)

"""The figure and the page of a mass fit with sWeights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facsim.errors import DataError
from facsim.files import atomic
from facsim.report.drawing import markup
from facsim.report.page import environment
from facsim.report.style import GENERATED, INK, MUTED, REFERENCE, REFERENCE_LINE, RULE, canvas, to_svg

__all__ = ["draw", "require_suffix", "write"]

PULL = 5.0
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" font-family="sans-serif"'


def draw(found: Mapping[str, Any]) -> str:
    """Draw the spectrum with the fitted curves, and pulls below.

    Parameters
    ----------
    found : mapping
        As `facsim.sweights.SPlot.to_json` gives it.

    Returns
    -------
    str
        An ``<svg>`` element for a page.
    """
    spectrum = {key: np.array(values) for key, values in found["spectrum"].items()}
    edges, counts, smooth = spectrum["edges"], spectrum["counts"], spectrum["background"]
    total = smooth + spectrum["signal"]
    middles, error = (edges[1:] + edges[:-1]) / 2, np.sqrt(np.maximum(counts, 1))
    unit = f" [{found['unit']}]" if found["unit"] else ""
    with canvas(6.4, 4.6, margins=(0.75, 0.25, 0.55, 0.2)) as figure:
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.fill_between(middles, smooth, color=REFERENCE, linewidth=0, label="background")
        top.plot(middles, total, color=GENERATED, label=f"fit, {found['model']}")
        top.errorbar(
            middles, counts, error, fmt="o", color=INK, markersize=2.5, linewidth=0.8, label="events", zorder=3
        )
        top.set_ylim(0, 1.15 * float((counts + error).max()))
        top.set_ylabel(f"events per {edges[1] - edges[0]:.3g} {found['unit']}".rstrip())
        top.legend(loc="upper right")
        expected = np.sqrt(np.maximum(total, 1))
        pulls = np.clip((counts - total) / expected, -PULL, PULL)
        for level in (-3, 3):
            below.axhline(level, color=RULE, linewidth=0.8)
        below.axhline(0, color=MUTED, linewidth=0.8)
        below.bar(middles, pulls, edges[1] - edges[0], color=REFERENCE_LINE, linewidth=0)
        below.set_ylim(-PULL, PULL)
        below.set_yticks((-3, 0, 3))
        below.set_ylabel("pull")
        below.set_xlabel(f"{found['mass']}{unit}")
        below.set_xlim(edges[0], edges[-1])
        return to_svg(figure, "massfit", f"Fit of {found['mass']}: events, fitted curve, background, and pulls")


def write(found: Mapping[str, Any], path: str | os.PathLike[str], *, data: str = "", version: str = "") -> Path:
    """Write the figure (``.svg``) or a page with figure, parameters and tests (``.html``).

    Raises
    ------
    DataError
        For another suffix.
    """
    path = require_suffix(path)
    svg = draw(found)
    if path.suffix == ".svg":
        text = svg.replace("<svg", SVG, 1)
    else:
        template = environment().get_template("massfit.html.j2")
        text = str(template.render(found=found, figure=markup(svg), data=data, version=version))
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def require_suffix(path: str | os.PathLike[str]) -> Path:
    """Raise `DataError` unless the path is that of a figure or a page; give it as a `Path`."""
    path = Path(path)
    if path.suffix not in {".svg", ".html"}:
        msg = f"{path}: the figure is written as .svg, the page with its numbers as .html; give one of these"
        raise DataError(msg)
    return path

"""How figures look: one palette, written into the SVG as CSS variables, so that a figure follows the page's theme.

Text stays text (no glyph outlines): it takes the page's typeface, can be selected and read aloud, and is small. Labels
are therefore plain Unicode, without TeX.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from facsim.report.labels import power_of_ten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GENERATED",
    "INK",
    "MUTED",
    "REFERENCE",
    "REFERENCE_LINE",
    "RULE",
    "canvas",
    "log_axis",
    "power_of_ten",
    "to_svg",
]

# Sentinels: colours that no colour map contains, replaced by CSS variables in `to_svg`. The values in the dictionary
# are what a viewer without the page's style sheet shows.
INK, MUTED, RULE = "#010101", "#020202", "#030303"
REFERENCE, REFERENCE_LINE, GENERATED = "#040404", "#050505", "#060606"
COLOURS = {
    INK: "var(--ink, #1d2327)",
    MUTED: "var(--muted, #5c6770)",
    RULE: "var(--rule, #d5dade)",
    REFERENCE: "var(--reference, #a9c4de)",
    REFERENCE_LINE: "var(--reference-line, #2f6496)",
    GENERATED: "var(--generated, #c8460b)",
}

SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # only to measure: the page's own typeface is shown
    "font.size": 9.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.5,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "facsim",  # the same figure gives the same bytes
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.direction": "in",
    "xtick.labelcolor": INK,
    "xtick.minor.visible": True,
    "xtick.top": True,
    "ytick.color": MUTED,
    "ytick.direction": "in",
    "ytick.labelcolor": INK,
    "ytick.minor.visible": True,
    "ytick.right": True,
}


@contextmanager
def canvas(
    width: float, height: float, *, margins: tuple[float, float, float, float] | None = None
) -> Iterator[Figure]:
    """Give an empty figure in the report's style, independent of pyplot and of the user's settings.

    Parameters
    ----------
    width, height : float
        Inches.
    margins : tuple of float, optional
        Left, right, bottom, top, in inches; without, they are made to fit, which takes time.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast("Any", SETTINGS))
        if margins is None:
            yield Figure((width, height), layout="constrained")
            return
        left, right, bottom, top = margins
        figure = Figure((width, height))
        figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, hspace=0.1)
        yield figure


def log_axis(axes: Axes, which: str) -> None:
    """Make one axis logarithmic with labels like 10⁻²; few decades also show 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = getattr(axes, f"get_{which}lim")()
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    narrow = high < 80 * low
    axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=7))
    axis.set_minor_locator(LogLocator(10, subs=tuple(range(2, 10)), numticks=20))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if 1e-3 < value < 1e4 else power_of_ten(value))
    )
    axis.set_minor_formatter(NullFormatter())
    getattr(axes, f"set_{which}lim")(low, high)


def _short(value: float) -> str:
    return f"{value:g}" if 1e-3 < value < 1e4 else power_of_ten(value)


def to_svg(figure: Figure, prefix: str, title: str, *, dpi: int = 110) -> str:
    """Render as an ``<svg>`` element to be put into a page.

    Parameters
    ----------
    figure : Figure
        Drawn on a `canvas`.
    prefix : str
        Unique within the page: ids of several figures in one page must differ.
    title : str
        What a screen reader says.
    dpi : int, optional
        Of the parts that are pictures.
    """
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", dpi=dpi, metadata={"Date": None, "Creator": None, "Type": None, "Format": None}
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = _own_ids(text, prefix)
    for sentinel, colour in COLOURS.items():
        text = text.replace(sentinel, colour)
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    label = html.escape(title)
    body = re.sub(r"\n\s*", "\n", body).replace("</svg>\n", "</svg>")
    return f'<svg class="figure" role="img" aria-label="{label}" {box.group() if box else ""}>{body}'


def _own_ids(text: str, prefix: str) -> str:
    """Prefix the ids that are referred to, drop the others."""
    used: Sequence[str] = re.findall(r'(?:url\(#|href="#)([^)"]+)', text)
    kept = set(used)

    def rename(match: re.Match[str]) -> str:
        return f' id="{prefix}-{match[1]}"' if match[1] in kept else ""

    text = re.sub(r' id="([^"]*)"', rename, text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", text)

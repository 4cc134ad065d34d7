"""Line figures as small SVG: panels on common axes, with steps, bands, points and words.

Written here rather than by matplotlib, whose ticks alone are 40 kB and a fifth of a second per histogram. Colours are
classes of the page's style sheet, so that a figure follows its theme; lengths are in px of the `viewBox`.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.report.scale import Scale, Ticks

__all__ = ["Chart", "Panel", "picture"]

Array = NDArray[np.float64]

LETTER = 5.2
"""Mean width of a letter, px, at the figures' size of 9.5 px."""

RIM = 4.0  # px


class Chart:
    """A figure that grows panel by panel.

    Parameters
    ----------
    width, height : float
        px.
    title : str
        What a screen reader says.

    Examples
    --------
    >>> chart = Chart(200, 100, "A line")
    >>> panel = chart.panel(30, 10, 160, 60, Scale(0, 1), Scale(0, 2))
    >>> panel.line([0, 1], [0, 2], "reference")
    >>> panel.frame("x", "y")
    >>> '<path class="reference" d="M0 60L160 0"/>' in chart.svg()
    True
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self._panels: list[Panel] = []
        self._over: list[str] = []

    def panel(self, left: float, top: float, width: float, height: float, x: Scale, y: Scale) -> Panel:
        """Add a panel; its axes follow with `Panel.frame`."""
        self._panels.append(Panel(left, top, width, height, x, y))
        return self._panels[-1]

    def text(self, x: float, y: float, words: str, css: str = "", *, turn: bool = False) -> None:
        """Write words at a place in px; classes ``end`` and ``middle`` say which part of them lies there."""
        self._over.append(_text(x, y, words, css, turn=turn))

    def key(self, x: float, y: float, entries: Sequence[tuple[str, str, str]]) -> None:
        """Explain marks in one row: (``fill``, ``line`` or ``dots``, class, words)."""
        for what, css, words in entries:
            if what == "fill":
                self._over.append(f'<path class="{css}" d="M{_n(x)} {_n(y - 7)}h14v7h-14z"/>')
            elif what == "line":
                self._over.append(f'<path class="{css}" d="M{_n(x)} {_n(y - 3)}h14"/>')
            else:
                self._over.append(f'<path class="{css}" d="M{_n(x + 7)} {_n(y - 3)}h0"/>')
            self.text(x + 18, y, words)
            x += 30 + LETTER * len(words)

    def svg(self) -> str:
        """Give the ``<svg>`` element."""
        inner = "".join(panel.svg() for panel in self._panels) + "".join(self._over)
        label = escape(self.title, quote=True)
        box = f"0 0 {_n(self.width)} {_n(self.height)}"
        return f'<svg class="figure chart" role="img" aria-label="{label}" viewBox="{box}">{inner}</svg>'


class Panel:
    """One pair of axes. Marks are cut at its frame."""

    def __init__(self, left: float, top: float, width: float, height: float, x: Scale, y: Scale) -> None:
        self.left, self.top, self.width, self.height = left, top, width, height
        self.x, self.y = x, y
        self._inside: list[str] = []
        self._outside: list[str] = []

    def steps(self, edges: ArrayLike, values: ArrayLike, css: str, *, fill: bool = False) -> None:
        """A histogram's outline: values (b,) within edges (b + 1,), a gap where one is not finite; with `fill` down."""
        x, y = self._px(edges), self._py(values)
        floor = _n(self.height + 2)  # below the frame, where its outline is cut off
        path, pen = [], False
        for left, right, place in zip(x[:-1], x[1:], y, strict=True):
            known = bool(np.isfinite(place))
            if known and not pen:
                path.append(f"M{_n(left)} {floor}" if fill else f"M{_n(left)} {_n(place)}")
            elif pen and not known and fill:
                path.append(f"V{floor}z")
            if known:
                path.append(f"V{_n(place)}H{_n(right)}")
            pen = known
        if pen and fill:
            path.append(f"V{floor}z")
        self._path(css, "".join(path))

    def step_band(self, edges: ArrayLike, low: ArrayLike, high: ArrayLike, css: str) -> None:
        """Boxes between low and high (b,) within edges (b + 1,); none where one of them is not finite."""
        x, bottom, top = self._px(edges), self._py(low), self._py(high)
        rows = np.flatnonzero(np.isfinite(bottom) & np.isfinite(top))
        boxes = (f"M{_n(x[i])} {_n(bottom[i])}H{_n(x[i + 1])}V{_n(top[i])}H{_n(x[i])}z" for i in rows)
        self._path(css, "".join(boxes))

    def line(self, x: ArrayLike, y: ArrayLike, css: str) -> None:
        """A line through points."""
        self._path(css, _polyline(self._px(x), self._py(y)))

    def area(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, css: str) -> None:
        """The area between two lines."""
        px = self._px(x)
        path = _polyline(np.concatenate([px, px[::-1]]), np.concatenate([self._py(low), self._py(high)[::-1]]))
        self._path(css, f"{path}z")

    def points(self, x: ArrayLike, y: ArrayLike, css: str, error: ArrayLike | None = None) -> None:
        """Points with error bars; what lies above or below the panel is an arrow head at its rim."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        error = np.zeros(len(y)) if error is None else np.nan_to_num(np.asarray(error, np.float64))
        px, py = self._px(x), self._py(y)
        inside = np.isfinite(y) & (py >= -0.01) & (py <= self.height + 0.01)
        if error.any():
            self.bars(x[inside], (y - error)[inside], (y + error)[inside], f"{css} bar")
        dots = "".join(f"M{_n(px[i])} {_n(py[i])}h0" for i in np.flatnonzero(inside))
        self._path(f"{css} dots", dots)
        if "open" in css.split():
            self._path(f"{css} dots hole", dots)
        heads = [f"M{_n(px[i])} 1l-2.2 4h4.4z" for i in np.flatnonzero(np.isfinite(y) & (py < -0.01))]
        rim = _n(self.height - 1)
        heads += [
            f"M{_n(px[i])} {rim}l-2.2 -4h4.4z" for i in np.flatnonzero(np.isfinite(y) & (py > self.height + 0.01))
        ]
        self._path(f"{css} head", "".join(heads))

    def bars(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, css: str) -> None:
        """Upright lines between low and high."""
        ends = zip(self._px(x), self._py(low), self._py(high), strict=True)
        self._path(css, "".join(f"M{_n(a)} {_n(b)}V{_n(c)}" for a, b, c in ends if np.isfinite(b + c) and b != c))

    def level(self, value: float, css: str) -> None:
        """A line from left to right."""
        self._path(css, f"M0 {_n(self._py([value])[0])}H{_n(self.width)}")

    def upright(self, value: float, css: str) -> None:
        """A line from bottom to top."""
        self._path(css, f"M{_n(self._px([value])[0])} 0V{_n(self.height)}")

    def picture(self, colours: NDArray[np.uint8]) -> None:
        """Fill the panel with pixels (rows, columns, 4), the first row on top."""
        size = f'width="{_n(self.width)}" height="{_n(self.height)}"'
        self._inside.append(
            f'<image class="pixels" preserveAspectRatio="none" {size} href="data:image/png;base64,{picture(colours)}"/>'
        )

    def write(self, x: float, y: float, words: str, css: str = "") -> None:
        """Write words at a place in data units."""
        self._inside.append(_text(float(self._px([x])[0]), float(self._py([y])[0]), words, css))

    def frame(
        self,
        x_title: str = "",
        y_title: str = "",
        *,
        x_ticks: Ticks | int | None = 5,
        y_ticks: Ticks | int | None = 5,
        x_labels: bool = True,
        y_labels: bool = True,
        y_rim: bool = True,
        y_place: float = 10,
    ) -> None:
        """Draw the frame with ticks on all sides, numbers and titles.

        Parameters
        ----------
        x_title, y_title : str, optional
        x_ticks, y_ticks : Ticks, int or None, optional
            Or about how many to choose; None for none.
        x_labels, y_labels : bool, optional
            Whether to write the numbers.
        y_rim : bool, optional
            Whether numbers may stand at the panel's ends, where those of a neighbouring panel stand too.
        y_place : float, optional
            Where the vertical axis' title stands in the chart, px from the left.
        """
        left, top, right, bottom = self.left, self.top, self.left + self.width, self.top + self.height
        x = self.x.ticks(x_ticks) if isinstance(x_ticks, int) else x_ticks or Ticks((), ())
        y = self.y.ticks(y_ticks) if isinstance(y_ticks, int) else y_ticks or Ticks((), ())
        path = [f"M{_n(left)} {_n(top)}H{_n(right)}V{_n(bottom)}H{_n(left)}z"]
        for values, length in ((x.major, 4.0), (x.minor, 2.0)):
            ends = f"{_n(bottom)}v{_n(-length)}", f"{_n(top)}v{_n(length)}"
            path += [f"M{_n(place)} {ends[0]}M{_n(place)} {ends[1]}" for place in self._px(values) + left]
        for values, length in ((y.major, 4.0), (y.minor, 2.0)):
            places = [_n(place) for place in self._py(values) + top]
            path += [f"M{_n(left)} {p}h{_n(length)}M{_n(right)} {p}h{_n(-length)}" for p in places]
        self._outside.append(f'<path class="frame" d="{"".join(path)}"/>')
        if x_labels:
            for place, words in zip(self._px(x.major) + left, x.labels, strict=True):
                self._outside.append(_text(place, bottom + 11, words, "middle"))
        if y_labels:
            for place, words in zip(self._py(y.major) + top, y.labels, strict=True):
                if not y_rim and min(place - top, bottom - place) < RIM:
                    continue
                self._outside.append(_text(left - 4, place + 3.3, words, "end"))
        if x_title:
            factor = f" {x.factor}" if x.factor and x_labels else ""
            self._outside.append(_text(right, bottom + 25, x_title + factor, "title end"))
        if y_title:
            factor = f" {y.factor}" if y.factor and y_labels else ""
            self._outside.append(_text(y_place, top + self.height / 2, y_title + factor, "title middle", turn=True))

    def svg(self) -> str:
        """Give the elements of the panel."""
        place = f'x="{_n(self.left)}" y="{_n(self.top)}" width="{_n(self.width)}" height="{_n(self.height)}"'
        return f"<svg {place}>{''.join(self._inside)}</svg>{''.join(self._outside)}"

    def _px(self, values: ArrayLike) -> Array:
        return np.clip(self.x(values), -9, 9) * self.width

    def _py(self, values: ArrayLike) -> Array:
        return (1 - np.clip(self.y(values), -9, 9)) * self.height

    def _path(self, css: str, path: str) -> None:
        if path:
            self._inside.append(f'<path class="{css}" d="{path}"/>')


def picture(colours: NDArray[np.uint8]) -> str:
    """Encode pixels (rows, columns, 4: red, green, blue, opacity) as PNG in base64.

    Examples
    --------
    >>> picture(np.zeros((1, 1, 4), np.uint8))[:11]
    'iVBORw0KGgo'
    """
    rows, columns, _ = colours.shape
    lines = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(colours, np.uint8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + parts).decode()


def _polyline(x: Array, y: Array) -> str:
    """Path through points, with a gap where one is not finite."""
    path, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if np.isfinite(a) and np.isfinite(b):
            path.append(f"{pen}{_n(a)} {_n(b)}")
            pen = "L"
        else:
            pen = "M"
    return "".join(path)


def _text(x: float, y: float, words: str, css: str, *, turn: bool = False) -> str:
    kind = f' class="{css}"' if css else ""
    place = f'transform="translate({_n(x)} {_n(y)})rotate(-90)"' if turn else f'x="{_n(x)}" y="{_n(y)}"'
    return f"<text{kind} {place}>{escape(words)}</text>"


def _n(value: float) -> str:
    """A tenth of a px is enough."""
    text = f"{value:.1f}"
    return "0" if text in {"-0.0", "0.0"} else text.removesuffix(".0")

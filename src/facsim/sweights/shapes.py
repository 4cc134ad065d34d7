"""Shapes of a mass spectrum: peaks and smooth backgrounds, each a density within the range, by analytic integrals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, nearest

__all__ = ["BACKGROUNDS", "PEAKS", "Model", "Parameter", "Shape", "parse"]

Array = NDArray[np.float64]
Cumulative = Callable[..., Array]


@dataclass(frozen=True)
class Parameter:
    """Where a parameter starts and what it may be.

    Parameters
    ----------
    name : str
    start, low, high : float
        Of a length on the mass axis in units of the range's width (`scale` ``"width"``), of a place from its beginning
        (``"place"``), or as they are.
    scale : {"", "place", "width", "slope"}
        ``"slope"``: per width of the range.
    """

    name: str
    start: float
    low: float
    high: float
    scale: str = ""

    def absolute(self, value: float, low: float, high: float) -> float:
        """A value in the unit of the mass, within a range from low to high."""
        if self.scale == "place":
            return low + value * (high - low)
        if self.scale == "width":
            return value * (high - low)
        return value / (high - low) if self.scale == "slope" else value


@dataclass(frozen=True)
class Shape:
    """One component: unnormalised density, its integral, and parameters.

    Parameters
    ----------
    name : str
    parameters : tuple of Parameter
    density : callable
        ``density(x, low, high, *parameters)`` (n,), normalised within [low, high].
    summary : str
        What it is, for people.
    """

    name: str
    parameters: tuple[Parameter, ...]
    density: Callable[..., Array]
    summary: str


@dataclass(frozen=True)
class Model:
    """A peak over a background.

    Examples
    --------
    >>> model = parse("gauss+exp")
    >>> model.names
    ('mu', 'sigma', 'slope')
    """

    peak: Shape
    background: Shape

    def __str__(self) -> str:
        return f"{self.peak.name}+{self.background.name}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the peak, then those of the background."""
        return self.peak.parameters + self.background.parameters

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(p.name for p in self.parameters)

    def densities(self, x: Array, low: float, high: float, values: Any) -> tuple[Array, Array]:
        """Densities (n,) of peak and background within [low, high]."""
        many = len(self.peak.parameters)
        return self.peak.density(x, low, high, *values[:many]), self.background.density(x, low, high, *values[many:])


def parse(text: str) -> Model:
    """Model of an expression such as ``gauss+exp``: one of `PEAKS` and one of `BACKGROUNDS`.

    Raises
    ------
    DataError
        For an unknown shape, with the nearest known one, or anything but one peak and one background.
    """
    words = [w.strip() for w in text.split("+")]
    known = {**PEAKS, **BACKGROUNDS}
    for word in words:
        if word not in known:
            msg = f"model='{text}': no shape '{word}'; peaks are {_list(PEAKS)}, backgrounds {_list(BACKGROUNDS)}."
            raise DataError(msg + nearest(word, known))
    peaks, others = [w for w in words if w in PEAKS], [w for w in words if w in BACKGROUNDS]
    if len(peaks) != 1 or len(others) != 1:
        msg = (
            f"model='{text}': {len(peaks)} peaks and {len(others)} backgrounds; give one of {_list(PEAKS)}, and one of "
            f"{_list(BACKGROUNDS)}: 'gauss+exp'"
        )
        raise DataError(msg)
    return Model(PEAKS[peaks[0]], BACKGROUNDS[others[0]])


# Peaks --------------------------------------------------------------------------------------------------------------


def _gauss(x: Array, low: float, high: float, mu: float, sigma: float) -> Array:
    from scipy.special import ndtr

    inside = ndtr((high - mu) / sigma) - ndtr((low - mu) / sigma)
    return np.asarray(np.exp(-(((x - mu) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi) * inside))


def _two_gauss(x: Array, low: float, high: float, mu: float, sigma: float, ratio: float, share: float) -> Array:
    narrow, wide = (_gauss(x, low, high, mu, s) for s in (sigma, ratio * sigma))
    return np.asarray(share * narrow + (1 - share) * wide)


def _crystal_ball(x: Array, low: float, high: float, mu: float, sigma: float, alpha: float, n: float) -> Array:
    """Gaussian with a power-law tail below mu - alpha sigma, smooth to the first derivative (Gaiser, SLAC-R-255)."""
    from scipy.special import ndtr

    root = math.sqrt(2 * math.pi)
    height, away = (
        math.exp(-(alpha**2) / 2),
        n / alpha - alpha,
    )  # tail: height ((away - t) alpha / n)^-n, t = (x-mu)/sigma

    def integral(t: float) -> float:
        joint = height * n / (alpha * (n - 1))
        if t < -alpha:
            return float(joint * ((away - t) * alpha / n) ** (1 - n))
        return joint + root * float(ndtr(t) - ndtr(-alpha))

    t = (x - mu) / sigma
    tail = height * (np.maximum(away - t, n / alpha) * alpha / n) ** -n  # the maximum keeps the core's branch finite
    inside = integral((high - mu) / sigma) - integral((low - mu) / sigma)
    return np.asarray(np.where(t < -alpha, tail, np.exp(-(t**2) / 2)) / (sigma * inside))


def _breit_wigner(x: Array, low: float, high: float, mu: float, gamma: float) -> Array:
    inside = math.atan2(high - mu, gamma / 2) - math.atan2(low - mu, gamma / 2)
    return np.asarray(gamma / 2 / (((x - mu) ** 2 + gamma**2 / 4) * inside))


# Backgrounds --------------------------------------------------------------------------------------------------------


def _exponential(x: Array, low: float, high: float, slope: float) -> Array:
    """exp(slope x), also for a slope of zero."""
    across, middle = slope * (high - low), (low + high) / 2
    norm = (math.sinh(across / 2) / (across / 2) if abs(across) > 1e-6 else 1.0) * (high - low)
    return np.asarray(np.exp(slope * (x - middle)) / norm)


def _line(x: Array, low: float, high: float, falling: float) -> Array:
    t = (x - low) / (high - low)
    return np.asarray(2 * (falling * (1 - t) + (1 - falling) * t) / (high - low))


def _parabola(x: Array, low: float, high: float, falling: float, middle: float) -> Array:
    t = (x - low) / (high - low)
    ends = falling * (1 - t) ** 2 + (1 - falling) * t**2
    return np.asarray(3 * ((1 - middle) * ends + middle * 2 * t * (1 - t)) / (high - low))


def _flat(x: Array, low: float, high: float) -> Array:
    return np.full(len(x), 1 / (high - low))


def _table(*shapes: Shape) -> Mapping[str, Shape]:
    return {shape.name: shape for shape in shapes}


def _list(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(shapes)


MU = Parameter("mu", 0.5, 0.0, 1.0, "place")
SIGMA = Parameter("sigma", 0.05, 1e-4, 0.5, "width")

PEAKS = _table(
    Shape("gauss", (MU, SIGMA), _gauss, "Gaussian"),
    Shape(
        "2gauss",
        (MU, SIGMA, Parameter("ratio", 2.0, 1.05, 10.0), Parameter("share", 0.7, 0.02, 1.0)),
        _two_gauss,
        "two Gaussians of one centre: `share` of width sigma, the others `ratio` times as wide",
    ),
    Shape(
        "cb",
        (MU, SIGMA, Parameter("alpha", 1.5, 0.1, 5.0), Parameter("n", 3.0, 1.05, 50.0)),
        _crystal_ball,
        "Crystal Ball: Gaussian with a power-law tail on the low side",
    ),
    Shape(
        "bw",
        (MU, Parameter("gamma", 0.05, 1e-4, 1.0, "width")),
        _breit_wigner,
        "Breit-Wigner (Cauchy), gamma full width",
    ),
)
"""Peaks by name."""

BACKGROUNDS = _table(
    Shape("exp", (Parameter("slope", -0.5, -50.0, 50.0, "slope"),), _exponential, "exponential, exp(slope x)"),
    Shape(
        "poly1", (Parameter("falling", 0.5, 0.0, 1.0),), _line, "line; Bernstein coefficients, hence nowhere negative"
    ),
    Shape(
        "poly2",
        (Parameter("falling", 0.5, 0.0, 1.0), Parameter("middle", 1 / 3, 0.0, 1.0)),
        _parabola,
        "parabola; Bernstein coefficients, hence nowhere negative",
    ),
    Shape("flat", (), _flat, "constant"),
)
"""Backgrounds by name."""

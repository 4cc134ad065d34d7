"""Parameters in coordinates without borders, in which the prior is a standard normal distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from facsim.simulators.parametric import Space

__all__ = ["Region"]

Array = NDArray[np.float64]
Test = Callable[[Array], NDArray[np.bool_]]
SPREAD = 0.15  # of a whole parameter, in shares
EDGE = 1e-7  # least distance from the border in units of the box: 5.2 standard deviations


@dataclass(frozen=True)
class Region:
    r"""The part of a space in which the prior is uniform, and its coordinates.

    A parameter's place u between 0 and 1 in its range becomes :math:`z = \Phi^{-1}(u)`: the uniform prior becomes the
    noise that a flow starts from, and nothing can leave the box. Whole parameters are first spread within their share,
    by a normal distribution of 0.15 shares, so that what the data tell exactly is a smooth peak inside it.

    Parameters
    ----------
    space : Space
    ranges : mapping, optional
        Narrower ranges by name (of a later round).
    test : callable, optional
        Takes points (n, p), returns which are inside (of a later round).

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> region = Region(Space((Parameter("m", -1, 1), Parameter("n", 1, 4, whole=True))))
    >>> theta = np.array([[0.5, 3.0]])
    >>> region.decode(region.encode(theta, np.random.default_rng(0))).round(6)
    array([[0.5, 3. ]])
    """

    space: Space
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    test: Test | None = None

    def edges(self) -> tuple[Array, Array]:
        """Low edges and spans (p,), half a unit more on both sides of whole parameters."""
        pairs = [self.ranges.get(p.name, (p.low, p.high)) for p in self.space]
        low, high = np.array(pairs, np.float64).T
        half = 0.5 * self.space.whole
        return low - half, high - low + 2 * half

    @property
    def share(self) -> float:
        """Of the space's box that the ranges leave."""
        whole = Region(self.space).edges()[1]
        return float((self.edges()[1] / whole).prod())

    def encode(self, theta: ArrayLike, rng: np.random.Generator | None = None) -> Array:
        """Coordinates (n, p) of points; without a generator, whole parameters stay in the middle of their share."""
        low, span = self.edges()
        points = np.asarray(theta, np.float64)
        if rng is not None:
            points = points + self.space.whole * np.clip(SPREAD * rng.standard_normal(points.shape), -0.49, 0.49)
        return np.asarray(ndtri(np.clip((points - low) / span, EDGE, 1 - EDGE)), np.float64)

    def decode(self, z: ArrayLike) -> Array:
        """Points (n, p) of coordinates."""
        low, span = self.edges()
        points = low + span * ndtr(np.asarray(z, np.float64))
        half = 0.5 * self.space.whole
        return np.clip(np.where(self.space.whole, np.rint(points), points), low + half, low + span - half)

    def log_volume(self, z: ArrayLike) -> Array:
        """Logarithm (n,) of dz / dtheta; a whole parameter's peak of unit height holds `SPREAD` times root 2 pi."""
        numbers = np.asarray(z, np.float64)
        _, span = self.edges()
        density = -0.5 * numbers**2 - 0.5 * np.log(2 * np.pi) + np.log(span)
        peak = self.space.whole * np.log(SPREAD * np.sqrt(2 * np.pi))
        return np.asarray((peak - density).sum(axis=1), np.float64)

    def contains(self, theta: ArrayLike) -> NDArray[np.bool_]:
        """Which points (n, p) are valid and inside."""
        points = np.asarray(theta, np.float64)
        low, span = self.edges()
        inside = self.space.contains(points) & ((points >= low) & (points <= low + span)).all(axis=1)
        if self.test is not None and inside.any():
            inside[inside] = self.test(points[inside])
        return inside

    def draw(self, n: int, seed: int) -> Array:
        """Points (n, p), uniform in the region."""
        found: list[Array] = []
        have = stream = 0
        while have < n:
            points = self.space.draw(max(n, 1000), seed, stream, ranges=self.ranges)
            found.append(points if self.test is None else points[self.test(points)])
            have, stream = have + len(found[-1]), stream + 1
        return np.concatenate(found)[:n]

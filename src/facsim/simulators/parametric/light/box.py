"""The box, its detectors, and what they see where nothing scatters or reflects."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError

__all__ = ["LightBox", "direct_visibility"]

Array = NDArray[np.float64]
NODES = 12


@dataclass(frozen=True)
class LightBox:
    """Liquid argon between diffusely reflecting walls; square detectors in rows and columns on the wall at x = 0.

    The argon fills 0 < x < `drift_m`, ``|y| < height_m / 2``, ``|z| < length_m / 2``. Every photon that reaches a
    detector is counted.

    Parameters
    ----------
    drift_m, height_m, length_m : float
    rows, columns : int
        Detectors along y and z, evenly spaced.
    side_m : float
        Side of a detector.
    """

    drift_m: float = 2.0
    height_m: float = 2.0
    length_m: float = 3.0
    rows: int = 4
    columns: int = 6
    side_m: float = 0.2

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            msg = f"rows={self.rows}, columns={self.columns}: at least one detector is needed"
            raise DataError(msg)
        lengths = (self.drift_m, self.height_m, self.length_m, self.side_m)
        if not all(math.isfinite(v) and v > 0 for v in lengths):
            msg = f"drift_m, height_m, length_m, side_m = {lengths}: must be positive"
            raise DataError(msg)
        room = min(self.height_m / self.rows, self.length_m / self.columns)
        if self.side_m > room:
            msg = f"side_m={self.side_m}: {self.rows} x {self.columns} detectors have {room:g} m each; make it smaller"
            raise DataError(msg)

    @property
    def centres(self) -> Array:
        """Y and z of the detectors (rows * columns, 2) in m, row by row."""
        y = ((np.arange(self.rows) + 0.5) / self.rows - 0.5) * self.height_m
        z = ((np.arange(self.columns) + 0.5) / self.columns - 0.5) * self.length_m
        return np.stack(np.meshgrid(y, z, indexing="ij"), axis=-1).reshape(-1, 2)

    def contains(self, vertices: Array) -> NDArray[np.bool_]:
        """Which vertices (n, 3) are in the argon."""
        x, y, z = np.asarray(vertices).T
        return np.asarray((x > 0) & (x < self.drift_m) & (2 * abs(y) < self.height_m) & (2 * abs(z) < self.length_m))

    def to_json(self) -> dict[str, float]:
        """Plain numbers by name."""
        return asdict(self)


def direct_visibility(box: LightBox, vertices: ArrayLike, absorption_m: float = math.inf) -> Array:
    r"""Share of isotropic photons that reach each detector in a straight line.

    Without absorption that is the solid angle of a rectangle,

    .. math:: \Omega = \sum_{i,j \in \{1, 2\}} (-1)^{i+j} \arctan \frac{a_i b_j}{d \sqrt{a_i^2 + b_j^2 + d^2}},

    over :math:`4 \pi`, with edges :math:`a_i, b_j` relative to the foot of the vertex and its distance d from the
    wall. With it, :math:`\int e^{-r / L} \, d / (4 \pi r^3) \, dA` by Gauss and Legendre's rule.

    Parameters
    ----------
    box : LightBox
    vertices : array (n, 3)
        x, y, z in m.
    absorption_m : float, optional
        L; infinite by default.

    Returns
    -------
    array (n, detectors)

    Examples
    --------
    >>> cube = LightBox(drift_m=2, height_m=1, length_m=1, rows=1, columns=1, side_m=1)
    >>> direct_visibility(cube, [[0.5, 0, 0]]) * 6  # from the middle of a cube one of six sides is seen
    array([[1.]])
    """
    points = np.asarray(vertices, np.float64).reshape(-1, 3)
    x = points[:, None, 0]
    across = box.centres - points[:, None, 1:]  # (n, detectors, 2)
    half = box.side_m / 2
    if math.isinf(absorption_m):
        omega = np.zeros(across.shape[:2])
        for i in (-1, 1):
            for j in (-1, 1):
                a, b = across[..., 0] + i * half, across[..., 1] + j * half
                omega += i * j * np.arctan(a * b / (x * np.sqrt(a * a + b * b + x * x)))
        return np.asarray(omega / (4 * np.pi))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    a = across[..., 0, None, None] + half * nodes[:, None]
    b = across[..., 1, None, None] + half * nodes
    d = x[..., None, None]
    r = np.sqrt(a * a + b * b + d * d)
    seen = np.exp(-r / absorption_m) * d / r**3 * np.outer(weights, weights)
    return np.asarray(seen.sum(axis=(-2, -1)) * half**2 / (4 * np.pi))

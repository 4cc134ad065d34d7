"""Regular meshes: a box of (x, y) cells and a cylinder of (alpha, r) cells, in equal layers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from facsim.errors import DataError
from facsim.schema import Block, Grid, Schema

__all__ = ["box_mesh", "cylinder_mesh"]


def box_mesh(
    shape: tuple[int, int, int],
    size: tuple[float, float, float],
    *,
    threshold: float = 0.0,
    energy_unit: str = "GeV",
    detector: str = "box",
) -> Schema:
    """Equal layers of equal rectangular cells, centred on the beam.

    Parameters
    ----------
    shape : (int, int, int)
        Layers, cells along x, cells along y.
    size : (float, float, float)
        Depth, width in x, width in y, mm.
    threshold : float
        Read-out threshold per cell, MeV.
    energy_unit : str
        Unit of the condition ``energy``.
    detector : str
        Label of the schema.

    Returns
    -------
    Schema
        Features ``layer_0``, ``layer_1``, ... of shape (cells in x, cells in y), MeV; condition ``energy``.

    Raises
    ------
    DataError
        If a number of cells or a size is not positive.

    Examples
    --------
    >>> schema = box_mesh((10, 4, 5), (200, 40, 50))
    >>> schema.width, schema.block("layer_9").grid.depth
    (200, (180.0, 200.0))
    """
    _positive(shape, size)
    depth, width_x, width_y = size
    edges = (steps(-width_x / 2, width_x / 2, shape[1]), steps(-width_y / 2, width_y / 2, shape[2]))
    grids = _layers(shape[0], depth, lambda d: Grid(("x", "y"), edges, d))
    return layered(grids, threshold=threshold, energy_unit=energy_unit, detector=detector)


def cylinder_mesh(
    shape: tuple[int, int, int],
    size: tuple[float, float],
    *,
    threshold: float = 0.0,
    energy_unit: str = "GeV",
    detector: str = "cylinder",
) -> Schema:
    """Equal layers of rings around the beam, cut into equal sectors.

    Parameters
    ----------
    shape : (int, int, int)
        Layers, sectors in alpha, rings in r.
    size : (float, float)
        Depth and radius, mm.
    threshold, energy_unit, detector
        As for `box_mesh`.

    Returns
    -------
    Schema
        Features ``layer_0``, ``layer_1``, ... of shape (sectors, rings), MeV; condition ``energy``. Sectors begin at
        alpha = -pi.

    Raises
    ------
    DataError
        If a number of cells or a size is not positive.

    Examples
    --------
    >>> cylinder_mesh((45, 16, 9), (153.0, 41.85)).width
    6480
    """
    _positive(shape, size)
    depth, radius = size
    edges = (sectors(shape[1]), steps(0.0, radius, shape[2]))
    grids = _layers(shape[0], depth, lambda d: Grid(("alpha", "r"), edges, d))
    return layered(grids, threshold=threshold, energy_unit=energy_unit, detector=detector)


def layered(grids: dict[int, Grid], *, threshold: float, energy_unit: str, detector: str) -> Schema:
    """Schema of calorimeter layers in MeV, by layer number, with the condition ``energy``."""
    features = tuple(
        Block(f"layer_{k}", grid.shape, "energy", "MeV", grid=grid, threshold=threshold) for k, grid in grids.items()
    )
    return Schema(features, (Block("energy", (), "energy", energy_unit),), detector)


def steps(low: float, high: float, n: int) -> tuple[float, ...]:
    """Equidistant edges of n bins, rounded to 1e-9 mm so that 3 x 4.65 is 13.95 however it was computed."""
    return tuple(round(float(v), 9) for v in np.linspace(low, high, n + 1))


def sectors(n: int) -> tuple[float, ...]:
    """Edges of n equal sectors from -pi to pi."""
    return tuple(float(v) for v in np.linspace(-math.pi, math.pi, n + 1))


def _layers(n: int, depth: float, grid: Callable[[tuple[float, float]], Grid]) -> dict[int, Grid]:
    edges = steps(0.0, depth, n)
    return {k: grid((edges[k], edges[k + 1])) for k in range(n)}


def _positive(shape: tuple[int, ...], size: tuple[float, ...]) -> None:
    if any(int(n) != n or n < 1 for n in shape):
        msg = f"shape={shape}: numbers of layers and cells must be whole and at least 1"
        raise DataError(msg)
    if not all(math.isfinite(s) and s > 0 for s in size):
        msg = f"size={size}: every length must be positive, in mm"
        raise DataError(msg)

"""The three-layer lead and liquid-argon calorimeter of CaloGAN (Paganini, de Oliveira, Nachman, arXiv:1712.10321)."""

from __future__ import annotations

from facsim.detectors.meshes import steps
from facsim.schema import Block, Grid, Schema

__all__ = ["calogan"]

HALF_WIDTH_MM = 240.0
DEPTHS_MM = ((0.0, 90.0), (90.0, 437.0), (437.0, 480.0))
CELLS = ((3, 96), (12, 12), (12, 6))  # rows along x, columns along y
THRESHOLD_MEV = 0.01


def calogan(overflow: bool = False) -> Schema:
    """Cells of the CaloGAN calorimeter: 3 x 96, 12 x 12 and 12 x 6 over 480 mm x 480 mm.

    Parameters
    ----------
    overflow : bool
        Add the block ``overflow`` (3,): energy per layer that is deposited outside the cells, MeV.

    Returns
    -------
    Schema
        Features ``layer_0`` (3, 96), ``layer_1`` (12, 12), ``layer_2`` (12, 6) in MeV, cells in (x, y);
        condition ``energy``: kinetic energy of the particle, GeV.

    Notes
    -----
    Geometry as in the public generation code (hep-lbdl/CaloGAN, ``generation/src``). The published plots call
    the columns eta and the rows phi. The read-out threshold of 0.01 MeV is facsim's choice: the original has none,
    and cells below it hold 6e-8 of the energy of our positron showers.

    Examples
    --------
    >>> schema = calogan()
    >>> schema.width, [block.shape for block in schema.layers]
    (504, [(3, 96), (12, 12), (12, 6)])
    """
    layers = tuple(
        Block(f"layer_{k}", shape, "energy", "MeV", grid=_grid(shape, depth), threshold=THRESHOLD_MEV)
        for k, (shape, depth) in enumerate(zip(CELLS, DEPTHS_MM, strict=True))
    )
    outside = (Block("overflow", (len(CELLS),), "energy", "MeV"),) if overflow else ()
    return Schema(layers + outside, (Block("energy", (), "energy", "GeV"),), "calogan")


def _grid(shape: tuple[int, int], depth: tuple[float, float]) -> Grid:
    return Grid(("x", "y"), tuple(steps(-HALF_WIDTH_MM, HALF_WIDTH_MM, n) for n in shape), depth)

"""Quantities of the cells of one calorimeter layer.

Every function takes ``cells`` (n, m): energies of the m cells of one layer in n showers, empty cells exactly 0, any
energy unit. A layer without energy gives 0 for every quantity, so that it stays visible as a spike at 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["brightest", "e_ratio", "lateral_moments", "occupancy", "per_energy"]

Array = NDArray[np.float64]

ROUNDING = 1e-12
"""Variances below this share of <x^2> are rounding of float64 sums and count as 0: one lit cell has no width."""


def per_energy(amount: Array, energy: Array) -> Array:
    """Return ``amount / energy``, and 0 where the energy is 0.

    Examples
    --------
    >>> per_energy(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 0.  ])
    """
    return np.divide(amount, energy, out=np.zeros(np.broadcast_shapes(amount.shape, energy.shape)), where=energy > 0)


def occupancy(cells: Array) -> Array:
    """Share of the cells that are lit, (n,), 0 to 1.

    Called sparsity in CaloGAN (arXiv:1712.10321); CaloChallenge's sparsity is one minus this.

    Examples
    --------
    >>> occupancy(np.array([[3.0, 0.0, 1.0, 0.0]]))
    array([0.5])
    """
    return np.asarray(np.count_nonzero(cells, axis=1) / cells.shape[1])


def brightest(cells: Array, count: int = 5) -> Array:
    """Energies of the `count` brightest cells, brightest first, (n, count); 0 where a layer has fewer cells.

    Examples
    --------
    >>> brightest(np.array([[3.0, 0.0, 1.0, 5.0]]), 2)
    array([[5., 3.]])
    """
    kept = min(count, cells.shape[1])
    top = np.partition(cells, cells.shape[1] - kept, axis=1)[:, -kept:]
    out = np.zeros((len(cells), count))
    out[:, :kept] = np.sort(top, axis=1)[:, ::-1]
    return out


def e_ratio(bright: Array) -> Array:
    r"""Contrast of the two brightest cells, (n,), 0 to 1.

    .. math:: E_{ratio} = \frac{I_{(1)} - I_{(2)}}{I_{(1)} + I_{(2)}}

    CaloGAN, arXiv:1712.10321. The 1e-6 MeV in the denominator of the authors' code is left out: empty
    layers give 0 here.

    Parameters
    ----------
    bright : array (n, at least 2)
        What `brightest` returns.

    Examples
    --------
    >>> e_ratio(np.array([[3.0, 1.0], [2.0, 0.0], [0.0, 0.0]]))
    array([0.5, 1. , 0. ])
    """
    return per_energy(bright[:, 0] - bright[:, 1], bright[:, 0] + bright[:, 1])


def lateral_moments(cells: Array, positions: Array) -> tuple[Array, Array]:
    r"""Energy-weighted centre and width along some axes.

    .. math:: c = \frac{\sum_i I_i x_i}{E}, \qquad
              \sigma = \sqrt{\frac{\sum_i I_i x_i^2}{E} - c^2}

    CaloGAN (arXiv:1712.10321) with x the centre of the cell's row in mm; CaloFlow (arXiv:2106.05285) adds the columns,
    CaloChallenge (arXiv:2410.21611) uses r cos(alpha), r sin(alpha) and r.

    Parameters
    ----------
    cells : array (n, m)
    positions : array (m, a)
        Coordinate of every cell along each of a axes, mm.

    Returns
    -------
    centre, width : array (n, a)
        In the unit of the positions; 0 for an empty layer, and a width of 0 if all energy has one position.

    Examples
    --------
    >>> lateral_moments(np.array([[1.0, 1.0], [0.0, 5.0], [0.0, 0.0]]), np.array([[-2.0], [2.0]]))
    (array([[0.],
           [2.],
           [0.]]), array([[2.],
           [0.],
           [0.]]))
    """
    axes = positions.shape[1]
    sums = cells @ np.column_stack([positions, positions**2])  # (n, 2 a)
    mean = per_energy(sums, cells.sum(axis=1, keepdims=True))
    centre, square = mean[:, :axes], mean[:, axes:]
    variance = square - centre**2
    return centre, np.sqrt(np.where(variance > ROUNDING * square, variance, 0.0))

"""Quantities along and across the track of the 30 x 30 calorimeter: asymmetries, widths, sparsity.

Of the MLHEP school 2019, whose set-up is that of Chekalina et al., arXiv:1812.01319.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.observables.layer import per_energy

__all__ = ["ALPHAS", "DEPTH", "quantities", "track_quantities"]

Array = NDArray[np.float64]

DEPTH = 25.0
"""Cells from the plane of the point to the depth at which showers are looked at."""
ALPHAS = np.logspace(-5, -1, 20)
"""Shares of the whole energy above which cells are counted."""
ROWS = 4096  # images at a time


def track_quantities(
    images: ArrayLike, momentum: ArrayLike, point: ArrayLike, *, depth: float = DEPTH
) -> dict[str, Array]:
    r"""Compute asymmetries and widths of showers about their tracks.

    The track is projected to :math:`c = (x, y) + d\, (p_x, p_y) / p_z`, in cells from the middle, with d the `depth`;
    its direction there is :math:`u = (p_x, p_y) / p_T`. Rows of an image lie along y, columns along x.

    .. math:: A_\mathrm{along} = \frac{E(u \cdot (r - c) > 0) - E(u \cdot (r - c) < 0)}{E}, \quad
              w_\mathrm{along}^2 = \langle (u \cdot r)^2 \rangle - \langle u \cdot r \rangle^2

    over the cells that the line through c along u crosses; across likewise, with the line at right angles (to the left
    of the track, seen along it with y up).

    Parameters
    ----------
    images : array (n, 30, 30) or (n, h, w)
        Energies.
    momentum : array (n, 3)
    point : array (n, 2) or (n, 3)
        Cells from the middle; the third number is not used.
    depth : float, optional
        Cells.

    Returns
    -------
    dict of array (n,)
        ``asymmetry_along, asymmetry_across`` and, in cells, ``width_along, width_across``; 0 where there is no energy.
        A track at right angles to the cells has no direction there; that of x is taken.

    Raises
    ------
    DataError
        If shapes do not fit, or a momentum along z is not positive.

    Notes
    -----
    The school scales both widths with :math:`\sqrt{1 + (p_y/p_x)^2}`, which is right along the track alone; here the
    width across is scaled with its own direction.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((1, 30, 30))
    >>> image[0, 15, 15:18] = 1.0  # a streak along x, from the middle on
    >>> found = track_quantities(image, [[1.0, 0.0, 25.0]], [[0.0, 0.5]])
    >>> {name: round(float(value[0]), 2) for name, value in found.items()}
    {'asymmetry_along': 0.33, 'asymmetry_across': 0.0, 'width_along': 0.82, 'width_across': 0.0}
    """
    x, p, start = (np.asarray(a, np.float64) for a in (images, momentum, point))
    if x.ndim != 3 or p.shape != (len(x), 3) or start.shape not in {(len(x), 2), (len(x), 3)}:
        msg = (
            f"images {x.shape}, momentum {p.shape}, point {start.shape}: need (n, rows, columns), (n, 3) and (n, 2) or "
            "(n, 3)"
        )
        raise DataError(msg)
    if not (p[:, 2] > 0).all():
        row = int((~(p[:, 2] > 0)).argmax())
        msg = f"momentum of event {row} is {p[row]}: along z it must be positive for a track to meet the cells"
        raise DataError(msg)
    chunks = [slice(k, k + ROWS) for k in range(0, max(len(x), 1), ROWS)]
    parts = [_about(x[rows], p[rows], start[rows], depth) for rows in chunks]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def quantities(images: ArrayLike, momentum: ArrayLike, point: ArrayLike, *, depth: float = DEPTH) -> dict[str, Array]:
    """The 24 numbers that the school scores: `track_quantities` and the sparsity.

    Parameters
    ----------
    images, momentum, point, depth
        See `track_quantities`.

    Returns
    -------
    dict of array (n,)
        Those of `track_quantities`, then ``cells_above_1`` ... ``cells_above_20``: share of the cells with at least
        :data:`ALPHAS` of the image's energy.

    Examples
    --------
    >>> import numpy as np
    >>> found = quantities(np.ones((1, 30, 30)), [[0.0, 0.0, 1.0]], [[0.0, 0.0]])
    >>> len(found), float(found["cells_above_10"][0]), float(found["cells_above_11"][0])
    (24, 1.0, 0.0)
    """
    out = track_quantities(images, momentum, point, depth=depth)
    x = np.asarray(images, np.float64).reshape(len(next(iter(out.values()))), -1)
    total = x.sum(axis=1)
    for k, alpha in enumerate(ALPHAS):
        lit = (x >= (alpha * total)[:, None]) & (total > 0)[:, None]
        out[f"cells_above_{k + 1}"] = np.asarray(lit.mean(axis=1))
    return out


def _about(x: Array, momentum: Array, point: Array, depth: float) -> dict[str, Array]:
    rows, columns = (np.arange(size) - (size - 1) / 2 for size in x.shape[1:])
    across = np.hypot(momentum[:, 0], momentum[:, 1])
    flat = across == 0
    safe = np.where(flat, 1.0, across)
    u = np.stack([np.where(flat, 1.0, momentum[:, 0] / safe), momentum[:, 1] / safe], axis=1)
    centre = point[:, :2] + depth * momentum[:, :2] / momentum[:, 2:]
    dx, dy = columns - centre[:, :1], rows - centre[:, 1:]
    # each (n, rows, columns): place of every cell along the track, and to its left
    ahead = u[:, 0, None, None] * dx[:, None, :] + u[:, 1, None, None] * dy[:, :, None]
    left = u[:, 0, None, None] * dy[:, :, None] - u[:, 1, None, None] * dx[:, None, :]
    # a line crosses a cell if it passes its middle at no more than half of what the cell measures at right angles
    half = (np.abs(u).sum(axis=1) / 2)[:, None, None]
    total, out = x.sum(axis=(1, 2)), {}
    for name, place in (("along", ahead), ("across", left)):
        out[f"asymmetry_{name}"] = per_energy((x * np.sign(place)).sum(axis=(1, 2)), total)
    for name, place, off in (("along", ahead, left), ("across", left, ahead)):
        seen = x * (np.abs(off) <= half)
        energy = seen.sum(axis=(1, 2))
        mean, square = (per_energy((seen * place**k).sum(axis=(1, 2)), energy) for k in (1, 2))
        out[f"width_{name}"] = np.sqrt(np.maximum(square - mean**2, 0.0))
    return out

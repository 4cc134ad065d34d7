"""Six moments of a time-projection chamber's images, and the five variables that they are shown against.

Maevskiy et al., EPJC 81 (2021) 599, arXiv:2012.04595.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.observables.layer import per_energy

__all__ = ["moments", "variables"]

Array = NDArray[np.float64]


def moments(images: ArrayLike) -> dict[str, Array]:
    r"""Compute centre, widths, correlation and sum of images.

    With amplitudes A of pad i and time bin j, both counted from 0, :math:`\langle f \rangle = \sum A f / \sum A`:

    .. math:: \mu_0 = \langle i \rangle, \quad \sigma_0^2 = \langle (i - \mu_0)^2 \rangle, \quad
              \mathrm{cov}_{01} = \langle (i - \mu_0)(j - \mu_1) \rangle

    Parameters
    ----------
    images : array (n, h, w)
        Not negative.

    Returns
    -------
    dict of array (n,)
        ``mean0, mean1`` (pads, time bins), ``sigma0^2, sigma1^2, cov01`` and ``sum``; 0 for empty images.

    Raises
    ------
    DataError
        If these are no images.

    Examples
    --------
    >>> {name: float(value[0]) for name, value in moments([[[3.0, 0.0], [0.0, 1.0]]]).items()}
    {'mean0': 0.25, 'mean1': 0.25, 'sigma0^2': 0.1875, 'sigma1^2': 0.1875, 'cov01': 0.1875, 'sum': 4.0}
    """
    x = np.asarray(images, np.float64)
    if x.ndim != 3:
        msg = f"images have shape {x.shape}: need (n, pads, time bins)"
        raise DataError(msg)
    total = x.sum(axis=(1, 2))
    rows, columns = np.arange(x.shape[1]), np.arange(x.shape[2])
    along, across = x.sum(axis=2), x.sum(axis=1)
    mean0, mean1 = per_energy(along @ rows, total), per_energy(across @ columns, total)
    from0, from1 = rows - mean0[:, None], columns - mean1[:, None]
    return {
        "mean0": mean0,
        "mean1": mean1,
        "sigma0^2": per_energy((along * from0**2).sum(axis=1), total),
        "sigma1^2": per_energy((across * from1**2).sum(axis=1), total),
        "cov01": per_energy(np.einsum("nij,ni,nj->n", x, from0, from1), total),
        "sum": total,
    }


def variables(events: Events) -> dict[str, Array]:
    """Return the five variables that moments depend on.

    Parameters
    ----------
    events : Events
        With the conditions of `facsim.simulators.images.Tpc`.

    Returns
    -------
    dict of array (n,)
        ``crossing_angle, dip_angle, drift_length``, and the fractions of a pad and of a time bin at which the track
        lies: ``pad_fraction, time_fraction``.

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> names = ("crossing_angle", "dip_angle", "drift_length", "pad_coordinate")
    >>> found = variables(Events([[0.0]], [[10, -20, 100.5, 7.25]], Schema((Block("x"),), tuple(map(Block, names)))))
    >>> float(found["pad_fraction"][0]), float(found["time_fraction"][0])
    (0.25, 0.5)
    """
    own = {name: events[name].astype(np.float64) for name in ("crossing_angle", "dip_angle", "drift_length")}
    return own | {
        "pad_fraction": events["pad_coordinate"].astype(np.float64) % 1,
        "time_fraction": own["drift_length"] % 1,
    }

"""Six moments of a time-projection chamber's images, and the five variables that they are shown against.

Maevskiy et al., EPJC 81 (2021) 599, arXiv:2012.04595.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.observables.layer import per_energy

__all__ = ["Bins", "moments", "profiles", "variables"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """A moment in k bins of a variable.

    Parameters
    ----------
    edges : array (k + 1,)
        Of the bins.
    mean, width : array (k,)
        Mean and standard deviation of the moment over the events of each bin; nan in a bin of fewer than two.
    mean_error, width_error : array (k,)
        Their statistical errors; that of the width from the fourth moment, as it is for any law.
    """

    edges: Array
    mean: Array
    width: Array
    mean_error: Array
    width_error: Array


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


RANGES = {
    "crossing_angle": (-20.0, 20.0),
    "dip_angle": (-60.0, 60.0),
    "drift_length": (35.0, 290.0),
    "pad_fraction": (0.0, 1.0),
    "time_fraction": (0.0, 1.0),
}


def profiles(events: Events, *, bins: int = 19) -> dict[tuple[str, str], Bins]:
    """Mean and width of every moment in bins of every variable, over non-empty images.

    Parameters
    ----------
    events : Events
        Of `facsim.simulators.images.Tpc` or a copy of it; without weights.
    bins : int, optional
        Equal bins over each variable's range; 19 as published.

    Returns
    -------
    dict of Bins
        By (moment, variable), thirty in all.

    Raises
    ------
    DataError
        If `bins` is not positive.

    Examples
    --------
    >>> from facsim.simulators.images import Tpc
    >>> found = profiles(Tpc().sample(1000, seed=1), bins=3)["sigma0^2", "drift_length"]
    >>> bool(found.mean[0] < found.mean[1] < found.mean[2])
    True
    """
    if bins < 1:
        msg = f"bins={bins}: at least one is needed"
        raise DataError(msg)
    block = events.schema.block("response")
    six = moments(np.where(events["response"] < block.threshold, 0.0, events["response"]))
    lit = six["sum"] > 0
    out = {}
    for variable, x in variables(events).items():
        edges = np.linspace(*RANGES[variable], bins + 1)
        place = np.searchsorted(edges[1:-1], x[lit], side="right")
        for moment, y in six.items():
            out[moment, variable] = Bins(edges, *_mean_and_width(place, y[lit], bins))
    return out


def _mean_and_width(place: NDArray[np.intp], y: Array, bins: int) -> Array:
    """Mean, width and their errors (4, bins) of values y in bins `place`."""
    n = np.bincount(place, minlength=bins)
    n = np.where(n > 1, n, np.nan)
    mean = np.bincount(place, y, bins) / n
    rest = y - mean[place]
    second, fourth = (np.bincount(place, rest**power, bins) / n for power in (2, 4))
    width = np.sqrt(second * n / (n - 1))
    of_variance = np.sqrt(np.maximum(fourth - second**2, 0) / n)
    wide = np.where(width > 0, width, 1.0)  # a moment that does not vary has no error
    return np.stack([mean, width, width / np.sqrt(n), of_variance / (2 * wide)])

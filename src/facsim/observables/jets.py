"""Quantities of jets from their constituents.

Every function takes ``pt``, ``eta``, ``phi`` (n, m): the constituents of n jets, at most m each, massless. A place
without a constituent has pt = 0, which `facsim.observables.compute` sets where the mask says so. Coordinates relative
to the jet (etarel, phirel, ptrel of JetNet) are as good: momenta and masses are then in units of the jet's pt. A jet
without constituents gives 0 for everything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.observables.layer import per_energy

__all__ = ["exclusive_axes", "four_momentum", "observables", "subjettiness"]

Array = NDArray[np.float64]

CHUNK_VALUES = 2**21  # of arrays (jets, constituents, constituents)


def observables(pt: Array, eta: Array, phi: Array, *, extended: bool = False) -> dict[str, Array]:
    """Compute the quantities of jets.

    Parameters
    ----------
    pt, eta, phi : array (n, m)
    extended : bool
        Also the 36 energy-flow polynomials of degree up to 4 (`facsim.observables.efp`).

    Returns
    -------
    dict of array (n,)
        ``jet_pt``, ``jet_mass`` (unit of pt), ``jet_eta``, ``multiplicity``, ``tau1``, ``tau2``, ``tau21``; if extended
        ``efp_0`` and so on.

    Examples
    --------
    >>> found = observables(np.array([[3.0, 4.0]]), np.array([[-0.1, 0.1]]), np.zeros((1, 2)))
    >>> {name: round(float(v[0]), 4) for name, v in found.items() if name in ("jet_pt", "jet_mass", "tau1")}
    {'jet_pt': 7.0, 'jet_mass': 0.694, 'tau1': 0.0857}
    """
    energy, px, py, pz = four_momentum(pt, eta, phi)
    transverse = np.hypot(px, py)
    out = {
        "jet_pt": transverse,
        "jet_mass": np.sqrt(np.maximum(energy**2 - transverse**2 - pz**2, 0.0)),
        "jet_eta": np.arcsinh(per_energy(pz, transverse)),
        "multiplicity": np.count_nonzero(pt > 0, axis=1).astype(np.float64),
        "tau1": np.zeros(len(pt)),
        "tau2": np.zeros(len(pt)),
    }
    for start in range(0, len(pt), step := max(1, CHUNK_VALUES // max(1, pt.shape[1] ** 2))):
        rows = slice(start, start + step)
        some = pt[rows], eta[rows], phi[rows]
        out["tau1"][rows] = subjettiness(*some, np.argmax(pt[rows], axis=1)[:, None])
        out["tau2"][rows] = subjettiness(*some, exclusive_axes(*some))
    out["tau21"] = per_energy(out["tau2"], out["tau1"])
    if extended:
        from facsim.observables.efp import energy_flow_polynomials

        out |= energy_flow_polynomials(pt, eta, phi)
    return out


def four_momentum(pt: Array, eta: Array, phi: Array) -> tuple[Array, Array, Array, Array]:
    r"""Sums over the constituents: energy, px, py, pz, each (n,), with :math:`E = p_T \cosh\eta`."""
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return (pt * np.cosh(eta)).sum(axis=1), x.sum(axis=1), y.sum(axis=1), z.sum(axis=1)


def subjettiness(pt: Array, eta: Array, phi: Array, axes: NDArray[np.intp]) -> Array:
    r"""N-subjettiness around given axes, (n,).

    .. math:: \tau_N = \frac{\sum_i p_{T,i} \min_k \Delta R_{ik}}{\sum_i p_{T,i}}

    Parameters
    ----------
    pt, eta, phi : array (n, m)
    axes : array (n, N)
        Numbers of the constituents whose directions are the axes.

    Notes
    -----
    Thaler and Van Tilburg, arXiv:1011.2268, with R0 = 1 and beta = 1. With the axes of LAGAN: the hardest constituent
    for N = 1, `exclusive_axes` for N = 2.
    """
    e, p = np.take_along_axis(eta, axes, axis=1), np.take_along_axis(phi, axes, axis=1)
    distance = np.hypot(eta[:, :, None] - e[:, None], _wrapped(phi[:, :, None] - p[:, None]))  # (n, m, N)
    return per_energy((pt * distance.min(axis=2)).sum(axis=1), pt.sum(axis=1))


def exclusive_axes(pt: Array, eta: Array, phi: Array, count: int = 2) -> NDArray[np.intp]:
    r"""Numbers of the constituents that remain when the nearest pairs are merged, (n, count).

    Pairs with the least :math:`\min(p_{T,i}, p_{T,j})^2 \Delta R_{ij}^2` (kt distance) become one in the direction of
    the harder (winner takes all) with the sum of the momenta, until `count` are left. Jets with fewer constituents
    repeat one.
    """
    n, m = pt.shape
    momentum = np.where(pt > 0, pt, 0.0)
    left = (momentum > 0).sum(axis=1)
    angle = (eta[:, :, None] - eta[:, None]) ** 2 + _wrapped(phi[:, :, None] - phi[:, None]) ** 2  # (n, m, m)
    distance = np.minimum(momentum[:, :, None], momentum[:, None]) ** 2 * angle
    distance[:, np.arange(m), np.arange(m)] = np.inf
    gone = momentum == 0
    distance[gone] = np.inf
    np.swapaxes(distance, 1, 2)[gone] = np.inf
    events = np.arange(n)
    while (busy := events[left > count]).size:
        first, second = np.unravel_index(distance[busy].reshape(len(busy), -1).argmin(axis=1), (m, m))
        swap = momentum[busy, first] < momentum[busy, second]
        winner, loser = np.where(swap, second, first), np.where(swap, first, second)
        momentum[busy, winner] += momentum[busy, loser]
        momentum[busy, loser] = 0.0
        left[busy] -= 1
        new = np.minimum(momentum[busy, winner, None], momentum[busy]) ** 2 * angle[busy, winner]
        new[momentum[busy] == 0] = np.inf
        new[np.arange(len(busy)), winner] = np.inf
        distance[busy, winner], distance[busy, :, winner] = new, new
        distance[busy, loser], distance[busy, :, loser] = np.inf, np.inf
    top = np.argsort(-momentum, axis=1, kind="stable")[:, np.minimum(np.arange(count), m - 1)]
    return np.where(np.take_along_axis(momentum, top, axis=1) > 0, top, top[:, :1])


def _wrapped(difference: Array) -> Array:
    """Angles within -pi to pi."""
    return np.asarray((difference + np.pi) % (2 * np.pi) - np.pi)

"""Quantities of the energies per layer: how a shower develops in depth.

Every function takes ``energies`` (n, layers), front to back, in MeV. A shower without energy gives 0. Layers are
counted 0, 1, 2, ... in storage order, whatever number their name carries (CaloChallenge 1 calls its fifth layer 12).
All formulas: CaloGAN, arXiv:1712.10321, extended from three to any number of layers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.observables.layer import per_energy

__all__ = ["depth_width", "lateral_depth", "layer_fractions", "max_depth", "response", "shower_depth"]

Array = NDArray[np.float64]


def layer_fractions(energies: Array) -> Array:
    r"""Share of each layer in the sum, :math:`f_i = E_i / E_{tot}`, (n, layers).

    Examples
    --------
    >>> layer_fractions(np.array([[1.0, 3.0], [0.0, 0.0]]))
    array([[0.25, 0.75],
           [0.  , 0.  ]])
    """
    return per_energy(energies, energies.sum(axis=1, keepdims=True))


def max_depth(energies: Array) -> Array:
    """Deepest layer with energy, (n,): 0, 1, ..., layers - 1.

    Examples
    --------
    >>> max_depth(np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]]))
    array([1., 0.])
    """
    return np.asarray(np.where(energies > 0, np.arange(energies.shape[1]), 0).max(axis=1), np.float64)


def lateral_depth(energies: Array) -> Array:
    r"""Depth-weighted energy :math:`l_d = \sum_i i E_i`, (n,), MeV (the paper's name for it is lateral depth).

    Examples
    --------
    >>> lateral_depth(np.array([[1.0, 3.0, 2.0]]))
    array([7.])
    """
    return np.asarray(energies @ np.arange(energies.shape[1], dtype=np.float64))


def shower_depth(energies: Array) -> Array:
    r"""Energy-weighted mean layer :math:`s_d = l_d / E_{tot}`, (n,).

    Examples
    --------
    >>> shower_depth(np.array([[1.0, 2.0, 1.0]]))
    array([1.])
    """
    return per_energy(lateral_depth(energies), energies.sum(axis=1))


def depth_width(energies: Array) -> Array:
    r"""Spread of the layer number, :math:`\sigma_{s_d} = \sqrt{\sum_i i^2 E_i / E_{tot} - s_d^2}`, (n,).

    Examples
    --------
    >>> depth_width(np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 4.0]]))
    array([1., 0.])
    """
    offset = np.arange(energies.shape[1]) - shower_depth(energies)[:, None]
    # the same as the difference of the formula, without its cancellation
    return np.sqrt(per_energy((offset**2 * energies).sum(axis=1), energies.sum(axis=1)))


def response(total: Array, incident: Array) -> Array:
    r"""Deposited over incident energy :math:`E_{tot} / E_{inc}`, (n,); both in the same unit.

    Examples
    --------
    >>> response(np.array([9.0]), np.array([10.0]))
    array([0.9])
    """
    return per_energy(total, incident)

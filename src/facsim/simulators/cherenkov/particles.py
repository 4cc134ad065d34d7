"""The five charged particles that reach the detectors alive."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, nearest

__all__ = ["ALL", "CTAU", "LONG_NAMES", "MASS", "PARTICLES", "PION", "decayed", "species_of"]

Array = NDArray[np.float64]

PARTICLES = ("e", "mu", "pi", "K", "p")
"""Names, in the order of all tables and of the category `particle`."""
ALL = "all"
"""Instead of a particle's name: all five, each as often, and `particle` is a condition."""
LONG_NAMES = {"electron": "e", "muon": "mu", "pion": "pi", "kaon": "K", "k": "K", "proton": "p"}
MASS = np.array([0.000510999, 0.1056584, 0.1395704, 0.493677, 0.9382721])
"""GeV (Particle Data Group 2024)."""
CTAU = np.array([np.inf, 658.638, 7.8045, 3.711, np.inf])
"""Mean life times the speed of light, m (Particle Data Group 2024)."""
PION = PARTICLES.index("pi")


def species_of(particle: str, *, mixed: bool = True) -> int | None:
    """Index of a particle in `PARTICLES`; None for `ALL`.

    Parameters
    ----------
    particle : str
        A short or a long name, or (if `mixed`) ``all``.
    mixed : bool, optional

    Raises
    ------
    DataError
        For an unknown name, with the nearest.

    Examples
    --------
    >>> species_of("kaon"), species_of("mu"), species_of("all")
    (3, 1, None)
    """
    known = [*PARTICLES, *([ALL] if mixed else [])]
    short = LONG_NAMES.get(particle, particle)
    if short not in known:
        msg = f"particle='{particle}': known are {known}.{nearest(str(particle), [*known, *LONG_NAMES])}"
        raise DataError(msg)
    return None if short == ALL else PARTICLES.index(short)


def decayed(momentum: ArrayLike, species: NDArray[np.intp], metres: float) -> Array:
    r"""Probability of a decay within a distance: :math:`1 - \exp(-L m / (p\,c\tau))`.

    Parameters
    ----------
    momentum : array (n,)
        GeV.
    species : int array (n,)
        Index in `PARTICLES`.
    metres : float
        Distance L.

    Examples
    --------
    >>> decayed([10.0], np.array([3]), 10.0).round(3)  # kaons of 10 GeV
    array([0.125])
    """
    return np.asarray(-np.expm1(-metres * MASS[species] / (np.asarray(momentum, np.float64) * CTAU[species])))

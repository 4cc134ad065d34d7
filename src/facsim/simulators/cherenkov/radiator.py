"""A Cherenkov radiator: at which angle a particle shines, and how many photons are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.simulators.cherenkov.particles import MASS

__all__ = ["Radiator"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Radiator:
    r"""A transparent medium of refractive index n and length L.

    A particle of velocity :math:`\beta` shines at :math:`\cos\theta_c = 1/(n\beta)` if :math:`n\beta > 1`, and
    :math:`N_0 L \sin^2\theta_c` of its photons are seen on average (Frank and Tamm, 1937, with the efficiency in
    :math:`N_0`).

    Parameters
    ----------
    name : str
    index : float
        Refractive index n, averaged over the photons that are seen.
    length : float
        L, cm.
    n0 : float
        Figure of merit :math:`N_0`, photons per cm.
    sigma : float
        Resolution of the angle of one photon, rad.
    window : float
        Photons are looked for at angles from 0 to here, rad.

    Examples
    --------
    >>> gas = Radiator("C4F10", index=1.0014, length=95.0, n0=77.0, sigma=1.6e-3, window=0.08)
    >>> float(gas.threshold(0.493677).round(2)), gas.angle([5.0, 50.0], 0.493677).round(4).tolist()  # kaons
    (9.33, [0.0, 0.052])
    """

    name: str
    index: float
    length: float
    n0: float
    sigma: float
    window: float

    def threshold(self, mass: ArrayLike = MASS) -> Array:
        r"""Momentum above which a particle shines, in the unit of its mass: :math:`m / \sqrt{n^2 - 1}`."""
        return np.asarray(np.asarray(mass, np.float64) / np.sqrt(self.index**2 - 1))

    def sin2(self, momentum: ArrayLike, mass: ArrayLike = MASS) -> Array:
        r""":math:`\sin^2\theta_c = 1 - (1 + m^2/p^2)/n^2`, and 0 below threshold; momentum and mass broadcast, GeV."""
        p, m = np.asarray(momentum, np.float64), np.asarray(mass, np.float64)
        return np.asarray(np.maximum(1 - (1 + (m / p) ** 2) / self.index**2, 0))

    def angle(self, momentum: ArrayLike, mass: ArrayLike = MASS) -> Array:
        """Cherenkov angle in rad, 0 below threshold; momentum and mass broadcast, GeV."""
        return np.asarray(np.arcsin(np.sqrt(self.sin2(momentum, mass))))

    def photons(self, momentum: ArrayLike, mass: ArrayLike = MASS) -> Array:
        r"""Mean number of photons seen, :math:`N_0 L \sin^2\theta_c`; momentum and mass broadcast, GeV."""
        return np.asarray(self.n0 * self.length * self.sin2(momentum, mass))

r"""The likelihood of a ring: how well its photons fit to each particle, and to none.

For track t and hypothesis h with :math:`\mu_h` expected photons at the angle :math:`\theta_h`, above a background of
uniform density :math:`\rho` per rad, the extended likelihood of the photons' angles is

.. math:: \ln L_h = -\mu_h - \rho W + \sum_i \ln\left(\mu_h\,\mathcal N(\theta_i; \theta_h, \sigma) + \rho\right).

Divided by the likelihood of no ring at all ("below threshold", :math:`\mu = 0`) the background's own terms cancel:

.. math:: \lambda_h = -\mu_h + \sum_i \ln\left(1 + \mu_h\,\mathcal N(\theta_i; \theta_h, \sigma) / \rho\right).

So a hypothesis below its threshold has :math:`\lambda_h = 0`, without a case of its own, and a track without photons
has :math:`\lambda_h = -\mu_h`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.simulators.cherenkov.particles import PARTICLES, PION

__all__ = ["differences", "log_ratios", "ring", "uniform"]

Array = NDArray[np.float64]
Owners = NDArray[np.intp]

TAIL_SHARE, TAIL_WIDTH = 0.08, 3.0
"""So many photons have a resolution that is so much wider (scattered light, far ends of the spectrum)."""


def log_ratios(
    angles: ArrayLike, owner: ArrayLike, theta: ArrayLike, mean: ArrayLike, sigma: ArrayLike, density: ArrayLike
) -> Array:
    r"""Log-likelihood ratio :math:`\lambda_h` of every track and hypothesis to no ring at all.

    Parameters
    ----------
    angles : array (m,)
        Angle of every photon to its track, rad.
    owner : int array (m,)
        Track of every photon.
    theta, mean : array (n, h)
        Angle :math:`\theta_h` and number :math:`\mu_h` of photons that the hypothesis expects.
    sigma : array (n,) or float
        Resolution of one photon's angle.
    density : array (n,) or float
        Background :math:`\rho`, photons per rad.

    Returns
    -------
    array (n, h)

    Examples
    --------
    >>> log_ratios([], [], theta=[[0.05, 0.0]], mean=[[20.0, 0.0]], sigma=1e-3, density=100.0)
    array([[-20.,   0.]])
    """
    angles, owner = np.asarray(angles, np.float64), np.asarray(owner, np.intp)
    theta, mean = np.asarray(theta, np.float64), np.asarray(mean, np.float64)
    n = len(theta)
    sigma = np.broadcast_to(np.asarray(sigma, np.float64), n)
    narrow = np.sqrt(0.5) / sigma
    peak = mean / (np.sqrt(2 * np.pi) * sigma * density)[:, None]
    out = np.empty_like(mean)
    for h in range(theta.shape[1]):
        pull = (angles - theta[owner, h]) * narrow[owner]
        gain = np.log1p(peak[owner, h] * np.exp(-pull * pull))
        out[:, h] = np.bincount(owner, gain, n) - mean[:, h]
    return out


def differences(ratios: Array) -> dict[str, Array]:
    """Differences to the pion hypothesis by name: e, mu, K, p, and bt (below threshold).

    Parameters
    ----------
    ratios : array (n, 5)
        From `log_ratios`, in the order of `PARTICLES`; those of several radiators add.

    Examples
    --------
    >>> {k: v.tolist() for k, v in differences(np.array([[3.0, 2.0, 1.0, 0.0, 0.0]])).items()}
    {'e': [2.0], 'mu': [1.0], 'K': [-1.0], 'p': [-1.0], 'bt': [-1.0]}
    """
    pion = ratios[:, PION]
    named = {name: ratios[:, i] - pion for i, name in enumerate(PARTICLES) if i != PION}
    return named | {"bt": -pion}


def ring(
    rng: np.random.Generator, theta: Array, mean: Array, sigma: ArrayLike, offset: ArrayLike
) -> tuple[Array, Owners]:
    r"""Draw the photons of n tracks: their angles (m,), rad, and tracks (m,).

    :math:`\theta_i = |\theta_c + \sigma z_i + \delta\cos\phi_i|`: the ring is measured from a track whose direction is
    known up to :math:`\delta`, and photons are uniform in azimuth. `TAIL_SHARE` of them are measured worse.

    Parameters
    ----------
    rng : Generator
    theta, mean : array (n,)
        Angle and expected number.
    sigma, offset : array (n,) or float
        Resolution of one photon, and error :math:`\delta` of the track's direction, rad.
    """
    number, error, azimuth, tail = rng.spawn(4)  # one stream each: photons of a track do not depend on later tracks
    owner = np.repeat(np.arange(len(theta)), number.poisson(mean))
    m = len(owner)
    width = np.broadcast_to(np.asarray(sigma, np.float64), theta.shape)[owner]
    width = np.where(tail.random(m) < TAIL_SHARE, TAIL_WIDTH * width, width)
    shift = np.broadcast_to(np.asarray(offset, np.float64), theta.shape)[owner] * np.cos(2 * np.pi * azimuth.random(m))
    return np.abs(theta[owner] + width * error.standard_normal(m) + shift), owner


def uniform(rng: np.random.Generator, mean: Array, window: float) -> tuple[Array, Owners]:
    """Draw background photons, uniform in angle from 0 to `window`: their angles (m,) and tracks (m,)."""
    number, place = rng.spawn(2)
    owner = np.repeat(np.arange(len(mean)), number.poisson(mean))
    return window * place.random(len(owner)), owner

"""sWeights: what a fit of one variable says about the others (Pivk and Le Diberder, arXiv:physics/0402083)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError

__all__ = ["signal_yield", "sweights"]

Array = NDArray[np.float64]


def signal_yield(signal: ArrayLike, background: ArrayLike) -> float:
    r"""Fit the number of signal events by maximum likelihood, the shapes being known.

    Maximises :math:`\sum_e \ln(s\,f_s(m_e) + (1 - s) f_b(m_e))`; the extended likelihood has its maximum at
    :math:`N_s = s n, N_b = (1 - s) n`.

    Parameters
    ----------
    signal, background : array (n,)
        Densities :math:`f_s, f_b` of the discriminating variable at every event.

    Returns
    -------
    float
        Between 0 and n.

    Examples
    --------
    >>> signal_yield([1, 1, 1, 0], [0, 1, 1, 1])
    2.0
    """
    from scipy import optimize

    s, b = (np.asarray(f, np.float64) for f in (signal, background))
    if (
        s.shape != b.shape
        or s.ndim != 1
        or len(s) == 0
        or not (np.maximum(s, b) > 0).all()
        or min(s.min(), b.min()) < 0
    ):
        msg = f"densities of shapes {s.shape} and {b.shape}: give both at the same n events, not negative nor both zero"
        raise DataError(msg)
    tiny = 1e-9

    def slope(share: float) -> float:
        return float(((s - b) / (share * s + (1 - share) * b)).sum())

    if slope(tiny) <= 0:
        return 0.0
    if slope(1 - tiny) >= 0:
        return float(len(s))
    return float(len(s) * optimize.brentq(slope, tiny, 1 - tiny, xtol=1e-12))


def sweights(signal: ArrayLike, background: ArrayLike, n_signal: float, n_background: float) -> Array:
    r"""Weights that leave the signal of every variable that is independent of the fitted one.

    .. math:: w_e = \frac{V_{ss} f_s(m_e) + V_{sb} f_b(m_e)}{N_s f_s(m_e) + N_b f_b(m_e)}, \qquad
              (V^{-1})_{ij} = \sum_e \frac{f_i(m_e) f_j(m_e)}{(N_s f_s(m_e) + N_b f_b(m_e))^2}

    Parameters
    ----------
    signal, background : array (n,)
        Densities at every event.
    n_signal, n_background : float
        Yields; of `signal_yield`, the weights then add up to `n_signal`.

    Returns
    -------
    array (n,)
        Weights of the signal; many are negative.

    Raises
    ------
    DataError
        If a yield is zero, or the densities are the same wherever there are events: then there is nothing to separate.

    Examples
    --------
    >>> sweights([1, 1, 1, 0], [0, 1, 1, 1], 2.0, 2.0).tolist()
    [1.5, 0.5, 0.5, -0.5]
    """
    densities = np.stack([np.asarray(f, np.float64) for f in (signal, background)])
    if min(n_signal, n_background) <= 0:
        msg = (
            f"yields {n_signal:g} and {n_background:g}: both must be positive; take more events, or none of the weights"
        )
        raise DataError(msg)
    total = np.array([n_signal, n_background]) @ densities
    inverse = (densities / total**2) @ densities.T
    if not np.linalg.det(inverse) > 1e-9 * inverse[0, 0] * inverse[1, 1]:
        msg = "densities of signal and background are proportional: the variable does not tell them apart. Take another"
        raise DataError(msg)
    return np.asarray(np.linalg.inv(inverse)[0] @ densities / total)

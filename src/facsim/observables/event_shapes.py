r"""Shapes of whole events from the momenta of their particles, as measured in e+e- annihilation.

Every function takes momenta ``p`` (n, m, 3): n events of at most m particles; a place without a particle is (0, 0, 0).
An event without particles gives 0 for everything.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["broadenings", "event_shapes", "tensor_eigenvalues", "thrust"]

Array = NDArray[np.float64]

HARDEST = 4
MOST_STEPS = 30
CHUNK = 512  # events at once: a few MB of work space


def event_shapes(p: Array) -> dict[str, Array]:
    r"""All event shapes.

    .. math::
        1 - T,\quad
        S = \tfrac32 (\lambda_2 + \lambda_3),\quad A = \tfrac32 \lambda_3,\quad
        C = 3 (\mu_1\mu_2 + \mu_2\mu_3 + \mu_3\mu_1),\quad D = 27 \mu_1\mu_2\mu_3

    with eigenvalues :math:`\lambda` of the quadratic and :math:`\mu` of the linear momentum tensor
    (`tensor_eigenvalues`).

    Parameters
    ----------
    p : array (n, m, 3)

    Returns
    -------
    dict of array (n,)
        ``one_minus_thrust``, ``sphericity``, ``aplanarity``, ``c_parameter``, ``d_parameter``, ``wide_broadening``,
        ``total_broadening``. Two back-to-back particles have 0 everywhere; isotropic events 1/2, 1, 1/2, 1, 1 and for
        the broadenings :math:`\pi/16` and :math:`\pi/8`.

    Notes
    -----
    Thrust: E. Farhi, PRL 39 (1977) 1587. Sphericity and aplanarity: J. D. Bjorken, S. J. Brodsky, PRD 1 (1970) 1416.
    C and D: R. K. Ellis, D. A. Ross, A. E. Terrano, NPB 178 (1981) 421. Broadenings: S. Catani, G. Turnock,
    B. R. Webber, PLB 295 (1992) 269.

    Examples
    --------
    >>> back_to_back = np.array([[[0.0, 0, 3], [0, 0, -3]]])
    >>> {name: float(v[0]) for name, v in event_shapes(back_to_back).items()}["one_minus_thrust"]
    0.0
    """
    parts = [_shapes(p[k : k + CHUNK]) for k in range(0, len(p), CHUNK)] or [_shapes(np.zeros((0, 1, 3)))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _shapes(p: Array) -> dict[str, Array]:
    value, axis = thrust(p)
    wide, total = broadenings(p, axis)
    quadratic, linear = tensor_eigenvalues(p, 2), tensor_eigenvalues(p, 1)
    a, b, c = linear.T
    return {
        "one_minus_thrust": np.where(value > 0, 1 - value, 0.0),
        "sphericity": 1.5 * (quadratic[:, 1] + quadratic[:, 2]),
        "aplanarity": 1.5 * quadratic[:, 2],
        "c_parameter": 3 * (a * b + b * c + c * a),
        "d_parameter": 27 * a * b * c,
        "wide_broadening": wide,
        "total_broadening": total,
    }


def thrust(p: Array) -> tuple[Array, Array]:
    r"""Thrust :math:`T = \max_n \sum_i |p_i \cdot n| / \sum_i |p_i|` and its axis.

    From each of eight axes, the sums with either sign of the four hardest momenta, the sum over all momenta with the
    sign of their component along the axis gives a better one, until nothing changes.

    Parameters
    ----------
    p : array (n, m, 3)

    Returns
    -------
    thrust : array (n,)
        1/2 to 1. In 1 % of hadronic Z decays it is not the highest maximum; the mean over them is 1e-6 too small.
    axis : array (n, 3)
    """
    length = np.linalg.norm(p, axis=2)
    count = min(HARDEST, p.shape[1])
    hardest = np.take_along_axis(p, np.argsort(-length, axis=1)[:, :count, None], axis=1)
    signs = np.array([(1, *s) for s in product((1, -1), repeat=count - 1)], np.float64)
    axes = signs @ hardest  # (n, starts, 3)
    reached = np.zeros(axes.shape[:2])
    across = np.swapaxes(p, 1, 2)  # (n, 3, m)
    for _ in range(MOST_STEPS):
        axes = np.where(axes @ across >= 0, 1.0, -1.0) @ p
        before, reached = reached, np.linalg.norm(axes, axis=2)
        if (reached <= before * (1 + 1e-12)).all():
            break
    best = reached.argmax(axis=1)[:, None]
    top, axis = np.take_along_axis(reached, best, 1)[:, 0], np.take_along_axis(axes, best[..., None], 1)[:, 0]
    total = length.sum(axis=1)
    norm = np.where(top > 0, top, 1.0)
    return np.minimum(top / np.where(total > 0, total, 1.0), 1.0), axis / norm[:, None]


def tensor_eigenvalues(p: Array, power: int) -> Array:
    r"""Eigenvalues (n, 3), largest first, of :math:`\sum_i |p_i|^{r-2} p_i p_i^T / \sum_i |p_i|^r`.

    Parameters
    ----------
    p : array (n, m, 3)
    power : int
        r: 2 for sphericity, 1 for C and D.
    """
    length = np.linalg.norm(p, axis=2)
    scale = np.where(length > 0, length, 1.0) ** (power - 2)
    total = (scale * length**2).sum(axis=1)
    tensor = np.swapaxes(p * scale[..., None], 1, 2) @ p / np.where(total > 0, total, 1.0)[:, None, None]
    return np.asarray(np.linalg.eigvalsh(tensor)[:, ::-1].clip(0.0))


def broadenings(p: Array, axis: Array) -> tuple[Array, Array]:
    r"""Wide and total jet broadening: :math:`B = \sum_{i \in H} |p_i \times n| / (2 \sum_i |p_i|)` of both hemispheres.

    Parameters
    ----------
    p : array (n, m, 3)
    axis : array (n, 3)
        Unit vectors: thrust axes.

    Returns
    -------
    wide, total : array (n,)
        The larger one, and the sum.
    """
    length = np.linalg.norm(p, axis=2)
    along = np.einsum("nmi,ni->nm", p, axis)
    across = np.sqrt(np.maximum(length**2 - along**2, 0.0))
    total = 2 * length.sum(axis=1)
    share = across / np.where(total > 0, total, 1.0)[:, None]
    one, two = (np.where(along >= 0, share, 0.0)).sum(1), (np.where(along < 0, share, 0.0)).sum(1)
    return np.maximum(one, two), one + two

r"""N-subjettiness of one jet with axes that are first found by clustering and then improved.

.. math:: \tau_N = \frac{\sum_i p_{T,i} \min_k \Delta R_{ik}}{\sum_i p_{T,i}}

Thaler and Van Tilburg, arXiv:1011.2268 and 1108.2701, with beta = 1 and R0 = 1; winner-take-all axes: Larkoski, Neill
and Thaler, arXiv:1401.2158.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.errors import require
from facsim.simulators.jets.clustering import massless, wrapped

__all__ = ["subjettiness", "winner_take_all"]

Array = NDArray[np.float64]

STEPS = 100
CLOSE_ENOUGH = 1e-4
"""Axes that move less in a step have arrived; tau, which is flat there, is then right to about 1e-8."""
SAME_PLACE = 1e-9


def subjettiness(parts: Array, count: int) -> float:
    """N-subjettiness of a jet with N = `count` axes: from winner-take-all kt axes to the nearest minimum.

    Parameters
    ----------
    parts : array (m, 3)
        pT, pseudorapidity and azimuth of the constituents.
    count : int
        Jets with no more constituents have 0.

    Examples
    --------
    >>> jet = np.array([[50.0, 0.0, 0.0], [30.0, 0.1, 0.0], [20.0, 0.0, 0.4]])
    >>> [round(subjettiness(jet, n), 6) for n in (1, 2, 3)]
    [0.11, 0.03, 0.0]
    """
    if len(parts) <= count:
        return 0.0
    pt, places = parts[:, 0], np.stack([parts[:, 1], wrapped(parts[:, 2] - parts[0, 2])], axis=1)
    start = winner_take_all(parts, count)
    axes = np.stack([start[:, 0], wrapped(start[:, 1] - parts[0, 2])], axis=1)
    best = _distances(places, axes).min(axis=1) @ pt
    for _ in range(STEPS):
        moved = _step(pt, places, axes)
        far = np.abs(moved - axes).max()
        axes = moved
        best = min(best, _distances(places, axes).min(axis=1) @ pt)
        if far < CLOSE_ENOUGH:
            break
    return float(best / pt.sum())


def winner_take_all(parts: Array, count: int) -> Array:
    """Directions (count, 2) of the exclusive kt jets of `parts` (m, 3), each that of its hardest branch.

    Raises
    ------
    MissingExtra
        If fastjet is not installed.
    """
    fj = require("fastjet", "pythia", "simulating jets")
    definition = fj.JetDefinition(fj.kt_algorithm, fj.JetDefinition.max_allowable_R, fj.WTA_pt_scheme)
    sequence = fj.ClusterSequence(massless(parts), definition)
    return np.array([(jet.eta(), jet.phi_std()) for jet in sequence.exclusive_jets(count)])


def _step(pt: Array, places: Array, axes: Array) -> Array:
    """One step of every axis towards the weighted median of the constituents that are nearest to it.

    Weiszfeld's mean with weights pT / distance. Where an axis sits on a constituent, that weight is infinite; the pull
    of all others then decides whether, and how far, it moves (Vardi and Zhang, PNAS 97 (2000) 1423).
    """
    distances = _distances(places, axes)
    nearest = distances.argmin(axis=1)
    moved = axes.copy()
    for number, axis in enumerate(axes):
        mine = nearest == number
        here = mine & (distances[:, number] < SAME_PLACE)
        others = mine & ~here
        if not others.any():
            continue
        weights = pt[others] / distances[others, number]
        mean = weights @ places[others] / weights.sum()
        pull = np.hypot(*(weights @ (places[others] - axis)))
        stay = min(1.0, pt[here].sum() / pull) if pull > 0 else 1.0
        moved[number] = (1 - stay) * mean + stay * axis
    return moved


def _distances(places: Array, axes: Array) -> Array:
    difference = places[:, None] - axes  # (m, N, 2)
    return np.asarray(np.hypot(difference[..., 0], difference[..., 1]))

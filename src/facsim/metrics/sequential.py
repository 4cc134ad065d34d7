"""A test that may be looked at after every event: evidence that a stream is not of the truth of a finite reference."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facsim.metrics.samples import Array

__all__ = ["block_numbers", "log_evidence", "reference_blocks"]

MOST_BLOCKS = 64
FEWEST_IN_BLOCK = 8
COARSEST = 4
CONCENTRATIONS = 4.0 ** np.arange(7)
"""Per block: alternatives whose shares deviate by about 100, 50, 25, 12, 6, 3 and 1.5 %."""


def reference_blocks(values: Array, ties: Array) -> tuple[Array, Array, Array]:
    """Divide the line at order statistics of the reference.

    Parameters
    ----------
    values : array (n,)
    ties : array (n,)
        Uniform random numbers that order equal values.

    Returns
    -------
    cuts, cut_ties : array (k - 1,)
        The order statistics and their random numbers; k is a power of 2.
    size : array (k,)
        Gaps between neighbouring order statistics in each block, n + 1 in all.
    """
    n = len(values)
    blocks = min(MOST_BLOCKS, 2 ** int(np.log2((n + 1) / FEWEST_IN_BLOCK)))
    ranks = np.round(np.arange(blocks + 1) * (n + 1) / blocks).astype(int)
    order = np.lexsort((ties, values))[ranks[1:-1] - 1]
    return values[order], ties[order], np.array([b - a for a, b in pairwise(ranks)], np.float64)


def block_numbers(values: Array, ties: Array, cuts: Array, cut_ties: Array) -> NDArray[np.intp]:
    """Block of each event; equal values are ordered by their random numbers."""
    low, high = np.searchsorted(cuts, values, "left"), np.searchsorted(cuts, values, "right")
    number = low
    for start in np.unique(low[high > low]):
        rows = (low == start) & (high > low)
        stop = high[rows][0]
        number[rows] = start + np.searchsorted(cut_ties[start:stop], ties[rows])
    return number


def log_evidence(counts: Array, null: Array, centre: Array) -> Array:
    r"""Logarithm of the evidence (e-value) that counts do not come from the reference's truth.

    .. math:: E = \left\langle \frac{DM(b \mid c\,\hat\pi)}{DM(b \mid a)} \right\rangle_{c,\,blocks}

    Parameters
    ----------
    counts : array (m, k)
        Events of the stream in the blocks of each of m quantities.
    null : array (m, k)
        a: gaps of the reference, and events of the truth that came before.
    centre : array (m, k)
        Around what the alternatives scatter, of any normalisation: the gaps of the reference.

    Returns
    -------
    array (m,)
        Its expectation is at most 1 for a stream of the truth, whenever one stops (Ville): the chance that it ever
        reaches 1/alpha is at most alpha.

    Notes
    -----
    The shares of a truth between order statistics of n of its events follow a Dirichlet distribution with the numbers
    of gaps as parameters, whatever the truth (Wilks 1942; equal values ordered at random). Counts of further events
    are then Dirichlet-multinomial, DM, exactly, the finite reference included. Alternatives are Dirichlet-multinomial,
    too, with seven concentrations c, in blocks of five sizes; their mean is again a test martingale. For e-values see
    Ramdas et al., Statistical Science 38 (2023) 576.
    """
    from scipy.special import logsumexp

    found = []
    while counts.shape[-1] >= COARSEST:
        share = centre / centre.sum(axis=-1, keepdims=True)
        total = CONCENTRATIONS[:, None, None] * counts.shape[-1]
        found.append(_log_likelihood(counts, total * share) - _log_likelihood(counts, null))
        counts, null, centre = (_merged(a) for a in (counts, null, centre))
    table = np.concatenate(found)  # (blocks x concentrations, m)
    return np.asarray(logsumexp(table, axis=0) - np.log(len(table)))


def _log_likelihood(counts: Array, a: Array) -> Array:
    """Dirichlet-multinomial probability of a sequence with these counts."""
    from scipy.special import gammaln

    total = a.sum(axis=-1)
    return np.asarray(
        gammaln(total) - gammaln(total + counts.sum(axis=-1)) + (gammaln(a + counts) - gammaln(a)).sum(axis=-1)
    )


def _merged(a: Array) -> Array:
    return np.asarray(a.reshape(*a.shape[:-1], -1, 2).sum(axis=-1))

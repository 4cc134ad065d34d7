"""Precision, recall, density and coverage: whether each sample lies where the other is."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.blocks import Normalise, Sample, prepare
from facsim.metrics.samples import Array, require_non_negative

__all__ = ["PRDC", "precision_recall"]

CHUNK = 1024


@dataclass(frozen=True)
class PRDC:
    """Outcome of `precision_recall`.

    Parameters
    ----------
    precision : float
        Share of generated events inside a ball around a reference event.
    recall : float
        Share of reference events inside a ball around a generated event.
    density : float
        Mean number of reference balls that hold a generated event, over k.
    coverage : float
        Share of reference balls that hold a generated event.
    """

    precision: float
    recall: float
    density: float
    coverage: float

    def to_json(self) -> dict[str, float]:
        """Return what result files store."""
        return asdict(self)


def precision_recall(
    x: ArrayLike,
    y: ArrayLike,
    *,
    k: int = 5,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    most_events: int = 5_000,
    seed: int = 0,
) -> PRDC:
    r"""Compare where two samples are with balls that reach to the k-th neighbour of each event in its own sample.

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and generated events, the same columns.
    k : int
        Neighbour that the balls reach to; an event is not its own neighbour.
    wx, wy : array, optional
        Event weights, not negative; they count in the shares, not in the radii.
    normalise : {"std", "max", None}
        Unit of each column, see `fpd`.
    most_events : int
        Of each sample; more are drawn from at random, since the time grows with the square.
    seed : int
        Of the draw.

    Returns
    -------
    PRDC
        For two large samples of one truth density is 1 and, with n = m, coverage :math:`1 - 2^{-k}` (0.97 for k = 5);
        precision and recall depend on the truth and the sizes: measure their floor.

    Raises
    ------
    DataError
        If a value is not finite, or there are at most k events.
    WeightError
        If a weight is negative: a ball has no place for one.

    Notes
    -----
    Kynkäänniemi et al., arXiv:1904.06991; Naeem et al., arXiv:2002.09797. A picture, not a score: blurred copies reach
    a precision near 1 and any density, in many dimensions balls say little, and equal samples have no distinguished
    value. Blind to shapes inside the support.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(2000, 2))
    >>> y = x[::2] * [1.0, 0.01] + 1e-9  # one direction has collapsed
    >>> found = precision_recall(x[1::2], y)
    >>> found.precision > 0.9, found.recall < 0.2
    (True, True)
    """
    for weights, name in ((wx, "wx"), (wy, "wy")):
        require_non_negative(weights, name, "precision and recall", "Use fpd, mmd or energy_distance")
    sides = [_some(s, most_events) for s in prepare(x, y, wx, wy, normalise=normalise, seed=seed)]
    smaller = min(len(rows) for rows, _ in sides)
    if not 1 <= k < smaller:
        msg = f"k={k}: must be at least 1 and below the number of events of the smaller sample, {smaller}"
        raise DataError(msg)
    (truth, w_truth), (copy, w_copy) = sides
    near_truth, near_copy = _radii(truth, k), _radii(copy, k)
    balls = np.zeros(len(copy))  # of reference events around each generated one
    reached, covered = np.zeros(len(truth), bool), np.zeros(len(truth), bool)
    for start in range(0, len(truth), CHUNK):
        rows = slice(start, start + CHUNK)
        square = _squares(truth[rows], copy)
        inside = square <= near_truth[rows, None]
        balls += inside.sum(0)
        covered[rows] = inside.any(1)
        reached[rows] = (square <= near_copy).any(1)
    return PRDC(
        float(w_copy @ (balls > 0)), float(w_truth @ reached), float(w_copy @ balls / k), float(w_truth @ covered)
    )


def _some(sample: Sample, most: int) -> tuple[Array, Array]:
    rows = np.concatenate(sample.groups)[:most]
    weights = sample.weights[rows]
    return sample.values(rows), weights / weights.sum()


def _radii(rows: Array, k: int) -> Array:
    """Squared distance of each event to its k-th neighbour."""
    out = np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        square = _squares(rows[start : start + CHUNK], rows)
        out[start : start + CHUNK] = np.partition(square, k, axis=1)[:, k]  # the nearest is the event itself
    return out


def _squares(p: Array, q: Array) -> Array:
    return np.maximum((p**2).sum(1)[:, None] + (q**2).sum(1) - 2 * p @ q.T, 0.0)

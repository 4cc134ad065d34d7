"""Precision, recall, density and coverage: whether copies lie where the truth lies, and everywhere there."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.blocks import Normalise, Sample, prepare
from facsim.metrics.kernels import squared_distances
from facsim.metrics.samples import Array, require_non_negative

__all__ = ["PRDC", "precision_recall"]

TILE = 1000  # events at a time


@dataclass(frozen=True)
class PRDC:
    """Shares of events inside the other sample's neighbourhood.

    Parameters
    ----------
    precision : float
        Share of copies within the truth's support.
    recall : float
        Share of truth within the copies' support.
    density : float
        Mean number of truth neighbourhoods that hold a copy, over k; 1 for one truth, not bounded.
    coverage : float
        Share of truth neighbourhoods that hold a copy.
    events : (int, int)
        Events used of both samples.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    events: tuple[int, int]

    def to_json(self) -> dict[str, float]:
        """Return what result files store: the four shares."""
        return {name: number for name, number in asdict(self).items() if name != "events"}


def precision_recall(
    x: ArrayLike,
    y: ArrayLike,
    k: int = 5,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    events: int = 5000,
    seed: int = 0,
) -> PRDC:
    r"""Precision, recall, density and coverage from balls around events that reach to their k-th neighbour.

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Truth and copies, the same columns.
    k : int
        Neighbours; fewer than events of either sample.
    wx, wy : array, optional
        Event weights, not negative. They weigh the shares; the balls are those of the unweighted events.
    normalise : {"std", "max", None}
        Unit of each column, see `fpd`. Distances are Euclidean.
    events : int
        Most events to use of each sample, drawn at random: the time grows with the square.
    seed : int
        Of the draw.

    Returns
    -------
    PRDC
        Two samples of one truth of equal size give a density of 1 and a coverage of :math:`1 - 2^{-k}` (0.969 for
        k = 5); precision and recall are then equal and depend on the truth (0.6 to 0.98). All depend on the number of
        events: compare at equal numbers, beside truth against truth.

    Raises
    ------
    WeightError
        If a weight is negative: an event cannot be a negative neighbour.
    DataError
        If a value is not finite, there are no more than k events, or a column has no scale in x.

    Notes
    -----
    Kynkäänniemi et al., arXiv:1904.06991; Naeem et al., arXiv:2002.09797 (density, coverage and its null).
    For diagnosis, not as a score: blurred copies get a high density. Blind to how often a region is visited (precision,
    recall) and to columns that carry little of the distance.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).normal(size=(1000, 2))
    >>> one_half = np.random.default_rng(1).normal(size=(3000, 2))
    >>> result = precision_recall(truth, one_half[one_half[:, 0] > 0][:1000])
    >>> result.precision > 0.9, 0.4 < result.recall < 0.6, 0.4 < result.coverage < 0.6
    (True, True, True)
    """
    cure = "Give events a non-negative weight, such as the smoothed sWeight E[w|x], or use kpd or energy_distance"
    require_non_negative(wx, "wx", "precision_recall", cure)
    require_non_negative(wy, "wy", "precision_recall", cure)
    (p, u), (q, v) = (_some(s, events) for s in prepare(x, y, wx, wy, normalise=normalise, seed=seed))
    if not 1 <= k < min(len(p), len(q)):
        msg = f"k={k}: must be at least 1 and below the number of events, {min(len(p), len(q))}"
        raise DataError(msg)
    reach_p, reach_q = _reach(p, k), _reach(q, k)
    balls = np.zeros(len(q))  # of truth that hold each copy
    recalled, covered = np.empty(len(p), bool), np.empty(len(p), bool)
    for begin in range(0, len(p), TILE):
        part = slice(begin, begin + TILE)
        apart = squared_distances(p[part], q)
        inside = apart <= reach_p[part, None]
        balls += inside.sum(0)
        covered[part] = inside.any(1)
        recalled[part] = (apart <= reach_q).any(1)
    shares = float(v @ (balls > 0)), float(u @ recalled), float(v @ balls) / k, float(u @ covered)
    return PRDC(*shares, (len(p), len(q)))


def _some(sample: Sample, events: int) -> tuple[Array, Array]:
    """Rows and weights of at most so many random events."""
    chosen = np.concatenate(sample.groups)[:events]
    weights = sample.weights[chosen]
    return sample.values(chosen), weights / weights.sum()


def _reach(rows: Array, k: int) -> Array:
    """Squared distance of each event from its k-th neighbour."""
    parts = np.array_split(rows, len(rows) // TILE + 1)
    # the nearest of all is the event itself
    return np.concatenate([np.partition(squared_distances(part, rows), k, axis=1)[:, k] for part in parts])

"""How generated events lie among true ones: the geometry of a watch, in one space for every kind of event."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.metrics import memorisation, precision_recall
from facsim.metrics.nearest import nearest_rows, row_distances
from facsim.metrics.support import relative_support
from facsim.observables import compute, kind_of
from facsim.observables.weights import shares

__all__ = ["Closeness"]

Array = NDArray[np.float64]

NEIGHBOURS = 25
"""Events over which a negative weight is averaged."""
FEWEST = 20
NEAREST = 5  # neighbour to which a ball of precision and coverage reaches
KINDS = 20
"""Most kinds into which the truth is divided; each has 20 events at least on average."""
SIGNIFICANT = 1e-3


class Closeness:
    """Compare generated events with the held-out events whose conditions they share.

    Images are compared by their pixels, other events by their observables in units of the truth's standard deviation.
    Where weights are negative (sWeights), neighbours have no meaning: then the truth is a part of the held-out events
    that is drawn with the chance of the smoothed weight E[w | x], and so follows the weighted law.

    Parameters
    ----------
    events : Events
        Held-out.
    training : Events
        Some that are trained on.
    seed : int
    """

    def __init__(self, events: Events, training: Events, seed: int) -> None:
        self.events, self.training, self.seed = events, training, seed
        table = _columns(events)
        share = shares(events.weights, len(events))
        self.centre = share @ table
        variance = share @ (table - self.centre) ** 2
        self.columns = variance > 1e-12 * np.maximum(share @ table**2, 1e-300)
        self.unit = np.sqrt(variance[self.columns])
        if (
            len(self.unit) and kind_of(events.schema) == "images"
        ):  # one scale for all pixels: an empty corner is not worth a whole one
            self.unit[:] = np.sqrt(np.mean(self.unit**2))
        self.width = np.sqrt(variance[self.columns]) / self.unit
        self.truth = self._view(table)
        if events.weights is not None:
            self.truth = self.truth[_drawn(self.truth, events.weights, seed)]
        self.able = bool(self.columns.any()) and len(self.truth) >= FEWEST
        self.kinds = _centres(self.truth, seed) if self.able else np.empty((0, table.shape[1]))
        self.frequency = _frequency(self.truth, self.kinds)

    def __call__(self, drawn: Events) -> dict[str, float]:
        """Figures of generated events, one per held-out event; all finite.

        Returns
        -------
        dict of str to float
            ``precision`` and ``coverage`` (`facsim.metrics.precision_recall`); ``kinds``, the overlap of how often
            both visit each of the kinds into which k-means divides the truth (about 0.9 for 500 events of one truth);
            ``support`` (`facsim.metrics.support.relative_support`); ``spread`` and ``narrowest`` (median and smallest
            ratio of the standard deviations of generated and true events over all columns); ``nearest`` (median
            distance to the nearest training event over that of held-out events); ``memorised`` (about the share of
            copies, 0 where it is not significant) and ``memorised_pvalue`` (`facsim.metrics.memorisation`).
        """
        if not self.able:
            return {}
        table = self._view(_columns(drawn))
        share = shares(self.events.weights if drawn.schema.conditions else None, len(table))
        variance = np.maximum(share @ (table - share @ table) ** 2, 0.0)
        ratio = np.sqrt(variance) / self.width
        some = table[: len(self.truth)]
        balls = precision_recall(self.truth, some, min(NEAREST, len(some) - 1), normalise=None, seed=self.seed)
        figures = {
            "precision": balls.precision,
            "coverage": balls.coverage,
            "kinds": float(np.minimum(self.frequency, _frequency(some, self.kinds)).sum()),
            "support": relative_support(self.truth, some),
            "spread": float(np.median(ratio)),
            "narrowest": float(ratio.min()),
        }
        return figures | self._memory(drawn)

    def _memory(self, drawn: Events) -> dict[str, float]:
        """Distance to the nearest training event, and whether some are copies."""
        if min(len(drawn), len(self.training), len(self.events)) < FEWEST:
            return {}
        near = [float(np.median(_distance(e, self.training))) for e in (drawn, self.events)]
        found = memorisation(drawn, self.training, self.events, seed=self.seed)
        copies = found.excess if found.pvalue < SIGNIFICANT else 0.0
        figures = {"memorised": copies, "memorised_pvalue": found.pvalue}
        return figures | ({"nearest": near[0] / near[1]} if near[1] > 0 else {})

    def _view(self, table: Array) -> Array:
        return np.asarray((table[:, self.columns] - self.centre[self.columns]) / self.unit)


def _columns(events: Events) -> Array:
    if kind_of(events.schema) == "images":
        return events.features.astype(np.float64)
    return np.column_stack(list(compute(events).values()))


def _centres(table: Array, seed: int) -> Array:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = min(KINDS, max(1, len(table) // 20), len(np.unique(table, axis=0)))
    with threadpool_limits(limits=1):
        fitted = KMeans(count, n_init=3, random_state=seed).fit(table)
    return np.asarray(fitted.cluster_centers_, np.float64)


def _frequency(table: Array, centres: Array) -> Array:
    if not len(centres):
        return np.empty(0)
    return np.bincount(nearest_rows(table, centres), minlength=len(centres)) / len(table)


def _distance(events: Events, pool: Events) -> Array:
    return row_distances(events.features, pool.features[nearest_rows(events.features, pool.features)])


def _drawn(table: Array, weights: Array, seed: int) -> NDArray[np.intp]:
    """Rows that follow the weighted law, each drawn at most once."""
    chance = np.maximum(weights, 0.0)
    if (weights < 0).any():
        apart = ((table[:, None] - table) ** 2).sum(axis=2)
        near = np.argpartition(apart, min(NEIGHBOURS, len(table)) - 1, axis=1)[:, :NEIGHBOURS]
        chance = np.maximum(weights[near].mean(axis=1), 0.0)
    rng = np.random.default_rng([seed, 0xC105E])
    return np.flatnonzero(rng.random(len(table)) * chance.max(initial=0.0) < chance)

"""Whether tuned parameters give the data: the real simulator's events at them, held against the data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics import floor, high_level_auc, sliced_wasserstein
from facsim.metrics.classifier import ClassifierResult
from facsim.metrics.mlp import Training, by_network

__all__ = ["pushforward"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

COLUMNS = 64  # up to which trees look at the features as they are
LEAST = 50  # events per sample of a classifier test
NETWORK = Training(width=64, hidden=2, batch=128, epochs=30, patience=6)


def pushforward(
    data: Events, simulated: Events, *, view: Callable[[Events], Array] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Compare data with the real simulator's events at tuned parameters.

    Parameters
    ----------
    data, simulated : Events
        Features, and as conditions what is given of every event; no parameters.
    view : callable, optional
        Gives the columns (n, k) of order one in which the sliced Wasserstein distance is taken; by default features and
        conditions in units of the data's spread.
    seed : int, optional

    Returns
    -------
    dict
        ``auc`` and ``auc_error`` of a classifier (C2ST) that did not see the events it is asked about, and
        ``auc_floor`` of the same with data against data; None if the data have negative weights, which no classifier
        can take. ``sliced_wasserstein``, and ``sliced_wasserstein_null``, what two samples of one truth give.
        ``events``: both sizes.

    Notes
    -----
    0.5 of the classifier is the aim. Up to 64 columns it is gradient boosting, beyond a perceptron. The floor has half
    of the data on both sides, and so about twice the variance.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema, rng = Schema((Block("x"),)), np.random.default_rng(0)
    >>> one, two = (Events(rng.normal(m, 1, (400, 1)), np.empty((400, 0)), schema) for m in (0, 3))
    >>> pushforward(one, two)["auc"] > 0.9
    True
    """
    columns = view or _standard(data)
    one, other = columns(data), columns(simulated)
    same = not np.ptp(np.concatenate([one, other]), axis=0).any()  # a simulator without noise, at one point
    distance = None
    if not same:
        distance = sliced_wasserstein(one, other, wx=data.weights, wy=simulated.weights, normalise=None, seed=seed)
    out: dict[str, Any] = {
        "auc": None,
        "auc_error": None,
        "auc_floor": None,
        "sliced_wasserstein": distance.value if distance else 0.0,
        "sliced_wasserstein_null": distance.null if distance else 0.0,
        "events": [len(data), len(simulated)],
    }
    if data.weights is not None and (data.weights < 0).any():
        log.warning("the data have negative weights: pushforward is judged by distances only, not by a classifier")
        return out
    if min(len(data) // 2, len(simulated)) < LEAST:
        log.info("%d data and %d simulated events are too few for a classifier", len(data), len(simulated))
        return out
    test = _classify(data, simulated, seed)
    null = floor(lambda a, b: _classify(a, b, seed).auc, data, seed=seed)
    return out | {"auc": test.auc, "auc_error": test.auc_error, "auc_floor": null.mean}


def _classify(reference: Events, generated: Events, seed: int) -> ClassifierResult:
    """Trees on columns, or a network on many: pixels in units of their common spread."""
    if reference.schema.width + reference.schema.condition_width <= COLUMNS:
        return high_level_auc(*(_Table(e) for e in (reference, generated)), seed=seed)
    scale = float(reference.features.std()) or 1.0
    middle = reference.features.mean(0)

    def matrix(events: Events) -> NDArray[np.float32]:
        return np.concatenate([(events.features - middle) / scale, _standard(reference, given=True)(events)], 1).astype(
            np.float32
        )

    return by_network("pixels", reference, generated, matrix, NETWORK, rotations=5, seeds=(seed,))


@dataclass(frozen=True)
class _Table:
    """Features and conditions as the columns of a classifier test."""

    events: Events

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.values.shape[1])))

    @property
    def values(self) -> NDArray[np.float64]:
        return np.column_stack([self.events.features, self.events.conditions]).astype(np.float64)

    @property
    def conditions(self) -> NDArray[np.float32]:
        return self.events.conditions

    @property
    def weights(self) -> Array | None:
        return self.events.weights

    def __len__(self) -> int:
        return len(self.events)


def _standard(reference: Events, *, given: bool = False) -> Callable[[Events], Array]:
    """Columns in units of the reference's spread (its conditions only, if `given`)."""

    def raw(events: Events) -> Array:
        if given:
            return events.conditions.astype(np.float64)
        return np.column_stack([events.features, events.conditions]).astype(np.float64)

    columns = raw(reference)
    if len(columns) == 0:
        msg = "the data are empty: nothing to compare with"
        raise DataError(msg)
    middle, spread = columns.mean(0), columns.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    return lambda events: np.asarray((raw(events) - middle) / spread)

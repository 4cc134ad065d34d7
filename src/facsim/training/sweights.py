"""Signed event weights made non-negative: their mean given the event."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from facsim.errors import WeightError
from facsim.events import Events

__all__ = ["class_probabilities"]

log = logging.getLogger(__name__)

FOLDS = 5


def class_probabilities(events: Events, seed: int = 0) -> NDArray[np.float64]:
    r"""Replace every weight by an estimate of :math:`E[w | x]`, which no weighted loss can tell from it on average.

    For an sWeight that mean is the probability of an event at x to be signal, hence in [0, 1] and never negative, and
    log-losses stay bounded. x are features and conditions; gradient boosting with squared loss is fitted to four
    fifths of the events and asked about the rest, five times, so that no event's own weight is learnt by heart.

    Parameters
    ----------
    events : Events
        With weights, of either sign.
    seed : int, optional
        Of folds and boosting.

    Returns
    -------
    array (n,)
        Not negative; the same sum as the weights.

    Raises
    ------
    WeightError
        If there are no weights, fewer than 50 events, or a sum that is not positive.

    Notes
    -----
    Borisyak and Kazeev, arXiv:1912.02590, section 3. Estimates below zero are set to zero, which slightly favours
    regions without signal; the common factor that keeps the sum is logged.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> rng = np.random.default_rng(0)
    >>> x, w = rng.normal(size=(500, 1)), rng.choice([-0.5, 1.5], 500)
    >>> found = class_probabilities(Events(x, np.empty((500, 0)), Schema((Block("x"),)), w), seed=1)
    >>> bool(found.min() >= 0), bool(np.isclose(found.sum(), w.sum()))
    (True, True)
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold

    weights = events.weights
    if weights is None or len(events) < 10 * FOLDS or not weights.sum() > 0:
        what = "no weights" if weights is None else f"{len(events)} events, a sum of weights of {weights.sum():g}"
        msg = (
            f"{what}: class probabilities need weights with a positive sum and {10 * FOLDS} events or more. "
            "Check the fit that made the weights, or train without negative_weights: regress"
        )
        raise WeightError(msg)
    inputs = np.column_stack([events.features, events.conditions])
    found = np.empty(len(events))
    for fold, (train, test) in enumerate(KFold(FOLDS, shuffle=True, random_state=seed).split(inputs)):
        # Weights scatter far more than their mean varies: small steps of small trees, and stopping by held-out events.
        forest = HistGradientBoostingRegressor(
            learning_rate=0.05,
            max_iter=500,
            max_leaf_nodes=int(np.clip(len(train) // 20_000, 6, 31)),
            min_samples_leaf=int(np.clip(len(train) // 100, 20, 500)),
            early_stopping=True,
            validation_fraction=0.2,
            random_state=seed + fold,
        )
        found[test] = forest.fit(inputs[train], weights[train]).predict(inputs[test])
    found = np.clip(found, 0, None)
    if not found.sum() > 0:
        msg = "the regression finds no signal anywhere: check the fit that made the weights"
        raise WeightError(msg)
    factor = float(weights.sum() / found.sum())
    log.info("%d negative weights replaced by their mean given the event, times %.3f", (weights < 0).sum(), factor)
    return found * factor

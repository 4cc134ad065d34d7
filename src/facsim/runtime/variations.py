"""The spread of an ensemble as weights on one nominal sample, for an analysis that cannot run once per member."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.runtime.members import Member, members

__all__ = ["variation_weights"]

FOLDS = 5
FEWEST = 200  # events per fold and member


def variation_weights(ensemble: Any, events: Events, *, seed: int = 0) -> NDArray[np.float64]:
    r"""Weights (n, members) that turn a sample of the mixture into one of each member.

    For features y under conditions x, the weight of member k is

    .. math:: w_k = \frac{p_k(y | x)}{\frac1K \sum_j p_j(y | x)} = K\, P(k | x, y),

    K times the probability that this event is of member k. A classifier (gradient boosting on features and conditions)
    learns it from one sample of every member under the same conditions; what it says of an event comes from folds that
    held neither the event's conditions nor its copies by other members. The weights of an event have mean 1.

    An analyst applies them like any weight of a systematic variation: one column per variation, whose envelope or
    standard deviation is the uncertainty. Where the analysis can be repeated, ``sample(..., member=k)`` is exact and
    better: no classifier stands in between.

    Parameters
    ----------
    ensemble : sampler
        Fitted or exported.
    events : Events
        Drawn from the mixture: ``ensemble.sample(conditions)``.
    seed : int, optional
        Of the members' samples and of the classifier; another than that of `events`.

    Raises
    ------
    CapabilityError
        If it is no ensemble.
    DataError
        If there are too few events to learn from.

    Examples
    --------
    >>> nominal = facsim.sample(model, like="tracks.root")  # doctest: +SKIP
    >>> up = variation_weights(model, nominal, seed=1)[:, 0]  # doctest: +SKIP
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import KFold

    count = max(members(ensemble), 1)
    drawn = [Member(ensemble, k).sample(events, seed=seed).features for k in range(count)]
    if len(events) < FEWEST * FOLDS:
        msg = f"{len(events)} events are too few to learn variations from: draw {FEWEST * FOLDS} or more"
        raise DataError(msg)
    features = events.select([b.name for b in ensemble.schema.features]).features
    columns = [events[b.name].reshape(len(events), -1) for b in ensemble.schema.conditions]
    given = np.concatenate([features[:, :0], *columns], axis=1)
    found = np.empty((len(events), count))
    for fold, (train, test) in enumerate(KFold(FOLDS, shuffle=True, random_state=seed).split(features)):
        rows = np.concatenate([np.column_stack([sample[train], given[train]]) for sample in drawn])
        # Members differ little: small steps of small trees, stopped by what is held out.
        forest = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=8,
            min_samples_leaf=max(20, len(train) // 100),
            early_stopping=True,
            random_state=seed + fold,
        )
        forest.fit(rows, np.repeat(np.arange(count), len(train)))
        found[test] = count * forest.predict_proba(np.column_stack([features[test], given[test]]))
    return found

"""How good a model is, by physics: the losses of generative models do not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facsim.events import Events
from facsim.metrics import high_level_auc, ks_statistic
from facsim.models import Surrogate
from facsim.observables import compute

__all__ = ["Validation"]

FEWEST_FOR_CLASSIFIER = 100


class Validation:
    """Distance between held-out events and generated ones: mean KS distance of all observables, plus AUC - 0.5.

    The classifier (gradient boosting on the same observables) sees correlations and tells good checkpoints apart, where
    the Kolmogorov-Smirnov distances are all at their floor; these still rank bad ones, where the classifier is at 1.
    The generated events have the conditions of the held-out ones and always the same noise, so that two checkpoints
    are compared on equal terms. With negative weights, or fewer than 100 events, the classifier is left out.

    Blocks that hold whole numbers alone (grey levels of an image, say) are compared as whole numbers: that generated
    ones are none would tell all of them from the truth, at every checkpoint alike, and rank nothing.

    Parameters
    ----------
    events : Events
        Held-out events. For n of them the floor of the mean distance (truth against truth) is about
        ``0.87 sqrt(2 / n)``.
    seed : int
        Of the noise.
    """

    def __init__(self, events: Events, seed: int) -> None:
        self.events, self.seed = events, seed
        self.truth = compute(events, extended=True)
        self.whole = np.zeros(events.schema.width, bool)
        for block in events.schema.features:
            values = events[block.name]
            self.whole[events.schema.columns(block.name)] = bool((values == np.rint(values)).all())
        positive = events.weights is None or bool((events.weights >= 0).all())
        self.classify = positive and len(events) >= FEWEST_FOR_CLASSIFIER

    def __call__(self, model: Surrogate) -> dict[str, float]:
        """Figures ``distance`` (the sum, smaller is better), ``ks`` and ``auc``; infinite if an event is not finite."""
        drawn = model.sample(self.events, seed=self.seed)
        if not np.isfinite(drawn.features).all():
            return {"distance": float("inf")}
        drawn = replace(drawn, features=np.where(self.whole, np.rint(drawn.features), drawn.features))
        generated, weights = compute(drawn, extended=True), self.events.weights
        ks = float(np.mean([ks_statistic(self.truth[k], generated[k], wp=weights, wq=weights) for k in self.truth]))
        if not self.classify:
            return {"distance": ks, "ks": ks}
        auc = high_level_auc(self.events, drawn.with_weights(weights), seed=self.seed).auc
        return {"distance": ks + max(auc, 1 - auc) - 0.5, "ks": ks, "auc": auc}

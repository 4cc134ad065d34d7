"""How good a model is, by physics: the losses of generative models do not say."""

from __future__ import annotations

import numpy as np

from facsim.events import Events
from facsim.metrics.cumulative import ks_statistic
from facsim.models import Surrogate
from facsim.observables import compute

__all__ = ["Validation"]


class Validation:
    """Mean Kolmogorov-Smirnov distance of all observables between held-out events and generated ones.

    The generated events have the conditions of the held-out ones and always the same noise, so that two checkpoints
    are compared on equal terms.

    Parameters
    ----------
    events : Events
        Held-out events. For n of them the floor (truth against truth) is about ``0.87 sqrt(2 / n)``.
    seed : int
        Of the noise.
    """

    def __init__(self, events: Events, seed: int) -> None:
        self.events, self.seed = events, seed
        self.truth = compute(events, extended=True)

    def __call__(self, model: Surrogate) -> float:
        """Mean distance; infinite if the model gives a number that is not finite."""
        drawn = model.sample(self.events, seed=self.seed)
        if not np.isfinite(drawn.features).all():
            return float("inf")
        generated = compute(drawn, extended=True)
        weights = self.events.weights
        distances = [ks_statistic(self.truth[k], generated[k], wp=weights, wq=weights) for k in self.truth]
        return float(np.mean(distances))

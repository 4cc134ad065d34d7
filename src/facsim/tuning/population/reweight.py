"""One step of expectation maximisation: keep the points whose real events fit the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.metrics import high_level_auc
from facsim.metrics.samples import effective_size
from facsim.training.sweights import class_probabilities

__all__ = ["refine"]

Array = NDArray[np.float64]

COMMON, LEAST = 0.98, 2.0  # larger weights than those of most points, and than this, are cut: they are noise


def refine(points: Array, seen: Array, data: Array, weights: Array | None, *, seed: int) -> tuple[Array, float]:
    r"""Accept points by how much more often than theirs events like theirs are among the data.

    .. math:: q'(\theta) = q(\theta) \int p(x|\theta) \frac{p_{data}(x)}{p_q(x)} dx

    The ratio comes from a classifier that did not see the events it is asked about, calibrated. Directions of theta
    that x knows nothing of are left as they are.

    Parameters
    ----------
    points : array (n, p)
        Drawn from q.
    seen, data : array (n, k), (m, k)
        One event of the real simulator for each of them, and the data, in columns of order one.
    weights : array (m,), optional
        Of the data; negative ones are replaced by their regression on the columns.
    seed : int

    Returns
    -------
    points : array (n', p)
        Those accepted, no one twice.
    kept : float
        Effective share of the points by the ratios: near 1 says that there was nothing to mend.

    Notes
    -----
    Dempster, Laird and Rubin 1977; unbinned: arXiv:1911.09107 (OmniFold), one iteration.
    """
    reference, generated = _Columns(data, weights), _Columns(seen, None)
    if weights is not None and (weights < 0).any():
        reference = _Columns(data, class_probabilities(reference.as_events(), seed))
    fake = high_level_auc(reference, generated, seed=seed).fake_generated
    ratio = (1 - fake) / fake
    ratio = np.minimum(ratio, max(float(np.quantile(ratio, COMMON)), LEAST))
    chance = np.random.default_rng([seed, 0xACC]).random(len(points)) * ratio.max()
    return points[chance < ratio], effective_size(len(ratio), ratio) / len(ratio)


@dataclass(frozen=True)
class _Columns:
    """A table as classifier tests take it."""

    values: Array
    weights: Array | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.values.shape[1])))

    @property
    def conditions(self) -> NDArray[np.float32]:
        return np.empty((len(self.values), 0), np.float32)

    def __len__(self) -> int:
        return len(self.values)

    def as_events(self) -> Events:
        from facsim.schema import Block, Schema

        schema = Schema((Block("columns", (self.values.shape[1],)),))
        return Events(self.values.astype(np.float32), self.conditions, schema, self.weights)

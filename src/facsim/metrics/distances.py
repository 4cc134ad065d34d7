"""Every distance between two samples by its name, each with what it gives for two samples of one truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from facsim.metrics.binned import equal_population_edges, separation_power
from facsim.metrics.cramer import cramer_von_mises
from facsim.metrics.cumulative import cumulative, ks_statistic, wasserstein
from facsim.metrics.samples import Array, as_sample, as_weights, effective_size
from facsim.metrics.steps import cvm_of, ks_of, separation_of, w1_of

__all__ = ["DISTANCES", "Distance", "compare"]


def compare(
    p: ArrayLike, q: ArrayLike, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None
) -> dict[str, float]:
    """Compute every registered distance, by name.

    Examples
    --------
    >>> compare([0.0, 1.0], [1.0, 2.0])
    {'w1': 1.0, 'ks': 0.5, 'separation': 0.5, 'cvm': 0.1875}
    """
    if any(w is not None and np.any(np.asarray(w) < 0) for w in (wp, wq)):
        return {name: distance(p, q, wp=wp, wq=wq) for name, distance in DISTANCES.items()}  # each with its own checks
    values, difference, sides = cumulative(p, q, wp, wq)  # one sorting for all
    mean = (sides[0].cumulative + sides[1].cumulative) / 2
    return {name: distance.of(values, difference, mean) for name, distance in DISTANCES.items()}


class _Function(Protocol):
    def __call__(
        self, p: ArrayLike, q: ArrayLike, /, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None
    ) -> float: ...


@dataclass(frozen=True)
class Distance:
    """A distance between two samples together with what it gives for one truth.

    Parameters
    ----------
    name : str
        Key in `DISTANCES` and in result files.
    function : callable
        ``function(p, q, *, wp=None, wq=None) -> float``.
    null : callable
        ``null(truth, n, m) -> float``: mean distance of two samples of that truth with n and m (effective) events.
    of : callable
        ``of(values, difference, mean) -> float``: the same distance from the cumulative distributions, see
        `facsim.metrics.steps`; weights must not be negative.
    quadratic : bool
        Whether the distance is quadratic in the difference of the distributions: the mean for one truth then falls as
        1/n, otherwise as 1/sqrt(n).
    """

    name: str
    function: _Function
    null: Callable[[Array, float, float], float]
    of: Callable[[Array, Array, Array], float]
    quadratic: bool = False

    def __call__(
        self, p: ArrayLike, q: ArrayLike, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None
    ) -> float:
        """Compute the distance."""
        return self.function(p, q, wp=wp, wq=wq)

    def expected(
        self, p: ArrayLike, q: ArrayLike, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None
    ) -> float:
        """Mean of the distance if both samples had the truth of `p`; weights count by their effective size."""
        truth = as_sample(p, "p")
        for weights, n, name in ((wp, len(truth), "wp"), (wq, np.size(q), "wq")):
            as_weights(weights, n, name)  # or an error
        return self.null(truth, effective_size(len(truth), wp), effective_size(np.size(q), wq))


def _null_wasserstein(truth: Array, n: float, m: float) -> float:
    truth = np.sort(truth)
    share = np.arange(1, len(truth)) / len(truth)
    return float(np.sqrt(2 / np.pi * (1 / n + 1 / m)) * np.sum(np.sqrt(share * (1 - share)) * np.diff(truth)))


def _null_ks(truth: Array, n: float, m: float) -> float:
    del truth  # free of the distribution as long as values do not repeat
    return float(np.sqrt(np.pi / 2) * np.log(2) * np.sqrt(1 / n + 1 / m))


def _null_separation(truth: Array, n: float, m: float) -> float:
    bins = len(equal_population_edges(truth, truth)) - 1
    return (bins - 1) * (1 / n + 1 / m) / 4


def _null_cvm(truth: Array, n: float, m: float) -> float:
    _, counts = np.unique(truth, return_counts=True)
    step = counts / len(truth)
    share = np.cumsum(step)
    return float((1 / n + 1 / m) * np.sum(step * share * (1 - share)))


DISTANCES: dict[str, Distance] = {
    d.name: d
    for d in (
        Distance("w1", wasserstein, _null_wasserstein, w1_of),
        Distance("ks", ks_statistic, _null_ks, ks_of),
        Distance("separation", separation_power, _null_separation, separation_of, quadratic=True),
        Distance("cvm", cramer_von_mises, _null_cvm, cvm_of, quadratic=True),
    )
}
"""Every distance by the name that result files use."""

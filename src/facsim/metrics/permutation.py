"""p-values and null distributions of any two-sample statistic: what it gives when the labels mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, WeightError, nearest
from facsim.events import Events, concatenate
from facsim.metrics.cumulative import Side, cumulative, multiplier_noise
from facsim.metrics.distances import DISTANCES
from facsim.metrics.samples import Array, effective_size

__all__ = ["Null", "TestResult", "distance_tests", "null_distribution", "permutation_test"]


@dataclass(frozen=True)
class Null:
    """Values of a statistic for two samples of one truth.

    Parameters
    ----------
    values : tuple of float
        One per replica.
    events : (float, float)
        (Effective) sizes of the two samples.
    """

    values: tuple[float, ...] = field(repr=False)
    events: tuple[float, float]

    @property
    def mean(self) -> float:
        """The floor: what the statistic gives on average where there is no difference."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation of one value around the floor."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    def pvalue(self, observed: float) -> float:
        """Chance of at least the observed value, (1 + #) / (1 + B): valid for any number B of replicas."""
        # values that differ by rounding only count as equal, as they often do for discrete data
        above = np.asarray(self.values) >= observed - 1e-12 * abs(observed)
        return float((1 + np.count_nonzero(above)) / (1 + len(self.values)))


@dataclass(frozen=True)
class TestResult:
    """Outcome of a test: the statistic, its p-value, and the null distribution that it was held against."""

    __test__ = False  # not a class of tests, whatever pytest thinks

    statistic: float
    pvalue: float
    null: Null

    def to_json(self) -> dict[str, float]:
        """Plain numbers, without the replicas."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "floor": self.null.mean,
            "floor_spread": self.null.spread,
        }


def permutation_test(
    statistic: Callable[..., float],
    p: Any,
    q: Any,
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
    permutations: int = 199,
    seed: int = 0,
) -> TestResult:
    r"""Test whether two samples have one truth, by any statistic that is larger for more different samples.

    .. math:: p = \frac{1 + \#\{b : T_b \ge T\}}{1 + B}

    with T_b the statistic after dealing the events of both samples anew.

    Parameters
    ----------
    statistic : callable
        ``statistic(p, q) -> float``; with weights ``statistic(p, q, wp=wp, wq=wq)``.
    p, q : array (n, ...), (m, ...) or Events
        Samples.
    wp, wq : array, optional
        Event weights, for both samples or none. They go with their events, so both samples must have been weighted in
        the same way (two sWeighted samples of one selection). Weights of `Events` count likewise.
    permutations : int, optional
        B; the smallest p-value is 1/(B + 1).
    seed : int, optional

    Returns
    -------
    TestResult
        For two samples of one truth the p-value is flat between 0 and 1, whatever the statistic and the sizes.

    Raises
    ------
    WeightError
        If only one of the samples is weighted: its events could then not have been in the other sample, and the
        p-value would be wrong. `null_distribution` handles this case for the one-dimensional distances.
    DataError
        If the samples cannot be joined or the statistic is not finite.

    Notes
    -----
    Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39, for the added ones. Seconds for slow statistics:
    B + 1 evaluations. `distance_tests` is far faster for the one-dimensional distances. The null distribution is that
    of the mixture of both samples; if they differ much, its mean can differ from the floor of the truth.

    Examples
    --------
    >>> import numpy as np
    >>> p, q = np.random.default_rng(0).normal(size=(2, 60, 3))
    >>> result = permutation_test(lambda a, b: float(np.linalg.norm(a.mean(0) - b.mean(0))), p, q + 0.6)
    >>> result.pvalue
    0.005
    """
    weights = _joined_weights(p, q, wp, wq)
    _require_replicas(permutations, "permutations")
    pooled: Any = concatenate([p, q]) if isinstance(p, Events) else np.concatenate([np.asarray(p), np.asarray(q)])
    first, n = len(p), len(pooled)

    def value(order: NDArray[np.intp]) -> float:
        a, b = order[:first], order[first:]
        extra = {} if weights is None else {"wp": weights[a], "wq": weights[b]}
        result = float(statistic(pooled[a], pooled[b], **extra))
        if not np.isfinite(result):
            msg = f"the statistic is {result}: a test needs finite values. Are there NaN, or too few events?"
            raise DataError(msg)
        return result

    generator = np.random.default_rng([seed, 0x9E53])
    observed = value(np.arange(n))
    null = Null(tuple(value(generator.permutation(n)) for _ in range(permutations)), (float(first), float(n - first)))
    return TestResult(observed, null.pvalue(observed), null)


def distance_tests(
    p: ArrayLike,
    q: ArrayLike,
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
    distances: Iterable[str] | None = None,
    replicas: int = 199,
    seed: int = 0,
) -> dict[str, TestResult]:
    """Test by every one-dimensional distance at once; parameters as for `null_distribution`.

    Returns
    -------
    dict
        By name of the distance.

    Raises
    ------
    DataError, WeightError
        As the distances and `null_distribution`.

    Examples
    --------
    >>> import numpy as np
    >>> p, q = np.random.default_rng(0).normal(size=(2, 200))
    >>> {name: test.pvalue for name, test in distance_tests(p, q + 1, replicas=99).items()}
    {'w1': 0.01, 'ks': 0.01, 'separation': 0.01, 'cvm': 0.01}
    """
    names = _known(distances)
    nulls = null_distribution(p, q, wp=wp, wq=wq, distances=names, replicas=replicas, seed=seed)
    observed = {name: DISTANCES[name](p, q, wp=wp, wq=wq) for name in names}
    return {name: TestResult(observed[name], nulls[name].pvalue(observed[name]), nulls[name]) for name in names}


def null_distribution(
    p: ArrayLike,
    q: ArrayLike,
    *,
    wp: ArrayLike | None = None,
    wq: ArrayLike | None = None,
    distances: Iterable[str] | None = None,
    replicas: int = 199,
    seed: int = 0,
) -> dict[str, Null]:
    r"""Null distributions of the one-dimensional distances, all from one sorting.

    Parameters
    ----------
    p, q : array (n,), (m,)
        Samples. For the floor of a truth give two samples of it.
    wp, wq : array, optional
        Event weights; may be negative (sWeights).
    distances : iterable of str, optional
        Names in `DISTANCES`. Default: all.
    replicas : int, optional
        Values of each distribution.
    seed : int, optional

    Returns
    -------
    dict
        By name of the distance. The mean is the floor at these sizes.

    Raises
    ------
    DataError, WeightError
        If a sample is empty or not finite, a sum of weights is not positive, or a name is unknown.

    Notes
    -----
    Without weights the replicas are random relabellings of the pooled events (exact; 200 of 2 x 100,000 events take
    one to two seconds). With weights on either side events are not exchangeable, and the difference of the cumulative
    distributions is simulated by the multiplier bootstrap instead (see `facsim.metrics.ks`; right for large samples).

    Examples
    --------
    >>> import numpy as np
    >>> p, q = np.random.default_rng(0).normal(size=(2, 1000))
    >>> null = null_distribution(p, q)["ks"]
    >>> bool(abs(null.mean - 0.869 * np.sqrt(2 / 1000)) < 0.003)
    True
    """
    names = _known(distances)
    _require_replicas(replicas, "replicas")
    values, _, sides = cumulative(p, q, wp, wq)
    generator = np.random.default_rng([seed, 0x9E53])
    if wp is None and wq is None:
        steps = _relabelled(sides, len(values), replicas, generator)
        events = float(len(sides[0].positions)), float(len(sides[1].positions))
    else:
        mean = (sides[0].cumulative + sides[1].cumulative) / 2
        steps = ((multiplier_noise(sides, generator), mean) for _ in range(replicas))
        events = effective_size(np.size(p), wp), effective_size(np.size(q), wq)
    table = [[DISTANCES[name].of(values, difference, mean) for name in names] for difference, mean in steps]
    return {name: Null(tuple(column), events) for name, column in zip(names, np.array(table).T.tolist(), strict=True)}


def _relabelled(
    sides: tuple[Side, Side], k: int, replicas: int, generator: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Difference and mean of the cumulative distributions after dealing the pooled events at random."""
    n, m = len(sides[0].positions), len(sides[1].positions)
    pooled = np.concatenate([side.positions for side in sides])
    filled = np.cumsum(np.bincount(pooled, minlength=k))  # events up to each value
    repeated = k < n + m
    for _ in range(replicas):
        label = np.zeros(n + m)
        label[generator.choice(n + m, n, replace=False, shuffle=False)] = 1.0
        mine = np.cumsum(label)
        if repeated:
            mine = mine[filled - 1]
        first, second = mine / n, (filled - mine) / m
        yield first - second, (first + second) / 2


def _known(names: Iterable[str] | None) -> list[str]:
    chosen = list(DISTANCES) if names is None else list(names)
    for name in chosen:
        if name not in DISTANCES:
            msg = f"no distance '{name}'; there are {list(DISTANCES)}.{nearest(name, DISTANCES)}"
            raise DataError(msg)
    return chosen


def _require_replicas(count: int, name: str) -> None:
    if count < 1:
        msg = f"{name}={count}: at least 1, and 99 for a p-value of 0.01"
        raise DataError(msg)


def _joined_weights(p: Any, q: Any, wp: ArrayLike | None, wq: ArrayLike | None) -> Array | None:
    """Weights of both samples in one array, or None; checks that both samples are weighted, or none."""
    if isinstance(p, Events):
        weighted = [p.weights is not None, q.weights is not None]
    else:
        weighted = [wp is not None, wq is not None]
    if any(weighted) and not all(weighted):
        msg = (
            f"only the {'first' if weighted[0] else 'second'} sample has weights, so its events cannot change places "
            "with the other's. Use null_distribution or distance_tests, which need no exchange, or weight both"
        )
        raise WeightError(msg)
    if wp is None or wq is None:
        return None
    return np.concatenate([np.asarray(wp, np.float64), np.asarray(wq, np.float64)])

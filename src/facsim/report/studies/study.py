"""What a study compares, and one-dimensional distances with floor and error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics import DISTANCES, null_distribution
from facsim.observables.weights import shares

__all__ = ["SECOND", "TRUTH", "Study", "distances", "mean_and_error"]

TRUTH, SECOND = "truth", "truth, second sample"
REPLICAS = 199
RESAMPLED = 50

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """Truth and copies of one schema.

    Parameters
    ----------
    truth : Events
        What copies are compared with.
    second : Events
        More truth, independent of the first; its distances from `truth` are the floors, so it should be as large as the
        copies are.
    copies : mapping of Events
        By the model's name; best drawn at the conditions of `truth`.

    Raises
    ------
    SchemaMismatch
        If a schema differs from the truth's.
    DataError
        If a copy has the name of the truth.
    """

    truth: Events
    second: Events
    copies: Mapping[str, Events]

    def __post_init__(self) -> None:
        for name, events in self.others.items():
            self.truth.schema.require_same(events.schema, f"cannot compare '{name}' with the truth")
        if {TRUTH, SECOND} & set(self.copies):
            msg = f"copies={list(self.copies)}: '{TRUTH}' and '{SECOND}' are names of the truth"
            raise DataError(msg)

    @property
    def others(self) -> dict[str, Events]:
        """What is compared with the truth: its second sample, then the copies."""
        return {SECOND: self.second, **self.copies}


def distances(
    p: Array, q: Array, *, wp: Array | None = None, wq: Array | None = None, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Measure W1, KS and separation, each with ``value``, ``error``, ``floor`` and ``pvalue``.

    Parameters
    ----------
    p, q : array (n,), (m,)
        An observable of truth and copy.
    wp, wq : array, optional
        Event weights; may be negative.
    seed : int

    Returns
    -------
    dict of dict
        The error is the spread over 50 samples drawn with replacement; the floor is the mean for two samples of the
        truth of `p`; the p-value comes from 199 deals of all events.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = distances(rng.normal(0, 1, 500), rng.normal(0.5, 1, 500))["w1"]
    >>> abs(found["value"] - 0.5) < 3 * found["error"], found["floor"] < 0.12, found["pvalue"]
    (True, True, 0.005)
    """
    names = ("w1", "ks", "separation")
    nulls = null_distribution(p, q, wp=wp, wq=wq, distances=names, replicas=REPLICAS, seed=seed)
    rng = np.random.default_rng([seed, 0xD157])
    again: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(RESAMPLED):
        i, j = rng.integers(0, len(p), len(p)), rng.integers(0, len(q), len(q))
        weights = {"wp": None if wp is None else wp[i], "wq": None if wq is None else wq[j]}
        for name in names:
            again[name].append(DISTANCES[name](p[i], q[j], **weights))
    out = {}
    for name in names:
        value = DISTANCES[name](p, q, wp=wp, wq=wq)
        out[name] = {
            "value": value,
            "error": float(np.std(again[name], ddof=1)),
            "floor": DISTANCES[name].expected(p, q, wp=wp, wq=wq),
            "pvalue": nulls[name].pvalue(value),
        }
    return out


def mean_and_error(values: NDArray[Any], weights: Array | None = None) -> tuple[float, float]:
    """Weighted mean and its statistical error.

    Examples
    --------
    >>> mean_and_error(np.array([1.0, 3.0]))
    (2.0, 0.7071067811865476)
    """
    w = shares(weights, len(values))
    mean = float(w @ values)
    return mean, float(np.sqrt(w**2 @ (values - mean) ** 2))

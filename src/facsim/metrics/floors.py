"""The floor: what a metric gives for truth against truth, without which its value says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events, concatenate

__all__ = ["Floor", "floor"]


class _Sliceable(Protocol):
    """A sample: an array or Events."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.intp], /) -> Any: ...


Sample = TypeVar("Sample", bound=_Sliceable)


@dataclass(frozen=True)
class Floor:
    """Values of a metric for two samples of one truth.

    Parameters
    ----------
    mean, spread : float
        Over the repetitions; the spread of one is 0.
    values : tuple of float
        All of them.
    events : (int, int)
        Sizes of the two samples.
    """

    mean: float
    spread: float
    values: tuple[float, ...]
    events: tuple[int, int]


def floor(
    metric: Callable[[Sample, Sample], float],
    truth: Sample,
    second: Sample | None = None,
    *,
    size: int | None = None,
    repeats: int = 1,
    seed: int = 0,
) -> Floor:
    """Measure a metric for truth against truth.

    Parameters
    ----------
    metric : callable
        ``metric(sample, sample) -> float``.
    truth : array or Events
        The reference sample.
    second : array or Events, optional
        A second, independent sample of the same truth. Without one, `truth` is divided at random into two halves; the
        floor is then that of half as many events, which lies higher.
    size : int, optional
        Events of the second sample to use, normally the size of the generated sample, so that both numbers have
        the same statistical power.
    repeats : int
        With more than one, all truth is dealt anew into two samples of the same sizes each time. Costs time and
        gives the spread; the repetitions share events, so the spread is a little too small for small samples.
    seed : int
        Of the deals.

    Returns
    -------
    Floor

    Raises
    ------
    DataError
        If there are fewer events than asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from facsim.metrics import wasserstein
    >>> truth, second = np.random.default_rng(0).normal(size=(2, 1000))
    >>> result = floor(wasserstein, truth, second, repeats=20)
    >>> 0.03 < result.mean < 0.10, result.events
    (True, (1000, 1000))
    """
    if repeats < 1:
        msg = f"repeats={repeats}: at least 1"
        raise DataError(msg)
    generator = np.random.default_rng([seed, 0xF1008])
    first = len(truth) if second is not None else len(truth) // 2
    available = len(second) if second is not None else len(truth) - first
    size = available if size is None else size
    if not (0 < size <= available and first > 0):
        msg = f"size={size}: the second sample of the truth has {available} events. Ask for fewer, or simulate more"
        raise DataError(msg)
    values = []
    for _ in range(repeats):
        if second is None:
            order = generator.permutation(len(truth))
            pair = truth[order[:first]], truth[order[first : first + size]]
        elif repeats == 1:
            pair = truth, second[np.arange(size)]
        else:
            order = generator.permutation(len(truth) + len(second))[: first + size]
            pair = _deal(truth, second, order[:first]), _deal(truth, second, order[first:])
        values.append(float(metric(*pair)))
    spread = float(np.std(values, ddof=1)) if repeats > 1 else 0.0
    return Floor(float(np.mean(values)), spread, tuple(values), (first, size))


def _deal(truth: Sample, second: Sample, rows: NDArray[np.intp]) -> Sample:
    """Rows of both samples as if they were one."""
    parts = [truth[rows[rows < len(truth)]], second[rows[rows >= len(truth)] - len(truth)]]
    return cast("Sample", concatenate(parts) if isinstance(truth, Events) else np.concatenate(parts))

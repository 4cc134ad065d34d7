"""Known distortions of a truth, to learn what a test can see: pure functions from a sample to a sample.

Arrays (n,) or (n, d) and `Events` are distorted alike; cells that fall below the read-out threshold are empty
afterwards. A distortion whose strength is 0 changes nothing (but `decorrelate`, which has none).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics.quantiles import weighted_quantiles

__all__ = ["cut_tail", "decorrelate", "drop_mode", "scale", "shift", "smear"]

Sample = TypeVar("Sample", bound="NDArray[Any] | Events")


def shift(sample: ArrayLike | Events, amount: ArrayLike) -> NDArray[np.float64]:
    """Add a constant to every event; for `Events` there is `scale`.

    Examples
    --------
    >>> shift(np.array([1.0, 2.0]), 0.5)
    array([1.5, 2.5])
    """
    if isinstance(sample, Events):
        msg = "shift takes arrays: energies of cells cannot be shifted. Use scale"
        raise DataError(msg)
    return np.asarray(np.asarray(sample, np.float64) + np.asarray(amount, np.float64))


def scale(sample: Sample, factor: float) -> Sample:
    """Multiply every event: a wrong energy scale (features of `Events`, not their conditions).

    Examples
    --------
    >>> scale(np.array([1.0, 2.0]), 1.5)
    array([1.5, 3. ])
    """
    if isinstance(sample, Events):
        return cast("Sample", _with_cells(sample, sample.features * np.float32(factor)))
    return cast("Sample", np.asarray(sample, np.float64) * factor)


def cut_tail(sample: Sample, share: float, by: ArrayLike | None = None) -> Sample:
    """Remove the events with the largest values: a generator that never reaches the tail.

    Parameters
    ----------
    sample : array or Events
    share : float
        Of the events, between 0 and 1.
    by : array (n,), optional
        What is large. Default: the sample itself, if it is one-dimensional.

    Examples
    --------
    >>> cut_tail(np.arange(10.0), 0.2).max()
    np.float64(7.0)
    """
    values = _values(sample, by)
    return cast("Sample", sample[values <= weighted_quantiles(values, [1 - share])[0]])


def drop_mode(sample: Sample, low: float, high: float, by: ArrayLike | None = None) -> Sample:
    """Remove the events between two quantiles: a generator that lost a mode.

    Parameters
    ----------
    sample : array or Events
    low, high : float
        Shares of the events, between 0 and 1; `high` - `low` is dropped.
    by : array (n,), optional
        Quantity that tells the modes apart. Default: the sample itself, if it is one-dimensional.

    Examples
    --------
    >>> drop_mode(np.arange(10.0), 0.3, 0.5)
    array([0., 1., 2., 5., 6., 7., 8., 9.])
    """
    values = _values(sample, by)
    first, last = weighted_quantiles(values, [low, high])
    return cast("Sample", sample[((values <= first) & (low > 0)) | (values > last)])


def smear(sample: Sample, width: float, seed: int) -> Sample:
    """Blur every number on its own: arrays by an added Gaussian of this width, `Events` by a factor 1 +- width.

    Energies never become negative.

    Examples
    --------
    >>> bool(abs(smear(np.zeros(1000), 2.0, seed=0).std() - 2) < 0.2)
    True
    """
    generator = np.random.default_rng([seed, 0x53EA])
    if isinstance(sample, Events):
        factor = 1 + width * generator.standard_normal(sample.features.shape, dtype=np.float32)
        return cast("Sample", _with_cells(sample, sample.features * np.maximum(factor, 0)))
    return cast("Sample", np.asarray(sample, np.float64) + width * generator.standard_normal(np.shape(sample)))


def decorrelate(
    sample: Sample, columns: slice | list[int], seed: int, by: ArrayLike | None = None, group: int | None = None
) -> Sample:
    """Give columns to other events: every distribution stays, correlations with the other columns are wrong.

    Parameters
    ----------
    sample : array (n, d) or Events
    columns : slice or list of int
        Feature columns that move together, such as ``schema.columns("layer_1")``.
    seed : int
    by : array (n,), optional
        Exchange only between events of similar values, for example of the incident energy.
    group : int, optional
        How many neighbours in `by` exchange. Default: 8 with `by`, all events without.

    Examples
    --------
    >>> decorrelate(np.array([[1.0, 10.0], [2.0, 20.0]]), [1], seed=1).sum()
    np.float64(33.0)
    """
    generator = np.random.default_rng([seed, 0xDEC0])
    n = len(sample)
    order = generator.permutation(n) if by is None else np.argsort(np.asarray(by), kind="stable")
    size = (8 if by is not None else n) if group is None else group
    source = np.arange(n)
    for start in range(0, n, size):
        rows = order[start : start + size]
        source[rows] = generator.permutation(rows)
    table = np.array(sample.features if isinstance(sample, Events) else sample)
    table[:, columns] = table[source][:, columns]
    return cast("Sample", replace(sample, features=table) if isinstance(sample, Events) else table)


def _values(sample: NDArray[Any] | Events, by: ArrayLike | None) -> NDArray[np.float64]:
    values = np.asarray(sample if by is None and not isinstance(sample, Events) else by, np.float64)
    if values.shape != (len(sample),):
        msg = f"by has shape {values.shape}, need one number for each of the {len(sample)} events"
        raise DataError(msg)
    return values


def _with_cells(events: Events, features: NDArray[np.float32]) -> Events:
    limits = np.concatenate([np.full(b.size, b.threshold, np.float32) for b in events.schema.features])
    return replace(events, features=np.where(features < limits, np.float32(0), features) if limits.any() else features)

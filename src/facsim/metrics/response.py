"""How mean, width and quantiles of a quantity change along a condition, such as the occupancy of the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.quantiles import bin_numbers, weighted_quantiles
from facsim.metrics.samples import Array, as_sample, as_weights, effective_size

__all__ = ["Response", "response_along"]

FEWEST = 10.0
"""Effective events in a bin."""


@dataclass(frozen=True)
class Response:
    """Mean, width and quantiles of a quantity in bins of a condition; NaN where there are too few events.

    Parameters
    ----------
    edges : array (bins + 1,)
    events : array (bins,)
        Effective number.
    mean, mean_error, width, width_error : array (bins,)
        The width is the standard deviation.
    shares : array (k,)
    quantiles, quantile_errors : array (bins, k)
    """

    edges: Array
    events: Array
    mean: Array
    mean_error: Array
    width: Array
    width_error: Array
    shares: Array
    quantiles: Array
    quantile_errors: Array

    def to_json(self) -> dict[str, Any]:
        """Plain lists; None where nothing is known."""

        def plain(values: Array) -> list[Any]:
            return [plain(v) if np.ndim(v) else (float(v) if np.isfinite(v) else None) for v in values]

        return {name: plain(values) for name, values in vars(self).items()}


def response_along(
    values: ArrayLike,
    condition: ArrayLike,
    edges: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    shares: Sequence[float] = (0.16, 0.5, 0.84),
) -> Response:
    r"""Describe a quantity in bins of a condition.

    .. math:: \bar x = \sum w x, \quad \sigma^2 = \sum w (x - \bar x)^2, \quad
        \delta \bar x^2 = \sum w^2 (x - \bar x)^2, \quad
        \delta \sigma^2 = \frac{1}{4 \sigma^2} \sum w^2 \bigl((x - \bar x)^2 - \sigma^2\bigr)^2

    with weights of sum 1 in each bin.

    Parameters
    ----------
    values, condition : array (n,)
    edges : array (bins + 1,)
        Ascending; bins are ``(low, high]``, the first with its low end, and events outside are left out.
    weights : array, optional
        May be negative (sWeights).
    shares : sequence of float, optional
        Of the quantiles.

    Returns
    -------
    Response

    Raises
    ------
    DataError, WeightError
        If shapes do not fit, values are not finite, or the sum of all weights is not positive.

    Notes
    -----
    The error of a quantile is half the distance of those at q plus and minus the error of the share below it (Woodruff,
    J. Am. Stat. Assoc. 47, 1952, 635), which needs no density. With signed weights a width may not exist: NaN.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=4000)
    >>> found = response_along(x + 5, np.repeat([0.5, 1.5], 2000), [0, 1, 2])
    >>> bool((np.abs(found.mean - 5) < 4 * found.mean_error).all()), round(float(found.mean_error[0]), 3)
    (True, 0.022)
    """
    sample, along, cuts = as_sample(values, "values"), as_sample(condition, "condition"), np.asarray(edges, np.float64)
    if len(along) != len(sample) or cuts.ndim != 1 or len(cuts) < 2 or not np.all(np.diff(cuts) > 0):
        msg = f"{len(sample)} values, {len(along)} conditions and edges of shape {cuts.shape}: need as many, ascending"
        raise DataError(msg)
    given = as_weights(weights, len(sample), "weights")
    number, bins = bin_numbers(along, cuts, outside=False), len(cuts) - 1
    wanted = np.asarray(shares, np.float64)
    moments, quantiles = np.full((5, bins), np.nan), np.full((2, bins, len(wanted)), np.nan)
    for i in range(bins):
        rows = number == i
        x, w = sample[rows], given[rows]
        moments[0, i] = size = effective_size(len(w), w) if w.sum() > 0 else 0.0
        if size < FEWEST:
            continue
        w = w / w.sum()
        mean = w @ x
        variance, squares = w @ (x - mean) ** 2, w**2
        moments[1:3, i] = mean, np.sqrt(squares @ (x - mean) ** 2)
        if variance > 0:
            moments[3:, i] = np.sqrt(variance), np.sqrt(squares @ ((x - mean) ** 2 - variance) ** 2 / variance) / 2
        quantiles[0, i] = weighted_quantiles(x, wanted, w)
        below = x[:, None] <= quantiles[0, i]
        error = np.sqrt(squares @ (below - wanted) ** 2)
        ends = [weighted_quantiles(x, np.clip(wanted + sign * error, 0, 1), w) for sign in (-1, 1)]
        quantiles[1, i] = (ends[1] - ends[0]) / 2
    events, mean, mean_error, width, width_error = moments
    return Response(cuts, events, mean, mean_error, width, width_error, wanted, quantiles[0], quantiles[1])

"""Efficiencies of cuts: what an analysis that selects on a generated quantity would get wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.quantiles import bin_numbers, quantile_edges, weighted_quantiles
from facsim.metrics.samples import Array, as_sample, as_weights

__all__ = ["EfficiencyTable", "efficiency_ratios", "wilson"]

CUTS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)


@dataclass(frozen=True)
class EfficiencyTable:
    r"""Efficiencies of cuts in bins of one quantity; arrays are (bins, cuts), NaN where a bin has no weight.

    Parameters
    ----------
    edges : array (bins + 1,)
        Of the quantity; bins are ``(low, high]``.
    shares, thresholds : array (cuts,)
        Shares of the reference, and the values that cut them off.
    reference, generated : array (bins, cuts)
        Efficiencies.
    ratio, low, high : array (bins, cuts)
        Generated over reference, and its 68 % interval.
    events : array (2, bins)
        Effective events of reference and generated, :math:`(\sum w)^2 / \sum w^2`.
    """

    edges: Array
    shares: Array
    thresholds: Array
    reference: Array
    generated: Array
    ratio: Array
    low: Array
    high: Array
    events: Array

    def intervals(self, role: str = "reference") -> tuple[Array, Array]:
        """Wilson's 68 % intervals of the single efficiencies, each (bins, cuts); see `wilson`."""
        side = ("reference", "generated").index(role)
        return wilson(getattr(self, role), self.events[side][:, None])

    @property
    def pulls(self) -> Array:
        """Logarithm of the ratio over its error; normal for two samples of one truth."""
        return np.asarray(np.log(self.ratio) / (np.log(self.high / self.low) / 2))

    def to_json(self) -> dict[str, Any]:
        """Plain lists; None where a bin is empty."""

        def plain(values: Array) -> list[Any]:
            return [[float(v) if np.isfinite(v) else None for v in row] for row in values]

        flat = {name: getattr(self, name).tolist() for name in ("edges", "shares", "thresholds")}
        names = ("reference", "generated", "ratio", "low", "high", "events")
        return flat | {name: plain(getattr(self, name)) for name in names}


def wilson(efficiency: ArrayLike, events: ArrayLike, sigmas: float = 1.0) -> tuple[Array, Array]:
    r"""Wilson's interval of an efficiency.

    .. math:: \frac{\varepsilon + z^2 / 2n \pm z \sqrt{\varepsilon (1 - \varepsilon) / n + z^2 / 4 n^2}}{1 + z^2 / n}

    Parameters
    ----------
    efficiency : array
        Shares of events that pass, 0 to 1.
    events : array
        n, of weighted events their effective number.
    sigmas : float, optional
        z.

    Returns
    -------
    (array, array)
        Lower and upper end, within 0 and 1; never of no width.

    Notes
    -----
    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.

    Examples
    --------
    >>> low, high = wilson(1.0, 9)
    >>> round(float(low), 3), round(float(high), 3)
    (0.9, 1.0)
    """
    e, n, z2 = np.asarray(efficiency, np.float64), np.asarray(events, np.float64), sigmas**2
    half = sigmas * np.sqrt(e * (1 - e) / n + z2 / (4 * n**2))
    middle = e + z2 / (2 * n)
    return np.asarray((middle - half) / (1 + z2 / n)), np.asarray((middle + half) / (1 + z2 / n))


def efficiency_ratios(
    reference: ArrayLike,
    generated: ArrayLike,
    conditions: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    wr: ArrayLike | None = None,
    wg: ArrayLike | None = None,
    cuts: Sequence[float] = CUTS,
    bins: int = 10,
    reverse: bool = False,
) -> dict[str, EfficiencyTable]:
    r"""Compare how many events pass cuts on a quantity, in bins of each condition or feature.

    .. math:: \varepsilon = \frac{n \hat\varepsilon + 1/2}{n + 1}, \qquad
        \hat\varepsilon = \frac{\sum_{pass} w}{\sum w}, \qquad n = \frac{(\sum w)^2}{\sum w^2}

    Parameters
    ----------
    reference, generated : array (n,), (m,)
        The quantity that is cut on, e.g. a likelihood ratio.
    conditions : mapping
        Name -> (values of the reference (n,), values of the generated events (m,)).
    wr, wg : array, optional
        Event weights; may be negative (sWeights).
    cuts : sequence of float, optional
        Cut values as quantiles of the weighted reference.
    bins : int, optional
        Bins of equal weight of the reference in each condition.
    reverse : bool, optional
        Events at or below the cut pass, not those above.

    Returns
    -------
    dict of EfficiencyTable
        By name of the condition. For two samples of one truth the ratio is 1, outside its interval in 32 % of the
        entries; entries of one bin are correlated.

    Raises
    ------
    DataError, WeightError
        If values are not finite, shapes do not fit, a condition is constant, or a sum of weights is not positive.

    Notes
    -----
    The LHCb RICH studies (arXiv:1905.11825, evaluation code) take unweighted quantiles and :math:`\sum w` events in the
    errors, which is wrong for sWeights. Here quantiles are weighted, and the variance of an efficiency is
    :math:`\sum w^2 (1[pass] - \varepsilon)^2 / (\sum w)^2`, which without weights is
    :math:`\varepsilon (1 - \varepsilon) / n`; the interval is :math:`R \exp(\pm\sqrt{\sigma_r^2 / \varepsilon_r^2 +
    \sigma_g^2 / \varepsilon_g^2})`. The cuts are taken as given: their own statistical error is left out. Blind to
    what happens away from the cuts.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 10_000))
    >>> momentum = np.random.default_rng(1).uniform(2, 100, (2, 10_000))
    >>> table = efficiency_ratios(x, y, {"p": tuple(momentum)})["p"]
    >>> table.ratio.shape, bool(abs(table.ratio[:, 3] - 1).max() < 0.2)
    ((10, 7), True)
    """
    sides = []
    for values, weights, name in ((reference, wr, "reference"), (generated, wg, "generated")):
        sample = as_sample(values, name)
        sides.append((sample, as_weights(weights, len(sample), f"weights of {name}")))
    shares = np.asarray(cuts, np.float64)
    thresholds = weighted_quantiles(sides[0][0], shares, sides[0][1])
    out = {}
    for name, pair in conditions.items():
        columns = [as_sample(values, f"{name} of {role}") for values, role in zip(pair, ("r", "g"), strict=True)]
        for column, (sample, _) in zip(columns, sides, strict=True):
            if len(column) != len(sample):
                msg = f"condition '{name}' has {len(column)} values for {len(sample)} events"
                raise DataError(msg)
        edges = quantile_edges(columns[0], bins, sides[0][1])
        found = [
            _efficiencies(sample, weights, bin_numbers(column, edges), len(edges) - 1, thresholds, reverse=reverse)
            for column, (sample, weights) in zip(columns, sides, strict=True)
        ]
        (er, vr, nr), (eg, vg, ng) = found
        ratio = eg / er
        error = np.exp(np.sqrt(vr / er**2 + vg / eg**2))
        sizes = np.array([nr, ng])
        out[name] = EfficiencyTable(edges, shares, thresholds, er, eg, ratio, ratio / error, ratio * error, sizes)
    return out


def _efficiencies(
    sample: Array, weights: Array, number: Any, bins: int, thresholds: Array, *, reverse: bool
) -> tuple[Array, Array, Array]:
    """Efficiency and its variance, each (bins, cuts), and effective events (bins,)."""
    total, squares = np.bincount(number, weights, bins), np.bincount(number, weights**2, bins)
    total = np.where(total > 0, total, np.nan)  # no efficiency without a positive weight
    size = total**2 / squares
    efficiency, variance = np.empty((2, bins, len(thresholds)))
    for j, threshold in enumerate(thresholds):
        passes = (sample <= threshold) if reverse else (sample > threshold)
        raw = np.bincount(number, weights * passes, bins) / total
        # signed weights can push an efficiency out of 0 to 1
        e = (np.clip(raw, 0, 1) * size + 0.5) / (size + 1)
        passed = np.bincount(number, weights**2 * passes, bins)
        efficiency[:, j] = e
        variance[:, j] = (passed * (1 - e) ** 2 + (squares - passed) * e**2) / total**2
    return efficiency, variance, size

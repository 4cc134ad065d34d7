r"""Error and p-value of a squared distance between two mean embeddings, read off groups of events.

Each event has an embedding :math:`\phi` (a kernel has one implicitly). Let :math:`\delta` be the true difference of
its two weighted means and :math:`\epsilon` the statistical error of the observed one, with covariance C. The plug-in
:math:`|\delta + \epsilon|^2` is too large by tr C on average; with that subtracted, what remains of the error is

.. math:: 2\,\delta \cdot \epsilon + (|\epsilon|^2 - \mathrm{tr}\,C) .

The first term has the variance :math:`4\,\delta^T C\,\delta` and is alone when the samples differ; the second has
:math:`2\,\mathrm{tr}\,C^2` and is alone when they do not. Both are simulated with random signs on the groups (wild
bootstrap of a degenerate U-statistic, Dehling and Mikosch 1994), so that the skewness of the second is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from facsim.metrics.samples import Array

__all__ = ["Estimate", "SquaredDistance", "null_form", "signs", "squared_distance", "summarise"]

REPLICAS = 2000
SHARE = 0.682689492137086  # of a Gaussian lies within one standard deviation


@dataclass(frozen=True)
class Estimate:
    """A distance with its error.

    Parameters
    ----------
    value : float
        ``float(estimate)`` gives it.
    error : float
        Half-width of the 68 % interval around the value.
    pvalue : float
        Probability of at least this value if both samples had one truth; at least 1/2001, or 1/1001 for
        sliced distances, by the number of simulated replicas.
        NaN (in JSON: null) where the definition of another package has none.
    null : float
        Mean value for two samples of one truth: 0 where the metric corrects its bias.

    Examples
    --------
    >>> float(Estimate(0.5, 0.1, 0.002))
    0.5
    """

    value: float
    error: float
    pvalue: float
    null: float = 0.0

    def __float__(self) -> float:
        return self.value

    def to_json(self) -> dict[str, float | None]:
        """Return what result files store."""
        return {name: None if np.isnan(number) else number for name, number in asdict(self).items()}


@dataclass(frozen=True)
class SquaredDistance:
    r"""A squared distance and what it takes to simulate its error with random signs s.

    Parameters
    ----------
    value : float
        Bias removed.
    plug_in : float
        Bias not removed.
    form : array (G, G)
        Of the groups of both samples, with zero diagonal: :math:`s^T B s` is distributed as the quadratic error.
    linear : array (G,)
        :math:`s \cdot l` is distributed as the linear error, enlarged by the error of the observed difference.
    statistic : float
        The quadratic form that the value is near the null, whose p-value is known; for many metrics the value itself.
    """

    value: float
    plug_in: float
    form: Array
    linear: Array
    statistic: float


def squared_distance(gram: Array, first: Array, second: Array) -> SquaredDistance:
    """Squared distance of two mean embeddings.

    Parameters
    ----------
    gram : array (G, G)
        Scalar products of the groups' weighted sums of embeddings, the first sample's groups before the second's.
    first, second : array (a,), (b,)
        Sum of weights of each group, a + b = G; each sums to 1.
    """
    a, b = len(first), len(second)
    side = np.concatenate([np.ones(a), -np.ones(b)])
    centring = np.eye(a + b)
    centring[:a, :a] -= first[:, None]
    centring[a:, a:] -= second[:, None]
    signed = gram * side[:, None] * side
    plug_in = float(signed.sum())
    residuals = centring @ signed @ centring.T
    bessel = np.repeat([a / (a - 1), b / (b - 1)], [a, b])
    value = plug_in - float(bessel @ np.diag(residuals))
    linear = 2 * np.sqrt(bessel) * (centring @ signed.sum(1))
    return SquaredDistance(value, plug_in, null_form(residuals, a), linear, value)


def null_form(residuals: Array, a: int) -> Array:
    """Turn scalar products of the groups' residuals into a form whose variance, for random signs, is 2 tr C².

    Each sample's own products are U-centred and rescaled (Székely and Rizzo 2014): as they stand, the finite number of
    groups would make the variance too large where the embedding has many dimensions.
    """
    form = residuals.copy()
    b = len(residuals) - a
    for part in (slice(None, a), slice(a, None)):
        block = form[part, part]
        g = len(block)
        np.fill_diagonal(block, 0.0)
        rows = block.sum(0) / (g - 2)
        block -= rows[:, None] + rows - block.sum() / ((g - 1) * (g - 2))
        np.fill_diagonal(block, 0.0)
        block *= np.sqrt(g / (g - 3))
    form[:a, a:] *= np.sqrt(a / (a - 1) * b / (b - 1))
    form[a:, :a] = form[:a, a:].T
    return form


def summarise(parts: Sequence[SquaredDistance], seed: int) -> Estimate:
    r"""Average over disjoint parts of the samples, with error and p-value.

    The variance of the linear error is :math:`V_{jack} - 2 V_{quad}`: the products with the observed difference also
    hold, twice, the variance of its own error (Efron and Stein 1981). It enters as far as the statistic stands out from
    the null: not below one standard deviation, wholly from three on. So does a `value` that is quadratic near the null
    only, for which the `statistic` stands below.
    """
    generator = np.random.default_rng([seed, 0x5165])
    quadratic, linear = np.zeros(REPLICAS), np.zeros(REPLICAS)
    for part in parts:
        s = signs(generator, len(part.form), REPLICAS)
        quadratic += ((s @ part.form) * s).sum(1) / len(parts)
        linear += s @ part.linear / len(parts)
    value, statistic = (float(np.mean(v)) for v in ([p.value for p in parts], [p.statistic for p in parts]))
    quad = sum(2 * float((part.form**2).sum()) for part in parts) / len(parts) ** 2
    jack = sum(float(part.linear @ part.linear) for part in parts) / len(parts) ** 2
    # near the null an estimate of the linear error is noise that would make intervals too long
    outstanding = float(np.clip((statistic / np.sqrt(quad) - 1) / 2, 0, 1)) if quad > 0 else 1.0
    share = outstanding * max(0.0, 1 - 2 * quad / jack) if jack > 0 else 0.0
    error = float(np.quantile(np.abs(quadratic + np.sqrt(share) * linear), SHARE))
    value = outstanding * value + (1 - outstanding) * statistic
    return Estimate(value, error, (int((quadratic >= statistic).sum()) + 1) / (REPLICAS + 1))


def signs(generator: np.random.Generator, groups: int, replicas: int) -> Array:
    """Random signs, (replicas, groups)."""
    return np.asarray(generator.integers(0, 2, (replicas, groups)) * 2.0 - 1.0, np.float64)

"""Fréchet distance between two samples of many columns, extrapolated to infinitely many events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, WeightError
from facsim.metrics.blocks import Normalise, Sample, prepare, require_choice
from facsim.metrics.quadratic import Estimate, SquaredDistance, squared_distance, summarise
from facsim.metrics.samples import Array, effective_size

__all__ = ["Moments", "fpd", "frechet_distance", "group_moments"]

RANK = 1e-10
"""Directions whose variance is a smaller share of the largest are rounding of collinear columns."""
NEGATIVE = 0.1
"""Share of the total variance that signed weights may leave negative; it is then taken as 0."""


def fpd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    wx: ArrayLike | None = None,
    wy: ArrayLike | None = None,
    normalise: Normalise = "std",
    definition: Literal["facsim", "jetnet"] = "facsim",
    seed: int = 0,
) -> Estimate:
    r"""Fréchet physics distance: between Gaussians fitted to both samples, for infinitely many events.

    .. math:: F = |\mu_x - \mu_y|^2 + \mathrm{tr}\left(\Sigma_x + \Sigma_y - 2 (\Sigma_x \Sigma_y)^{1/2}\right)

    Parameters
    ----------
    x, y : array (n, d), (m, d)
        Reference and other sample, the same columns; any number of events each, at least d + 2.
    wx, wy : array, optional
        Event weights of any normalisation with a positive sum; may be negative (sWeights).
    normalise : {"std", "max", None}
        Unit of each column: the (weighted) standard deviation of x, its largest absolute value (which hangs on a single
        event), or 1. The unit counts as exact.
    definition : {"facsim", "jetnet"}
        "jetnet" repeats the numbers of older papers, their bias included: see `facsim.metrics.jetnet`.
    seed : int
        Of the deal into groups and the simulated errors.

    Returns
    -------
    Estimate
        Squared units. Two samples of one truth give 0 within the error (so also negative values), a shift of one
        column by c of its standard deviations c². The error is that of this estimate from these events.

    Raises
    ------
    DataError
        If a value is not finite, there are too few events, or a column has no scale in x: of the columns that are
        constant in x, those with the same value in y are left out and others are an error (unless `normalise` is None).
    WeightError
        If weights sum to zero or below, or leave a grossly negative variance.

    Notes
    -----
    Kansal et al., arXiv:2211.10295, but for the extrapolation. The plug-in is too large by a/n + b/m; each sample is
    dealt into 50 groups, and leaving out one at a time (jackknife) gives a and b without drawing events twice. For one
    truth F is a quadratic form of the errors of means and covariances,

    .. math:: F \approx |\Delta\mu|^2 + \tfrac12 \sum_{ij} (\Delta\Sigma_{ij})^2 / (\lambda_i + \lambda_j)

    in the eigenbasis of the pooled covariance (Bures metric); its variance and p-value come from the groups, too
    (`facsim.metrics.quadratic`). Collinear columns do no harm. Samples drawn at the same conditions, event by event,
    count as independent: the error is then too large rather than too small. The remaining bias is of order (d/n)².
    Measured with 36 columns and 200 pairs of one truth (`scripts/metrics_bench.py`): the mean is 0 within its error and
    the interval covers 63 to 73 %, with 2,000 and with 50,000 events, for Gaussian columns and for observables of
    showers. A value within one standard deviation of 0 is the quadratic form itself, whose mean stays 0 even where few
    events rule the covariance; such columns also hide small shifts of others.

    Blind to everything but means and covariances: another shape with the same two moments gives 0. Use `kpd` beside it.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 5000, 3))
    >>> null, shifted = fpd(x, y), fpd(x, y + [0.2, 0, 0])
    >>> abs(null.value) < 3 * null.error, abs(shifted.value - 0.04) < 3 * shifted.error, shifted.pvalue < 0.001
    (True, True, True)
    """
    require_choice(definition, "definition", ("facsim", "jetnet"))
    if definition == "jetnet":
        from facsim.metrics.jetnet import fpd as jetnet_fpd

        return jetnet_fpd(x, y, wx=wx, wy=wy)
    first, second = prepare(x, y, wx, wy, normalise=normalise, seed=seed)
    for name, sample in (("x", first), ("y", second)):
        size, d = effective_size(len(sample), sample.weights), sample.rows.shape[1]
        if size < d + 2:
            msg = (
                f"{name} has {size:.4g} (effective) events for {d} columns: fpd needs at least {d + 2}, better {50 * d}"
            )
            raise DataError(msg)
    return summarise([_frechet(group_moments(first), group_moments(second))], seed)


def frechet_distance(mean_x: ArrayLike, covariance_x: ArrayLike, mean_y: ArrayLike, covariance_y: ArrayLike) -> float:
    r"""Fréchet (squared Wasserstein-2) distance of two Gaussians.

    Parameters
    ----------
    mean_x, mean_y : array (d,)
    covariance_x, covariance_y : array (d, d)
        Symmetric, positive semi-definite; may be singular.

    Returns
    -------
    float
        0 for equal Gaussians. With means and covariances estimated from n and m events of one truth its mean is
        about :math:`(d^2/8 + 9d/8)(1/n + 1/m)` for columns of unit variance: `fpd` is without that bias.

    Notes
    -----
    Dowson and Landau 1982.

    Examples
    --------
    >>> frechet_distance([0.0], [[4.0]], [3.0], [[1.0]])
    10.0
    """
    mean_x, mean_y = np.atleast_1d(np.asarray(mean_x, np.float64)), np.atleast_1d(np.asarray(mean_y, np.float64))
    covariance_x, covariance_y = (np.asarray(c, np.float64) for c in (covariance_x, covariance_y))
    d = len(mean_x)
    if mean_y.shape != (d,) or covariance_x.shape != (d, d) or covariance_y.shape != (d, d):
        msg = (
            f"means {mean_x.shape}, {mean_y.shape} and covariances {covariance_x.shape}, {covariance_y.shape} do "
            "not fit: need (d,) and (d, d)"
        )
        raise DataError(msg)
    return float(_distances(mean_x[None], covariance_x[None], mean_y, covariance_y)[0])


@dataclass(frozen=True)
class Moments:
    """Weighted sums over each group of a sample; over all groups the weights sum to 1.

    Parameters
    ----------
    weight : array (G,)
    first : array (G, d)
        Of the values.
    second : array (G, d, d)
        Of the products of two values.
    """

    weight: Array
    first: Array
    second: Array

    @property
    def mean(self) -> Array:
        """Of all groups, (d,)."""
        return np.asarray(self.first.sum(0))

    @property
    def covariance(self) -> Array:
        """Of all groups, (d, d)."""
        return np.asarray(self.second.sum(0) - np.outer(self.mean, self.mean))

    def about_mean(self) -> tuple[Array, Array]:
        """First moments, and second moments about the mean of all groups, (G, d) and (G, d, d)."""
        cross = self.first[:, :, None] * self.mean
        around = self.weight[:, None, None] * np.outer(self.mean, self.mean)
        return self.first, self.second - cross - cross.transpose(0, 2, 1) + around

    def left_out(self) -> tuple[Array, Array]:
        """Mean and covariance without each group in turn, (G, d) and (G, d, d)."""
        rest = 1 - self.weight
        if not np.all(rest > 0):
            msg = "the weights of the events without one of the groups sum to zero or below: use more events"
            raise WeightError(msg)
        mean = (self.mean - self.first) / rest[:, None]
        second = (self.second.sum(0) - self.second) / rest[:, None, None]
        return mean, second - mean[:, :, None] * mean[:, None, :]

    def rotated(self, basis: Array) -> Moments:
        """In new coordinates, the columns of `basis` (d, r)."""
        return Moments(self.weight, self.first @ basis, basis.T @ self.second @ basis)


def group_moments(sample: Sample) -> Moments:
    """Sum up first and second moments of each group, in one pass."""
    first, second = [], []
    for rows, weights in sample.chunks():
        weighted = rows * weights[:, None]
        first.append(weighted.sum(0))
        second.append(weighted.T @ rows)
    return Moments(sample.group_weights, np.array(first), np.array(second))


def _frechet(x: Moments, y: Moments) -> SquaredDistance:
    """Jackknife over the groups of both samples; the form of the null is that of the Bures metric."""
    _refuse_negative(x, "wx")
    _refuse_negative(y, "wy")
    spectrum, basis = np.linalg.eigh((x.covariance + y.covariance) / 2)
    kept = spectrum > RANK * spectrum[-1]
    spectrum, basis = spectrum[kept], basis[:, kept]
    shift = x.mean - y.mean
    outside = max(0.0, float(shift @ shift - np.sum((shift @ basis) ** 2)))  # along directions without any variance
    x, y = x.rotated(basis), y.rotated(basis)
    plug_in = float(_distances(x.mean[None], x.covariance[None], y.mean, y.covariance)[0])
    value, linear, embedded = plug_in, [], []
    for side, other, sign in ((x, y, 1.0), (y, x, -1.0)):
        groups = len(side.weight)
        without = _distances(*side.left_out(), other.mean, other.covariance)
        value -= (groups - 1) * (float(without.mean()) - plug_in)
        linear.append(np.sqrt((groups - 1) / groups) * sign * (without.mean() - without))
        means, covariances = side.about_mean()
        covariances /= np.sqrt(2 * (spectrum[:, None] + spectrum))
        embedded.append(np.concatenate([means, covariances.reshape(groups, -1)], axis=1))
    both = np.concatenate(embedded)
    near = squared_distance(both @ both.T, x.weight, y.weight)
    return replace(
        near,
        value=value + outside,
        plug_in=plug_in + outside,
        statistic=near.value + outside,
        linear=np.concatenate(linear),
    )


def _distances(means: Array, covariances: Array, mean: Array, covariance: Array) -> Array:
    """Fréchet distance of many Gaussians (G, d), (G, d, d) from one."""
    spectrum, basis = np.linalg.eigh(covariance)
    root = np.sqrt(np.clip(spectrum, 0, None))[:, None] * basis.T
    products = np.linalg.eigvalsh(root @ covariances @ root.T)
    traces = np.trace(covariances, axis1=1, axis2=2) + np.trace(covariance)
    return np.asarray(
        np.sum((means - mean) ** 2, axis=1) + traces - 2 * np.sqrt(np.clip(products, 0, None)).sum(axis=1)
    )


def _refuse_negative(moments: Moments, name: str) -> None:
    spectrum = np.linalg.eigvalsh(moments.covariance)
    negative = float(-spectrum[spectrum < 0].sum())
    if negative > NEGATIVE * spectrum.sum():
        msg = (
            f"{name}: the weights leave a negative variance along some direction ({negative:.3g} against a total of "
            f"{spectrum.sum():.3g}), which no Gaussian has. Use more events or fewer columns, or kpd"
        )
        raise WeightError(msg)

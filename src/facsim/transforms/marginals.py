"""Presence and amplitude of every column, given one driving number: the marginals that no network has to learn."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.transforms.base import LOGISTIC_STD, Code

__all__ = ["Marginals"]

DEFENCE = 0.05  # part of all events in quantiles of signed weights
GRID_EDGE = 11.0  # the table spans probabilities of 1/60,000 on both sides; beyond them it continues straight
LATENT_EDGE = 14.0  # no event is coded further out than this, in units of the logistic distribution
CHUNK = 1024  # columns fitted at once


class Marginals(nn.Module):
    r"""Map each column to a latent number of logistic distribution and unit variance, given a driver s.

    Column i is empty with probability :math:`\sigma(a_i(s))`. If it is lit, its value is
    :math:`w = \mu_i(s) + \tau_i(s)\, q_i(v)` with v of standard logistic distribution. Presence and amplitude share
    one latent number z: the column is empty where :math:`z \le a_i(s)`, else

    .. math:: v = \log(e^{z - a} - 1) + a - \log(1 + e^{a}),

    which is the logistic score of z within the lit part. :math:`a, \mu, \tau` are linear splines in s on common knots,
    q is a table of quantiles. So the share of empty cells, the mean and the shape of every column come out right
    before any network is trained, and what a network must learn is how the columns hang together.

    Parameters
    ----------
    width : int
        Columns.
    knots : int, optional
        Knots of the splines; 1 means that nothing depends on the driver.
    grid : int, optional
        Entries of the quantile table.

    Notes
    -----
    `decode` of `encode` gives the value back within float32 rounding (1e-5 of the scale), except for amplitudes beyond
    what one in a million events reaches, which saturate.
    """

    knots: Tensor
    empty: Tensor
    location: Tensor
    scale: Tensor
    table: Tensor

    def __init__(self, width: int, knots: int = 10, grid: int = 89) -> None:
        super().__init__()
        self.register_buffer("knots", torch.linspace(0, 1, knots))
        self.register_buffer("empty", torch.full((knots, width), -30.0))
        self.register_buffer("location", torch.zeros(knots, width))
        self.register_buffer("scale", torch.ones(knots, width))
        self.register_buffer("table", torch.linspace(-GRID_EDGE, GRID_EDGE, grid).repeat(width, 1))

    def fit(
        self,
        values: NDArray[np.float32],
        driver: NDArray[np.float32],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit to values (n, width), NaN where a column is empty, and their driver (n,).

        Without a driver, the tables of signed weights are weighted quantiles (see `_signed_probability`), so that the
        signal of sWeighted events has the marginals of the latent space. All else leaves out events of weight zero or
        less: it only shapes the latent space, and estimates no density.
        """
        importance = np.ones(len(driver)) if weights is None else np.asarray(weights, np.float64)
        signed = (values, importance) if len(self.knots) == 1 and (importance < 0).any() else None
        used = importance > 0
        values, driver, importance = values[used], driver[used], importance[used] / importance[used].mean()
        knots = np.quantile(driver.astype(np.float64), np.linspace(0, 1, len(self.knots)))
        knots += np.arange(len(knots)) * 1e-6 * max(1.0, float(np.ptp(knots)))  # strictly ascending
        self.knots.copy_(torch.from_numpy(knots))
        basis = _hat(knots, driver)
        grid = np.linspace(-GRID_EDGE, GRID_EDGE, self.table.shape[1])
        for start in range(0, values.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            column = values[:, part].astype(np.float64)
            lit = np.isfinite(column)
            share = lit * importance[:, None]
            filled = np.where(lit, column, 0.0)
            location = _least_squares(basis, filled, share)
            spread = np.where(lit, np.abs(filled - basis @ location), 0.0)
            scale = _least_squares(basis, spread, share)
            floor = np.maximum(1e-6, 0.05 * spread.sum(0) / np.maximum(lit.sum(0), 1))
            scale = np.maximum(scale, floor)
            empty = _logistic_regression(basis, ~lit, importance)
            residual = np.where(lit, (filled - basis @ location) / (basis @ scale), np.nan)
            shares = importance
            if signed is not None:  # every event, also those that are taken away
                residual, shares = (signed[0][:, part].astype(np.float64) - location) / scale, signed[1]
            table = _quantile_tables(residual, shares, grid)
            for name, value in (("empty", empty), ("location", location), ("scale", scale)):
                getattr(self, name)[:, part] = torch.from_numpy(value).float()
            self.table[part] = torch.from_numpy(table).float()

    def encode(self, values: Tensor, lit: Tensor, driver: Tensor) -> Code:
        """Latent intervals of values (n, width), of which those that are not `lit` are ignored."""
        empty, location, scale = self._splines(driver)
        v = self._score(torch.where(lit, (values - location) / scale, 0.0))
        v = v.clamp(-LATENT_EDGE, LATENT_EDGE)
        z = torch.logaddexp(v + nn.functional.softplus(empty), empty)
        high = torch.where(lit, z, empty) / LOGISTIC_STD
        return Code(torch.where(lit, high, -torch.inf), high)

    def decode(self, latent: Tensor, driver: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, width), and the latent distance above the presence threshold: positive where a column is lit."""
        empty, location, scale = self._splines(driver)
        v, above = _lit_score(latent, empty)
        return location + scale * self._quantile(v), above

    def decode_rows(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """`decode` without a driver, of columns side by side, (width, n): engines broadcast fast over long rows."""
        v, above = _lit_score(latent, self.empty.T)
        values = self.location.T + self.scale.T * self.table  # (width, grid)
        size = values.shape[1]
        place = (v + GRID_EDGE) * ((size - 1) / (2 * GRID_EDGE))
        cell = place.floor().clamp(0, size - 2)
        index = cell.long() + torch.arange(len(values), device=v.device)[:, None] * size
        rise = nn.functional.pad(values[:, 1:] - values[:, :-1], (0, 1))
        return values.flatten()[index] + rise.flatten()[index] * (place - cell), above

    def _splines(self, driver: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if len(self.knots) == 1:
            return self.empty, self.location, self.scale
        # Linear splines as ramps: value at the first knot plus every step times how much of it is passed.
        ramps = ((driver[:, None] - self.knots[:-1]) / (self.knots[1:] - self.knots[:-1])).clamp(0, 1)
        empty, location, scale = (t[0] + ramps @ (t[1:] - t[:-1]) for t in (self.empty, self.location, self.scale))
        return empty, location, scale

    def _quantile(self, v: Tensor) -> Tensor:
        """Interpolate the table of every column at scores v (n, width), straight on beyond its ends."""
        size = self.table.shape[1]
        place = (v + GRID_EDGE) * ((size - 1) / (2 * GRID_EDGE))
        cell = place.floor().clamp(0, size - 2)
        first = torch.arange(self.table.shape[0], device=v.device) * size
        index = cell.long() + first
        flat = self.table.flatten()
        low = flat[index]
        return low + (flat[index + 1] - low) * (place - cell)

    def _score(self, q: Tensor) -> Tensor:
        """Inverse of `_quantile`."""
        size = self.table.shape[1]
        cell = torch.searchsorted(self.table, q.T.contiguous(), right=True).sub(1).clamp(0, size - 2)
        low, high = self.table.gather(1, cell), self.table.gather(1, cell + 1)
        place = cell + (q.T - low) / (high - low)
        return (place * (2 * GRID_EDGE / (size - 1)) - GRID_EDGE).T


def _lit_score(latent: Tensor, empty: Tensor) -> tuple[Tensor, Tensor]:
    """Logistic score within the lit part, and the distance above the threshold `empty`, of latent numbers."""
    above = latent * LOGISTIC_STD - empty
    x = above.clamp(min=1e-6)
    v = x + torch.log(1 - torch.exp(-x)) + (empty - nn.functional.softplus(empty))
    return v.clamp(-LATENT_EDGE, LATENT_EDGE), above


def _hat(knots: NDArray[np.float64], driver: NDArray[np.float32]) -> NDArray[np.float64]:
    """Values (n, knots) of the linear B-splines."""
    if len(knots) == 1:
        return np.ones((len(driver), 1))
    return np.stack([np.interp(driver, knots, row) for row in np.eye(len(knots))], axis=1)


def _gram(basis: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of weight x basis x basis for every column: (columns, knots, knots), tridiagonal."""
    knots = basis.shape[1]
    out = np.zeros((weights.shape[1], knots, knots))
    i = np.arange(knots)
    out[:, i, i] = weights.T @ basis**2
    if knots > 1:
        out[:, i[:-1], i[1:]] = out[:, i[1:], i[:-1]] = weights.T @ (basis[:, :-1] * basis[:, 1:])
    return out


def _smoothness(knots: int, strength: float) -> NDArray[np.float64]:
    """Penalty on the second difference, so that a knot with few events follows its neighbours."""
    bend = np.diff(np.eye(knots), 2, axis=0)
    return strength * bend.T @ bend + 1e-6 * np.eye(knots)


def _least_squares(
    basis: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted spline fit of every column: (knots, columns)."""
    left = _gram(basis, weights) + _smoothness(basis.shape[1], 0.5)
    right = (weights * values).T @ basis
    return np.asarray(np.linalg.solve(left, right[:, :, None])[:, :, 0].T)


def _logistic_regression(
    basis: NDArray[np.float64], hit: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-odds of `hit` as a spline, by Newton's method with a weak pull: (knots, columns), within +-12.

    A column that is never empty gets -30: it has no presence at all, and its latent number is its amplitude. One that
    is always empty, such as the corner of an image, gets 16: it stays empty but for one event in ten million.
    """
    total = weights.sum()
    share = (weights @ hit + 0.5) / (total + 1)
    odds = np.repeat(np.log(share / (1 - share))[None], basis.shape[1], axis=0)
    prior = _smoothness(basis.shape[1], 0.3) + 0.01 * np.eye(basis.shape[1])
    for _ in range(15):
        p = 1 / (1 + np.exp(-(basis @ odds)))
        slope = basis.T @ (weights[:, None] * (p - hit)) + prior @ odds
        curvature = _gram(basis, weights[:, None] * p * (1 - p)) + prior
        step = np.clip(np.linalg.solve(curvature, slope.T[:, :, None])[:, :, 0].T, -2, 2)
        odds = np.clip(odds - step, -12, 12)
        if np.abs(step).max() < 1e-3:
            break
    odds[:, ~hit.any(axis=0)] = -30.0
    odds[:, hit.all(axis=0)] = 16.0
    return odds


def _quantile_tables(
    residual: NDArray[np.float64], weights: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles of every column at logistic scores `grid`: (columns, grid), strictly ascending.

    Columns with fewer than 50 lit events borrow the shape of all others together. Beyond the outermost event a table
    continues with the slope of the outermost 2 %.
    """
    pool = np.sort(residual[np.isfinite(residual)])[:: max(1, np.isfinite(residual).sum() // 20_000)]
    tables = np.empty((residual.shape[1], len(grid)))
    for i, column in enumerate(residual.T):
        keep = np.isfinite(column)
        x, w = column[keep], weights[keep]
        if len(x) < 50:
            x, w = (pool, np.ones(len(pool))) if len(pool) else (np.array([-1.0, 1.0]), np.ones(2))
        order = np.argsort(x)
        x, w = x[order], w[order]
        probability = _signed_probability(w) if (w < 0).any() else (np.cumsum(w) - 0.5 * w) / w.sum()
        score = np.log(probability / (1 - probability))
        table = np.interp(grid, score, x)
        k = max(1, len(x) // 50)
        below, above = grid < score[0], grid > score[-1]
        table[below] = x[0] + (grid[below] - score[0]) * (x[k] - x[0]) / (score[k] - score[0])
        table[above] = x[-1] + (grid[above] - score[-1]) * (x[-1] - x[-1 - k]) / (score[-1] - score[-1 - k])
        tables[i] = table
    rise = 2e-6 * np.maximum(tables[:, -1:] - tables[:, :1], 1e-3)
    return np.asarray(np.maximum.accumulate(tables, axis=1) + rise * np.arange(len(grid)))


def _signed_probability(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative probabilities (n,) of sorted events with weights of both signs: strictly ascending within 0 and 1.

    The cumulative weight of a region that only background reaches goes up and down around zero: it is replaced by the
    mean of the closest curves above and below that never fall. Mixed in is a twentieth of all events, without which
    such a region would have no room in the latent space, and its events, which training needs to see, no code.
    """
    n, total = len(weights), weights.sum()
    plain = (np.arange(n) + 0.5) / n
    if not total > 0:
        return plain
    filled = np.clip((np.cumsum(weights) - 0.5 * weights) / total, 0, 1)
    above, below = np.maximum.accumulate(filled), np.minimum.accumulate(filled[::-1])[::-1]
    return np.asarray((1 - DEFENCE) * (above + below) / 2 + DEFENCE * plain)

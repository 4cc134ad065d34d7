"""Local surrogates: what the objective looks like inside a small box of parameter space, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.tuning.energy import EnergyGenerator

__all__ = ["Generated", "Quadratic", "Surface", "descend"]

Array = NDArray[np.float64]

DRAWN = 512  # events per evaluation of a generated objective


class Surface(Protocol):
    """The objective as a function of the place in a box, from -1 to 1 in every parameter."""

    def slope(self, place: Array) -> tuple[float, Array]:
        """Value, and gradient (p,), at a place (p,)."""
        ...


class Quadratic:
    r"""A polynomial of second order through measured values, as far as they determine it.

    .. math:: f(t) = a + g t + \tfrac12 t^T B t, \quad
              \min \sum_j \frac{(f_j - f(t_j))^2}{\sigma_j^2 + \sigma_0^2} + \rho |B|^2 + \rho' |g|^2

    Curvatures cost: with few points the surface is a plane, and bends as they become more.

    Parameters
    ----------
    places : array (n, p)
        In units of the box.
    values, errors : array (n,)

    Attributes
    ----------
    scatter : float
        Typical error of a value, of what the surface does not describe included.

    Examples
    --------
    >>> t = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    >>> surface = Quadratic(t, (t[:, 0] - 0.3) ** 2 + (t[:, 1] + 0.2) ** 2, np.zeros(40))
    >>> descend(surface, np.zeros(2), np.full(2, -1.0), np.full(2, 1.0)).round(1)
    array([ 0.3, -0.2])
    """

    def __init__(self, places: Array, values: Array, errors: Array) -> None:
        n, p = places.shape
        scale = values.std() or 1.0
        y, middle = (values - values.mean()) / scale, values.mean()
        rows = self.rows(places)
        weight = 1 / np.sqrt((errors / scale) ** 2 + 1e-4)
        weight /= weight.max()
        penalty = np.concatenate([[0.0], np.full(p, 1e-3), np.full(rows.shape[1] - p - 1, 1e-2)])
        penalty = np.sqrt(penalty * max(1.0, 4 * rows.shape[1] / n))
        left = np.concatenate([rows * weight[:, None], np.diag(penalty)])
        right = np.concatenate([y * weight, np.zeros(rows.shape[1])])
        found = np.linalg.lstsq(left, right, rcond=None)[0]
        rest = (rows @ found - y) * scale
        free = max(n - rows.shape[1], n // 4, 1)
        self.scatter = float(np.sqrt((rest**2).sum() / free))
        found *= scale
        found[0] += middle
        self.level, self.gradient = found[0], found[1 : p + 1]
        bend = np.zeros((p, p))
        bend[np.triu_indices(p)] = found[p + 1 :]
        self.curvature = bend + bend.T

    @staticmethod
    def rows(places: Array) -> Array:
        """Terms (n, 1 + p + p (p + 1) / 2) of places (n, p)."""
        i, j = np.triu_indices(places.shape[1])
        return np.column_stack([np.ones(len(places)), places, places[:, i] * places[:, j]])

    def slope(self, place: Array) -> tuple[float, Array]:
        """Value, and gradient (p,), at a place (p,)."""
        bent = self.curvature @ place
        return float(self.level + self.gradient @ place + place @ bent / 2), self.gradient + bent


class Generated:
    """The objective of events that a local generator draws; it must be a function of a torch tensor.

    Parameters
    ----------
    model : EnergyGenerator
        From (place, given) to features.
    objective : callable
        From features (n, d), in physical units, and what is given (n, k) to a number, with gradients.
    given : array (m, k)
        Of the events that are drawn.
    seed : int
        Of their noise, which is the same at every place.
    """

    def __init__(
        self, model: EnergyGenerator, objective: Callable[[Tensor, Tensor], Tensor], given: Array, seed: int
    ) -> None:
        self.model, self.objective = model, objective
        noise = torch.Generator().manual_seed(seed)
        self.noise = torch.randn(DRAWN, model.latent, generator=noise)
        rows = np.random.default_rng([seed, 0x9E]).integers(len(given), size=DRAWN)
        self.given = torch.from_numpy(given[rows]).float()

    def slope(self, place: Array) -> tuple[float, Array]:
        """Value, and gradient (p,), at a place (p,)."""
        where = torch.from_numpy(place).float().requires_grad_()
        conditions = torch.cat([where.expand(DRAWN, -1), self.given], 1)
        value = self.objective(self.model(conditions, self.noise), self.given).mean()
        (gradient,) = torch.autograd.grad(value, where)
        return value.item(), np.asarray(gradient.double().numpy())


def descend(surface: Surface, start: Array, low: Array, high: Array) -> Array:
    """Follow the gradient (L-BFGS-B) inside bounds (p,) to the nearest minimum (p,)."""
    from scipy.optimize import minimize

    bounds = list(zip(low.tolist(), high.tolist(), strict=True))
    found = minimize(surface.slope, np.clip(start, low, high), jac=True, method="L-BFGS-B", bounds=bounds)
    out: Array = np.clip(found.x, low, high)
    return out

"""Two moons: a posterior of two crescents, known exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import SimulationError
from facsim.schema import Block
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.space import Parameter, Space

__all__ = ["TwoMoons"]

Array = NDArray[np.float64]
OFFSET, RADIUS, SPREAD = 0.25, 0.1, 0.01
TRIES = 1000


class TwoMoons(ParametricSimulator):
    r"""Two parameters, two observables; the posterior has two modes, each a crescent.

    .. math::
        x = \begin{pmatrix} r \cos\alpha + 0.25 - |\theta_1 + \theta_2| / \sqrt2 \\
        r \sin\alpha + (\theta_2 - \theta_1) / \sqrt2 \end{pmatrix}, \quad
        \alpha \sim U(-\pi/2, \pi/2),\ r \sim N(0.1, 0.01^2),\ \theta \sim U(-1, 1)^2

    Notes
    -----
    Task T.8 of Lueckmann et al., arXiv:2101.04653 (first in Greenberg et al., arXiv:1905.07488).

    Examples
    --------
    >>> moons = TwoMoons()
    >>> moons.sample(moons.space.draw(5, seed=0), seed=1)["x"].shape
    (5, 2)
    """

    name = "two-moons"
    summary = "two parameters whose posterior has the shape of two crescents"
    space = Space((Parameter("theta1", -1, 1), Parameter("theta2", -1, 1)))
    features = (Block("x", (2,)),)
    seconds_per_call = 1e-6

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> Array:
        return _crescent(len(conditions), rng) + _shift(conditions)

    def log_likelihood(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Logarithm (n,) of the density of one event x (2,) at points theta (n, 2)."""
        u, v = (np.asarray(x, np.float64).reshape(2) - _shift(np.asarray(theta, np.float64))).T
        u = u - OFFSET
        r = np.hypot(u, v)
        # alpha is flat over pi, and dx dy = r dr dalpha; the Gaussian's share at r < 0 is 1e-23
        with np.errstate(divide="ignore"):
            log = -(((r - RADIUS) / SPREAD) ** 2) / 2 - np.log(np.sqrt(2 * np.pi) * SPREAD * np.pi * r)
        return np.where((u > 0) & (r > 0), log, -np.inf)

    def reference_posterior(self, x: ArrayLike, n: int, seed: int) -> Array:
        """Points (n, 2) of the exact posterior of one event x (2,).

        The crescent's points that can have led to x are drawn; each has two mirrored parameter points.

        Raises
        ------
        SimulationError
            If x is next to impossible.
        """
        observed, rng = np.asarray(x, np.float64).reshape(2), np.random.default_rng(seed)
        found, have = [np.empty((0, 2))], 0
        for _ in range(TRIES):
            if have >= n:
                break
            away = _crescent(2 * n + 100, rng) - observed
            along = np.where(rng.random(len(away)) < 0.5, 1, -1) * away[:, 0]  # +-|theta1 + theta2| / sqrt(2)
            across = -away[:, 1]  # (theta2 - theta1) / sqrt(2)
            theta = np.stack([along - across, along + across], axis=1) / np.sqrt(2)
            found.append(theta[(away[:, 0] >= 0) & self.space.contains(theta)])
            have += len(found[-1])
        if have < n:
            msg = f"x={observed}: no parameters of {self.name} give this"
            raise SimulationError(msg)
        return np.asarray(np.concatenate(found)[:n])


def _crescent(n: int, rng: np.random.Generator) -> Array:
    """Points (n, 2) of a half circle with a soft radius."""
    angles, radii = rng.spawn(2)
    alpha, r = angles.uniform(-np.pi / 2, np.pi / 2, n), radii.normal(RADIUS, SPREAD, n)
    return np.stack([r * np.cos(alpha) + OFFSET, r * np.sin(alpha)], axis=1)


def _shift(theta: Array) -> Array:
    """Where the parameters (n, 2) move the half circle."""
    first, second = theta[:, 0], theta[:, 1]
    return np.asarray(np.stack([-np.abs(first + second), second - first], axis=1) / np.sqrt(2))

"""SLCP: simple likelihood, complex posterior; four modes, and scales of very different size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc, gammainccinv

from facsim.errors import SimulationError
from facsim.schema import Block
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.space import Parameter, Space

__all__ = ["SLCP"]

Array = NDArray[np.float64]
POINTS = 4  # per event
REACH = 3.0  # of every parameter
FAR = 15.0  # of log(s1 / s2) from the data's: the density is below e^-37 there
CELLS = (240, 120)  # of the proposal in log(s1 / s2) and theta5
TRIES = 1000


class SLCP(ParametricSimulator):
    r"""Four points of the plane from a Gaussian whose mean and covariance are given by five parameters.

    .. math::
        x_i \sim N\left(\begin{pmatrix}\theta_1 \\ \theta_2\end{pmatrix},
        \begin{pmatrix} s_1^2 & \rho s_1 s_2 \\ \rho s_1 s_2 & s_2^2 \end{pmatrix}\right), \quad
        s_1 = \theta_3^2,\ s_2 = \theta_4^2,\ \rho = \tanh\theta_5,\ \theta \sim U(-3, 3)^5

    Notes
    -----
    Task T.3 of Lueckmann et al., arXiv:2101.04653 (first in Papamakarios et al., arXiv:1805.07226).

    Examples
    --------
    >>> slcp = SLCP()
    >>> x = slcp.sample(slcp.space.draw(1, seed=0), seed=1)["x"][0]
    >>> slcp.reference_posterior(x, n=7, seed=0).shape
    (7, 5)
    """

    name = "slcp"
    summary = "five parameters of a Gaussian that four points are drawn from; the posterior has four modes"
    space = Space(tuple(Parameter(f"theta{i}", -REACH, REACH) for i in range(1, 6)))
    features = (Block("x", (POINTS, 2)),)
    seconds_per_call = 1e-6

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> Array:
        normal = rng.standard_normal((len(conditions), POINTS, 2))
        return _place(conditions[:, None, :], normal).reshape(len(conditions), -1)

    def log_likelihood(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Logarithm (n,) of the density of one event x (4, 2) at points theta (n, 5)."""
        first, second, third, fourth, fifth = np.asarray(theta, np.float64).T[:, :, None]
        points = np.asarray(x, np.float64).reshape(POINTS, 2)
        s1, s2, rho = third**2, fourth**2, np.tanh(fifth)
        u, v = (points[:, 0] - first) / s1, (points[:, 1] - second) / s2
        free = 1 / np.cosh(fifth) ** 2  # 1 - rho^2
        chi = (u**2 - 2 * rho * u * v + v**2) / free
        return np.asarray((-chi / 2 - np.log(2 * np.pi * s1 * s2) - np.log(free) / 2).sum(axis=1))

    def reference_posterior(self, x: ArrayLike, n: int, seed: int) -> Array:
        r"""Independent points (n, 5) of the exact posterior of one event x (4, 2).

        Given the covariance, the mean is Gaussian; given :math:`q = \log(s_1/s_2)` and :math:`\theta_5`, the precision
        :math:`\tau = 1/(s_1 s_2)` follows a gamma distribution cut by :math:`s_1, s_2 \le 9`. With the scatter matrix
        A of the four points, :math:`k = \sqrt{A_{11} A_{22}}`, :math:`r = A_{12}/k` and
        :math:`\delta = q - \log\sqrt{A_{11}/A_{22}}`,

        .. math::
            p(q, \theta_5 | x) \propto (1 - \rho^2)\,(\cosh\delta - \rho r)^{-5/2}\,
            Q\left(\tfrac52, \tau_\mathrm{min} K\right), \quad
            K = k \frac{\cosh\delta - \rho r}{1 - \rho^2}, \quad \tau_\mathrm{min} = e^{|q|} / 81

        where Q is the regularised upper incomplete gamma function. This plane is drawn from by rejection, and means
        outside their range are rejected. The signs of :math:`\theta_3` and :math:`\theta_4` are free.

        Raises
        ------
        SimulationError
            If the points lie on a line, or so far outside the ranges that next to nothing is accepted.
        """
        points, rng = np.asarray(x, np.float64).reshape(POINTS, 2), np.random.default_rng(seed)
        centre = points.mean(axis=0)
        (a11, a12), (_, a22) = (points - centre).T @ (points - centre)
        plane = _Plane(a11, a12, a22)
        found, have = [np.empty((0, 5))], 0
        for _ in range(TRIES):
            if have >= n:
                break
            ratio, fifth = plane.draw(n + 100, rng)
            least = np.exp(np.abs(ratio)) / REACH**4  # 1 / (s1 s2)
            rate = plane.rate(ratio, fifth)
            tau = gammainccinv(2.5, rng.random(len(ratio)) * gammaincc(2.5, rate * least)) / rate
            both = 1 / np.sqrt(np.maximum(tau, least))  # sqrt(s1 s2)
            third, fourth = np.sqrt(both * np.exp(ratio / 2)), np.sqrt(both * np.exp(-ratio / 2))
            signs = np.where(rng.random((2, len(ratio))) < 0.5, -1.0, 1.0)
            shape = np.stack([third * signs[0], fourth * signs[1], fifth], axis=1)
            theta = np.concatenate([np.broadcast_to(centre, (len(shape), 2)), shape], axis=1)
            theta[:, :2] = _place(theta, rng.standard_normal((len(shape), 2)) / np.sqrt(POINTS))
            found.append(theta[self.space.contains(theta)])
            have += len(found[-1])
        if have < n:
            msg = f"x={points.tolist()}: too far from what {self.name} gives; next to no draw is accepted"
            raise SimulationError(msg)
        return np.asarray(np.concatenate(found)[:n])


class _Plane:
    """Posterior of log(s1 / s2) and theta5, by rejection from a grid of constant cells."""

    def __init__(self, a11: float, a12: float, a22: float) -> None:
        self.k = float(np.sqrt(a11 * a22))
        if not (np.isfinite(self.k) and self.k > 0 and a12**2 < a11 * a22):
            msg = "slcp: the four points of an event must not lie on one line"
            raise SimulationError(msg)
        self.r, self.matched = a12 / self.k, float(np.log(a11 / a22)) / 2
        # fine in the middle, where strong correlations make the density narrow
        bend = np.sinh(5 * np.linspace(-1, 1, CELLS[0] + 1)) / np.sinh(5)
        self.edges = self.matched + FAR * bend, np.linspace(-REACH, REACH, CELLS[1] + 1)
        corners = self.log_density(self.edges[0][:, None], self.edges[1])
        self.top = corners.max()
        height = np.exp(corners - self.top)
        self.bound = 1.2 * np.max([height[i : i + CELLS[0], j : j + CELLS[1]] for i in (0, 1) for j in (0, 1)], axis=0)

    def rate(self, ratio: Array, fifth: Array) -> Array:
        """Of the gamma distribution of 1 / (s1 s2)."""
        return np.asarray(self.k * self._angle(ratio, fifth) * np.cosh(fifth) ** 2)

    def log_density(self, ratio: Array, fifth: Array) -> Array:
        """Not normalised."""
        least = np.exp(np.abs(ratio)) / REACH**4
        with np.errstate(divide="ignore"):
            kept = np.log(gammaincc(2.5, self.rate(ratio, fifth) * least))
        return np.asarray(kept - 2.5 * np.log(self._angle(ratio, fifth)) - 2 * np.log(np.cosh(fifth)))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """About half of n points, or more."""
        while True:
            volume = self.bound * np.diff(self.edges[0])[:, None]
            first, second = np.unravel_index(
                rng.choice(volume.size, n, p=(volume / volume.sum()).ravel()), volume.shape
            )
            u, v = rng.random((2, n))
            ratio = self.edges[0][first] + u * np.diff(self.edges[0])[first]
            fifth = self.edges[1][second] + v * np.diff(self.edges[1])[second]
            share = np.exp(self.log_density(ratio, fifth) - self.top) / self.bound[first, second]
            if share.max() <= 1:
                taken = rng.random(n) < share
                return ratio[taken], fifth[taken]
            self.bound = self.bound * 1.1 * share.max()

    def _angle(self, ratio: Array, fifth: Array) -> Array:
        return np.asarray(np.cosh(ratio - self.matched) - self.r * np.tanh(fifth))


def _place(theta: Array, normal: Array) -> Array:
    """Points of the Gaussian that theta (..., 5) describes, from standard normal numbers (..., 2)."""
    first, second, third, fourth, fifth = np.moveaxis(theta, -1, 0)
    u, v = np.moveaxis(normal, -1, 0)
    rho, free = np.tanh(fifth), 1 / np.cosh(fifth)
    return np.stack([first + third**2 * u, second + fourth**2 * (rho * u + free * v)], axis=-1)

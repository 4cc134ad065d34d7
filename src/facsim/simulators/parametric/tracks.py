"""Tracks of a toy time-projection chamber: our own second case for tuning on images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from facsim.errors import DataError
from facsim.schema import Block
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.space import Parameter, Space

__all__ = ["Tracks"]

Array = NDArray[np.float64]
SIZE = 32  # pixels along x (drift) and y


class Tracks(ParametricSimulator):
    r"""One straight track through the centre of 32 x 32 pixels, as a liquid-argon chamber might see it.

    **Our substitute for the second case of the Model-Assisted GAN paper, whose simulator is not public. It is not
    that case, and no result on it may be compared with the paper's.**

    The mean charge of pixel (y, x), with :math:`u = x + 1/2` the drift distance of the column's centre,

    .. math::
        \mu_{yx} = \frac{\mathrm{scale}}{\cos\alpha}\, e^{-u/\mathrm{lifetime}}
        \left[\Phi\left(\frac{y + 1 - v}{\sigma}\right) - \Phi\left(\frac{y - v}{\sigma}\right)\right], \quad
        v = 16 + (u - 16) \tan\alpha, \quad
        \sigma^2 = \frac{\mathrm{width}^2}{\cos^2\alpha} + \frac{\tan^2\alpha}{12}

    is that of a line of constant energy loss behind a round Gaussian of the given width; the last term is the slope
    within a column. Every pixel has Gaussian noise of standard deviation `noise`. Scale and lifetime are hard to tell
    apart.

    Examples
    --------
    >>> tracks = Tracks()
    >>> image = tracks.sample([[1.0, 0.5, 100, 0.0, 0.0]], seed=0)["image"][0]
    >>> bool(np.isclose(image[:, 0].sum(), np.exp(-0.5 / 100)))
    True
    """

    name = "tracks"
    summary = "a track in a toy liquid-argon chamber of 32 x 32 pixels"
    space = Space(
        (
            Parameter("scale", 0.8, 1.2),
            Parameter("width", 0.3, 1.5, unit="px"),
            Parameter("lifetime", 20, 200, unit="px"),
            Parameter("noise", 0, 0.2),
            Parameter("angle", -60, 60, unit="deg"),
        )
    )
    features = (Block("image", (SIZE, SIZE)),)
    seconds_per_call = 4e-5

    def __init__(self, ionisation: float = 1.0) -> None:
        if not (np.isfinite(ionisation) and ionisation > 0):
            msg = f"tracks: ionisation={ionisation} must be positive"
            raise DataError(msg)
        self.ionisation = ionisation

    def mean_image(self, theta: ArrayLike) -> Array:
        """Images (n, 32, 32) without noise for points theta (n, 5)."""
        scale, width, lifetime, _, angle = np.asarray(theta, np.float64).T[:, :, None]
        slope, secant = np.tan(np.deg2rad(angle)), 1 / np.cos(np.deg2rad(angle))
        u = np.arange(SIZE) + 0.5
        charge = self.ionisation * scale * secant * np.exp(-u / lifetime)  # (n, x)
        centre = SIZE / 2 + (u - SIZE / 2) * slope
        sigma = np.sqrt((width * secant) ** 2 + slope**2 / 12)
        below = ndtr((np.arange(SIZE + 1)[:, None] - centre[:, None, :]) / sigma[:, None, :])  # (n, y edges, x)
        return np.asarray(np.diff(below, axis=1) * charge[:, None, :])

    def log_likelihood(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Logarithm (n,) of the density of one image x (1024,) at points theta (n, 5), noise above 0."""
        points = np.asarray(theta, np.float64)
        away = np.asarray(x, np.float64).reshape(-1) - self.mean_image(points).reshape(len(points), -1)
        sd = points[:, 3]
        return np.asarray(-(away**2).sum(axis=1) / (2 * sd**2) - away.shape[1] * np.log(np.sqrt(2 * np.pi) * sd))

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.standard_normal((len(conditions), SIZE**2), np.float32)
        noise *= conditions[:, [3]].astype(np.float32)
        noise += self.mean_image(conditions).reshape(len(conditions), -1)
        return noise

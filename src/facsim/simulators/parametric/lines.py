"""Straight lines in small images: the first case of the Model-Assisted GAN, with a known answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.schema import Block
from facsim.simulators.parametric.base import ParametricSimulator
from facsim.simulators.parametric.line_posterior import SIZE, exact_line_posterior
from facsim.simulators.parametric.space import Parameter, Space

__all__ = ["Lines", "NoisyLines", "PoissonLines", "exact_line_posterior"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Lines(ParametricSimulator):
    r"""One line :math:`y = m x + c` per image of 28 x 28 pixels, without noise.

    .. math:: y_x = \lfloor m x + c + 1/2 \rfloor, \quad x = x_0, \dots, x_0 + x_\mathrm{steps} - 1

    Pixel ``image[y, x]`` is 1 on the line and 0 elsewhere. Points whose line leaves the image are not valid.

    Parameters
    ----------
    m_max : float
        The gradient lies in -m_max to m_max (the literature has 1 or 2).
    shortest : int
        Least length xsteps: 5, or 14 for long lines alone.
    clip : bool
        Whether a line may leave the image and is cut there: then the whole box is valid.
    width : int
        Pixels of the line along y, from y_x upwards; 2 makes data that no parameters of the ordinary lines can give.

    Notes
    -----
    The four parameters are those of S. Alonso-Monsalve and L. H. Whitehead, arXiv:1812.00879; their ranges are not
    published and are ours. A set of (m, c) gives the same image: `exact_line_posterior` is all that one image tells.

    Examples
    --------
    >>> lines = Lines()
    >>> image = lines.sample([[0.5, 3, 2, 10]], seed=0)["image"][0]
    >>> int(image.sum()), image[:, 2].argmax(), image[:, 11].argmax()
    (10, np.int64(4), np.int64(9))
    """

    m_max: float = 1.0
    shortest: int = 5
    clip: bool = False
    width: int = 1

    name = "lines"
    summary = "one straight line per image of 28 x 28 pixels"
    stochastic = False
    seconds_per_call = 2e-6

    def __post_init__(self) -> None:
        if not (np.isfinite(self.m_max) and self.m_max > 0):
            msg = f"{self.name}: m_max={self.m_max} must be positive, such as 1 or 2"
            raise DataError(msg)
        if not (1 <= self.shortest < SIZE and 1 <= self.width <= SIZE):
            msg = (
                f"{self.name}: shortest={self.shortest} must lie in 1 to {SIZE - 1}, width={self.width} in 1 to {SIZE}"
            )
            raise DataError(msg)
        steps = (self.shortest + SIZE) // 2
        parameters = (
            Parameter("m", -self.m_max, self.m_max),
            Parameter("c", 0, SIZE - 1, unit="px"),
            Parameter("x0", 0, SIZE - 1, default=(SIZE - steps) // 2, unit="px", whole=True),
            Parameter("xsteps", self.shortest, SIZE, default=steps, unit="px", whole=True),
        )
        space = Space(parameters, None if self.clip else _inside, "lines start and stop inside the image")
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "features", (self._block(),))

    def reference_posterior(self, x: ArrayLike, n: int, seed: int) -> Array:
        """Parameters (n, 4) from the exact posterior of one image (784,) or (28, 28), see `exact_line_posterior`."""
        if self.clip or self.width > 1:
            msg = f"{self.name}: the exact posterior is known for clip=False and width=1"
            raise DataError(msg)
        known = exact_line_posterior(x, m_max=self.m_max)
        drawn = known.draw(n, seed)
        return np.concatenate([drawn, np.full((n, 2), (known.x0, known.xsteps), np.float64)], axis=1)

    def _block(self) -> Block:
        return Block("image", (SIZE, SIZE))

    def _simulate(self, conditions: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        images = np.zeros((len(conditions), SIZE * SIZE), np.float32)
        m, c, x0, steps = (conditions[:, [i]] for i in range(4))
        x = np.arange(SIZE)
        y = np.floor(m * x + c + 0.5).astype(int)  # (n, x)
        on = (x >= x0) & (x < x0 + steps)
        cells = images.reshape(-1)
        for thick in range(self.width):
            lit = on & (y + thick >= 0) & (y + thick < SIZE)
            row, column = np.nonzero(lit)
            cells[row * SIZE**2 + (y[lit] + thick) * SIZE + column] = 1
        return self._read_out(images, rng)

    def _read_out(self, images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:  # noqa: ARG002
        """What a camera sees of images (n, 784)."""
        return images


@dataclass(frozen=True)
class NoisyLines(Lines):
    """`Lines` with Gaussian noise in every pixel.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise.
    """

    sigma: float = 0.05

    name = "lines-noisy"
    summary = "one straight line per image, with Gaussian noise"
    stochastic = True
    seconds_per_call = 1e-5

    def __post_init__(self) -> None:
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            msg = f"{self.name}: sigma={self.sigma} must be positive; 'lines' has no noise"
            raise DataError(msg)
        super().__post_init__()

    def _read_out(self, images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.standard_normal(images.shape, np.float32)
        noise *= np.float32(self.sigma)
        noise += images
        return noise


@dataclass(frozen=True)
class PoissonLines(Lines):
    """`Lines` whose pixels hold a Poisson number of photons; those off the line are dark.

    Parameters
    ----------
    mean : float
        Photons per pixel of the line.
    """

    mean: float = 20.0

    name = "lines-poisson"
    summary = "one straight line per image, in single photons"
    stochastic = True
    seconds_per_call = 5e-6

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and self.mean > 0):
            msg = f"{self.name}: mean={self.mean} must be positive"
            raise DataError(msg)
        super().__post_init__()

    def _block(self) -> Block:
        return Block("image", (SIZE, SIZE), "count")

    def _read_out(self, images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        lit = images > 0
        images[lit] = rng.poisson(self.mean, int(lit.sum()))  # in order of the calls
        return images


def _inside(theta: Array) -> NDArray[np.bool_]:
    """Which points (n, 4) give lines inside the image; y is monotonic, so that both ends tell."""
    m, c, x0, steps = theta.T
    ends = np.floor(m * np.stack([x0, x0 + steps - 1]) + c + 0.5)
    inside: NDArray[np.bool_] = (x0 + steps <= SIZE) & ((ends >= 0) & (ends < SIZE)).all(axis=0)
    return inside

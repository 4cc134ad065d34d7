"""From a trimmed jet to its image: translate, pixelate, rotate, flip.

The steps of LAGAN's data (arXiv:1701.05927 and the authors' jet maker). The image is not normalised: the sum of its
pixels is about the jet's transverse momentum. Rows run along the azimuth, the first on top at the largest value;
columns along the pseudorapidity.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from facsim.detectors import jet_images
from facsim.schema import Grid
from facsim.simulators.jets.clustering import Jet, wrapped

__all__ = ["flip", "image", "pixelate", "rotate", "second_axis", "translate"]

Array = NDArray[np.float64]


def image(jet: Jet) -> Array:
    """Image of a jet, (25, 25), in GeV; pixels below 1e-3 GeV are 0.

    The leading subjet is in the middle, the second one below it, and the right half is the brighter one.

    Examples
    --------
    >>> parts = np.array([[200.0, 0.5, 1.0], [50.0, 0.5, 1.4]])
    >>> found = image(Jet(parts, parts))
    >>> float(found[12, 12].round(6)), float(found[16, 12].round(6)), float(found.sum().round(6))
    (200.0, 50.0, 250.0)
    """
    block = jet_images().features[0]
    parts = translate(jet)
    out = flip(rotate(pixelate(parts), -math.pi / 2 - math.atan2(*second_axis(jet)[::-1])))
    return np.where(out < block.threshold, 0.0, out)


def translate(jet: Jet) -> Array:
    """Constituents (m, 3) with pseudorapidity and azimuth relative to the leading subjet's; pT stays."""
    return _relative(jet.constituents, jet)


def pixelate(parts: Array) -> Array:
    r"""Sum constituents in pixels of 0.1 x 0.1.

    Parameters
    ----------
    parts : array (m, 3)
        pT and position relative to the centre. Those beyond 1.25 are lost.

    Returns
    -------
    array (25, 25)
        :math:`\sum p_T \cosh\eta / \cosh\eta_\mathrm{pixel}`: the energy in the frame where the centre has no
        rapidity, taken for that of one massless particle in the pixel's middle.
    """
    rows, columns = _grid().edges
    pt, eta, phi = parts.T
    energy, _, _ = np.histogram2d(-phi, eta, bins=(-np.array(rows), columns), weights=pt * np.cosh(eta))
    return np.asarray(energy / np.cosh(np.convolve(columns, [0.5, 0.5], "valid")))


def second_axis(jet: Jet) -> tuple[float, float]:
    """Where the second subjet lies relative to the leading one: (eta, phi).

    A jet with one subjet has the direction of its first principal component (weighted by energy) on the side that has
    less energy; one with a single constituent has (0, -1), so that it is not rotated.
    """
    if len(jet.subjets) > 1:
        _, eta, phi = _relative(jet.subjets, jet)[1]
        return float(eta), float(phi)
    pt, *position = translate(jet).T
    places, energy = np.array(position), pt * np.cosh(position[0])  # (2, m)
    if len(pt) < 2:
        return 0.0, -1.0
    _, directions = np.linalg.eigh(np.cov(places, aweights=energy, ddof=0))
    axis = directions[:, -1]
    along = axis @ places
    eta, phi = axis if energy[along > 0].sum() <= energy[along < 0].sum() else -axis
    return float(eta), float(phi)


def rotate(picture: Array, angle: float) -> Array:
    """Turn an image by `angle` (rad, counter-clockwise) about the middle of its central pixel.

    Catmull-Rom splines between the pixels, zero outside, and nothing below 0 or above the brightest pixel: what
    scikit-image, which LAGAN used, means by order 3.

    Examples
    --------
    >>> rotate(np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]), np.pi / 2).round(12) + 0.0
    array([[0., 0., 0.],
           [1., 2., 0.],
           [0., 0., 0.]])
    """
    height, width = picture.shape
    margin = (height + width) // 4 + 2  # a corner comes from up to 0.21 (height + width) outside
    padded = np.pad(picture, margin)
    y = (height - 1) / 2 - np.arange(height)[:, None]
    x = np.arange(width) - (width - 1) / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    row = (height - 1) / 2 - (cosine * y - sine * x) + margin
    column = (width - 1) / 2 + (cosine * x + sine * y) + margin
    (first_row, down), (first_column, right) = (np.divmod(v, 1.0) for v in (row, column))
    taps = np.arange(-1, 3)
    rows = first_row.astype(int)[:, :, None, None] + taps[:, None]
    columns = first_column.astype(int)[:, :, None, None] + taps
    turned = np.einsum("hwab,hwa,hwb->hw", padded[rows, columns], _spline(down), _spline(right))
    return np.asarray(turned.clip(0.0, picture.max()))


def flip(picture: Array) -> Array:
    """Mirror left and right if the left half has the larger sum; the middle column does not count.

    Examples
    --------
    >>> flip(np.array([[3.0, 0.0, 1.0]]))
    array([[1., 0., 3.]])
    """
    half = picture.shape[1] // 2
    return picture[:, ::-1] if picture[:, :half].sum() > picture[:, -half:].sum() else picture


def _relative(parts: Array, jet: Jet) -> Array:
    _, eta, phi = jet.subjets[0]
    return np.stack([parts[:, 0], parts[:, 1] - eta, wrapped(parts[:, 2] - phi)], axis=1)


def _grid() -> Grid:
    grid = jet_images().features[0].grid
    assert grid is not None  # noqa: S101 - jet images have one
    return grid


def _spline(t: Array) -> Array:
    """Weights (..., 4) of the pixels at -1, 0, 1, 2 for a place `t` of the way from 0 to 1."""
    return np.stack(
        [
            t * (-1 + t * (2 - t)) / 2,
            1 + t * t * (3 * t - 5) / 2,
            t * (1 + t * (4 - 3 * t)) / 2,
            t * t * (t - 1) / 2,
        ],
        axis=-1,
    )

"""Mirror images of events that a detector's geometry maps onto itself."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.schema import Grid, Schema

__all__ = ["mirror_images", "symmetric"]


def mirror_images(schema: Schema) -> NDArray[np.int64]:
    """Column permutations (images, width) under which the geometry is symmetric; the first is the identity.

    Cartesian layers are mirrored in x, in y, and in both where their edges lie symmetrically about zero; cylinders
    are mirrored in alpha. A schema with columns that have no grid, or with a condition that has a direction (anything
    but an energy or a count), has only the identity.

    Examples
    --------
    >>> from facsim import Block, Grid, Schema
    >>> grid = Grid(("x", "y"), ((-1, 0, 1), (-1, 1)), (0, 1))
    >>> mirror_images(Schema((Block("layer_0", (2, 1), "energy", "MeV", grid=grid),))).tolist()
    [[0, 1], [1, 0]]
    """
    identity = np.arange(schema.width)
    directed = any(b.kind not in {"energy", "count"} for b in schema.conditions)
    if directed or not schema.features or len(schema.layers) != len(schema.features):
        return identity[None]
    flips = [_flip(schema, axis) for axis in ("x", "y", "alpha")]
    images = [identity]
    for pattern in itertools.product((False, True), repeat=len(flips)):
        image = identity
        for flip, use in zip(flips, pattern, strict=True):
            if use and flip is not None:
                image = image[flip]
        if not any(np.array_equal(image, known) for known in images):
            images.append(image)
    return np.stack(images)


def _flip(schema: Schema, axis: str) -> NDArray[np.int64] | None:
    """Reverse one axis in every layer, or None where a layer's edges are not symmetric about zero."""
    parts = []
    for block in schema.features:
        grid = block.grid
        assert grid is not None  # noqa: S101 - checked by the caller
        cells = np.arange(block.size).reshape(block.shape) + schema.columns(block.name).start
        if axis in grid.axes:
            if not _even(grid, axis):
                return None
            cells = np.flip(cells, grid.axes.index(axis))
        elif axis != "alpha":
            return None
        parts.append(cells.ravel())
    return np.concatenate(parts)


def _even(grid: Grid, axis: str) -> bool:
    edges = np.asarray(grid.edges[grid.axes.index(axis)])
    if axis == "alpha":  # any full turn in equal parts
        edges = edges - edges.mean()
    return bool(np.allclose(edges, -edges[::-1], atol=1e-6 * np.abs(edges).max()))


def symmetric(events: Events, image: NDArray[np.int64], significance: float = 1e-3) -> bool:
    """Whether events are compatible with having the same distribution as their mirror images.

    Compares every column's mean of log(1 + E / mean) with that of its image, event by event
    (paired), and asks whether the largest of the differences is too large for chance (Bonferroni).

    Parameters
    ----------
    events : Events
        A few thousand suffice: a tilt or an offset of the beam shows in the cells around the core at once.
    image : array (width,)
        From `mirror_images`.
    significance : float, optional
        Probability to refuse symmetric events.
    """
    from scipy.stats import norm

    scale = events.features.mean(0, dtype=np.float64).mean() + 1e-30
    values = np.log1p(np.maximum(events.features, 0) / np.float32(scale))
    difference = values - values[:, image]
    error = difference.std(0) / np.sqrt(len(events))
    pull = np.abs(difference.mean(0)) / np.where(error > 0, error, np.inf)
    return bool(pull.max() < norm.isf(significance / 2 / len(image)))

"""Which observables suit events: decided by their schema alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.schema import Grid, Schema

__all__ = ["Kind", "constituents", "image_block", "kind_of", "pixel_centres"]

Kind = Literal["showers", "jets", "images", "table"]

COORDINATES = (("pt", "eta", "phi"), ("ptrel", "etarel", "phirel"))
SMALLEST_IMAGE = 8
"""A block of two axes is an image if each is at least as long; smaller ones are matrices of quantities."""


def kind_of(schema: Schema) -> Kind:
    """Tell what events are.

    ``showers``: a block is an energy with a grid. ``jets``: blocks ``pt``, ``eta``, ``phi`` (or ``ptrel``, ``etarel``,
    ``phirel``) of one shape (m,), and a block of kind mask of that shape. ``images``: the only block has two axes, each
    at least 8 long. Else ``table``.

    Examples
    --------
    >>> from facsim import Block
    >>> kind_of(Schema((Block("image", (28, 28)),))), kind_of(Schema((Block("dll", (2,)),)))
    ('images', 'table')
    """
    if schema.layers:
        return "showers"
    if _coordinates(schema):
        return "jets"
    return "images" if image_block(schema) else "table"


def constituents(events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """pt, eta and phi of the constituents of jets, (n, m) each; pt is 0 where the mask is 0 or pt is negative."""
    *names, mask = _coordinates(events.schema)
    pt, eta, phi = (events[name].astype(np.float64) for name in names)
    return np.where((events[mask] > 0.5) & ~(pt < 0), pt, 0.0), eta, phi


def image_block(schema: Schema) -> str | None:
    """Name of the block of images, or None if events are something else."""
    if len(schema.features) != 1 or schema.layers:
        return None
    (block,) = schema.features
    return block.name if len(block.shape) == 2 and min(block.shape) >= SMALLEST_IMAGE else None


def pixel_centres(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the pixels of a jet image are: eta of the columns, phi of the rows."""
    return grid.centres("eta").reshape(grid.shape)[0], grid.centres("phi").reshape(grid.shape)[:, 0]


def _coordinates(schema: Schema) -> tuple[str, ...]:
    """Names of the blocks of pt, eta, phi and the mask; empty if these are no jets."""
    shapes = {block.name: block.shape for block in schema.features}
    for names in COORDINATES:
        shape = shapes.get(names[0])
        if shape is None or len(shape) != 1 or any(shapes.get(name) != shape for name in names):
            continue
        masks = [b.name for b in schema.features if b.kind == "mask" and b.shape == shape]
        if len(masks) == 1:
            return (*names, masks[0])
    return ()

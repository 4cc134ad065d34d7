"""Which events are images, and pictures of them."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facsim import io
from facsim.events import Events
from facsim.files import atomic
from facsim.schema import Schema

__all__ = ["as_images", "image_shape", "write_grid"]

log = logging.getLogger(__name__)

GAP = 2  # pixels between images

Data = str | os.PathLike[str] | Events


def as_images(data: Data, told: str = "") -> Data:
    """Events whose only block is a row of numbers that `image_shape` takes for an image, as images; others as they are.

    Validations and pages then look at them as images, which is also ten times faster than 784 columns of a table. A
    block that the caller has described keeps its shape.
    """
    if isinstance(data, Events):
        schema = data.schema
    else:
        with io.open(data) as reader:
            schema = reader.schema
    shape, block = image_shape(schema, told), schema.features[0]
    if shape is None or len(block.shape) == 2:
        return data
    if isinstance(data, Events):
        new = Schema((replace(block, shape=shape),), schema.conditions, schema.detector)
        return Events(data.features, data.conditions, new, data.weights)
    chosen = data if isinstance(data, io.Selection) else io.select(data)
    if block.name in chosen.pick.describe:
        return data
    words = "x".join(map(str, shape))
    log.info(
        "'%s' is taken for %s images; --describe '%s=%d' says otherwise", block.name, words, block.name, block.size
    )
    return replace(chosen, pick=replace(chosen.pick, describe={**chosen.pick.describe, block.name: words}))


def image_shape(schema: Schema, told: str = "", smallest: int = 8) -> tuple[int, int] | None:
    """Rows and columns of an event that is one image; None if it is none.

    An image has two axes, or is what a layout ``1|rows|columns`` says, or a row of numbers whose count is a square; and
    at least `smallest` pixels along each side, which is 8 for observables.

    Examples
    --------
    >>> from facsim import Block
    >>> image_shape(Schema((Block("x", (784,)),))), image_shape(Schema((Block("x", (96,)),)), "1|8|12")
    ((28, 28), (8, 12))
    """
    if len(schema.features) != 1:
        return None
    shape = schema.features[0].shape
    sizes = [int(n) for n in told.split("|")] if told else []
    if len(shape) == 1 and sizes[:1] == [1] and min(sizes[1:]) > 1 and math.prod(sizes) == shape[0]:
        shape = (sizes[1], sizes[2])
    elif len(shape) == 1 and math.isqrt(shape[0]) ** 2 == shape[0]:
        shape = (math.isqrt(shape[0]),) * 2
    return (shape[0], shape[1]) if len(shape) == 2 and min(shape) >= smallest else None


def write_grid(images: NDArray[np.float32], path: Path) -> None:
    """Write images (n, rows, columns) as one grey picture: white is the smallest value, black the largest.

    The largest is the 99.9 % quantile, so that one bright pixel does not make all others pale.
    """
    from PIL import Image

    count, rows, columns = images.shape
    low, high = float(images.min()), float(np.quantile(images, 0.999))
    grey = 255 - np.clip((images - low) / (high - low or 1.0), 0, 1) * 255
    wide = math.ceil(math.sqrt(count))
    tall = math.ceil(count / wide)
    picture = np.full((tall * (rows + GAP) + GAP, wide * (columns + GAP) + GAP), 200, np.uint8)
    for i, image in enumerate(grey):
        top, left = GAP + i // wide * (rows + GAP), GAP + i % wide * (columns + GAP)
        picture[top : top + rows, left : left + columns] = image.round()
    scale = max(1, 600 // picture.shape[1])
    with atomic(path) as temporary:
        Image.fromarray(picture.repeat(scale, 0).repeat(scale, 1)).save(temporary)

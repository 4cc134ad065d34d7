"""Events that a training leaves in its run folder: what the model draws, as a ROOT file and as a picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facsim import io
from facsim.events import Events
from facsim.files import atomic
from facsim.models import Surrogate
from facsim.schema import Schema

__all__ = ["image_shape", "leave_samples", "write_grid"]

MOST_IMAGES = 100
SMALLEST = 4  # pixels along a side of what is taken for an image
GAP = 2  # pixels between images


def leave_samples(model: Surrogate, like: Events, count: int, folder: Path, seed: int) -> None:
    """Draw `count` events under the conditions of `like`, going round, and write ``samples.root`` and ``samples.png``.

    The tree has the names and types of the training data's, if these came from a ROOT file; images of other files get
    one branch per pixel. The picture is made where an event is one image.
    """
    events = model.sample(like.conditions[np.arange(count) % len(like)], seed=seed)
    form = model.provenance.get("form") or None
    layout = "pixel-branches" if not form and image_shape(model.schema) else None
    with io.create(folder / "samples.root", model.schema, layout=layout, form=form, attrs={"seed": seed}) as writer:
        writer.append(events)
    shape = image_shape(model.schema, getattr(getattr(model.config, "critic", None), "input", ""))
    if shape is not None:
        write_grid(events.features[:MOST_IMAGES].reshape(-1, *shape), folder / "samples.png")


def image_shape(schema: Schema, told: str = "") -> tuple[int, int] | None:
    """Rows and columns of an event that is one image; None if it is none.

    An image has two axes, or is what a layout ``1|rows|columns`` says, or a row of numbers whose count is a square.

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
    return (shape[0], shape[1]) if len(shape) == 2 and min(shape) >= SMALLEST else None


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

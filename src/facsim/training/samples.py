"""Events that a training leaves in its run folder: what the model draws, as a ROOT file and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facsim import io
from facsim.events import Events
from facsim.models import Surrogate
from facsim.training.images import image_shape, write_grid

__all__ = ["leave_samples"]

MOST_IMAGES = 100
SMALLEST = 4  # pixels along a side


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
    shape = image_shape(model.schema, getattr(getattr(model.config, "critic", None), "input", ""), SMALLEST)
    if shape is not None:
        write_grid(events.features[:MOST_IMAGES].reshape(-1, *shape), folder / "samples.png")

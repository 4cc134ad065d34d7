"""Mean images of data and simulations, side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.report.chart import Chart
from facsim.report.drawing import Drawing, capital, markup
from facsim.report.scale import Scale

__all__ = ["draw_images", "mean_images"]

Array = NDArray[np.float64]

LEAST = 8  # pixels along both axes from which a block is an image
SIDE, GAP, LEFT, TOP, BOTTOM = 150.0, 14.0, 8.0, 24.0, 8.0  # px
INK = (47, 100, 150)


def mean_images(events: Events) -> dict[str, Array]:
    """Mean image (rows, columns) of every block of images, summed over what comes before the last two axes.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> events = Events(np.ones((3, 128)), np.empty((3, 0)), Schema((Block("pixels", (2, 8, 8)),)))
    >>> mean_images(events)["pixels"][0, 0]
    np.float64(2.0)
    """
    out = {}
    weights = np.ones(len(events)) if events.weights is None else events.weights
    for block in events.schema.features:
        if len(block.shape) < 2 or min(block.shape[-2:]) < LEAST or not weights.sum() > 0:
            continue
        columns = np.r_[events.schema.columns(block.name)]
        mean = weights @ events.features[:, columns].astype(np.float64) / weights.sum()
        out[block.name] = mean.reshape(-1, *block.shape[-2:]).sum(axis=0)
    return out


def draw_images(data: Events, simulations: dict[str, Events]) -> list[Drawing]:
    """One figure per block of images, with a common scale; none where there are no images.

    Parameters
    ----------
    data : Events
    simulations : dict of str to Events
        With the features of the data.
    """
    means = {"data": mean_images(data)} | {name: mean_images(events) for name, events in simulations.items()}
    drawings = []
    for block in means["data"]:
        images = {name: found[block] for name, found in means.items() if block in found}
        low = min(0.0, *(float(image.min()) for image in images.values()))
        high = max(float(image.max()) for image in images.values())
        rows, columns = means["data"][block].shape
        height = SIDE * rows / columns
        width = LEFT + len(images) * (SIDE + GAP)
        chart = Chart(width, TOP + height + BOTTOM, f"Mean image of {block}: {', '.join(images)}")
        for i, (name, image) in enumerate(images.items()):
            left = LEFT + i * (SIDE + GAP)
            panel = chart.panel(left, TOP, SIDE, height, Scale(0, columns), Scale(0, rows))
            colours = np.zeros((*image.shape, 4), np.uint8)
            colours[..., :3] = INK
            colours[..., 3] = np.rint(255 * (image - low) / max(high - low, 1e-300))
            panel.picture(colours)
            panel.frame(x_ticks=None, y_ticks=None)
            chart.text(left, 14, name)
        drawings.append(
            Drawing(capital(f"{block}, mean image"), markup(chart.svg()), ("One scale for all.",), large=True)
        )
    return drawings

"""What the five channels of a zero-degree calorimeter read: its fibres end in them in a checkerboard."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError

__all__ = ["channel_sums"]


def channel_sums(images: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Add up the fibres of each channel.

    Fibres (i, j) with i + j even go to the channel of their quadrant, those with i + j odd all to the fifth.

    Parameters
    ----------
    images : array (n, h, w)
        h and w even.

    Returns
    -------
    dict of array (n,)
        ``channel_1`` (small i, small j), ``channel_2`` (small i, large j), ``channel_3``, ``channel_4``, and
        ``channel_5``; their sum is that of the image.

    Raises
    ------
    DataError
        If these are no images with sides of even length.

    Notes
    -----
    As Wojnar, Majerz, Dzwinel, Comput. Softw. Big Sci. 9:1 (2025) compare them (Wasserstein distances, mean of five).

    Examples
    --------
    >>> {name: float(sums[0]) for name, sums in channel_sums([[[1.0, 2.0], [4.0, 8.0]]]).items()}
    {'channel_1': 1.0, 'channel_2': 0.0, 'channel_3': 0.0, 'channel_4': 8.0, 'channel_5': 6.0}
    """
    x = np.asarray(images, np.float64)
    if x.ndim != 3 or x.shape[1] % 2 or x.shape[2] % 2:
        msg = f"images have shape {x.shape}: need (n, rows, columns) with even numbers of rows and columns"
        raise DataError(msg)
    even = np.indices(x.shape[1:]).sum(axis=0) % 2 == 0
    h, w = x.shape[1] // 2, x.shape[2] // 2
    own = np.where(even, x, 0.0)
    quadrants = [own[:, i, j].sum(axis=(1, 2)) for i in (slice(h), slice(h, None)) for j in (slice(w), slice(w, None))]
    channels = [*quadrants, np.where(even, 0.0, x).sum(axis=(1, 2))]
    return {f"channel_{k + 1}": values for k, values in enumerate(channels)}

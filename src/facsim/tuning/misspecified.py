"""Whether data lie within what a simulator can produce: a posterior of foreign data is precise and wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.metrics.nearest import nearest_rows, row_distances
from facsim.schema import Block

__all__ = ["Misspecified", "View", "column_view", "image_view", "misspecification", "views_of"]

Array = NDArray[np.float64]
View = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Takes sets of events (m, k, d), gives what is looked at (m, v)."""

LEAST_SETS = 50
NULL = 0.4  # share of the simulated sets that the null distribution is made of
MOST_REFERENCE, MOST_NULL = 20_000, 2000
LEAST_SCALE = 1e-3  # of a column in units of its mean size
IMAGE = 8  # pixels along both axes from which a block is an image


@dataclass(frozen=True)
class Misspecified:
    """How far data lie from everything simulated.

    Parameters
    ----------
    pvalue : float
        Chance that a simulated set lies as far from the others, in any view.
    views : dict of str to float
        p-value of each view on its own.
    distances : dict of str to float
        Distance of the data in each view, in units of the median of simulated sets.
    sets : int
        Simulated sets in the null distribution.
    """

    pvalue: float
    views: dict[str, float]
    distances: dict[str, float]
    sets: int = field(repr=False, default=0)

    @property
    def words(self) -> str:
        """What was compared."""
        return f"distance to the nearest simulated data in {', '.join(self.views)}"


def misspecification(
    data: ArrayLike,
    sets: ArrayLike,
    views: Mapping[str, View],
    *,
    reference: ArrayLike | None = None,
    seed: int = 0,
) -> Misspecified:
    r"""Test whether data could be one of the simulated sets, wherever in parameter space.

    .. math:: T = \min_j |v(x) - v(x_j)|, \quad p = \frac{1 + \#\{i : T_i \ge T\}}{1 + B}

    In every view v the distance of the data to the nearest set of a reference is held against that of B simulated sets
    that do not belong to the reference. Views are combined by their smallest p-value, with its own null distribution.

    Parameters
    ----------
    data : array (k, d)
        Events of one unknown point.
    sets : array (N, k, d)
        Simulated events, every set with parameters of its own, drawn from the prior.
    views : mapping of str to callable
        What is looked at: `views_of`, and the summaries of a posterior.
    reference : array (M, k, d), optional
        Sets to which distances are measured, such as those that a network learned from; `sets` are then all for the
        null distribution. By default 60 % of `sets`.
    seed : int, optional
        Of the split into reference and null.

    Returns
    -------
    Misspecified
        For data that the simulator made with parameters from the prior the p-value is flat, whatever the views.

    Raises
    ------
    DataError
        If shapes differ, values are not finite, or there are fewer than 50 sets.

    Notes
    -----
    Learned summaries alone see only what was of use for the parameters (Schmitt et al., arXiv:2112.08866, test them
    with an MMD); observables and pixels see the rest. No view sees everything: a p-value that is not small is no proof.

    Examples
    --------
    >>> sets = np.random.default_rng(0).normal(size=(500, 1, 2))
    >>> [misspecification(x, sets, {"columns": column_view}).pvalue < 0.01 for x in ([[0.1, 0.2]], [[9.0, 0.0]])]
    [False, True]
    """
    observed, simulated = np.asarray(data, np.float32), np.asarray(sets, np.float32)
    if simulated.ndim != 3 or observed.shape != simulated.shape[1:] or len(simulated) < LEAST_SETS:
        msg = f"data {observed.shape} and sets {simulated.shape}: need (k, d) and (N, k, d), N at least {LEAST_SETS}"
        raise DataError(msg)
    if not (np.isfinite(observed).all() and np.isfinite(simulated).all()):
        msg = "data or simulated sets hold values that are not finite; leave them out"
        raise DataError(msg)
    order = np.random.default_rng([seed, 0x0D15]).permutation(len(simulated))
    count = min(len(simulated) if reference is not None else round(NULL * len(simulated)), MOST_NULL)
    null, known = simulated[order[:count]], simulated[order[count : count + MOST_REFERENCE]]
    if reference is not None:
        known = np.asarray(reference, np.float32)[:MOST_REFERENCE]
        if known.ndim != 3 or known.shape[1:] != observed.shape or len(known) < 1:
            msg = f"reference {known.shape}: need (M, {observed.shape[0]}, {observed.shape[1]})"
            raise DataError(msg)
    ranks, pvalues, distances = [], {}, {}
    for name, view in views.items():
        found = _distances(np.concatenate([observed[None], null]), known, view)
        pvalues[name] = float((1 + np.count_nonzero(found[1:] >= found[0])) / (1 + count))
        distances[name] = float(found[0] / max(np.median(found[1:]), 1e-30))
        # each set's own p-value among all: the data are one of count + 1 exchangeable sets
        ranks.append([(found >= value).mean() for value in found])
    least = np.min(ranks, axis=0)
    return Misspecified(float((least <= least[0]).mean()), pvalues, distances, count)


def views_of(blocks: Sequence[Block]) -> dict[str, View]:
    """Views that suit events with these columns: means and spreads of columns; for images also their quantities.

    Examples
    --------
    >>> list(views_of([Block("image", (28, 28))])), list(views_of([Block("x", (3,))]))
    (['pixels', 'image quantities'], ['columns'])
    """
    block = blocks[0]
    if len(block.shape) != 2 or min(block.shape) < IMAGE:
        return {"columns": column_view}
    rows, columns = block.shape
    size = block.size
    return {"pixels": column_view, "image quantities": lambda x: image_view(x[:, :, :size], rows, columns)}


def column_view(sets: NDArray[np.float32]) -> Array:
    """Mean and standard deviation of every column over the events of a set; of one event its values."""
    x = np.asarray(sets, np.float64)
    return x[:, 0] if x.shape[1] == 1 else np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)


def image_view(sets: NDArray[np.float32], rows: int, columns: int) -> Array:
    """Quantities of images that need no intensity to be positive, averaged over the events of a set, (m, 7).

    Sum, sum of squares, brightest pixel, brightest row and column, and the spread of rows and columns.
    """
    image = np.asarray(sets, np.float64).reshape(*sets.shape[:2], rows, columns)
    down, across = image.sum(axis=2), image.sum(axis=3)  # (m, k, columns), (m, k, rows)
    each = [
        down.sum(axis=2),
        (image**2).sum(axis=(2, 3)),
        image.max(axis=(2, 3)),
        across.max(axis=2),
        down.max(axis=2),
        across.std(axis=2),
        down.std(axis=2),
    ]
    return np.asarray(np.stack(each, axis=2).mean(axis=1), np.float64)


def _distances(asked: NDArray[np.float32], reference: NDArray[np.float32], view: View) -> Array:
    """Distance of each set to the nearest of the reference, in standard deviations of the reference."""
    known, rows = np.asarray(view(reference), np.float64), np.asarray(view(asked), np.float64)
    centre = known.mean(axis=0)
    # A column that is the same in all simulations must stay so: the least deviation counts.
    scale = np.maximum(known.std(axis=0), LEAST_SCALE * np.abs(known).mean(axis=0))
    if len(known[0]) > 100:
        scale = np.full_like(scale, np.sqrt((scale**2).mean()))  # pixels share a unit: those that are dark would rule
    scale = np.where(scale > 0, scale, 1.0)
    pool, wanted = (known - centre) / scale, (rows - centre) / scale
    return row_distances(wanted, pool[nearest_rows(wanted, pool)])

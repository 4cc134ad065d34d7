"""Memorisation: whether a generator repeats the events it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics.nearest import nearest_rows, row_distances
from facsim.metrics.samples import Array

__all__ = ["Memorisation", "memorisation"]

CLOSE = (0.5, 0.2, 0.05)
"""An event is close to its nearest training event if that is so many times nearer than the second nearest."""
FEWEST = 20
SHOWN = 20


@dataclass(frozen=True)
class Memorisation:
    """How generated events lie among training events, compared with truth that was not trained on.

    Parameters
    ----------
    pvalue : float
        Chance of as much closeness to training events without memorisation (of all looks together, Bonferroni).
    excess : float
        Share of generated events that are close to a training event, minus that of held-out events, for the degree of
        closeness where it is most significant: about the share of copies.
    closeness : float
        That degree: distance to the nearest over distance to the second nearest training event.
    share_nearer : float or None
        Share of generated events that are nearer to a training than to a held-out event, among equally many of both;
        0.5 for a generator that has not memorised. None if they were drawn at the conditions of the held-out events.
    copies : int
        Generated events that equal a training event exactly.
    events, training, held_out : int
        Sizes of the samples.
    nearest : tuple of int
        Rows of the generated events that are closest to a training event, closest first.
    """

    pvalue: float
    excess: float
    closeness: float
    share_nearer: float | None
    copies: int
    events: int
    training: int
    held_out: int
    nearest: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {**vars(self), "nearest": list(self.nearest)}


def memorisation(
    generated: Events | ArrayLike,
    training: Events | ArrayLike,
    held_out: Events | ArrayLike,
    *,
    scale: bool | None = None,
    seed: int = 0,
) -> Memorisation:
    """Test whether generated events lie nearer to training events than truth that was not trained on.

    Parameters
    ----------
    generated, training, held_out : Events or array (n, d)
        Training and held-out events must be of one truth, best equally many. Generated events must not be drawn at the
        conditions of the training events: an event at a training event's energy is near it for that reason alone.
    scale : bool, optional
        Divide columns by their standard deviation over the training events. Default: for arrays, and for `Events`
        without layers. Cells of showers are compared as they are.
    seed : int, optional
        Of the equally many events for `share_nearer`.

    Returns
    -------
    Memorisation
        Without memorisation p-values are flat or larger.

    Raises
    ------
    DataError
        If values are not finite, there are fewer than 20 events, or the generated conditions are those of the training.
    SchemaMismatch
        If the schemas differ.

    Notes
    -----
    Four looks. (1) How many generated events are nearer to a training than to a held-out event: events with one
    neighbour count as one observation, since training and held-out events can change places; exact. Copies hardly
    show there: 1 % of copies make 0.505 of 0.5. (2-4) How many events lie 2, 5 and 20 times nearer to one training
    event than to the second nearest, against the same for held-out events (Fisher's exact test, each training event
    counted once, so that a collapsed generator does not look like one that memorises). Ten copies in 1,000 events are
    found with p < 0.01 if 1,000 events were held out; fewer held-out events need more copies. Blind to a generator that
    knows the density of the training sample but not its events.
    Euclidean distance in 500 cells is ruled by the brightest ones.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training, held_out, fresh = rng.normal(size=(3, 1000, 5))
    >>> fresh[:12] = training[:12]  # planted copies
    >>> found = memorisation(fresh, training, held_out)
    >>> found.copies, found.pvalue < 0.01, sorted(found.nearest[:12]) == list(range(12))
    (12, True, True)
    """
    same_conditions = False
    if isinstance(generated, Events) and isinstance(training, Events) and isinstance(held_out, Events):
        generated.schema.require_same(training.schema, "cannot compare generated and training events")
        generated.schema.require_same(held_out.schema, "cannot compare generated and held-out events")
        same_conditions = _checked_conditions(generated, training, held_out)
        scale = not generated.schema.layers if scale is None else scale
        tables = [generated.features, training.features, held_out.features]
    else:
        tables = [np.asarray(x, np.float64) for x in (generated, training, held_out)]
    for table, name in zip(tables, ("generated", "training", "held_out"), strict=True):
        if table.ndim != 2 or len(table) < FEWEST or table.shape[1] != tables[0].shape[1]:
            msg = f"{name}: need at least {FEWEST} events as (n, d) numbers of one d, got shape {table.shape}"
            raise DataError(msg)
        if not np.isfinite(table).all():
            msg = f"{name}: {int((~np.isfinite(table)).any(axis=1).sum())} events are not finite. Remove them first"
            raise DataError(msg)
    asked, known, unknown = tables
    if scale is None or scale:
        width = known.std(axis=0, dtype=np.float64)
        width[width == 0] = 1.0
        asked, known, unknown = asked / width, known / width, unknown / width
    row, ratio, distance = _closeness(asked, known)
    other_row, other_ratio, _ = _closeness(unknown, known)
    looks = [_compare(row[ratio <= c], len(asked), other_row[other_ratio <= c], len(unknown), c) for c in CLOSE]
    share = None
    if not same_conditions:
        share, pvalue = _share_nearer(asked, known, unknown, seed)
        looks.append((pvalue, 2 * share - 1, 1.0))
    pvalue, excess, closeness = min(looks)
    return Memorisation(
        pvalue=min(1.0, len(looks) * pvalue),
        excess=excess,
        closeness=closeness,
        share_nearer=share,
        copies=int(np.count_nonzero((distance == 0) & (ratio == 0))),
        events=len(asked),
        training=len(known),
        held_out=len(unknown),
        nearest=tuple(np.argsort(ratio, kind="stable")[:SHOWN].tolist()),
    )


def _closeness(asked: NDArray[Any], pool: NDArray[Any]) -> tuple[NDArray[np.intp], Array, Array]:
    """Nearest event of the pool, its distance over that of the second nearest, and its distance."""
    first = nearest_rows(asked, pool)
    second = nearest_rows(asked, pool, first)
    near, far = row_distances(asked, pool[first]), row_distances(asked, pool[second])
    return first, np.divide(near, far, out=np.ones_like(near), where=far > 0), near


def _compare(
    rows: NDArray[np.intp], n: int, other_rows: NDArray[np.intp], m: int, closeness: float
) -> tuple[float, float, float]:
    """Fisher's exact test of two numbers of close events: p-value, difference of the shares, closeness."""
    from scipy import stats

    found, other = len(np.unique(rows)), len(np.unique(other_rows))
    pvalue = float(stats.hypergeom.sf(found - 1, n + m, found + other, n))
    return pvalue, found / n - other / m, closeness


def _share_nearer(asked: NDArray[Any], known: NDArray[Any], unknown: NDArray[Any], seed: int) -> tuple[float, float]:
    """Share of events nearer to the first of two samples, cut to one size, and its p-value."""
    from scipy import stats

    rng = np.random.default_rng([seed, 0xC0B1])
    count = min(len(known), len(unknown))
    pools = [t[np.sort(rng.permutation(len(t))[:count])] for t in (known, unknown)]
    rows = [nearest_rows(asked, pool) for pool in pools]
    to_known, to_unknown = (row_distances(asked, pool[r]) for pool, r in zip(pools, rows, strict=True))
    nearer, farther = to_known < to_unknown, to_known > to_unknown
    groups = [np.bincount(rows[0][nearer], minlength=count), np.bincount(rows[1][farther], minlength=count)]
    # each neighbour, with all events that have it, is of the first sample with probability 1/2
    joined = np.concatenate(groups)
    sizes, repeats = np.unique(joined[joined > 0], return_counts=True)
    chance = np.ones(1)
    for size, number in zip(sizes, repeats, strict=True):
        spread = np.zeros(size * number + 1)
        spread[::size] = stats.binom.pmf(np.arange(number + 1), number, 0.5)
        chance = np.convolve(chance, spread)
    share = float(np.mean(nearer + 0.5 * (~nearer & ~farther)))
    return share, float(min(1.0, chance[int(groups[0].sum()) :].sum()))


def _checked_conditions(generated: Events, training: Events, held_out: Events) -> bool:
    """Whether generated conditions repeat those of the held-out events; raises if they repeat the training's."""
    if not generated.schema.conditions:
        return False
    mine = [row.tobytes() for row in np.ascontiguousarray(generated.conditions)]
    known, unknown = (
        sum(row in rows for row in mine) / len(mine)
        for rows in ({row.tobytes() for row in np.ascontiguousarray(e.conditions)} for e in (training, held_out))
    )
    if known > unknown + 0.1:
        msg = (
            f"{known:.0%} of the generated events have the conditions of a training event, and lie near it for that "
            "reason alone. Generate at other conditions: facsim sample MODEL --like HELD_OUT"
        )
        raise DataError(msg)
    return unknown > known + 0.1

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

CLOSER = (1.0, 0.5, 0.2, 0.05)
"""How many times nearer than the other sample's nearest event: any, twice, 5 times, 20 times."""


@dataclass(frozen=True)
class Memorisation:
    """Nearest training event against nearest held-out event.

    Parameters
    ----------
    share_nearer : float
        Share of generated events that are nearer to a training than to a held-out event (ties count half); 0.5 for a
        generator that has not memorised.
    excess : float
        Largest surplus, over the degrees of closeness looked at, of generated events that are near a training event
        over those that are as near a held-out event, as a share of the generated events: about the share of copies.
    pvalue : float
        Chance of such a surplus without memorisation.
    copies : int
        Exact copies of training events that are not also held-out events.
    closeness : float
        Ratio of the distances at which the surplus is most significant.
    events : int
        Generated events looked at.
    candidates : int
        Training and held-out events, equally many of both.
    nearest : array
        Rows of the generated events that lie nearest to a training event in relation to a held-out one, nearest first.
    """

    share_nearer: float
    excess: float
    pvalue: float
    copies: int
    closeness: float
    events: int
    candidates: int
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
    """Test whether generated events lie nearer to the training sample than to truth that was not trained on.

    Parameters
    ----------
    generated, training, held_out : Events or array (n, d)
        Training and held-out events must be of one truth; the larger sample is cut at random to the size of the other.
        Generated events must be drawn at conditions that are neither sample's, or each as often as the other's: an
        event at a training event's energy is near it for that reason alone.
    scale : bool, optional
        Divide columns by their standard deviation over training and held-out events. Default: for arrays, and for
        `Events` without layers. Cells of showers are compared as they are.
    seed : int, optional

    Returns
    -------
    Memorisation
        Without memorisation the share is 0.5 and p-values are flat or larger, since several degrees of closeness are
        looked at (Bonferroni).

    Raises
    ------
    DataError
        If values are not finite, there are fewer than 20 events, or the generated conditions are those of one sample.
    SchemaMismatch
        If the schemas differ.

    Notes
    -----
    Copies among other events hardly move the share (1 % of copies give 0.505). Therefore events are also counted that
    are 2, 5 and 20 times nearer to one sample than to the other. Generated events that have the same neighbour count
    as one observation: under the hypothesis, training and held-out event of a pool are exchangeable, so each neighbour
    is a training event with probability 1/2, and the p-value is the exact tail of the sum of its generated events.
    Finds copies, also noisy ones, of at least about 10 training events; blind to a generator that knows the training
    sample's density but not its events. Euclidean distance in 500 cells is ruled by the brightest ones.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training, held_out, fresh = rng.normal(size=(3, 1000, 5))
    >>> fresh[:15] = training[:15]  # planted copies
    >>> found = memorisation(fresh, training, held_out)
    >>> found.copies, found.pvalue < 0.01, sorted(found.nearest[:15]) == list(range(15))
    (15, True, True)
    """
    if isinstance(generated, Events) and isinstance(training, Events) and isinstance(held_out, Events):
        generated.schema.require_same(training.schema, "cannot compare generated and training events")
        generated.schema.require_same(held_out.schema, "cannot compare generated and held-out events")
        _require_other_conditions(generated, training, held_out)
        scale = not generated.schema.layers if scale is None else scale
        tables = [generated.features, training.features, held_out.features]
    else:
        scale = True if scale is None else scale
        tables = [np.asarray(x, np.float64) for x in (generated, training, held_out)]
    names = ("generated", "training", "held_out")
    for table, name in zip(tables, names, strict=True):
        if table.ndim != 2 or len(table) < 20 or table.shape[1:] != tables[0].shape[1:] or not np.isfinite(table).all():
            msg = f"{name}: need at least 20 events as (n, d) finite numbers of one d, got shape {table.shape}"
            raise DataError(msg)
    asked, known, unknown = tables
    rng = np.random.default_rng([seed, 0xC0B1])
    count = min(len(known), len(unknown))
    known, unknown = (t[np.sort(rng.permutation(len(t))[:count])] for t in (known, unknown))
    if scale:
        width = np.concatenate([known, unknown]).std(axis=0, dtype=np.float64)
        width[width == 0] = 1.0
        asked, known, unknown = asked / width, known / width, unknown / width
    near = [nearest_rows(asked, pool) for pool in (known, unknown)]
    distance = [row_distances(asked, pool[rows]) for pool, rows in zip((known, unknown), near, strict=True)]
    return _judge(near, distance, count)


def _judge(near: list[NDArray[np.intp]], distance: list[Array], count: int) -> Memorisation:
    to_known, to_unknown = distance
    best = (1.0, 0.0, 1.0)  # p-value, excess, closeness
    for closeness in CLOSER:
        groups = []
        for mine, other, rows in ((to_known, to_unknown, near[0]), (to_unknown, to_known, near[1])):
            # events at the same distance from both say nothing
            close = (mine < other) if closeness == 1 else (mine <= closeness * other) & (mine < other)
            groups.append(np.bincount(rows[close], minlength=count))
        pvalue = min(1.0, len(CLOSER) * _tail(groups[0], groups[1]))
        excess = float((groups[0].sum() - groups[1].sum()) / len(to_known))
        best = min(best, (pvalue, -excess, closeness))
    nearer = (to_known < to_unknown) + 0.5 * (to_known == to_unknown)
    relative = np.where(to_unknown > 0, to_known / np.where(to_unknown > 0, to_unknown, 1.0), 1.0)
    order = np.argsort(relative, kind="stable")[:20]
    return Memorisation(
        share_nearer=float(nearer.mean()),
        excess=max(0.0, -best[1]),
        pvalue=float(best[0]),
        copies=int(np.count_nonzero((to_known == 0) & (to_unknown > 0))),
        closeness=float(best[2]),
        events=len(to_known),
        candidates=count,
        nearest=tuple(int(i) for i in order),
    )


def _tail(known: NDArray[np.intp], unknown: NDArray[np.intp]) -> float:
    """Chance that neighbours, each of either sample with probability 1/2, bring at least as many to the first."""
    from scipy import stats

    sizes, repeats = np.unique(np.concatenate([known[known > 0], unknown[unknown > 0]]), return_counts=True)
    chance = np.ones(1)
    for size, number in zip(sizes, repeats, strict=True):
        spread = np.zeros(size * number + 1)
        spread[::size] = stats.binom.pmf(np.arange(number + 1), number, 0.5)
        chance = np.convolve(chance, spread)
    return float(min(1.0, chance[int(known.sum()) :].sum()))


def _require_other_conditions(generated: Events, training: Events, held_out: Events) -> None:
    """Raise if generated conditions repeat those of one sample only."""
    if not generated.schema.conditions:
        return
    rows = [{row.tobytes() for row in np.ascontiguousarray(e.conditions)} for e in (training, held_out)]
    mine = [row.tobytes() for row in np.ascontiguousarray(generated.conditions)]
    shares = [sum(row in known for row in mine) / len(mine) for known in rows]
    if abs(shares[0] - shares[1]) > 0.1:
        msg = (
            f"{shares[0]:.0%} of the generated events have the conditions of a training event, {shares[1]:.0%} those "
            "of a held-out one: they would be near for that reason alone. Generate at conditions of neither"
        )
        raise DataError(msg)

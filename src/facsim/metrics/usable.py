"""In which bins of two conditions a copy may be used: enough events, and no difference that matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, WeightError
from facsim.metrics.auc_map import Scored
from facsim.metrics.condition_bins import Tracks, bin_of_two, condition_edges, effective_in_bin_numbers
from facsim.metrics.cumulative import ks
from facsim.metrics.quantiles import weighted_quantiles
from facsim.metrics.roc import auc
from facsim.metrics.samples import Array, as_sample, as_weights, effective_size
from facsim.metrics.slices import random_slice_ks

__all__ = ["UsableBins", "usable_bins"]

REPLICAS = 200  # of the weighted KS test; its tail is extrapolated
FOLDS_ERROR = 1.28
"""By how much DeLong's error is too small for scores of several folds, see `ClassifierResult`."""


@dataclass(frozen=True)
class UsableBins:
    """A judgement on every bin of two conditions; numbers are NaN where there are too few events.

    Parameters
    ----------
    edges : (array, array)
        Of the two conditions; bins are ``(low, high]``.
    names : tuple of str
        Of the d quantities.
    light : array (a, b) of str
        ``green``: no difference seen; ``amber``: one is seen, smaller than the tolerance; ``red``: one is seen, and
        larger; ``grey``: too few events to say.
    events : array (2, a, b)
        Effective number of reference and generated events.
    ks, ks_pvalue : array (d, a, b)
        Of each quantity.
    slices, slices_pvalue : array (a, b)
        Of the worst random projection of all quantities.
    auc, auc_error, floor, floor_error : array (a, b)
        Of a classifier within the bin, and what it makes of truth against truth; NaN without scores.
    limit : float
        p-value below which a difference counts as seen.
    settings : dict
        ``tolerance``, ``auc_tolerance``, ``fewest``, ``alpha``.
    """

    edges: tuple[Array, Array]
    names: tuple[str, ...]
    light: NDArray[np.str_]
    events: Array
    ks: Array
    ks_pvalue: Array
    slices: Array
    slices_pvalue: Array
    auc: Array
    auc_error: Array
    floor: Array
    floor_error: Array
    limit: float
    settings: dict[str, float]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Bins with enough events and no difference above the tolerance, (a, b)."""
        return np.asarray(np.isin(self.light, ("green", "amber")))

    @property
    def resolution(self) -> Array:
        """KS distance from which a difference would be seen in each bin, without weights or with effective events."""
        with np.errstate(divide="ignore"):
            scatter = np.sqrt(np.sum(1 / np.maximum(self.events, 0.0), axis=0))
        return np.asarray(np.sqrt(-np.log(self.limit / 2) / 2) * scatter)

    def count(self, light: str) -> int:
        """Bins of one light."""
        return int(np.count_nonzero(self.light == light))

    def rows(self) -> list[dict[str, Any]]:
        """One row per bin: ranges, events, the quantity with the smallest p-value and its KS, AUC, floor, light."""
        out = []
        resolution = self.resolution
        for i, j in np.ndindex(self.light.shape):
            known = self.light[i, j] != "grey"
            worst = int(np.lexsort((-self.ks[:, i, j], self.ks_pvalue[:, i, j]))[0]) if known else 0
            out.append(
                {
                    "first_low": self.edges[0][i],
                    "first_high": self.edges[0][i + 1],
                    "second_low": self.edges[1][j],
                    "second_high": self.edges[1][j + 1],
                    "events_reference": self.events[0, i, j],
                    "events_generated": self.events[1, i, j],
                    "worst": self.names[worst] if known else "",
                    "ks": self.ks[worst, i, j],
                    "ks_pvalue": self.ks_pvalue[worst, i, j],
                    "resolution": resolution[i, j],
                    "slices": self.slices[i, j],
                    "auc": self.auc[i, j],
                    "auc_error": self.auc_error[i, j],
                    "floor": self.floor[i, j],
                    "light": str(self.light[i, j]),
                }
            )
        return [{k: _plain(v) for k, v in row.items()} for row in out]

    def to_json(self) -> dict[str, Any]:
        """Plain lists; None where nothing is known."""
        arrays = ("events", "ks", "ks_pvalue", "slices", "slices_pvalue", "auc", "auc_error", "floor", "floor_error")
        return {
            "edges": [e.tolist() for e in self.edges],
            "names": list(self.names),
            "light": self.light.tolist(),
            **{name: _plain(getattr(self, name)) for name in arrays},
            "limit": self.limit,
            **self.settings,
        }


def usable_bins(
    reference: Tracks,
    generated: Tracks,
    *,
    names: Sequence[str],
    edges: tuple[ArrayLike, ArrayLike] | None = None,
    bins: Sequence[int] = (6, 6),
    scored: tuple[Scored, Scored] | None = None,
    floor: tuple[Scored, Scored] | None = None,
    tolerance: float = 0.05,
    auc_tolerance: float = 0.6,
    fewest: float = 200.0,
    alpha: float = 0.01,
    projections: int = 100,
    seed: int = 0,
) -> UsableBins:
    """Judge a copy bin by bin of two conditions, such as momentum and pseudorapidity.

    Parameters
    ----------
    reference, generated : Tracks
        The generated events best at the conditions of the reference.
    names : sequence of str
        Of the d quantities.
    edges : (array, array), optional
        Of the two conditions; default `condition_edges` of the reference. Events outside are left out.
    bins : (int, int), optional
        How many, without `edges`.
    scored, floor : (Scored, Scored), optional
        Held-out scores of one classifier of reference against generated, and of truth against truth. The order of
        each pair is reference, other.
    tolerance : float, optional
        KS distance below which a difference that is seen is amber. It is the most by which the efficiency of any cut
        on the quantity can be wrong in that bin.
    auc_tolerance : float, optional
        The same for the area under the ROC curve of the classifier.
    fewest : float, optional
        Effective events that a bin needs on either side. 200 resolve KS distances of about 0.25 in 36 bins.
    alpha : float, optional
        Chance that any bin of a perfect copy is not green; shared out over all tests (Bonferroni).
    projections, seed : int, optional
        See `random_slice_ks`.

    Returns
    -------
    UsableBins

    Raises
    ------
    DataError, WeightError
        If shapes do not fit, values are not finite, or a sum of weights is not positive.

    Notes
    -----
    A green bin says that no difference is seen with its events; `UsableBins.resolution` says how large one would have
    been seen. Tests per bin: Kolmogorov-Smirnov of every quantity, the worst random projection, the classifier.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> c, x, y = rng.random((6000, 2)), rng.normal(size=(6000, 1)), rng.normal(size=(6000, 1))
    >>> y[(c > 0.5).all(axis=1)] += 1.0
    >>> usable_bins(Tracks(x, c), Tracks(y, c), names=["dll"], bins=(2, 2)).light.tolist()
    [['green', 'green'], ['green', 'red']]
    """
    truth, copy = (_Checked(t, len(names), n) for t, n in ((reference, "reference"), (generated, "generated")))
    cuts = condition_edges(truth.conditions, bins, truth.weights) if edges is None else edges
    first, second = (np.asarray(e, np.float64) for e in cuts)
    shape = (len(first) - 1, len(second) - 1)
    places = [bin_of_two(t.conditions, (first, second)) for t in (truth, copy)]
    events = np.array(
        [effective_in_bin_numbers(p, t.weights, shape) for p, t in zip(places, (truth, copy), strict=True)]
    )
    known = events.min(axis=0) >= fewest
    scale = _spread(truth)
    used = np.flatnonzero(scale > 0)
    d = len(names)
    distances, slices = np.full((2, d, *shape), np.nan), np.full((2, *shape), np.nan)
    for i in zip(*np.nonzero(known), strict=True):
        rows = [p == i[0] * shape[1] + i[1] for p in places]
        x, y = (t.features[r] for t, r in zip((truth, copy), rows, strict=True))
        wx, wy = (None if t.given is None else t.weights[r] for t, r in zip((truth, copy), rows, strict=True))
        for k in range(d):
            result = ks(x[:, k], y[:, k], wp=wx, wq=wy, seed=seed, replicas=REPLICAS)
            distances[(slice(None), k, *i)] = result.statistic, result.pvalue
        if len(used) > 1:
            worst = random_slice_ks(
                x[:, used], y[:, used], wx=wx, wy=wy, scale=scale[used], projections=projections, seed=seed
            )
            slices[(slice(None), *i)] = worst.statistic, worst.pvalue
    areas = _areas(scored, (first, second), shape, known), _areas(floor, (first, second), shape, known)
    tests = d + (len(used) > 1) + (scored is not None)
    limit = alpha / max(1, tests * int(known.sum()))
    light = _lights(known, distances, slices, areas, limit, tolerance, auc_tolerance)
    settings = {"tolerance": tolerance, "auc_tolerance": auc_tolerance, "fewest": fewest, "alpha": alpha}
    (area, area_error), (base, base_error) = areas
    return UsableBins(
        edges=(first, second),
        names=tuple(names),
        light=light,
        events=events,
        ks=distances[0],
        ks_pvalue=distances[1],
        slices=slices[0],
        slices_pvalue=slices[1],
        auc=area,
        auc_error=area_error,
        floor=base,
        floor_error=base_error,
        limit=limit,
        settings=settings,
    )


class _Checked:
    """Tracks as arrays that fit together."""

    def __init__(self, tracks: Tracks, columns: int, name: str) -> None:
        self.features = np.asarray(tracks.features, np.float64)
        self.conditions = np.asarray(tracks.conditions, np.float64)
        n = len(self.features)
        if self.features.shape != (n, columns) or self.conditions.shape != (n, 2) or not columns:
            msg = (
                f"{name}: features {self.features.shape} and conditions {self.conditions.shape}: need (n, {columns}), "
                "one column per name, and (n, 2)"
            )
            raise DataError(msg)
        as_sample(self.features.ravel(), f"{name} features")
        as_sample(self.conditions.ravel(), f"{name} conditions")
        self.given = tracks.weights
        self.weights = as_weights(tracks.weights, n, f"{name} weights")


def _spread(tracks: _Checked) -> Array:
    """Half the central 68 % of every quantity, (d,)."""
    ends = [weighted_quantiles(x, [0.16, 0.84], tracks.weights) for x in tracks.features.T]
    return np.array([(high - low) / 2 for low, high in ends])


def _areas(
    pair: tuple[Scored, Scored] | None, edges: tuple[Array, Array], shape: tuple[int, int], known: NDArray[np.bool_]
) -> Array:
    """Area and error per bin, (2, a, b)."""
    out = np.full((2, *shape), np.nan)
    if pair is None:
        return out
    scores = [np.asarray(s.score, np.float64) for s in pair]
    places = [
        np.where(np.isfinite(v), bin_of_two(np.asarray(s.conditions, np.float64), edges), -1)
        for v, s in zip(scores, pair, strict=True)
    ]
    weights = [
        np.ones(len(v)) if s.weights is None else np.asarray(s.weights, np.float64)
        for v, s in zip(scores, pair, strict=True)
    ]
    for i in zip(*np.nonzero(known), strict=True):
        rows = [p == i[0] * shape[1] + i[1] for p in places]
        (a, b), (wa, wb) = ([v[r] for v, r in zip(vs, rows, strict=True)] for vs in (scores, weights))
        if min(effective_size(len(w), w) if w.sum() > 0 else 0.0 for w in (wa, wb)) < 20:
            continue
        try:
            found = auc(a, b, wr=wa, wg=wb)
        except WeightError:
            continue
        out[(slice(None), *i)] = found.value, FOLDS_ERROR * found.error
    return out


def _lights(
    known: NDArray[np.bool_], distances: Array, slices: Array, areas: tuple[Array, Array], limit: float,
    tolerance: float, auc_tolerance: float,
) -> NDArray[np.str_]:  # fmt: skip
    from scipy import stats

    (value, error), (base, base_error) = areas
    base, base_error = np.where(np.isfinite(base), base, 0.5), np.nan_to_num(base_error)
    with np.errstate(invalid="ignore"):  # NaN: not tested, hence not seen
        sigmas = np.minimum(np.abs(value - 0.5) / error, np.abs(value - base) / np.hypot(error, base_error))
        separated = 2 * stats.norm.sf(sigmas) < limit
        seen = np.concatenate([distances[1] < limit, (slices[1] < limit)[None], separated[None]])
        beyond = np.concatenate(
            [distances[0] > tolerance, (slices[0] > tolerance)[None], (np.abs(value - 0.5) > auc_tolerance - 0.5)[None]]
        )
    light = np.where((seen & beyond).any(axis=0), "red", np.where(seen.any(axis=0), "amber", "green"))
    return np.asarray(np.where(known, light, "grey"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value

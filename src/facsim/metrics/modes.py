"""Mode coverage: which kinds of events a generator makes too rarely, too often, or never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics.nearest import nearest_rows
from facsim.metrics.samples import Array, as_weights, effective_size
from facsim.observables.matrix import named_columns

__all__ = ["ModeCoverage", "mode_coverage"]

FIT_EVENTS = 10_000
ALARM = 0.01  # chance that any mode of a perfect copy is called missing or crowded


@dataclass(frozen=True)
class ModeCoverage:
    """Share of each mode in both samples.

    Parameters
    ----------
    reference, generated : tuple of float
        Shares, the most frequent mode of the reference first.
    reference_error, generated_error : tuple of float
        Their statistical errors.
    pulls : tuple of float
        Difference over its error.
    missing, crowded : tuple of int
        Modes that are significantly rarer and more frequent in the generated sample.
    pvalue : float
        Of the differences of all modes together (chi-square).
    centres : array (modes, d)
        Means of the modes in the features.
    """

    reference: tuple[float, ...]
    generated: tuple[float, ...]
    reference_error: tuple[float, ...]
    generated_error: tuple[float, ...]
    pulls: tuple[float, ...]
    missing: tuple[int, ...]
    crowded: tuple[int, ...]
    pvalue: float
    centres: Array

    @property
    def coverage(self) -> float:
        """Overlap of the shares, sum of min(reference, generated): 1 if all modes are there as often as they should."""
        return float(np.minimum(self.reference, self.generated).sum())

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items() if name != "centres"}
        return plain | {"coverage": self.coverage, "centres": self.centres.tolist()}


def mode_coverage(
    reference: Events | ArrayLike,
    generated: Events | ArrayLike,
    *,
    wr: ArrayLike | None = None,
    wg: ArrayLike | None = None,
    modes: int = 20,
    seed: int = 0,
) -> ModeCoverage:
    r"""Cluster the reference into modes and count both samples in them.

    Parameters
    ----------
    reference, generated : Events or array (n, d), (m, d)
        Events are described by their extended observables and conditions.
    wr, wg : array, optional
        Event weights of arrays (`Events` carry theirs); may be negative in the counts.
    modes : int, optional
        Number of clusters; at least 20 reference events for each are needed. Fewer if fewer events differ.
    seed : int, optional

    Returns
    -------
    ModeCoverage
        For two samples of one truth the pulls are normal and the p-value flat. A mode is listed where its pull alone
        would be seen with less than 1 % false alarms over all modes.

    Raises
    ------
    DataError
        If there are too few events, or features are not finite or all constant.
    SchemaMismatch, WeightError
        If schemas differ, or a sum of weights is not positive.

    Notes
    -----
    k-means (scikit-learn) on features with mean 0 and spread 1, fitted to at most 10,000 reference events (those of
    negative weight left out); the shares are those of all events. With fewer than 100 events per mode the clusters
    follow the chance of the reference, and p-values are a little too small. Blind to differences inside a mode; the
    test with most power for a lost region that no single observable shows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> corners = np.array([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
    >>> truth = corners[rng.integers(0, 3, 3000)] + rng.normal(size=(3000, 2))
    >>> copy = corners[rng.integers(0, 2, 3000)] + rng.normal(size=(3000, 2))
    >>> found = mode_coverage(truth, copy, modes=3)
    >>> len(found.missing), [round(s, 2) for s in sorted(found.generated)], found.pvalue < 1e-9
    (1, [0.0, 0.5, 0.5], True)
    """
    from scipy import stats
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if isinstance(reference, Events) and isinstance(generated, Events):
        reference.schema.require_same(generated.schema, "cannot compare reference and generated events")
        wr, wg = reference.weights, generated.weights
        reference, generated = named_columns(reference)[1], named_columns(generated)[1]
    tables = [np.asarray(x, np.float64) for x in (reference, generated)]
    for table, name in zip(tables, ("reference", "generated"), strict=True):
        if table.ndim != 2 or table.shape[1] != tables[0].shape[1] or not np.isfinite(table).all():
            msg = f"{name}: need features (n, d) of one d without NaN, got shape {table.shape}. Remove such events"
            raise DataError(msg)
    if not 2 <= modes <= len(tables[0]) // 20 or len(tables[1]) < 20:
        msg = (
            f"modes={modes}, {len(tables[0])} reference and {len(tables[1])} generated events: need at least 2 modes, "
            "20 reference events for each and 20 generated events"
        )
        raise DataError(msg)
    weights = [as_weights(w, len(t), name) for w, t, name in zip((wr, wg), tables, ("wr", "wg"), strict=True)]
    mean = weights[0] @ tables[0]
    variance = weights[0] @ (tables[0] - mean) ** 2
    varies = variance > 1e-12 * np.maximum(mean**2, 1e-300)
    if not varies.any():
        msg = "all features of the reference are constant: there are no modes"
        raise DataError(msg)
    scaled = [(t[:, varies] - mean[varies]) / np.sqrt(variance[varies]) for t in tables]
    rng = np.random.default_rng([seed, 0x30DE])
    rows = rng.permutation(np.flatnonzero(weights[0] > 0))[:FIT_EVENTS]
    modes = min(modes, len(np.unique(scaled[0][rows], axis=0)))  # a table of a few categories has no more
    if modes < 2:
        msg = "all reference events with positive weight are alike: there are no modes"
        raise DataError(msg)
    with threadpool_limits(limits=1):
        fit = KMeans(modes, n_init=3, random_state=seed).fit(scaled[0][rows], sample_weight=weights[0][rows])
    number = [nearest_rows(s, fit.cluster_centers_) for s in scaled]
    share = [np.bincount(k, w, modes) for k, w in zip(number, weights, strict=True)]
    order = np.argsort(-share[0], kind="stable")
    share = [s[order] for s in share]
    # variance of a share: sum w^2 (1[in mode] - share)^2, for weights of sum 1
    squares = [np.bincount(k, w**2, modes)[order] for k, w in zip(number, weights, strict=True)]
    errors = [np.sqrt(q * (1 - s) ** 2 + (q.sum() - q) * s**2) for q, s in zip(squares, share, strict=True)]
    # the error of the difference comes from the pooled share, so that an empty mode has one, too
    sizes = [effective_size(len(w), w) for w in weights]
    pooled = np.clip((sizes[0] * share[0] + sizes[1] * share[1]) / sum(sizes), 0, 1)
    least = pooled * (1 - pooled) * sum(1 / n for n in sizes)
    weighted = wr is not None or wg is not None
    spread = np.sqrt(np.maximum(least, errors[0] ** 2 + errors[1] ** 2) if weighted else least)
    pulls = np.divide(share[1] - share[0], spread, out=np.zeros(modes), where=spread > 0)
    # Pearson's sum: each mode's square counts 1 - share, which leaves modes - 1 degrees of freedom
    pvalue = float(stats.chi2.sf(np.sum(pulls**2 * (1 - pooled)), modes - 1))
    limit = stats.norm.isf(ALARM / modes / 2)
    centres = np.array([tables[0][number[0] == k].mean(axis=0) for k in order])
    return ModeCoverage(
        reference=tuple(share[0].tolist()),
        generated=tuple(share[1].tolist()),
        reference_error=tuple(errors[0].tolist()),
        generated_error=tuple(errors[1].tolist()),
        pulls=tuple(pulls.tolist()),
        missing=tuple(int(k) for k in np.flatnonzero(pulls < -limit)),
        crowded=tuple(int(k) for k in np.flatnonzero(pulls > limit)),
        pvalue=pvalue,
        centres=centres,
    )

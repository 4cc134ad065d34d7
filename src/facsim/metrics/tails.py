"""What a classifier's weights say of a copy: how far they reach, which events lie there, what gives them away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch
from facsim.events import Events
from facsim.metrics.classifier import ClassifierResult, Columns
from facsim.metrics.samples import Array
from facsim.observables.matrix import named_columns

__all__ = ["Deviation", "WeightTails", "classifier_weights", "explain", "most_fake", "most_missing", "weight_tails"]

FARTHEST = 10.0  # standardised deviations beyond count as this, so that one outlier does not decide
NEIGHBOURS = 300


@dataclass(frozen=True)
class WeightTails:
    """Distribution of log10 w for both samples.

    Parameters
    ----------
    edges : array (k + 1,)
        Of log10 w; the outermost bins hold what lies beyond.
    reference, generated : array (k,)
        Share of the scored events per bin.
    mean_generated, mean_reference : float
        Mean of w over generated events and of 1/w over reference events. Both are 1 up to the scatter of the few
        events with the largest weights; far from it, the calibration does not hold for the scored events.
    missing : dict of float
        For w above 2, 5, 10, 100: share of the reference there, which the copy fills too thinly by such a factor.
    invented : dict of float
        For w below 1/2, 1/5, 1/10, 1/100: share of the generated events there.
    """

    edges: Array
    reference: Array
    generated: Array
    mean_generated: float
    mean_reference: float
    missing: dict[str, float]
    invented: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}


@dataclass(frozen=True)
class Deviation:
    """How one observable of chosen events departs from the reference at the same conditions.

    Parameters
    ----------
    name : str
    rms : float
        Root mean square of the standardised deviations z, each cut off at 10; 1 for events like the reference's.
    shift : float
        Mean of z: positive where the chosen events have too large values.
    outside : float
        Share of the chosen events beyond all of their neighbours in the reference.
    """

    name: str
    rms: float
    shift: float
    outside: float


def classifier_weights(result: ClassifierResult) -> tuple[Array, Array]:
    r"""Weight of every event, reference over generated.

    .. math:: w = \frac{D}{1 - D} = \frac{p_{ref}(x)}{p_{gen}(x)}

    with D the calibrated probability that an event is a reference event, by a training that has not seen it.

    Parameters
    ----------
    result : ClassifierResult

    Returns
    -------
    array (n,), array (m,)
        w of the reference and of the generated events; NaN for those that were not scored. Large: the copy misses
        such events. Small: it invents them. For two samples of one truth w scatters around 1.

    Notes
    -----
    Das et al., arXiv:2305.16774. Unlike there, the outermost steps of the isotonic calibration are held back (`doubt`
    of `facsim.metrics.calibrate`): a step that k calibration events of one kind make has w = k + 1, not infinity.
    """
    out = []
    for fake in (result.fake_reference, result.fake_generated):
        if not np.isfinite(fake).any():
            msg = f"the {result.method} test has no calibrated scores: repeat it with this version of facsim"
            raise DataError(msg)
        out.append((1 - fake) / fake)
    return out[0], out[1]


def weight_tails(result: ClassifierResult, bins: int = 40) -> WeightTails:
    """Histogram log10 w for both samples, and sum up its tails.

    Parameters
    ----------
    result : ClassifierResult
    bins : int
        Equal bins of log10 w, symmetric around 0.

    Returns
    -------
    WeightTails
        For two samples of one truth both histograms are narrow and peak at 0, and the shares of the tails are those
        that the scatter of the calibration makes: compare with the result of truth against truth.

    Raises
    ------
    DataError
        If no event was scored.

    Notes
    -----
    Das et al., arXiv:2305.16774: the weights show where a copy fails, which an AUC sums up to one number. Blind to
    what the classifier did not learn.
    """
    first, second = (w[np.isfinite(w)] for w in classifier_weights(result))
    reach = float(max(0.5, np.abs(np.log10(np.concatenate([first, second]))).max()))
    edges = np.linspace(-reach, reach, bins + 1)
    shares = [np.histogram(np.clip(np.log10(w), -reach, reach), edges)[0] / len(w) for w in (first, second)]
    cuts = (2, 5, 10, 100)
    return WeightTails(
        edges,
        shares[0],
        shares[1],
        mean_generated=float(second.mean()),
        mean_reference=float((1 / first).mean()),
        missing={f"{c}": float((first > c).mean()) for c in cuts},
        invented={f"1/{c}": float((second < 1 / c).mean()) for c in cuts},
    )


def most_fake(result: ClassifierResult, n: int = 10) -> NDArray[np.intp]:
    """Positions of the n generated events with the smallest weight, the most recognisable first.

    Events of one step of the calibration are ordered by their scores. Fewer than n if fewer were scored.
    """
    return _extreme(result.fake_generated, result.scores_generated, n)[0]


def most_missing(result: ClassifierResult, n: int = 10) -> NDArray[np.intp]:
    """Positions of the n reference events with the largest weight: what the copy has too little of, the worst first."""
    return _extreme(result.fake_reference, result.scores_reference, n)[1]


def explain(
    reference: Events | Columns,
    sample: Events | Columns,
    rows: NDArray[np.intp],
    *,
    neighbours: int = NEIGHBOURS,
) -> tuple[Deviation, ...]:
    r"""Rank the observables by how much they give chosen events away.

    For event i and observable j, :math:`z_{ij} = (x_{ij} - \mu_{ij}) / \sigma_{ij}` with mean and standard deviation of
    the reference events whose conditions are nearest.

    Parameters
    ----------
    reference : Events or Columns
        Truth to compare with: events, or a table with ``names``, ``values``, ``conditions`` and ``weights``.
    sample : Events or Columns
        The sample that holds the chosen events; may be the reference itself.
    rows : array (k,)
        Their positions, as `most_fake` and `most_missing` give them.
    neighbours : int
        Reference events that each is compared with; without conditions all are.

    Returns
    -------
    tuple of Deviation
        Largest root mean square first. Events drawn at random from the truth have 1, with an error of about
        :math:`1 / \sqrt{2 k}` for Gaussian observables. Blind to correlations between observables.

    Raises
    ------
    SchemaMismatch
        If the observables differ.
    DataError
        If no event is chosen.
    """
    (names, truth, places), (other, values, where) = (_columns(s) for s in (reference, sample))
    if names != other:
        msg = f"the observables differ: {names[:3]} ... against {other[:3]} ... Give two samples of one schema"
        raise SchemaMismatch(msg)
    rows = np.asarray(rows, np.intp)
    if rows.size == 0:
        msg = "no events are chosen: give at least one row"
        raise DataError(msg)
    weights = np.ones(len(truth)) if reference.weights is None else np.maximum(reference.weights, 0)
    z = np.empty((len(rows), len(names)))
    outside = np.empty_like(z)
    for i, near in enumerate(_nearest(places, where[rows], neighbours)):
        local = truth[near]
        share = weights[near] / max(weights[near].sum(), np.finfo(float).tiny)
        mean = share @ local
        spread = np.sqrt(share @ (local - mean) ** 2)
        offset = values[rows[i]] - mean
        same = np.abs(offset) <= 1e-9 * (np.abs(mean) + spread)
        least = np.maximum(spread, np.maximum(np.abs(offset) / FARTHEST, np.finfo(float).tiny))
        z[i] = np.where(same, 0.0, offset / least)
        outside[i] = (values[rows[i]] < local.min(axis=0)) | (values[rows[i]] > local.max(axis=0))
    z = np.clip(z, -FARTHEST, FARTHEST)
    rms, shift, beyond = np.sqrt((z**2).mean(axis=0)), z.mean(axis=0), outside.mean(axis=0)
    return tuple(
        Deviation(names[j], float(rms[j]), float(shift[j]), float(beyond[j])) for j in np.argsort(-rms, kind="stable")
    )


def _extreme(fake: Array, scores: Array, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the n largest and of the n smallest, each with the outermost first."""
    known = np.flatnonzero(np.isfinite(fake))
    order = known[np.lexsort((scores[known], fake[known]))]
    return order[::-1][:n], order[:n]


def _columns(sample: Events | Columns) -> tuple[tuple[str, ...], Array, Array]:
    names, values = named_columns(sample) if isinstance(sample, Events) else (sample.names, sample.values)
    return names, np.asarray(values, np.float64), np.asarray(sample.conditions, np.float64)


def _nearest(places: Array, where: Array, count: int) -> list[Any]:
    """For each row of `where` the numbers of the nearest `places`."""
    if places.shape[1] == 0 or len(places) <= count:
        return [slice(None)] * len(where)
    from scipy.spatial import cKDTree

    spread = places.std(axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    found = cKDTree(places / unit).query(where / unit, k=count)[1]
    return list(np.asarray(found).reshape(len(where), count))

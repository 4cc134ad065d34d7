"""What all classifier tests between two samples share: folds, weights, and the outcome."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.metrics.folds import assign_folds
from facsim.metrics.roc import auc, calibrate, jsd
from facsim.metrics.samples import Array, as_weights, require_non_negative

__all__ = ["ClassifierResult", "FoldResult", "Pool", "judge", "pool", "summarise"]

logger = logging.getLogger(__name__)

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassifierResult:
    """Outcome of a classifier test.

    Parameters
    ----------
    method : str
        ``"high_level"`` or ``"low_level"``.
    auc : float
        Mean over the folds of the area under the ROC curve, each on events that the fold's classifier had not seen.
        0.5: the classifier sees no difference; 1: it separates the samples.
    auc_error : float
        Its error: s sqrt(1/K + t) for K folds, with s the larger of DeLong's error of one fold and the spread over the
        folds, and t the ratio of scored to training events (Nadeau and Bengio, Machine Learning 52, 2003, 239): folds
        train on each other's events, so their mean is less certain than that of K independent experiments. Rather
        large than small: 300 repetitions with equal truths scattered by 0.85 of it. One fold: DeLong's error alone.
    jsd : float
        Mean over the folds of the divergence after isotonic calibration, see `facsim.metrics.roc.jsd`.
    folds : tuple of FoldResult
        The same of every fold.
    scores_reference, scores_generated : array (n,), (m,)
        Score of every event by the classifier that had not seen it, 0 to 1, larger is more like `generated`; NaN for
        events that were not scored.
    """

    method: str
    auc: float
    auc_error: float
    jsd: float
    folds: tuple[FoldResult, ...]
    scores_reference: Array = field(repr=False)
    scores_generated: Array = field(repr=False)

    @property
    def spread(self) -> float:
        """Standard deviation of the area over the folds; 0 for one fold."""
        return float(np.std([f.auc for f in self.folds], ddof=1)) if len(self.folds) > 1 else 0.0

    @property
    def events(self) -> tuple[int, int]:
        """Number of reference and of generated events."""
        return len(self.scores_reference), len(self.scores_generated)

    def to_json(self) -> dict[str, object]:
        """Plain numbers and strings, without the scores."""
        return {
            "method": self.method,
            "auc": self.auc,
            "auc_error": self.auc_error,
            "auc_folds": [f.auc for f in self.folds],
            "jsd": self.jsd,
            "events": list(self.events),
        }


@dataclass(frozen=True)
class FoldResult:
    """Outcome of one training: area, its statistical error, and divergence."""

    auc: float
    auc_error: float
    jsd: float


@dataclass(frozen=True)
class Pool:
    """Both samples in one row order, the reference first.

    Parameters
    ----------
    label : array (n + m,)
        0 for reference, 1 for generated.
    weight : array (n + m,)
        Each sample's weights have a sum of 1.
    fold : array (n + m,)
        Number of the fold that scores the event.
    """

    label: NDArray[np.intp]
    weight: Array
    fold: NDArray[np.intp]

    def balanced(self, rows: Rows) -> Array:
        """Weights of some events such that both samples count the same and the mean is 1."""
        weight, label = self.weight[rows], self.label[rows]
        sums = np.bincount(label, weight, 2)
        return np.asarray(weight / sums[label] * (len(label) / 2))

    def split(self, values: Array, rows: Rows) -> tuple[Array, Array]:
        """Values of some events, reference and generated apart."""
        return values[rows & (self.label == 0)], values[rows & (self.label == 1)]


def pool(reference: Events, generated: Events, folds: int, seed: int) -> Pool:
    """Share out the events of two samples over folds.

    Raises
    ------
    SchemaMismatch
        If the schemas differ.
    WeightError
        If a weight is negative.
    DataError
        If there are fewer events than folds.
    """
    reference.schema.require_same(generated.schema, "cannot compare reference and generated events")
    weights = []
    for events, name in ((reference, "reference weights"), (generated, "generated weights")):
        require_non_negative(events.weights, name, "a classifier", "Compare the observables by their distances instead")
        weights.append(as_weights(events.weights, len(events), name))
    return Pool(
        np.repeat([0, 1], [len(reference), len(generated)]),
        np.concatenate(weights),
        np.concatenate(assign_folds(reference.conditions, generated.conditions, folds, seed)),
    )


def judge(events: Pool, scores: Array, test: Rows, calibration_scores: Array, calibration: Rows) -> FoldResult:
    """Measure the area and the divergence of the `test` rows, calibrated on the `calibration` rows."""
    w_reference, w_generated = events.split(events.weight, test)
    area = auc(*events.split(scores, test), wr=w_reference, wg=w_generated)
    probability = calibrate(calibration_scores[calibration], events.label[calibration], events.balanced(calibration))
    reference, generated = events.split(scores, test)
    divergence = jsd(probability(reference), probability(generated), wr=w_reference, wg=w_generated)
    return FoldResult(area.value, area.error, divergence)


def summarise(
    method: str, events: Pool, scores: Array, folds: list[FoldResult], test_over_train: float
) -> ClassifierResult:
    """Put the folds together; `test_over_train` is the ratio of scored to training events of one fold."""
    areas, errors = np.array([f.auc for f in folds]), np.array([f.auc_error for f in folds])
    error = np.sqrt(np.mean(errors**2))
    if len(folds) > 1:
        error = max(error, np.std(areas, ddof=1)) * np.sqrt(1 / len(folds) + test_over_train)
    reference, generated = events.split(scores, np.ones(len(scores), bool))
    result = ClassifierResult(
        method=method,
        auc=float(areas.mean()),
        auc_error=float(error),
        jsd=float(np.mean([f.jsd for f in folds])),
        folds=tuple(folds),
        scores_reference=reference,
        scores_generated=generated,
    )
    logger.debug("%s classifier: AUC %.4f +- %.4f, JSD %.4f", method, result.auc, result.auc_error, result.jsd)
    return result

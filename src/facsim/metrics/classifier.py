"""What all classifier tests between two samples share: folds, weights, and the outcome."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facsim.errors import SchemaMismatch
from facsim.events import Events
from facsim.metrics.folds import assign_folds
from facsim.metrics.roc import auc, calibrate, jsd
from facsim.metrics.samples import Array, as_weights, require_non_negative

__all__ = ["ClassifierResult", "Columns", "FoldResult", "Pool", "Rows", "Tally", "judge", "pool"]

logger = logging.getLogger(__name__)

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassifierResult:
    """Outcome of a classifier test.

    Parameters
    ----------
    method : str
        ``"high_level"``, ``"low_level"``, or protocol and inputs such as ``"calochallenge/high"``.
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
        The same of every training.
    scores_reference, scores_generated : array (n,), (m,)
        Score of every event by the classifier that had not seen it, 0 to 1, larger is more like `generated`; NaN for
        events that were not scored, the mean where several trainings scored one.
    fake_reference, fake_generated : array (n,), (m,)
        The same, calibrated (`calibrate` with ``doubt=1``): probability that the event is generated, if both samples
        count the same. Isotonic regression makes steps, so many events share a value; the scores order them.
    """

    method: str
    auc: float
    auc_error: float
    jsd: float
    folds: tuple[FoldResult, ...]
    scores_reference: Array = field(repr=False)
    scores_generated: Array = field(repr=False)
    fake_reference: Array = field(repr=False, default_factory=lambda: np.zeros(0))
    fake_generated: Array = field(repr=False, default_factory=lambda: np.zeros(0))

    @property
    def spread(self) -> float:
        """Standard deviation of the area over the trainings; 0 for one."""
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
    positive : array (n + m,), optional
        What to train with where `weight` is signed.
    """

    label: NDArray[np.intp]
    weight: Array
    fold: NDArray[np.intp]
    positive: Array | None = None

    def balanced(self, rows: Rows) -> Array:
        """Weights of some events to train with, such that both samples count the same and the mean is 1."""
        weight, label = (self.weight if self.positive is None else self.positive)[rows], self.label[rows]
        sums = np.bincount(label, weight, 2)
        return np.asarray(weight / sums[label] * (len(label) / 2))

    def split(self, values: Array, rows: Rows) -> tuple[Array, Array]:
        """Values of some events, reference and generated apart."""
        return values[rows & (self.label == 0)], values[rows & (self.label == 1)]


class Columns(Protocol):
    """Observables of a sample that are already computed, for `facsim.metrics.high_level_auc`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the d columns."""
        ...

    @property
    def values(self) -> NDArray[np.floating]:
        """Observables, (n, d)."""
        ...

    @property
    def conditions(self) -> NDArray[np.float32]:
        """Conditions, (n, k): events of equal conditions stay together in one fold."""
        ...

    @property
    def weights(self) -> Array | None:
        """Event weights, (n,)."""
        ...

    def __len__(self) -> int: ...


def pool(
    reference: Events | Columns, generated: Events | Columns, folds: int, seed: int, *, signed: bool = False
) -> Pool:
    """Share out the events of two samples over folds.

    Raises
    ------
    SchemaMismatch
        If the schemas, or the names of the columns, differ.
    WeightError
        If a weight is negative and `signed` does not allow it.
    DataError
        If there are fewer events than folds.
    """
    if isinstance(reference, Events) and isinstance(generated, Events):
        reference.schema.require_same(generated.schema, "cannot compare reference and generated events")
    elif isinstance(reference, Events) or isinstance(generated, Events) or reference.names != generated.names:
        msg = "cannot compare reference and generated columns: give two Events, or two tables with equal names"
        raise SchemaMismatch(msg)
    weights = []
    for events, name in ((reference, "reference weights"), (generated, "generated weights")):
        cure = "Compare the observables by their distances instead"
        require_non_negative(None if signed else events.weights, name, "a classifier", cure)
        weights.append(as_weights(events.weights, len(events), name))
    return Pool(
        np.repeat([0, 1], [len(reference), len(generated)]),
        np.concatenate(weights),
        np.concatenate(assign_folds(reference.conditions, generated.conditions, folds, seed)),
    )


def judge(
    events: Pool, scores: Array, test: Rows, calibration_scores: Array, calibration: Rows
) -> tuple[FoldResult, Array]:
    """Measure area and divergence of the `test` rows, calibrated on other rows; also give their probabilities."""
    w_reference, w_generated = events.split(events.weight, test)
    area = auc(*events.split(scores, test), wr=w_reference, wg=w_generated)
    known = calibration_scores[calibration], events.label[calibration], events.balanced(calibration)
    probability = calibrate(*known)
    divergence = jsd(*map(probability, events.split(scores, test)), wr=w_reference, wg=w_generated)
    return FoldResult(area.value, area.error, divergence), calibrate(*known, doubt=1.0)(scores[test])


class Tally:
    """Trainings of one classifier test as they come in."""

    def __init__(self, reference: int, generated: int) -> None:
        self._sizes = (reference, generated)
        self._sums = np.zeros((2, reference + generated))  # of scores and of probabilities
        self._times = np.zeros(reference + generated)
        self._folds: list[FoldResult] = []

    def add(self, test: Rows, scores: Array, probability: Array, fold: FoldResult) -> None:
        """Note one training: scores and probabilities of the `test` rows, in their order."""
        self._sums[:, test] += scores, probability
        self._times += test
        self._folds.append(fold)

    def result(self, method: str, test_over_train: float) -> ClassifierResult:
        """Put the trainings together; `test_over_train` is the ratio of scored to training events of one of them."""
        areas, errors = np.array([f.auc for f in self._folds]), np.array([f.auc_error for f in self._folds])
        error = np.sqrt(np.mean(errors**2))
        if len(self._folds) > 1:
            error = max(error, np.std(areas, ddof=1)) * np.sqrt(1 / len(self._folds) + test_over_train)
        scored = self._times > 0
        means = np.where(scored, self._sums / np.maximum(self._times, 1), np.nan)
        (reference, fake_reference), (generated, fake_generated) = (
            means[:, : self._sizes[0]],
            means[:, self._sizes[0] :],
        )
        out = ClassifierResult(
            method=method,
            auc=float(areas.mean()),
            auc_error=float(error),
            jsd=float(np.mean([f.jsd for f in self._folds])),
            folds=tuple(self._folds),
            scores_reference=reference,
            scores_generated=generated,
            fake_reference=fake_reference,
            fake_generated=fake_generated,
        )
        logger.debug("%s classifier: AUC %.4f +- %.4f, JSD %.4f", method, out.auc, out.auc_error, out.jsd)
        return out

"""How well scores separate two samples: area under the ROC curve, and divergence from calibrated scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.samples import Array, as_sample, as_weights

__all__ = ["AUC", "auc", "calibrate", "jsd"]

CLIP = 1e-6  # of calibrated probabilities, as in CaloFlow and CaloChallenge


@dataclass(frozen=True)
class AUC:
    """Area under the ROC curve and its statistical error."""

    value: float
    error: float


def auc(reference: ArrayLike, generated: ArrayLike, *, wr: ArrayLike | None = None, wg: ArrayLike | None = None) -> AUC:
    r"""Probability that a generated event scores above a reference event.

    .. math:: A = \sum_{ij} w_i v_j \left( 1[g_j > r_i] + \tfrac12 1[g_j = r_i] \right)

    with weights normalised to 1 in each sample.

    Parameters
    ----------
    reference, generated : array (n,), (m,)
        Scores; larger means more like `generated`. They must come from a classifier that has not seen these events.
    wr, wg : array, optional
        Event weights; may be negative (sWeights).

    Returns
    -------
    AUC
        0.5 on average for two samples of one truth, with an error of about :math:`\sqrt{(1/n + 1/m) / 12}`; 1 for
        disjoint samples. It is not folded to above 0.5, which would make two equal samples look different. A value
        clearly below 0.5 from a classifier's unseen events says that events of one sample are copies of the other's.

    Raises
    ------
    DataError, WeightError
        If a sample is empty or not finite, or a sum of weights is not positive.

    Notes
    -----
    The error is DeLong's (Biometrics 44, 1988, 837), extended to weights: the spread of each event's share in A, times
    its squared weight. It does not hold the luck of the training.

    Examples
    --------
    >>> auc([0.1, 0.4], [0.3, 0.9]).value
    0.75
    """
    r, g = as_sample(reference, "reference scores"), as_sample(generated, "generated scores")
    wr, wg = as_weights(wr, len(r), "wr"), as_weights(wg, len(g), "wg")
    below = _share_below(r, wr, g)  # of each generated event: share of the reference under it
    above = 1 - _share_below(g, wg, r)  # of each reference event: share of the generated over it
    value = float(below @ wg)
    variance = np.sum(wg**2 * (below - value) ** 2) + np.sum(wr**2 * (above - value) ** 2)
    return AUC(value, float(np.sqrt(variance)))


def calibrate(
    scores: ArrayLike, labels: ArrayLike, weights: ArrayLike, *, doubt: float = 0.0
) -> Callable[[ArrayLike], Array]:
    """Fit an isotonic regression that turns scores into probabilities.

    Parameters
    ----------
    scores, labels, weights : array (n,)
        Scores, 0 for reference and 1 for generated, and weights that are not negative; other events than those whose
        divergence is asked for.
    doubt : float
        Weight of one more event of each label at the lowest and at the highest score. With 0, as published, the
        outermost steps claim certainty from a few events; with 1 a step of k equal events claims 1/(k + 2).

    Returns
    -------
    callable
        From scores to probabilities within 1e-6 to 1 - 1e-6.

    Examples
    --------
    >>> probability = calibrate([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], [1, 1, 1, 1])
    >>> probability([0.25])
    array([0.5])
    >>> calibrate([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [1, 1, 1, 1], doubt=1.0)([0.15, 0.4])
    array([0.25, 0.75])
    """
    from sklearn.isotonic import IsotonicRegression

    isotonic = IsotonicRegression(y_min=CLIP, y_max=1 - CLIP, out_of_bounds="clip")
    known = as_sample(scores, "calibration scores")
    if doubt:
        known = np.concatenate([known, np.repeat([known.min(), known.max()], 2)])
        labels = np.concatenate([np.asarray(labels), [0, 1, 0, 1]])
        weights = np.concatenate([np.asarray(weights, np.float64), np.full(4, doubt)])
    isotonic.fit(known, labels, sample_weight=weights)
    return lambda s: np.clip(isotonic.predict(as_sample(s, "scores")), CLIP, 1 - CLIP)


def jsd(
    reference: ArrayLike, generated: ArrayLike, *, wr: ArrayLike | None = None, wg: ArrayLike | None = None
) -> float:
    r"""Jensen-Shannon divergence that calibrated scores show.

    .. math:: JSD = 1 - \frac{BCE}{\ln 2}

    with BCE the binary cross entropy; both samples count the same.

    Parameters
    ----------
    reference, generated : array (n,), (m,)
        Probabilities of being generated, within 0 and 1, of events that neither training nor calibration has seen.
    wr, wg : array, optional
        Event weights.

    Returns
    -------
    float
        1 for disjoint samples, 0 at best for equal ones: a lower bound of the divergence. For two samples of one truth
        it lies below 0, since the outermost steps of a calibration are few events that claim certainty (measured:
        about -0.1 for 150 + 150 events, -0.04 for 300 + 300, -0.01 for 1,500 + 1,500).

    Raises
    ------
    DataError, WeightError
        If a score is no probability or certain of what is wrong, or a sum of weights is not positive.

    Notes
    -----
    CaloFlow (arXiv:2106.05285), with `calibrate` before it.

    Examples
    --------
    >>> jsd([0.5, 0.5], [0.5])
    0.0
    """
    r, g = as_sample(reference, "reference"), as_sample(generated, "generated")
    if min(r.min(), g.min()) < 0 or max(r.max(), g.max()) > 1 or r.max() == 1 or g.min() == 0:
        msg = (
            f"reference lies in {r.min():g} to {r.max():g}, generated in {g.min():g} to {g.max():g}: need "
            "probabilities, and no certainty that is wrong. Use calibrate first"
        )
        raise DataError(msg)
    entropy = -as_weights(wr, len(r), "wr") @ np.log(1 - r) - as_weights(wg, len(g), "wg") @ np.log(g)
    return float(1 - entropy / (2 * np.log(2)))


def _share_below(sample: Array, weights: Array, at: Array) -> Array:
    """Share of `sample` below each value of `at`; equal values count half."""
    order = np.argsort(sample)
    filled = np.concatenate([[0.0], np.cumsum(weights[order])])
    left, right = np.searchsorted(sample[order], at, "left"), np.searchsorted(sample[order], at, "right")
    return np.asarray((filled[left] + filled[right]) / 2)

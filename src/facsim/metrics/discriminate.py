"""What a discriminator makes of real and generated events: the table of right and wrong answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.samples import Array, as_sample, as_weights

__all__ = ["Discrimination", "discriminate", "score_histogram"]


@dataclass(frozen=True)
class Discrimination:
    """Shares of right and wrong answers, and how far the scores are apart.

    Parameters
    ----------
    true_positive, false_negative : float
        Share of real events that are taken for real and for generated; they add up to 1.
    false_positive, true_negative : float
        Share of generated events that are taken for real and for generated; they add up to 1.
    auc : float
        Chance that a real event has a higher score than a generated one.
    gap : float
        Difference of the mean scores in units of their standard deviation.
    threshold : float
        Score above which an event is taken for real.
    """

    true_positive: float
    false_negative: float
    false_positive: float
    true_negative: float
    auc: float
    gap: float
    threshold: float

    def to_json(self) -> dict[str, float]:
        """Plain numbers."""
        return asdict(self)


def discriminate(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    undecided: float | None = None,
    wr: ArrayLike | None = None,
    wf: ArrayLike | None = None,
    seed: int = 0,
) -> Discrimination:
    r"""Count the answers of a discriminator whose score is large for what it takes for real.

    Parameters
    ----------
    real, fake : array (n,), (m,)
        Scores; best of events that were not trained on.
    undecided : float, optional
        Score at which both are equally likely. Without it (Wasserstein critics have none) the threshold is the one of
        the best balanced accuracy on a random half of the events, and the other half is counted.
    wr, wf : array, optional
        Event weights; may be negative (sWeights): shares then scatter beyond 0 and 1.
    seed : int, optional
        Of the halves.

    Returns
    -------
    Discrimination
        A discriminator that knows nothing has ``true_positive = false_positive``, an AUC of 0.5 and a gap of 0, each
        within its statistical error (:math:`\sqrt{(1/n + 1/m)/12}` for the AUC).

    Raises
    ------
    DataError
        If there are fewer than 2 scores of one side, or one is not finite.
    WeightError
        If weights do not add up to more than zero.

    Examples
    --------
    >>> found = discriminate([0.9, 0.8, 0.4], [0.1, 0.2, 0.3, 0.6], undecided=0.5)
    >>> round(found.true_positive, 3), found.false_positive, round(found.auc, 3)
    (0.667, 0.25, 0.917)
    """
    scores = as_sample(real, "real"), as_sample(fake, "fake")
    if min(map(len, scores)) < 2:
        msg = f"{len(scores[0])} real and {len(scores[1])} fake scores: at least 2 of each are needed"
        raise DataError(msg)
    weights = as_weights(wr, len(scores[0]), "wr"), as_weights(wf, len(scores[1]), "wf")
    mean = [float(w @ s) for s, w in zip(scores, weights, strict=True)]
    variance = sum(float(w @ (s - m) ** 2) for s, w, m in zip(scores, weights, mean, strict=True)) / 2
    counted = [np.ones(len(s), bool) for s in scores]
    threshold = undecided
    if threshold is None:
        rng = np.random.default_rng([seed, 0xD15C])
        counted = [rng.permutation(len(s)) % 2 == 0 for s in scores]
        threshold = _best(*(s[~c] for s, c in zip(scores, counted, strict=True)), *_halves(weights, counted, False))
    above = [
        float(np.sum(w[s[c] > threshold]) / w.sum())
        for s, c, w in zip(scores, counted, _halves(weights, counted, True), strict=True)
    ]
    return Discrimination(
        true_positive=above[0],
        false_negative=1 - above[0],
        false_positive=above[1],
        true_negative=1 - above[1],
        auc=_auc(*scores, *weights),
        gap=float((mean[0] - mean[1]) / np.sqrt(variance)) if variance > 0 else 0.0,
        threshold=float(threshold),
    )


def score_histogram(
    real: ArrayLike, fake: ArrayLike, *, wr: ArrayLike | None = None, wf: ArrayLike | None = None, bins: int = 30
) -> tuple[Array, Array, Array]:
    """Shares of real and of fake scores in even bins over the central 99 % of both; the outer bins hold the rest.

    Returns
    -------
    edges : array (bins + 1,)
    real, fake : array (bins,)
        Shares of sum 1; of negative weights some may be negative.

    Examples
    --------
    >>> edges, real, fake = score_histogram([0.0, 1.0], [0.0, 0.0], bins=2)
    >>> real.tolist(), fake.tolist()
    ([0.5, 0.5], [1.0, 0.0])
    """
    scores = as_sample(real, "real"), as_sample(fake, "fake")
    low, high = (float(v) for v in np.quantile(np.concatenate(scores), [0.005, 0.995]))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    shares = []
    for values, given, name in ((scores[0], wr, "wr"), (scores[1], wf, "wf")):
        inside = np.clip(values, low, high)
        shares.append(np.histogram(inside, edges, weights=as_weights(given, len(values), name))[0])
    return edges, shares[0], shares[1]


def _halves(weights: tuple[Array, Array], counted: list[Array], which: bool) -> list[Array]:
    return [w[c == which] for w, c in zip(weights, counted, strict=True)]


def _best(real: Array, fake: Array, wr: Array, wf: Array) -> float:
    """Threshold of the best balanced accuracy: between the two scores where it lies."""
    values = np.concatenate([real, fake])
    # moving the threshold above an event loses it if it is real, and wins it if it is fake
    worth = np.concatenate([-wr / wr.sum(), wf / wf.sum()])
    order = np.argsort(values, kind="stable")
    values, gain = values[order], np.concatenate([[0.0], np.cumsum(worth[order])])
    places = np.concatenate([[values[0] - 1.0], (values[:-1] + values[1:]) / 2, [values[-1] + 1.0]])
    between = np.concatenate([[True], values[:-1] < values[1:], [True]])
    # where chance cannot tell thresholds apart, the one in the middle of the scores
    good = np.flatnonzero(between & (gain >= gain[between].max() - 0.5 * np.sqrt(1 / len(real) + 1 / len(fake))))
    return float(places[good[np.argmin(np.abs(good - len(values) / 2))]])


def _auc(real: Array, fake: Array, wr: Array, wf: Array) -> float:
    order = np.argsort(fake, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(wf[order])])
    left, right = (np.searchsorted(fake[order], real, side) for side in ("left", "right"))
    return float(wr @ (below[left] + below[right]) / 2)

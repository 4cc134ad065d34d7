"""The classifier two-sample test of the benchmark of simulation-based inference."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError

__all__ = ["c2st"]


def c2st(x: ArrayLike, y: ArrayLike, *, folds: int = 5, epochs: int = 1000, seed: int = 1) -> float:
    r"""Share of right answers of a network that tells two samples apart: 0.5 for equal, 1 for disjoint samples.

    Parameters
    ----------
    x, y : array (n, d), (n, d)
        Equally large samples; x, the reference, sets the scale of the columns.
    folds : int, optional
        Of the cross-validation.
    epochs : int, optional
        At most.
    seed : int, optional

    Raises
    ------
    DataError
        If shapes differ, values are not finite, or there are fewer events than folds.

    Notes
    -----
    Lueckmann et al., arXiv:2101.04653: two hidden layers of 10 d rectifiers, Adam, 5 folds, z-scored on the first
    sample. For two samples of one truth the value is 0.5 with an error of about :math:`0.35 / \sqrt n`, 0.004 for
    n = 10,000. Some tens of seconds at that size. `facsim.metrics.high_level_auc` is sharper and takes weights; this
    one is for comparison with published tables.

    Examples
    --------
    >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> abs(c2st(x, y, epochs=20) - 0.5) < 0.1, c2st(x, y + 5, epochs=50) > 0.95
    (True, True)
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.ndim != 2 or first.shape != second.shape or len(first) < folds:
        msg = f"samples {first.shape} and {second.shape}: give equally many events (n, d), n at least {folds}"
        raise DataError(msg)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        msg = "samples hold values that are not finite; leave these events out"
        raise DataError(msg)
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.neural_network import MLPClassifier

    spread = first.std(axis=0)
    rows = (np.concatenate([first, second]) - first.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    labels = np.repeat([0, 1], len(first))
    width = 10 * first.shape[1]
    network = MLPClassifier((width, width), activation="relu", solver="adam", max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is asked for
        parts = KFold(n_splits=folds, shuffle=True, random_state=seed)
        return float(np.mean(cross_val_score(network, rows, labels, cv=parts, scoring="accuracy")))

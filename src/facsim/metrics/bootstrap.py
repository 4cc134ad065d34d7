"""Error and p-value of any norm of the difference of two means, from groups of events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facsim.metrics.quadratic import Estimate, signs
from facsim.metrics.samples import Array

__all__ = ["bootstrap"]

REPLICAS = 1000
BATCH = 100  # replicas at a time


def bootstrap(sums: Array, first: Array, second: Array, norm: Callable[[Array], Array], seed: int) -> Estimate:
    """Compare a norm of the difference with the same norm of simulated noise.

    Parameters
    ----------
    sums : array (G, k)
        Weighted sum of each group, the first sample's groups before the second's.
    first, second : array (a,), (b,)
        Sum of weights of each group; each sums to 1.
    norm : callable
        ``norm(array (r, k)) -> array (r,)``.
    seed : int

    Returns
    -------
    Estimate
        The plug-in, which noise makes too large: `null` is its mean for one truth. The error is the spread that the
        same noise gives around the observed difference.

    Notes
    -----
    Multiplier central limit theorem (van der Vaart and Wellner, chapter 2.9) with random signs on the deviations of the
    groups from their sample.
    """
    a, b = len(first), len(second)
    means = sums[:a].sum(0), sums[a:].sum(0)
    noise = np.concatenate(
        [
            np.sqrt(a / (a - 1)) * (sums[:a] - first[:, None] * means[0]),
            np.sqrt(b / (b - 1)) * (sums[a:] - second[:, None] * means[1]),
        ]
    )
    difference = (means[0] - means[1])[None]
    value = float(norm(difference)[0])
    null, around = [], []
    for s in np.array_split(signs(np.random.default_rng([seed, 0xB007]), a + b, REPLICAS), REPLICAS // BATCH):
        kicks = s @ noise
        null.append(norm(kicks))
        around.append(norm(difference + kicks))
    simulated = np.concatenate(null)
    pvalue = (int((simulated >= value).sum()) + 1) / (REPLICAS + 1)
    return Estimate(value, float(np.std(np.concatenate(around))), pvalue, float(simulated.mean()))

"""Where in the conditions a generated score separates two species better or worse than the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError
from facsim.metrics.quantiles import bin_numbers, quantile_edges
from facsim.metrics.roc import auc
from facsim.metrics.samples import Array, as_sample, as_weights

__all__ = ["AUCMap", "Scored", "delta_auc_map"]

FEWEST = 5


@dataclass(frozen=True)
class Scored:
    """Events of one species: score (n,), two conditions (n, 2), and weights, which may be negative (sWeights)."""

    score: ArrayLike
    conditions: ArrayLike
    weights: ArrayLike | None = None


@dataclass(frozen=True)
class AUCMap:
    """AUC in bins of two conditions, arrays (bins, bins), NaN where there are too few events.

    Parameters
    ----------
    edges : (array, array)
        Of the two conditions; bins are ``(low, high]``.
    reference, generated : array
        Area under the ROC curve between the species.
    delta, error : array
        Generated minus reference, and its statistical error.
    """

    edges: tuple[Array, Array]
    reference: Array
    generated: Array
    delta: Array
    error: Array

    @property
    def significance(self) -> Array:
        """Delta over its error; normal with mean 0 for two samples of one truth."""
        return np.asarray(np.divide(self.delta, self.error, out=np.zeros_like(self.delta), where=self.error != 0))

    @property
    def pvalue(self) -> float:
        """Chance that a perfect copy deviates as much over all bins together (chi-square of the significances)."""
        from scipy import stats

        pulls = self.significance[np.isfinite(self.delta)]
        return float(stats.chi2.sf(np.sum(pulls**2), len(pulls))) if len(pulls) else 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain lists; None where a bin is empty."""

        def plain(values: Array) -> list[Any]:
            return [[float(v) if np.isfinite(v) else None for v in row] for row in values]

        names = ("reference", "generated", "delta", "error")
        return {"edges": [e.tolist() for e in self.edges], **{n: plain(getattr(self, n)) for n in names}} | {
            "pvalue": self.pvalue
        }


def delta_auc_map(
    reference: tuple[Scored, Scored],
    generated: tuple[Scored, Scored],
    *,
    bins: int = 6,
    central: float = 0.999,
    edges: tuple[ArrayLike, ArrayLike] | None = None,
    bootstraps: int = 0,
    seed: int = 0,
) -> AUCMap:
    r"""Compare the separation of two species by a score, AUC(generated) - AUC(reference), in bins of two conditions.

    Parameters
    ----------
    reference, generated : (Scored, Scored)
        The two species, e.g. kaons and pions with their DLL(K), momentum and pseudorapidity; the first is the one with
        larger scores.
    bins : int, optional
        Per condition; edges are weighted quantiles of the reference, both species together with equal weight.
    central : float, optional
        Share of the reference between the outermost edges; events outside are left out.
    edges : (array, array), optional
        Of the two conditions, instead of quantiles: several maps then share their bins.
    bootstraps : int, optional
        Take the errors from so many samples drawn with replacement (the collaboration takes 200), not from DeLong's
        formula.
    seed : int, optional
        Of these.

    Returns
    -------
    AUCMap
        For two samples of one truth the significances are normal. A score that is wrong in the same way for both
        species stays unseen.

    Raises
    ------
    DataError, WeightError
        If shapes do not fit, values are not finite, a condition is constant, or a sum of weights is not positive.

    Notes
    -----
    The map of the LHCb RICH studies (arXiv:1905.11825). The error is DeLong's for both areas (`facsim.metrics.auc`),
    added in quadrature; bootstrapping gives the same, takes 200 times as long, and is there to check it. Where
    generated events repeat the conditions of the reference events, the error is a little too large.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> make = lambda mean: Scored(rng.normal(mean, 1, 4000), rng.uniform(size=(4000, 2)))
    >>> found = delta_auc_map((make(1), make(0)), (make(1.5), make(0)), bins=2)
    >>> found.delta.shape, bool((found.delta > 0).all()), found.pvalue < 1e-6
    ((2, 2), True, True)
    """
    truth, copy = (
        [_checked(s, f"{role} {i + 1}") for i, s in enumerate(pair)]
        for role, pair in (("reference species", reference), ("generated species", generated))
    )
    pooled = np.concatenate([s[1] for s in truth])
    weights = np.concatenate([s[2] for s in truth])
    outside = (1 - central) / 2
    if edges is None:
        cuts = [quantile_edges(column, bins, weights, shares=(outside, 1 - outside)) for column in pooled.T]
    else:
        cuts = [np.asarray(e, np.float64) for e in edges]
    shape = (len(cuts[0]) - 1, len(cuts[1]) - 1)
    areas = [_areas(p, cuts, shape, bootstraps, [seed, i, 0xA0C]) for i, p in enumerate((truth, copy))]
    (ar, er), (ag, eg) = areas
    return AUCMap((cuts[0], cuts[1]), ar, ag, ag - ar, np.hypot(er, eg))


def _checked(species: Scored, name: str) -> tuple[Array, Array, Array]:
    score = as_sample(species.score, name)
    conditions = np.asarray(species.conditions, np.float64)
    if conditions.shape != (len(score), 2):
        msg = f"{name}: conditions have shape {conditions.shape}, need ({len(score)}, 2)"
        raise DataError(msg)
    return score, conditions, as_weights(species.weights, len(score), f"weights of {name}")


def _areas(
    pair: list[tuple[Array, Array, Array]], edges: list[Array], shape: tuple[int, int], bootstraps: int, seed: list[int]
) -> tuple[Array, Array]:
    """AUC and its error in each bin."""
    numbers = []
    for _, conditions, _ in pair:
        x, y = (bin_numbers(c, e, outside=False) for c, e in zip(conditions.T, edges, strict=True))
        numbers.append(np.where((x >= 0) & (y >= 0), x * shape[1] + y, -1))
    value, error = np.full((2, *shape), np.nan)
    for i in np.ndindex(shape):
        rows = [number == i[0] * shape[1] + i[1] for number in numbers]
        weights = [w[r] for (_, _, w), r in zip(pair, rows, strict=True)]
        if min(r.sum() for r in rows) < FEWEST or min(w.sum() for w in weights) <= 0:
            continue
        first, second = (score[r] for (score, _, _), r in zip(pair, rows, strict=True))
        area = auc(second, first, wr=weights[1], wg=weights[0])
        value[i], error[i] = area.value, area.error
        if bootstraps:
            error[i] = _resampled(second, first, weights, bootstraps, [*seed, *i])
    return value, error


def _resampled(second: Array, first: Array, weights: list[Array], bootstraps: int, seed: list[int]) -> float:
    """Spread of the area over samples drawn with replacement; of signed weights, those with a positive sum."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(bootstraps):
        i, j = (rng.integers(0, len(s), len(s)) for s in (first, second))
        if min(weights[0][i].sum(), weights[1][j].sum()) > 0:
            found.append(auc(second[j], first[i], wr=weights[1][j], wg=weights[0][i]).value)
    return float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")

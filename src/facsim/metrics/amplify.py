"""Amplification: how many truth events the density learnt by an ensemble of generators is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.metrics.quantiles import bin_numbers, quantile_edges
from facsim.metrics.samples import Array, as_weights, effective_size

__all__ = ["Amplification", "amplification"]

FEWEST_EXPECTED = 20
"""Training events below which a volume is not used: its quantiles are then no better known than its content."""


@dataclass(frozen=True)
class Amplification:
    """Worth of an ensemble's density, averaged over phase-space volumes.

    Parameters
    ----------
    spread_events : float
        Equivalent truth events by the spread of the members alone.
    factor : float
        G, `spread_events` over the number of training events.
    bias : float or None
        Mean square of the deviation from held-out truth that neither spread nor statistics explain, in units of
        p (1 - p); negative by chance where there is none. None without held-out truth.
    bias_error : float or None
        Its statistical error.
    checked_events, checked_factor : float or None
        The same as the first two with the bias included (plus its error, where it is not seen): what may be claimed.
    volumes, members : int
    training : float
        (Effective) number of training events.
    """

    spread_events: float
    factor: float
    bias: float | None
    bias_error: float | None
    checked_events: float | None
    checked_factor: float | None
    volumes: int
    members: int
    training: float

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; None for infinity."""
        return {k: v if v is None or np.isfinite(v) else None for k, v in vars(self).items()}


def amplification(
    members: Sequence[ArrayLike],
    training: ArrayLike,
    held_out: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
    held_out_weights: ArrayLike | None = None,
    bins: int = 10,
    dimensions: int = 1,
    seed: int = 0,
) -> Amplification:
    r"""Averaging amplification of an ensemble.

    .. math:: n_{eq} = \left\langle \frac{\sigma^2(V)}{p(V)\,(1 - p(V))} \right\rangle_V^{-1}, \qquad
        G = \frac{n_{eq}}{n_{train}}

    with p(V) the share of events in a volume, and sigma its standard deviation over the members without their finite
    number of events.

    Parameters
    ----------
    members : sequence of array (m, d)
        Events drawn from each member, at least 3 members, best far more events than `training` has. Members must differ
        by all that is uncertain: if they were trained on the same events, give `held_out`, since the error that
        they share does not show in their spread.
    training : array (n, d)
        Truth that the members were trained on; its quantiles make the volumes.
    held_out : array (h, d), optional
        Truth that they were not trained on.
    weights, held_out_weights : array, optional
        Event weights of the truth samples; may be negative (sWeights).
    bins : int, optional
        Quantile bins per dimension.
    dimensions : int, optional
        How many features span a volume: 1 (every feature alone), or boxes in random pairs, triples, ... of them.
    seed : int, optional
        Of the choice of features, at most 50 sets.

    Returns
    -------
    Amplification
        A generator that is as good as its training sample has G = 1. A Gaussian fitted to Gaussian data reaches
        pi/2 = 1.57 for the volume below the median, and more in the tails.

    Raises
    ------
    DataError
        If there are fewer than 3 members, shapes do not fit, values are not finite, or no volume holds 20 training
        events.

    Notes
    -----
    The averaging method of arXiv:2509.08048 (there with Bayesian networks as well). Their spread says how precisely
    an integral is known, not whether it is right; the check with held-out truth is our addition. One number over all
    volumes hides where the amplification happens: compare `dimensions` 1 and 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training = rng.normal(size=(500, 1))
    >>> members = [rng.normal(mean, 1, (20_000, 1)) for mean in rng.normal(0, 500**-0.5, 20)]  # fits of the mean
    >>> result = amplification(members, training, bins=4)
    >>> bool(1 < result.factor < 4)
    True
    """
    truth = _table(training, "training")
    tables = [_table(m, f"member {i}") for i, m in enumerate(members)]
    other = None if held_out is None else _table(held_out, "held_out")
    if len(tables) < 3:
        msg = f"{len(tables)} members: a spread needs at least 3. Train more, with other seeds and training halves"
        raise DataError(msg)
    samples = [*tables, *([] if other is None else [other])]
    for table in samples:
        if table.shape[1] != truth.shape[1]:
            msg = f"a sample has {table.shape[1]} features, the training sample {truth.shape[1]}"
            raise DataError(msg)
    w = as_weights(weights, len(truth), "weights")
    size = effective_size(len(truth), weights)
    ones = [as_weights(None, len(t), "member") for t in tables]
    sample_weights = ones if other is None else [*ones, as_weights(held_out_weights, len(other), "held_out_weights")]
    sets = _feature_sets(truth.shape[1], dimensions, seed)
    shares = [_shares([truth, *samples], [w, *sample_weights], chosen, bins) for chosen in sets]
    kept = [s[:, s[0] * size >= FEWEST_EXPECTED] for s in shares]
    table = np.concatenate(kept, axis=1)  # (truth, members..., held out; volumes)
    found = table[1 : len(tables) + 1]
    if table.shape[1] == 0:
        msg = f"no volume holds {FEWEST_EXPECTED} of {len(truth)} training events. Use fewer bins or dimensions"
        raise DataError(msg)
    p = np.clip(found.mean(axis=0), 1e-12, 1 - 1e-12)
    unit = p * (1 - p)
    finite = np.mean([1 / len(t) for t in tables])  # variance of a share by the members' finite samples, per unit
    spread = float(np.mean(found.var(axis=0, ddof=1) / unit) - finite)
    events = 1 / spread if spread > 0 else float("inf")
    bias = error = checked = None
    if other is not None:
        known = 1 / effective_size(len(other), held_out_weights)
        noise = known + (max(spread, 0.0) + finite) / len(tables)
        square = (p - table[-1]) ** 2 / unit
        bias = float(square.mean() - noise)
        # volumes of one feature share events: k bins are k - 1 independent numbers
        # without bias each square is chi-square with one degree of freedom; with k bins of a feature, k - 1 are free
        error = float(max(np.sqrt(2) * noise, square.std(ddof=1)) / np.sqrt(max(1, square.size - len(kept))))
        checked = 1 / (max(spread, 0.0) + (bias if bias > error else max(bias, 0.0) + error))
    return Amplification(
        spread_events=events,
        factor=events / size,
        bias=bias,
        bias_error=error,
        checked_events=checked,
        checked_factor=None if checked is None else checked / size,
        volumes=table.shape[1],
        members=len(tables),
        training=size,
    )


def _table(values: ArrayLike, name: str) -> Array:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or len(table) < 20 or not np.isfinite(table).all():
        msg = f"{name}: need at least 20 events as (n, d) finite numbers, got shape {table.shape}"
        raise DataError(msg)
    return table


def _feature_sets(features: int, dimensions: int, seed: int) -> list[NDArray[np.intp]]:
    if not 1 <= dimensions <= features:
        msg = f"dimensions={dimensions}: must be between 1 and the number of features, {features}"
        raise DataError(msg)
    generator = np.random.default_rng([seed, 0xA3B1])
    if dimensions == 1:
        return [np.array([j]) for j in generator.permutation(features)[:50]]
    sets = {tuple(sorted(generator.permutation(features)[:dimensions].tolist())) for _ in range(50)}
    return [np.array(s) for s in sorted(sets)]


def _shares(samples: list[Array], weights: list[Array], chosen: NDArray[np.intp], bins: int) -> Array:
    """Share of each sample in each box of the first one's quantile bins, (samples, boxes)."""
    edges = [quantile_edges(samples[0][:, j], bins, weights[0]) for j in chosen]
    shape = tuple(len(e) - 1 for e in edges)
    out = []
    for sample, w in zip(samples, weights, strict=True):
        place = [bin_numbers(sample[:, j], e) for j, e in zip(chosen, edges, strict=True)]
        out.append(np.bincount(np.ravel_multi_index(place, shape), w, int(np.prod(shape))))
    return np.array(out)

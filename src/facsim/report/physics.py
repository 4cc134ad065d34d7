"""Means that a physicist asks for first: layer fractions, occupancies, energy response and resolution, with errors."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from facsim.metrics import effective_size
from facsim.report.sample import Sample

__all__ = ["energy_edges", "mean_and_spread", "means", "response"]

FEWEST_PER_BIN = 25
MOST_BINS = 12


def mean_and_spread(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> dict[str, float | int | None]:
    """Mean and standard deviation with their statistical errors; None where there are too few values.

    The error of the standard deviation s uses the squares of each event's weight and deviation, so it also holds for
    tails and signed weights: sqrt(sum w^2 ((x - mean)^2 - s^2)^2) / (2 s sum w).

    Examples
    --------
    >>> mean_and_spread(np.array([1.0, 3.0]))["mean"]
    2.0
    """
    n = len(values)
    share = np.full(n, 1.0) if weights is None else weights
    if n < 2 or not share.sum() > 0:
        return {"events": n, "mean": None, "mean_error": None, "spread": None, "spread_error": None}
    size = effective_size(n, weights)
    share = share / share.sum()
    mean = float(share @ values)
    squares = (values - mean) ** 2
    few = size / max(size - 1, 1.0)  # the mean was fitted to the same events
    variance = float(share @ squares) * few
    spread = max(variance, 0.0) ** 0.5
    error = float(np.sqrt(np.sum((share * (squares - variance)) ** 2))) / (2 * spread) if spread > 0 else 0.0
    mean_error = float(np.sqrt(few * np.sum(share**2 * squares)))
    return {"events": n, "mean": mean, "mean_error": mean_error, "spread": spread, "spread_error": error}


def means(samples: dict[str, Sample]) -> dict[str, dict[str, dict[str, Any]]]:
    """Means of the quantities that a detector user knows by heart.

    Parameters
    ----------
    samples : dict
        By role: ``reference``, ``generated``, ``second_reference``.

    Returns
    -------
    dict
        name -> role -> mean, spread and errors; names are those of the layer fractions ``f_k``, of the occupancies and
        ``response`` (total over incident energy).
    """
    first = next(iter(samples.values()))
    names = [name for name in first.observables if re.fullmatch(r"(f|occupancy)_\w+", name)]
    out = {n: {r: mean_and_spread(s.observables[n], s.weights) for r, s in samples.items()} for n in names}
    if "response" in first.observables:
        out["response"] = {r: mean_and_spread(s.observables["response"], s.weights) for r, s in samples.items()}
    return out


def energy_edges(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bins of incident energy with about equal numbers of events; few fixed energies get a bin each.

    Examples
    --------
    >>> energy_edges(np.array([10.0, 20.0] * 50))
    array([10., 15., 20.])
    """
    values = np.unique(energy)
    if len(values) <= MOST_BINS + 8:
        return np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, values[-1:]])
    bins = int(np.clip(len(energy) // FEWEST_PER_BIN, 1, MOST_BINS))
    return np.unique(np.quantile(energy, np.linspace(0, 1, bins + 1)))


def response(samples: dict[str, Sample]) -> dict[str, Any] | None:
    """Mean and spread of E_tot / E in bins of the incident energy.

    Returns
    -------
    dict or None
        ``edges`` and ``energy`` (mean energy of the reference in the bin) in MeV, and for each role a list with
        `mean_and_spread` per bin. None where there is no incident energy.
    """
    reference = samples["reference"]
    if reference.energy is None or "response" not in reference.observables:
        return None
    edges = energy_edges(reference.energy)
    count = max(1, len(edges) - 1)
    out: dict[str, Any] = {"edges": edges.tolist()}
    for role, sample in samples.items():
        ratio, energy = sample.observables["response"], cast("NDArray[np.float64]", sample.energy)
        inside = (energy >= edges[0]) & (energy <= edges[-1])
        which = np.where(inside, np.clip(np.searchsorted(edges, energy, "right") - 1, 0, count - 1), -1)
        weights = sample.weights
        out[role] = [
            mean_and_spread(ratio[which == i], None if weights is None else weights[which == i]) for i in range(count)
        ]
        if role == "reference":
            out["energy"] = [float(energy[which == i].mean()) if (which == i).any() else None for i in range(count)]
    return out

"""Numbers of CaloGAN's evaluation (arXiv:1712.10321): observables, their summary, classifiers, transfer, response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.events import Events
from facsim.metrics import ClassifierResult, high_level_auc, low_level_auc, separation_power
from facsim.metrics.cumulative import ks
from facsim.metrics.samples import require_non_negative
from facsim.metrics.transfer import TransferResult, transfer
from facsim.observables import showers as shower_observables
from facsim.report.studies.study import Study, distances, mean_and_error

__all__ = [
    "PUBLISHED_SUMMARY",
    "PUBLISHED_TRANSFER",
    "classifiers",
    "measure",
    "response_at",
    "summary",
    "transfers",
]

Array = NDArray[np.float64]

GAUSSIAN = 0.964
"""Relative error of half the central 68 % of n Gaussian numbers, times sqrt(n): from the variance F (1 - F) / n f^2 of
a quantile."""

RESOLUTION = 1e-5
"""Separations below it count as it: the authors add it to every denominator."""

MOST = 1000.0
"""What one p-value of 0 adds to the sums of `summary`, as in the authors' notebook."""

PUBLISHED_SUMMARY = {"separation": 97.71, "ks": 11333.0, "mann_whitney": 11620.0, "separation_E_0": 0.0836}
"""Of gamma against e+, 100,000 showers each, from the recorded output of the authors' notebook."""

PUBLISHED_TRANSFER = {
    ("truth", "truth"): (0.661, 0.012),
    ("truth", "copies"): (0.706, 0.026),
    ("copies", "truth"): (0.543, 0.008),
    ("copies", "copies"): (1.000, 0.000),
}
"""Accuracy of e+ against gamma, trained and tested on Geant4 or CaloGAN: recalled from the paper, not verified."""


def summary(first: Mapping[str, Array], second: Mapping[str, Array]) -> dict[str, float]:
    r"""Three sums over the observables, of :math:`-\ln` of separation, KS p-value and Mann-Whitney p-value.

    Parameters
    ----------
    first, second : mapping of array (n,), (m,)
        Observables by name.

    Returns
    -------
    dict
        ``separation``: large for equal samples, with ten bins of equal population of the pooled sample; a term is at
        most 11.5. ``ks``, ``mann_whitney``: small for equal samples (1 per observable on average, since p-values are
        then flat), growing with the number of events; p-values of 0 add 1000. ``observables``: their number.

    Raises
    ------
    DataError
        If the observables differ.

    Notes
    -----
    The single-number comparison of CaloGAN's training notebook (arXiv:1712.10321). Without event weights.

    Examples
    --------
    >>> found = summary({"E": np.arange(20.0)}, {"E": np.arange(20.0) + 100})
    >>> round(abs(found["separation"]), 6), found["ks"] > 20
    (0.0, True)
    """
    from scipy import stats

    if set(first) != set(second):
        msg = f"the samples have different observables: {sorted(set(first) ^ set(second))}"
        raise DataError(msg)
    sums = dict.fromkeys(("separation", "ks", "mann_whitney"), 0.0)
    for name, p in first.items():
        q = second[name]
        same = bool(np.ptp(np.concatenate([p, q])) == 0)
        values = {
            "separation": separation_power(p, q, 10),
            "ks": 1.0 if same else ks(p, q).pvalue,
            "mann_whitney": 1.0 if same else float(stats.mannwhitneyu(p, q).pvalue),
        }
        for key, value in values.items():
            least = RESOLUTION if key == "separation" else 0.0
            sums[key] += min(MOST, float(-np.log(max(value, least)))) if value > 0 or least else MOST
    return {**sums, "observables": float(len(first))}


def measure(study: Study, *, seed: int = 0) -> dict[str, Any]:
    """Compare the 20 observables of second truth and copies with those of the truth.

    Returns
    -------
    dict
        By sample ``observables`` (per name the `distances`, and mean and error of truth and copy), ``summary``
        (without weights), and ``occupancy`` (copy less truth per layer, with error).
    """
    truth = shower_observables.observables(study.truth)
    out: dict[str, Any] = {}
    for name, events in study.others.items():
        copy = shower_observables.observables(events)
        wp, wq = study.truth.weights, events.weights
        entries: dict[str, Any] = {
            key: {
                **distances(truth[key], copy[key], wp=wp, wq=wq, seed=seed),
                "truth_mean": mean_and_error(truth[key], wp),
                "mean": mean_and_error(copy[key], wq),
            }
            for key in truth
        }
        occupancy = {}
        for key in (k for k in truth if k.startswith("occupancy")):
            (a, da), (b, db) = entries[key]["truth_mean"], entries[key]["mean"]
            occupancy[key] = (b - a, float(np.hypot(da, db)))
        weighted = wp is not None or wq is not None
        out[name] = {
            "observables": entries,
            "summary": None if weighted else summary(truth, copy),
            "occupancy": occupancy,
        }
    return out


def classifiers(
    study: Study,
    *,
    network: bool = True,
    epochs: int = 150,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Tell second truth (the floor) and copies from the truth: by observables, and by cells (needs torch; minutes)."""
    out: dict[str, dict[str, Any]] = {}
    for name, events in study.others.items():
        found: list[ClassifierResult] = [high_level_auc(study.truth, events, seed=seed)]
        if network:
            found.append(low_level_auc(study.truth, events, epochs=epochs, seed=seed))
        out[name] = {result.method: result.to_json() for result in found}
        progress(f"{name}: " + ", ".join(f"{r.method} AUC {r.auc:.3f} ± {r.auc_error:.3f}" for r in found))
    return out


def transfers(
    first: Study, second: Study, names: tuple[str, str], classifier: str = "boosting", *, runs: int = 5, seed: int = 0
) -> dict[str, TransferResult]:
    """Tell two particles apart, trained and tested on truth and on each sample that both studies have.

    Parameters
    ----------
    first, second : Study
        Of one particle each; models have the same names in both.
    names : (str, str)
        Of the particles.
    classifier, runs, seed
        As for `facsim.metrics.transfer`.
    """
    truth = dict(zip(names, (first.truth, second.truth), strict=True))
    return {
        name: transfer(
            truth,
            dict(zip(names, (events, second.others[name]), strict=True)),
            "boosting" if classifier == "boosting" else "network",
            runs=runs,
            seed=seed,
        )
        for name, events in first.others.items()
        if name in second.others
    }


def response_at(events: Events, energies: Sequence[float], *, window: float = 0.0) -> list[dict[str, Any]]:
    """Response E_tot / E of the showers at some incident energies.

    Parameters
    ----------
    events : Events
    energies : sequence of float
        GeV.
    window : float, optional
        Showers count whose energy is within this share of the asked one.

    Returns
    -------
    list of dict
        ``energy`` (GeV), ``events``, ``mean`` and ``width`` (half of the central 68 %) of E_tot / E, each with its
        error, or None with fewer than 10 showers.
    """
    require_non_negative(events.weights, "weights", "the central width of a response", "Use events without background")
    incident = shower_observables.incident_energy(events)
    if incident is None:
        msg = "these showers have no incident energy"
        raise DataError(msg)
    total = shower_observables.layer_energies(events).sum(axis=1)
    out: list[dict[str, Any]] = []
    for energy in energies:
        near = np.abs(incident / (1e3 * energy) - 1) <= window + 1e-6
        ratio = total[near] / incident[near]
        entry: dict[str, Any] = {"energy": float(energy), "events": int(near.sum()), "mean": None, "width": None}
        if near.sum() >= 10:
            low, high = np.quantile(ratio, [0.16, 0.84])
            width = float(high - low) / 2
            error = GAUSSIAN * width / float(np.sqrt(near.sum()))
            entry |= {"mean": mean_and_error(ratio), "width": (width, error)}
        out.append(entry)
    return out

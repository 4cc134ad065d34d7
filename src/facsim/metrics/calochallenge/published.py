"""The published results of CaloChallenge, as package data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from facsim.metrics.calochallenge.dataset import DataSet, data_set

__all__ = ["SOURCE", "SPEEDS", "Submission", "geant4", "published"]

SOURCE = "arXiv:2410.21611; final_results/*.hdf of CaloChallenge/homepage, commit 9b41df7 (2025-08-07)"
SPEEDS = ("gpu_1", "gpu_100", "gpu_10000", "cpu_1", "cpu_100", "cpu_10000")
"""Device and batch size of the published generation times."""

Pair = tuple[float, float | None]


@dataclass(frozen=True)
class Submission:
    """One model of the challenge on one data set; None for what was not published.

    Parameters
    ----------
    id : int
        Number of the model, the same on all data sets; 0 is Geant4 against Geant4, the floor.
    model : str
    parameters_generation, parameters_training : int or None
        Of the networks that generate, and of all that were trained.
    fpd, kpd : (float, float) or None
        Fréchet and kernel physics distance with error (the papers print them times 1000).
    auc_low, auc_high : (float, float) or None
        Mean and standard deviation of ten trainings.
    auc_cnn : (float, None) or None
        Of the 3-D ResNet; data sets 2 and 3.
    log_posterior : float or None
        Of the classifier that tells all submissions apart; larger is better.
    milliseconds : mapping of float or None
        Per shower, by device and batch size: `SPEEDS`. The hardware is not published with the numbers.
    separation : mapping of float
        Mean separation powers over the layers: ``E_tot, E_layer, cell, EC_eta, EC_r, width_eta, width_r, sparsity``.
    prdc : mapping of float
        ``precision, recall, density, coverage``. No score: a blurred copy has a density of 1000.
    """

    id: int
    model: str
    parameters_generation: int | None
    parameters_training: int | None
    fpd: Pair | None
    kpd: Pair | None
    auc_low: Pair | None
    auc_high: Pair | None
    auc_cnn: Pair | None
    log_posterior: float | None
    milliseconds: Mapping[str, float | None]
    separation: Mapping[str, float]
    prdc: Mapping[str, float]

    def value(self, quantity: str) -> float | None:
        """Value of a quantity by its name in `standing`, such as ``auc_low``, ``separation_E_tot``, ``gpu_100``."""
        return _READERS[quantity](self) if quantity in _READERS else None


@cache
def _tables() -> dict[str, tuple[Submission, ...]]:
    text = (files("facsim.metrics.calochallenge") / "published.json").read_text(encoding="utf-8")
    return {name: tuple(map(_submission, rows)) for name, rows in json.loads(text)["data_sets"].items()}


def _submission(row: dict[str, Any]) -> Submission:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Submission(**values)


def published(which: str | int | DataSet) -> tuple[Submission, ...]:
    """Submissions to one data set in the order of their numbers, without Geant4.

    Parameters
    ----------
    which : str
        Data set, as in `facsim.metrics.calochallenge.data_set`.

    Notes
    -----
    Numbers: `SOURCE`. 31 models in all, of which each data set has some.

    Examples
    --------
    >>> [s.model for s in published("ds2") if s.fpd[0] < 0.05]
    ['CaloDREAM']
    """
    return tuple(s for s in _tables()[data_set(which).name] if s.id != 0)


def geant4(which: str | int | DataSet) -> Submission:
    """Geant4 against Geant4 on one data set: the floor that every submission is to be read against.

    Examples
    --------
    >>> geant4("ds1-pions").auc_low
    (0.6089, 0.0035)
    """
    return next(s for s in _tables()[data_set(which).name] if s.id == 0)


def _first(name: str) -> Callable[[Submission], float | None]:
    def read(submission: Submission) -> float | None:
        pair = getattr(submission, name)
        return None if pair is None else float(pair[0])

    return read


_SEPARATIONS = ("E_tot", "E_layer", "cell", "EC_eta", "EC_r", "width_eta", "width_r", "sparsity")
_READERS: dict[str, Callable[[Submission], float | None]] = {
    **{name: _first(name) for name in ("fpd", "kpd", "auc_low", "auc_high", "auc_cnn")},
    **{f"separation_{name}": lambda s, n=name: s.separation[n] for name in _SEPARATIONS},  # type: ignore[misc]
    **{name: lambda s, n=name: s.milliseconds[n] for name in SPEEDS},  # type: ignore[misc]
    "log_posterior": lambda s: s.log_posterior,
    "parameters_generation": lambda s: s.parameters_generation,
}

"""Everything that CaloChallenge publishes of a model, computed by its definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facsim.errors import DataError
from facsim.events import Events, concatenate
from facsim.metrics.calochallenge.dataset import Array, DataSet, Source, batches, data_set
from facsim.metrics.calochallenge.features import features, prdc_inputs
from facsim.metrics.calochallenge.separation import Separation, separation_powers
from facsim.metrics.calochallenge.standing import Standing, standing

__all__ = ["ChallengeResult", "challenge"]

FEWEST = 10_000  # events in the smallest batch of the published FPD, and in each batch of its KPD
FULL = 100_000  # events of each sample that the published values are of, at least
NEIGHBOURS = 5
PRDC_EVENTS = 5_000  # of each sample for precision to coverage, whose time grows with the square


@dataclass(frozen=True)
class ChallengeResult:
    """Published quantities of one model.

    Parameters
    ----------
    which : str
        Data set.
    name : str
        The model.
    events : (int, int)
        Reference and generated.
    separation : Separation
    fpd, kpd : (float, float) or None
        Value and error by the published definition, its bias included; None below 10,000 events per sample, and for
        weighted events.
    auc : dict of (float, float, float)
        By inputs (``low``, ``high``): mean area, standard deviation over the trainings (0 for one, as the published
        error would be unknown), and statistical error of the mean.
    prdc : dict of float or None
        ``precision, recall, density, coverage``.
    milliseconds : dict of float
        Times per shower that were given.
    notes : tuple of str
        What was left out or changed, and why.
    """

    which: str
    name: str
    events: tuple[int, int]
    separation: Separation
    fpd: tuple[float, float] | None
    kpd: tuple[float, float] | None
    auc: dict[str, tuple[float, float, float]]
    prdc: dict[str, float] | None
    milliseconds: dict[str, float]
    notes: tuple[str, ...]

    def values(self) -> dict[str, float | None]:
        """One number per quantity, by the names of `standing`."""
        out: dict[str, float | None] = {
            "fpd": None if self.fpd is None else self.fpd[0],
            "kpd": None if self.kpd is None else self.kpd[0],
        }
        out |= {f"auc_{inputs}": found[0] for inputs, found in self.auc.items()}
        out |= {f"separation_{n}": v for n, v in self.separation.means.items() if not n.endswith("phi")}
        return out | dict(self.milliseconds)

    def standing(self) -> Standing:
        """Place the model among the submissions."""
        return standing(self.which, self.values(), self.name)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, with the standing."""
        return {
            "data_set": self.which,
            "name": self.name,
            "events": list(self.events),
            "separation": self.separation.to_json(),
            "fpd": self.fpd and list(self.fpd),
            "kpd": self.kpd and list(self.kpd),
            "auc": {inputs: list(found) for inputs, found in self.auc.items()},
            "prdc": self.prdc,
            "milliseconds": dict(self.milliseconds),
            "notes": list(self.notes),
            "standing": self.standing().to_json(),
        }


def challenge(
    reference: Source,
    generated: Source,
    which: str | int | DataSet,
    *,
    name: str = "this model",
    classifiers: Sequence[str] = ("low", "high"),
    runs: int = 1,
    device: str = "cpu",
    threads: int = 1,
    epochs: int | None = None,
    width: int | None = None,
    classifier_events: int = 100_000,
    milliseconds: dict[str, float] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ChallengeResult:
    """Compute the published quantities of CaloChallenge for a generated sample.

    Parameters
    ----------
    reference, generated : Events or open file
        Geant4 showers that did not train the model (the challenge's second file), and generated ones whose incident
        energies are distributed alike. Files are streamed.
    which : str
        Data set: ``ds1-photons``, ``ds1-pions``, ``ds2``, ``ds3``.
    name : str
        What to call the model.
    classifiers : sequence of str
        Inputs of the classifiers to train, of ``low``, ``low-normed``, ``high``, and ``cnn`` for data sets 2 and 3. The
        published network takes hours on a CPU for data sets 2 and 3: a GPU, fewer events, or none (``()``) are the
        ways out.
    runs : int
        Independent trainings; published are 10.
    device, threads, epochs, width
        Of the classifiers: see `facsim.metrics.protocol_auc`.
    classifier_events : int
        Most events per sample for the classifiers: they are held in memory.
    milliseconds : dict of float, optional
        Time per shower of the model, by ``gpu_1``, ``gpu_100``, ``gpu_10000``, ``cpu_1``, ``cpu_100``, ``cpu_10000``.
    seed : int
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    ChallengeResult
        Null values: the row of Geant4, `facsim.metrics.calochallenge.geant4`. FPD and KPD are those of the
        publication, not facsim's default, which has no bias.

    Raises
    ------
    SchemaMismatch
        If the showers are not of the data set.
    DataError
        For fewer than 20 events, or a number that is not finite.
    WeightError
        If weights make a bin of a histogram, or a classifier's weight, negative.
    MissingExtra
        If classifiers are asked for without torch.

    Notes
    -----
    arXiv:2410.21611. Weights enter the separation powers, precision to coverage, and the classifiers.
    """
    chosen = data_set(which)
    if min(len(reference), len(generated)) < 20:
        msg = f"{len(reference)} reference and {len(generated)} generated events: at least 20 of each are needed"
        raise DataError(msg)
    tell = progress or (lambda *_: None)
    total = 300 + 100 * len(classifiers)
    first, second = features(reference, chosen), features(generated, chosen)
    tell(100, total)
    powers = separation_powers(reference, generated, chosen, computed=(first, second))
    notes = []
    if min(len(first), len(second)) < FULL:
        notes.append(
            f"The published values are of {FULL:,} events and more of each sample; with {len(first):,} and "
            f"{len(second):,} a perfect copy has larger separation powers (in inverse proportion) and a larger FPD."
        )
    distances = None
    if min(len(first), len(second)) < FEWEST:
        notes.append(f"FPD and KPD need {FEWEST:,} events of each sample by the published definition; left out.")
    elif first.weights is not None or second.weights is not None:
        notes.append("FPD and KPD take no weights by the published definition; left out.")
    else:
        distances = _jetnet_distances(first.matrix(), second.matrix())
    tell(200, total)
    prdc = None
    if any((w < 0).any() for w in (first.weights, second.weights) if w is not None):
        notes.append("Precision, recall, density and coverage cannot take negative weights; left out.")
    else:
        prdc = _prdc(reference, generated, chosen, seed)
    if prdc is not None and max(len(first), len(second)) > PRDC_EVENTS:
        notes.append(f"Precision, recall, density and coverage are of {PRDC_EVENTS:,} events; published: of all.")
    tell(300, total)
    auc: dict[str, tuple[float, float, float]] = {}
    if classifiers:
        from facsim.metrics.protocols import protocol_auc

        truth, copy = (_some(s, classifier_events, seed) for s in (reference, generated))
        size = min(len(truth), len(copy))
        if epochs or width or size < FULL:
            notes.append(f"Classifiers differ from the published ones: {_differences(size, epochs, width)}.")
        if runs < 10:
            notes.append(f"Areas are of {runs} training(s); published: mean and standard deviation of 10.")
        for i, inputs in enumerate(classifiers):
            found = protocol_auc(
                truth,
                copy,
                "calochallenge",
                inputs,
                runs=runs,
                device=device,
                threads=threads,
                epochs=epochs,
                width=width,
                seed=seed,
                progress=lambda done, of, before=300 + 100 * i: tell(before + 100 * done // of, total),  # type: ignore[misc]
            )
            auc[inputs] = (found.auc, found.spread, found.auc_error)
    return ChallengeResult(
        chosen.name,
        name,
        (len(first), len(second)),
        powers,
        None if distances is None else distances[0],
        None if distances is None else distances[1],
        auc,
        prdc,
        dict(milliseconds or {}),
        tuple(notes),
    )


def _jetnet_distances(x: Array, y: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """FPD and KPD as published: 10,000 events in the smallest batch of the one and in each batch of the other."""
    from facsim.metrics import jetnet

    fpd = jetnet.fpd(x, y, min_samples=FEWEST)
    kpd = jetnet.kpd(x, y, batch_size=FEWEST)
    return (fpd.value, fpd.error), (kpd.value, kpd.error)


def _prdc(reference: Source, generated: Source, chosen: DataSet, seed: int) -> dict[str, float]:
    from facsim.metrics.precision_recall import precision_recall

    first, second = (_some(s, PRDC_EVENTS, seed) for s in (reference, generated))
    found = precision_recall(
        prdc_inputs(first, chosen),
        prdc_inputs(second, chosen),
        k=NEIGHBOURS,
        wx=first.weights,
        wy=second.weights,
        normalise=None,
        seed=seed,
    )
    return {what: float(getattr(found, what)) for what in ("precision", "recall", "density", "coverage")}


def _some(source: Source, most: int, seed: int) -> Events:
    """At most that many events, drawn over the whole sample."""
    n = len(source)
    keep = np.zeros(n, bool)
    keep[np.random.default_rng([seed, 0xCA10]).permutation(n)[:most]] = True
    if isinstance(source, Events):
        return source if n <= most else source[keep]
    parts, start = [], 0
    for events in batches(source):
        parts.append(events[keep[start : start + len(events)]])
        start += len(events)
    return concatenate(parts)


def _differences(size: int, epochs: int | None, width: int | None) -> str:
    out = [f"{size:,} events of each sample"]
    out += [f"{epochs} epochs"] if epochs else []
    out += [f"{width} neurons per layer"] if width else []
    return ", ".join(out)

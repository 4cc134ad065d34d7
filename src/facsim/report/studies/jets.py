"""Numbers of LAGAN's evaluation (arXiv:1701.05927): jet images of two classes, truth against copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch
from facsim.events import Events
from facsim.metrics import ClassifierResult, auc, by_category, high_level_auc, label_confusion, selection_distance
from facsim.metrics.mlp import Training, by_network
from facsim.metrics.nearest import nearest_rows, row_distances
from facsim.metrics.transfer import TransferResult, transfer
from facsim.observables import images as image_observables
from facsim.report.studies.study import Study, distances, mean_and_error

__all__ = [
    "HALF_WIDTH",
    "RANGES",
    "JetSample",
    "Scores",
    "classifiers",
    "columns",
    "discriminator",
    "measure",
    "neighbours",
    "transfers",
]

Array = NDArray[np.float64]

HALF_WIDTH = 1.25
"""Of a jet image in pseudorapidity and azimuth."""

RANGES = {"jet_mass": (40.0, 120.0), "jet_pt": (200.0, 340.0), "tau21": (0.0, 1.0)}
"""GeV, GeV and none: ranges of the histograms in the authors' notebook (that of tau21 is ours)."""

GEV_PER_UNIT = 100.0
NETWORK = Training(width=512, epochs=100, patience=15, updates=16)


@dataclass(frozen=True)
class JetSample:
    """Jet images with their quantities.

    Parameters
    ----------
    events : Events
        One block of two axes, in GeV, and a condition that is a category.
    """

    events: Events

    @cached_property
    def block(self) -> str:
        """Name of the block of images."""
        found = [b.name for b in self.events.schema.features if len(b.shape) == 2]
        if len(found) != 1:
            known = [str(b) for b in self.events.schema.features]
            msg = f"jet images need one block of two axes, there are {known}"
            raise SchemaMismatch(msg)
        return found[0]

    @cached_property
    def images(self) -> Array:
        """Pixels (n, rows, columns), GeV, the first row on top; 0 at or below the block's threshold."""
        pixels = np.asarray(self.events[self.block], np.float64)
        return np.where(pixels > self.events.schema.block(self.block).threshold, pixels, 0.0)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(by_category(self.events))

    @cached_property
    def labels(self) -> NDArray[np.intp]:
        """Class of every jet."""
        block = next(b for b in self.events.schema.conditions if b.kind == "category")
        return self.events[block.name].reshape(-1).astype(np.intp)

    @cached_property
    def quantities(self) -> dict[str, Array]:
        """Mass, momentum and subjettiness, then those of any image and ``central``, the pixel in the middle (GeV)."""
        rows, columns_ = self.images.shape[1:]
        centres = [HALF_WIDTH * ((2 * np.arange(m) + 1) / m - 1) for m in (columns_, rows)]
        out = image_observables.jet_quantities(self.images, centres[0], centres[1][::-1])
        out |= image_observables.observables(self.images)
        out["central"] = self.images[:, rows // 2, columns_ // 2]
        return out

    @property
    def weights(self) -> Array | None:
        """Event weights."""
        return self.events.weights

    def of(self, label: int, values: NDArray[Any]) -> NDArray[Any]:
        """Rows of one class."""
        rows: NDArray[Any] = values[self.labels == label]
        return rows

    def by_class(self, quantity: str) -> dict[str, Array]:
        """A quantity of the jets of each class."""
        return {name: self.of(k, self.quantities[quantity]) for k, name in enumerate(self.names)}


@dataclass(frozen=True)
class Scores:
    """What a discriminator says of events: the probability that they are truth, and that they are of class 1.

    Parameters
    ----------
    real : array (n,)
        P(real); any other score that is larger for truth will do for all but the cut at 0.5.
    signal : array (n,), optional
        P(signal) of the auxiliary head.
    """

    real: Array
    signal: Array | None = None


class _Columns:
    """Quantities and class of jets, as `high_level_auc` wants them."""

    def __init__(self, sample: JetSample) -> None:
        table = {**sample.quantities, "class": sample.labels.astype(np.float64)}
        self.names = tuple(table)
        self.values = np.column_stack(list(table.values()))
        self.conditions = sample.events.conditions
        self.weights = sample.weights

    def __len__(self) -> int:
        return len(self.values)


def columns(events: Events) -> Array:
    """Quantities (n, d) of jets, for a classifier of their class."""
    return np.column_stack(list(JetSample(events).quantities.values()))


def measure(study: Study, samples: Mapping[str, JetSample], *, seed: int = 0) -> dict[str, Any]:
    """Compare the quantities of second truth and copies with those of the truth, class by class.

    Parameters
    ----------
    study : Study
    samples : mapping of JetSample
        ``study.truth`` by the name ``"truth"``, and ``study.others``, as jets.
    seed : int

    Returns
    -------
    dict
        By sample: ``classes`` (per class and quantity the `distances`, and mean and error), ``selection`` (LAGAN's
        selection distance of mass, momentum and tau21, in bins), ``central_excess`` (mean of the central pixel
        over the truth's, with error, per class).

    Raises
    ------
    DataError
        If a sample lacks a class that the truth has.
    """
    truth = samples["truth"]
    out: dict[str, Any] = {}
    for name in study.others:
        copy = samples[name]
        if copy.names != truth.names:
            msg = f"'{name}' has jets of {list(copy.names)}, the truth of {list(truth.names)}: need the same classes"
            raise DataError(msg)
        classes: dict[str, Any] = {}
        excess = {}
        for k, label in enumerate(truth.names):
            wp, wq = (None if s.weights is None else s.of(k, s.weights) for s in (truth, copy))
            entry: dict[str, Any] = {}
            for quantity in truth.quantities:
                p, q = truth.of(k, truth.quantities[quantity]), copy.of(k, copy.quantities[quantity])
                entry[quantity] = {
                    **distances(p, q, wp=wp, wq=wq, seed=seed),
                    "truth_mean": mean_and_error(p, wp),
                    "mean": mean_and_error(q, wq),
                }
            classes[label] = entry
            (a, da), (b, db) = entry["central"]["truth_mean"], entry["central"]["mean"]
            excess[label] = (b / a, float(np.hypot(db / a, b * da / a**2))) if a > 0 else None
        selection = {
            q: selection_distance(truth.by_class(q), copy.by_class(q), [interval]) for q, interval in RANGES.items()
        }
        out[name] = {"classes": classes, "selection": selection, "central_excess": excess}
    return out


def classifiers(
    study: Study,
    samples: Mapping[str, JetSample],
    *,
    network: bool = True,
    training: Training = NETWORK,
    rotations: int = 1,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Tell second truth and copies from the truth: by the quantities and the class, and by pixels and class.

    Parameters
    ----------
    study, samples
        As for `measure`.
    network : bool
        Whether to train a network on the pixels, too (needs torch; minutes).
    training : Training
    rotations : int
        Trainings of the network; each scores another fifth of the events.
    seed : int
    progress : callable
        Told what was done.

    Returns
    -------
    dict
        By sample ``high_level`` and ``low_level``, as `ClassifierResult.to_json`. That of the second truth is the
        floor.
    """

    def pixels(events: Events) -> NDArray[Any]:
        sample = JetSample(events)
        flat = sample.images.reshape(len(events), -1) / GEV_PER_UNIT
        return np.column_stack([flat, sample.labels]).astype(np.float32)

    out: dict[str, dict[str, Any]] = {}
    tables = {name: _Columns(sample) for name, sample in samples.items()}
    for name, events in study.others.items():
        found: list[ClassifierResult] = [high_level_auc(tables["truth"], tables[name], seed=seed)]
        if network:
            found.append(
                by_network("low_level", study.truth, events, pixels, training, rotations=rotations, seeds=(seed,))
            )
        out[name] = {result.method: result.to_json() for result in found}
        progress(f"{name}: " + ", ".join(f"{r.method} AUC {r.auc:.3f} ± {r.auc_error:.3f}" for r in found))
    return out


def transfers(
    study: Study,
    classifier: str = "boosting",
    *,
    runs: int = 5,
    seed: int = 0,
) -> dict[str, TransferResult]:
    """Train between the classes on truth and on each sample, and test on both; the second truth gives the floor."""
    boosting = classifier == "boosting"
    return {
        name: transfer(
            by_category(study.truth),
            by_category(events),
            "boosting" if boosting else "network",
            runs=runs,
            seed=seed,
            inputs=columns if boosting else None,
        )
        for name, events in study.others.items()
    }


def neighbours(truth: JetSample, copy: JetSample, *, examples: int = 5, seed: int = 0) -> tuple[Array, Array, Array]:
    """Random truth images, their nearest copies (Euclidean on pixels), and the distances."""
    rows = np.random.default_rng([seed, 0x7E16]).permutation(len(truth.images))[:examples]
    asked = truth.images[rows].reshape(len(rows), -1)
    pool = copy.images.reshape(len(copy.images), -1)
    near = nearest_rows(asked, pool)
    return truth.images[rows], copy.images[near], row_distances(asked, pool[near])


def discriminator(truth: JetSample, copy: JetSample, of_truth: Scores, of_copy: Scores) -> dict[str, Any]:
    """What a discriminator thinks of truth and of its own copies.

    Returns
    -------
    dict
        ``auc`` of P(real) between copies and truth with error (0.5: it sees no difference), mean P(real) of both, and
        the confusion of the auxiliary head on both, if there is one.
    """
    area = auc(of_copy.real, of_truth.real, wr=copy.weights, wg=truth.weights)
    out: dict[str, Any] = {
        "auc": [area.value, area.error],
        "real_truth": mean_and_error(of_truth.real, truth.weights),
        "real_copies": mean_and_error(of_copy.real, copy.weights),
    }
    for name, sample, scores in (("truth", truth, of_truth), ("copies", copy, of_copy)):
        if scores.signal is not None:
            table = label_confusion(scores.signal, sample.labels, names=sample.names, weights=sample.weights)
            out[f"confusion_{name}"] = table.to_json()
    return out

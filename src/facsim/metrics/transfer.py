"""Classification transfer: whether what a classifier learns from copies holds for the truth, and vice versa."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, nearest, require
from facsim.events import Events
from facsim.metrics.classifier import Pool
from facsim.metrics.folds import assign_folds
from facsim.metrics.mlp import Training, torch_threads, train_and_score
from facsim.metrics.roc import auc
from facsim.metrics.samples import Array, as_weights, require_non_negative

__all__ = ["EFFICIENCIES", "Transfer", "TransferResult", "classifier_network", "transfer"]

Classifier = Literal["boosting", "network"]
Classes = Mapping[str, Events]

FOLDS = 5
TREES = 100
DEPTH = 3
EFFICIENCIES: Array = np.linspace(0.0, 1.0, 101)
"""Efficiencies of the second class at which the ROC curves are kept."""

TRAINING = Training(width=256, learning_rate=1e-3, batch=64, epochs=100, patience=20)
"""Of the network: batches of 64 and the end after 20 epochs without progress, as in CaloGAN's public notebooks."""


@dataclass(frozen=True)
class Transfer:
    """A classifier trained on one sample and tested on another.

    Parameters
    ----------
    trained, tested : str
        ``"truth"`` or ``"copies"``.
    accuracies, aucs : tuple of float
        Of every run, on events that it had not seen; both classes count the same. The cut is at 0.5.
    mistags : array (runs, 101)
        Share of the first class that passes at each of the `EFFICIENCIES` of the second.
    events : (int, int)
        Events per run that train (with those that select the epoch), and that are tested; both classes together.
    """

    trained: str
    tested: str
    accuracies: tuple[float, ...]
    aucs: tuple[float, ...]
    mistags: Array = field(repr=False)
    events: tuple[int, int]

    @property
    def accuracy(self) -> tuple[float, float]:
        """Mean and standard deviation over the runs."""
        return _mean_and_spread(self.accuracies)

    @property
    def auc(self) -> tuple[float, float]:
        """Mean and standard deviation over the runs; above 0.5 the second class scores higher."""
        return _mean_and_spread(self.aucs)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "trained": self.trained,
            "tested": self.tested,
            "accuracy": list(self.accuracy),
            "auc": list(self.auc),
            "mistags": self.mistags.mean(axis=0).tolist(),
            "events": list(self.events),
        }


@dataclass(frozen=True)
class TransferResult:
    """All four combinations of training and test sample.

    Parameters
    ----------
    classifier : str
    classes : (str, str)
    runs : int
    table : tuple of Transfer
        Trained on truth: tested on truth, on copies; then trained on copies, in the same order.
    """

    classifier: str
    classes: tuple[str, str]
    runs: int
    table: tuple[Transfer, ...]

    def __getitem__(self, key: tuple[str, str]) -> Transfer:
        """Entry by (trained, tested), each ``"truth"`` or ``"copies"``."""
        return next(t for t in self.table if (t.trained, t.tested) == key)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "classifier": self.classifier,
            "classes": list(self.classes),
            "runs": self.runs,
            "efficiencies": EFFICIENCIES.tolist(),
            "table": [t.to_json() for t in self.table],
        }


def transfer(
    truth: Classes,
    copies: Classes,
    classifier: Classifier = "boosting",
    *,
    runs: int = 5,
    seed: int = 0,
    inputs: Callable[[Events], NDArray[Any]] | None = None,
    training: Training = TRAINING,
    progress: Callable[[int, int], None] | None = None,
) -> TransferResult:
    """Train a classifier between two classes on truth and on copies, and test each on both.

    Parameters
    ----------
    truth, copies : mapping of Events
        The same two classes by name, such as ``{"gamma": ..., "e+": ...}`` or what `by_category` gives. Of every class
        as many events are used as the smaller of both samples has, the first ones. Weights must not be negative.
    classifier : str
        ``"boosting"``: 100 trees of depth 3 on the observables; needs no torch. ``"network"``: `classifier_network` on
        the raw columns (cells, pixels), each divided by its root mean square in the training.
    runs : int, optional
        Each tests another fifth of the events (after five: of another shuffle) and trains anew.
    seed : int, optional
        Same seed, same result.
    inputs : callable, optional
        Gives the columns (n, d) that the classifier sees, instead of observables or raw columns.
    training : Training, optional
        Of the network.
    progress : callable, optional
        Called with (trainings done, trainings).

    Returns
    -------
    TransferResult
        If the copies are right, all four combinations agree within their spread, which holds both the statistical error
        of the test events and the luck of the training. Copies that are easier to tell apart than the truth show
        an accuracy above the first row's in (copies, copies), and below it in (copies, truth).

    Raises
    ------
    DataError
        If there are not the same two classes in both, too few events, an unknown classifier, or a number that is not
        finite.
    SchemaMismatch
        If the schemas differ.
    WeightError
        If a weight is negative.
    MissingExtra
        For the network without torch.

    Notes
    -----
    LAGAN (arXiv:1701.05927) and CaloGAN (arXiv:1712.10321) judge their copies so; trees and network as in the public
    notebooks of the latter. Conditions are no inputs: a classifier of particles is not told what it has to find, nor
    the energy that the simulation was given. A copy with the condition of one truth event is tested in the same run as
    that event, so that no run can recognise an event by its energy.

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> rng, schema = np.random.default_rng(0), Schema((Block("mass"),))
    >>> def draw(mean):
    ...     return Events(rng.normal(mean, 1, (400, 1)), np.zeros((400, 0)), schema)
    >>> found = transfer({"qcd": draw(0), "w": draw(2)}, {"qcd": draw(0), "w": draw(4)}, runs=2)
    >>> found["truth", "truth"].accuracy[0] < found["copies", "copies"].accuracy[0]
    True
    """
    if classifier not in get_args(Classifier):
        known = get_args(Classifier)
        msg = f"classifier='{classifier}': known are {list(known)}.{nearest(classifier, known)}"
        raise DataError(msg)
    if runs < 1:
        msg = f"runs={runs}: at least 1"
        raise DataError(msg)
    if classifier == "network":
        require("torch", "train", "the network of a classification transfer")
    names, parts = _parts(truth, copies)
    columns = _finite(np.concatenate([(inputs or DEFAULTS[classifier])(part) for part in parts]))
    sizes = [len(part) for part in parts]
    label, sample = np.repeat([0, 0, 1, 1], sizes), np.repeat([0, 1, 0, 1], sizes)
    weight = np.concatenate([as_weights(part.weights, len(part), "weights") for part in parts])
    fit = _boosting if classifier == "boosting" else _network
    found: dict[tuple[int, int], list[tuple[float, float, Array]]] = {k: [] for k in itertools.product((0, 1), (0, 1))}
    used = dict.fromkeys(found, (0, 0))
    for run in range(runs):
        place = (_folds(parts, seed + run // FOLDS) - run) % FOLDS
        pool = Pool(label, weight, place)
        for trained in (0, 1):
            chosen = (sample == trained) & (place > 0)
            scores = fit(columns, pool, chosen, training, seed=(seed, 2 * run + trained))
            for tested in (0, 1):
                test = (sample == tested) & (place == 0)
                found[trained, tested].append(_judge(pool, scores, test))
                used[trained, tested] = int(chosen.sum()), int(test.sum())
            if progress:
                progress(2 * run + trained + 1, 2 * runs)
    called = ("truth", "copies")
    table = tuple(
        Transfer(
            called[trained],
            called[tested],
            tuple(accuracy for accuracy, _, _ in entries),
            tuple(area for _, area, _ in entries),
            np.array([mistag for _, _, mistag in entries]),
            used[trained, tested],
        )
        for (trained, tested), entries in found.items()
    )
    return TransferResult(classifier, names, runs, table)


def classifier_network(torch: Any, inputs: int, settings: Training) -> Any:
    """Build the network of CaloGAN's public notebooks: 256-256-256-32 with batch normalisation and dropout.

    LeakyReLU of slope 0.3. Dropout of 0.2 after the first layer and of 0.5 after the next two: the figures are
    published, their places are ours.
    """
    nn, width = torch.nn, settings.width
    layers: list[Any] = []
    for a, b, dropout in ((inputs, width, 0.2), (width, width, 0.5), (width, width, 0.5), (width, width // 8, 0.0)):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.3), nn.BatchNorm1d(b), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(width // 8, 1), nn.Flatten(0))


def _parts(truth: Classes, copies: Classes) -> tuple[tuple[str, str], list[Events]]:
    """Truth and copies of the first class, then of the second, each pair of equal size."""
    names = list(truth)
    if len(names) != 2 or set(copies) != set(names):
        msg = f"truth has the classes {names}, copies {list(copies)}: need the same two"
        raise DataError(msg)
    out = []
    for name in names:
        truth[names[0]].schema.require_same(truth[name].schema, f"cannot tell '{names[0]}' from '{name}'")
        truth[name].schema.require_same(copies[name].schema, f"cannot compare truth and copies of '{name}'")
        size = min(len(truth[name]), len(copies[name]))
        if size < 2 * FOLDS:
            msg = f"class '{name}': {len(truth[name])} truth events, {len(copies[name])} copies; at least {2 * FOLDS}"
            raise DataError(msg)
        for events in (truth[name], copies[name]):
            require_non_negative(events.weights, f"'{name}'", "a classifier", "Use events without background")
            out.append(events[:size])
    return (names[0], names[1]), out


def _columns(events: Events) -> Array:
    from facsim.observables import compute

    table = compute(events, extended=True)
    table.pop("response", None)  # it holds the condition
    return np.column_stack(list(table.values()))


DEFAULTS: dict[str, Callable[[Events], NDArray[Any]]] = {"boosting": _columns, "network": lambda e: e.features}


def _finite(columns: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(columns).all():
        msg = "an input of the classifier is not finite. Remove such events first (Events.check finds them)"
        raise DataError(msg)
    return columns


def _folds(parts: list[Events], seed: int) -> NDArray[np.intp]:
    """Truth and copies of each class together, so that pairs of one condition stay together."""
    pairs = [(parts[i].conditions, parts[i + 1].conditions) for i in (0, 2)]
    return np.concatenate([part for i, pair in enumerate(pairs) for part in assign_folds(*pair, FOLDS, 2 * seed + i)])


def _boosting(
    inputs: NDArray[Any], pool: Pool, chosen: NDArray[np.bool_], _: Training, *, seed: tuple[int, int]
) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_depth=DEPTH,
        max_leaf_nodes=None,
        early_stopping=False,
        random_state=_number(seed),
    )
    with threadpool_limits(limits=1):
        model.fit(inputs[chosen], pool.label[chosen], sample_weight=pool.balanced(chosen))
        return np.asarray(model.predict_proba(inputs)[:, 1])


def _network(
    inputs: NDArray[Any], pool: Pool, chosen: NDArray[np.bool_], settings: Training, *, seed: tuple[int, int]
) -> Array:
    torch: Any = require("torch", "train", "the network of a classification transfer")
    selection = chosen & (pool.fold == 1)
    size = np.sqrt(np.mean(inputs[chosen].astype(np.float64) ** 2, axis=0))
    scaled = np.divide(inputs, size, out=np.zeros_like(inputs), where=size > 0).astype(np.float32)
    with torch_threads(torch, 1), torch.random.fork_rng(devices=[]):  # of the dropout
        torch.manual_seed(_number(seed))
        return train_and_score(
            torch, scaled, pool, chosen & ~selection, selection, settings, seed=seed, build=classifier_network
        )


def _judge(pool: Pool, scores: Array, test: NDArray[np.bool_]) -> tuple[float, float, Array]:
    """Accuracy, area, and mistag rate at the `EFFICIENCIES` of some events."""
    from sklearn.metrics import roc_curve

    weight = pool.balanced(test)
    accuracy = float(np.average((scores[test] > 0.5) == pool.label[test], weights=weight))
    first, second = pool.split(scores, test)
    w_first, w_second = pool.split(pool.weight, test)
    mistag, efficiency, _ = roc_curve(pool.label[test], scores[test], sample_weight=weight)
    reached, at = np.unique(efficiency, return_index=True)  # the least mistag rate of an efficiency
    return accuracy, auc(first, second, wr=w_first, wg=w_second).value, np.interp(EFFICIENCIES, reached, mistag[at])


def _mean_and_spread(values: tuple[float, ...]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _number(seed: tuple[int, int]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1)[0])

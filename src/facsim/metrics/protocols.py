"""Classifier tests by the published protocols, whose numbers can be put beside those of the papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, nearest, require
from facsim.events import Events
from facsim.metrics.calochallenge.dataset import of_schema
from facsim.metrics.calochallenge.features import classifier_inputs
from facsim.metrics.caloflow import cell_matrix, shape_matrix
from facsim.metrics.classifier import ClassifierResult
from facsim.metrics.mlp import Precision, Training, by_network
from facsim.metrics.resnet import resnet

__all__ = ["PROTOCOLS", "Protocol", "protocol_auc"]

Matrix = Callable[[Events, str], NDArray[Any]]


@dataclass(frozen=True)
class Protocol:
    """A published way to train and score a classifier.

    Parameters
    ----------
    name : str
    training : Training
        Network and training.
    inputs : mapping
        What the network may see, by name; each a function of events and a precision.
    parts : callable
        Shares of the events that train, select and calibrate, and are scored; depends on the data set.
    source : str
    """

    name: str
    training: Training
    inputs: Mapping[str, Matrix]
    parts: Callable[[Events], tuple[int, int, int]]
    source: str


def _challenge(inputs: str) -> Matrix:
    return lambda events, dtype: classifier_inputs(events, of_schema(events.schema), inputs, dtype)


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "calochallenge",
            Training(width=2048, hidden=3, learning_rate=2e-4, batch=1000, epochs=50, dtype="float64"),
            {name: _challenge(name) for name in ("low", "low-normed", "high")} | {"cnn": _challenge("low")},
            lambda events: of_schema(events.schema).parts,
            "arXiv:2410.21611",
        ),
        Protocol(
            "caloflow",
            Training(width=512, hidden=3, learning_rate=1e-3, batch=1000, epochs=150, dtype="float64"),
            {
                "low": lambda events, dtype: cell_matrix(events, dtype=dtype),
                "low-normed": lambda events, dtype: cell_matrix(events, normalise=True, dtype=dtype),
                "high": lambda events, dtype: shape_matrix(events, dtype=dtype),
            },
            lambda _: (3, 1, 1),
            "arXiv:2106.05285",
        ),
    )
}
"""Protocols by name."""


def protocol_auc(
    reference: Events,
    generated: Events,
    protocol: str = "calochallenge",
    inputs: str = "low",
    *,
    runs: int = 1,
    rotations: int = 1,
    device: str = "cpu",
    threads: int = 1,
    width: int | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    dtype: Precision | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ClassifierResult:
    """Tell two samples of showers apart by a published protocol (needs torch).

    Parameters
    ----------
    reference, generated : Events
        Showers of one schema; weights, if any, must not be negative.
    protocol : str
        ``"calochallenge"``: three hidden layers of 2048, Adam 2e-4, 50 epochs. ``"caloflow"``: three of 512, Adam
        1e-3, 150 epochs. Both: LeakyReLU, batches of 1000, float64, the epoch of the best accuracy on events that do
        not train, isotonic calibration on these, score on a third set. Shares: 60/20/20 %, for data set 1 of
        CaloChallenge 67/17/17 %.
    inputs : str
        ``"low"`` (cells), ``"low-normed"`` (cells over the energy of their layer) or ``"high"`` (features), each as
        the protocol defines it: `facsim.metrics.calochallenge.classifier_inputs`, `facsim.metrics.caloflow`. With
        calochallenge also ``"cnn"``: a residual network on the cells (`facsim.metrics.resnet`), the strictest test;
        layers must have one shape. It needs a GPU for more than a few hundred showers.
        CaloChallenge's definitions apply to any showers: with other cells than those of its data sets, the cut is the
        threshold of each layer, and layers of (x, y) cells have centres and widths as those with sectors have.
    runs : int
        Independent trainings, each with its own shuffle; published numbers are mean and standard deviation of 10
        (`ClassifierResult.auc` and `.spread`).
    rotations : int
        Trainings per run that score different events, at most 5 (6 for data set 1), then every event is scored.
    device : str
        ``"cpu"`` or ``"cuda"``.
    threads : int
        Of a CPU. The result is the same on every machine only with one.
    width, epochs, batch, dtype : optional
        In place of the protocol's. float32 takes half the time; the difference is below the scatter of trainings.
    seed : int
        Same seed, same result on the same machine.
    progress : callable, optional
        Called with (epochs done, epochs in all).

    Returns
    -------
    ClassifierResult
        Every training is one of its ``folds``. For two samples of one truth the AUC is 0.5 within its error; the JSD
        is slightly below 0. Blind to what the network cannot learn from that many events: quote their number.

    Raises
    ------
    MissingExtra
        Without torch.
    DataError
        For an unknown protocol, inputs or device, too few events, or a number that is not finite.
    SchemaMismatch
        If the schemas differ, or have no layers with a geometry or no incident energy.
    WeightError
        If a weight is negative.

    Notes
    -----
    CaloChallenge, arXiv:2410.21611; CaloFlow, arXiv:2106.05285. Pairs of events with one condition stay together
    (`facsim.metrics.folds`), where the papers shuffle freely.
    """
    require("torch", "train", f"the classifier protocol {protocol}")
    if protocol not in PROTOCOLS:
        msg = f"protocol='{protocol}': must be one of {list(PROTOCOLS)}.{nearest(protocol, PROTOCOLS)}"
        raise DataError(msg)
    chosen = PROTOCOLS[protocol]
    if inputs not in chosen.inputs:
        msg = f"inputs='{inputs}': {protocol} knows {list(chosen.inputs)}.{nearest(inputs, chosen.inputs)}"
        raise DataError(msg)
    if runs < 1:
        msg = f"runs={runs}: at least one"
        raise DataError(msg)
    reference.schema.require_same(generated.schema, "cannot compare reference and generated events")
    given: dict[str, Any] = {"width": width, "epochs": epochs, "batch": batch, "dtype": dtype}
    settings = replace(chosen.training, **{k: v for k, v in given.items() if v is not None})
    build = None
    if inputs == "cnn":
        build = resnet(reference.schema)
        settings = replace(settings, dtype=dtype or "float32")
    # cells are stored as float32, which is what they are; only the network works in the protocol's precision
    stored = "float32" if inputs != "high" else settings.dtype
    return by_network(
        f"{protocol}/{inputs}",
        reference,
        generated,
        lambda events: chosen.inputs[inputs](events, stored),
        settings,
        parts=chosen.parts(reference),
        rotations=rotations,
        seeds=[int(s) for s in np.random.SeedSequence(seed).generate_state(runs)],
        device=device,
        threads=threads,
        build=build,
        progress=progress,
    )

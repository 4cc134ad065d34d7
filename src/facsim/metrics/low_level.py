"""The classifier test on single cells: the network and protocol of CaloFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from facsim.errors import require
from facsim.events import Events
from facsim.metrics.caloflow import cell_matrix
from facsim.metrics.classifier import ClassifierResult
from facsim.metrics.mlp import Precision, Training, by_network
from facsim.metrics.samples import require_non_negative

__all__ = ["cell_matrix", "low_level_auc"]

ROTATE_BELOW = 20_000  # events in all: below, every fifth is scored once; above, the score set is large enough
UPDATES_PER_EPOCH = 16


def low_level_auc(
    reference: Events,
    generated: Events,
    *,
    normalise: bool = False,
    rotations: int | None = None,
    epochs: int = 150,
    patience: int = 30,
    width: int = 512,
    dtype: Precision = "float32",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ClassifierResult:
    """Tell two samples of showers apart by their cells, with a neural network (needs torch).

    Parameters
    ----------
    reference, generated : Events
        Showers of one schema; weights, if any, must not be negative. Best of equal size and of the same conditions.
    normalise : bool
        Give each cell as a share of its layer's energy instead of as an energy (the ``norm.`` rows of the literature).
    rotations : int, optional
        Trainings, 1 to 5; each scores another fifth of the events. Default: 5, so that every event is scored, below
        20,000 events in all, else 1.
    epochs, patience : int
        Longest training, and how many epochs may pass without a better validation accuracy.
    width : int
        Neurons per hidden layer.
    dtype : str
        Precision of the network; the original is float64, which takes twice the time.
    seed : int
        Same seed, same result on the same machine.
    progress : callable, optional
        Called with (epochs done, epochs in all), where a training that stops early jumps ahead.

    Returns
    -------
    ClassifierResult
        For two samples of one truth the AUC is 0.5 within its error. With a few thousand events the network has little
        to learn from and flatters: quote the number of events, and `facsim.metrics.high_level_auc` beside it.

    Raises
    ------
    MissingExtra
        Without torch.
    SchemaMismatch
        If the schemas differ, or have no layers with a geometry or no incident energy.
    WeightError
        If a weight is negative.
    DataError
        If there are too few events or a number is not finite.

    Notes
    -----
    CaloFlow, arXiv:2106.05285, section on classifiers: 60 % of the events train, 20 % select the epoch of the best
    accuracy and calibrate, 20 % are scored. Inputs are those of `cell_matrix`; three linear layers of 512 with
    LeakyReLU(0.01), one logit; Adam 1e-3, batch 1000, at most 150 epochs. Our additions: a smaller batch where 1000
    would leave fewer than 16 updates per epoch, the rotation, and the end without progress.
    """
    for events, name in ((reference, "reference weights"), (generated, "generated weights")):  # before seconds of torch
        require_non_negative(events.weights, name, "a classifier", "Compare the observables by their distances instead")
    require("torch", "train", "the low-level classifier test")
    rotations = (5 if len(reference) + len(generated) < ROTATE_BELOW else 1) if rotations is None else rotations
    settings = Training(width=width, epochs=epochs, patience=patience, dtype=dtype, updates=UPDATES_PER_EPOCH)

    def matrix(events: Events) -> NDArray[Any]:
        return cell_matrix(events, normalise=normalise, dtype=dtype)

    return by_network(
        "low_level", reference, generated, matrix, settings, rotations=rotations, seeds=(seed,), progress=progress
    )

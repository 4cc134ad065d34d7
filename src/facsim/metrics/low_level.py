"""The classifier test on single cells: the network and protocol of CaloFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch, require
from facsim.events import Events
from facsim.metrics.classifier import ClassifierResult, Pool, judge, pool, summarise
from facsim.metrics.samples import Array
from facsim.observables.layer import per_energy
from facsim.observables.showers import cell_energies, chunks, incident_energy, layer_energies

__all__ = ["cell_matrix", "low_level_auc"]

Precision = Literal["float32", "float64"]

PARTS = 5  # one fifth scores, one selects and calibrates, three train: 60/20/20
ROTATE_BELOW = 20_000  # events in all: below, every fifth is scored once; above, the score set is large enough
BATCH, SMALLEST_BATCH, UPDATES_PER_EPOCH = 1000, 64, 16
HUNDRED_GEV = 1e5  # MeV; energies enter in units of it


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
    torch = require("torch", "train", "the low-level classifier test")
    rotations = (PARTS if len(reference) + len(generated) < ROTATE_BELOW else 1) if rotations is None else rotations
    if not 1 <= rotations <= PARTS:
        msg = f"rotations={rotations}: must be between 1 and {PARTS}"
        raise DataError(msg)
    events = pool(reference, generated, PARTS, seed)
    inputs = np.concatenate([cell_matrix(e, normalise=normalise, dtype=dtype) for e in (reference, generated)])
    if not np.isfinite(inputs).all():
        msg = "a cell or an incident energy is not finite. Remove such events first (Events.check finds them)"
        raise DataError(msg)
    scores = np.full(len(inputs), np.nan)
    results = []
    with _one_thread(torch):
        for k in range(rotations):
            test, validation = events.fold == k, events.fold == (k + 1) % PARTS
            network = _network(torch, inputs.shape[1], width, dtype, seed, k)
            for epoch in _train(
                torch, network, inputs, events, ~test & ~validation, validation, epochs, patience, [seed, k]
            ):
                if progress:
                    progress(k * epochs + epoch, rotations * epochs)
            if progress:
                progress((k + 1) * epochs, rotations * epochs)
            mine = np.full(len(inputs), np.nan)
            mine[test | validation] = _predict(torch, network, inputs[test | validation])
            scores[test] = mine[test]
            results.append(judge(events, mine, test, mine, validation))
    return summarise("low_level", events, scores, results, 1 / (PARTS - 2))


def cell_matrix(events: Events, *, normalise: bool = False, dtype: Precision = "float32") -> NDArray[Any]:
    """Return the inputs of CaloFlow's classifier, (n, cells + 1 + layers).

    Parameters
    ----------
    events : Events
        Showers with an incident energy among the conditions.
    normalise : bool
        Cells as a share of their layer's energy, instead of in units of 100 GeV.
    dtype : str

    Returns
    -------
    array
        Cells; log10(10 E_inc); log10(E_k + 1e-8) + 2 per layer; energies in units of 100 GeV, cells below the
        read-out threshold 0.

    Raises
    ------
    SchemaMismatch
        If the schema has no layers with a geometry, or no incident energy.
    """
    layers = events.schema.layers
    incident = incident_energy(events)
    if not layers or incident is None:
        known = [str(b) for b in events.schema.features + events.schema.conditions]
        msg = (
            "the low-level test needs layers with a grid and an incident energy among the conditions, there are "
            f"{known}. Use high_level_auc"
        )
        raise SchemaMismatch(msg)
    energies = layer_energies(events)
    cells = sum(block.size for block in layers)
    out = np.empty((len(events), cells + 1 + len(layers)), dtype)
    start = 0
    for k, block in enumerate(layers):
        for rows in chunks(len(events), block.size):
            values = cell_energies(events, block, rows)
            unit = energies[rows, k, None] if normalise else HUNDRED_GEV
            out[rows, start : start + block.size] = per_energy(values, np.asarray(unit))
        start += block.size
    out[:, cells] = np.log10(10 * np.maximum(incident, 1e-3) / HUNDRED_GEV)
    out[:, cells + 1 :] = np.log10(energies / HUNDRED_GEV + 1e-8) + 2
    return out


def _network(torch: Any, inputs: int, width: int, dtype: Precision, seed: int, rotation: int) -> Any:
    nn = torch.nn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, rotation]).generate_state(1)[0]))
        sizes = [inputs, width, width, width]
        hidden = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.LeakyReLU(0.01))]
        return nn.Sequential(*hidden, nn.Linear(width, 1), nn.Flatten(0)).to(getattr(torch, dtype))


def _train(
    torch: Any,
    network: Any,
    inputs: NDArray[Any],
    events: Pool,
    training: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    epochs: int,
    patience: int,
    seed: list[int],
) -> Iterator[int]:
    """Train until the validation accuracy no longer grows, yielding each epoch; leaves the best network in place."""
    generator = np.random.default_rng(seed)
    rows = np.flatnonzero(training)
    label = torch.from_numpy(events.label.astype(inputs.dtype))
    weight = np.zeros(len(inputs), inputs.dtype)
    weight[rows] = events.balanced(training)
    weight = torch.from_numpy(weight)
    features = torch.from_numpy(inputs)
    batch = int(np.clip(len(rows) // UPDATES_PER_EPOCH, SMALLEST_BATCH, BATCH))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    best, best_state, waited = -1.0, network.state_dict(), 0
    for epoch in range(1, epochs + 1):
        order = torch.from_numpy(generator.permutation(rows))
        for chosen in order.split(batch):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(features[chosen]), label[chosen], weight=weight[chosen]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        right = (_predict(torch, network, inputs[validation]) > 0.5) == events.label[validation]
        accuracy = float(np.average(right, weights=events.balanced(validation)))
        waited += 1
        if accuracy > best:
            best, waited = accuracy, 0
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        yield epoch
        if waited >= patience:
            break
    network.load_state_dict(best_state)


def _predict(torch: Any, network: Any, inputs: NDArray[Any]) -> Array:
    with torch.no_grad():
        logits = [network(part) for part in torch.from_numpy(inputs).split(BATCH)]
        return np.asarray(torch.cat(logits).double().sigmoid().numpy(), np.float64)


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Sums in one order, whatever the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

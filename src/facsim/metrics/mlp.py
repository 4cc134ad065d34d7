"""Train a network that tells two samples apart: the one training loop of all neural classifier tests (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, require
from facsim.events import Events
from facsim.metrics.classifier import ClassifierResult, Pool, Tally, judge, pool
from facsim.metrics.samples import Array

__all__ = ["Precision", "Training", "by_network", "perceptron", "torch_threads", "train_and_score"]

Precision = Literal["float32", "float64"]

PREDICTED = 1000  # rows at a time


@dataclass(frozen=True)
class Training:
    """How a classifier network is built and trained.

    Parameters
    ----------
    width, hidden : int
        Neurons per hidden layer, and hidden layers, each with LeakyReLU(0.01).
    learning_rate : float
        Of Adam.
    batch : int
    updates : int
        Least updates per epoch: the batch shrinks, to no fewer than 64 events, where it would give fewer.
    epochs : int
    patience : int, optional
        Epochs without a better accuracy after which the training ends.
    dtype : str
        Precision of the network.
    """

    width: int = 512
    hidden: int = 3
    learning_rate: float = 1e-3
    batch: int = 1000
    updates: int = 0
    epochs: int = 150
    patience: int | None = None
    dtype: Precision = "float32"

    def batch_size(self, rows: int) -> int:
        """Events per update for a training sample of `rows` events."""
        return int(np.clip(rows // self.updates, min(64, self.batch), self.batch)) if self.updates else self.batch


def by_network(
    method: str,
    reference: Events,
    generated: Events,
    matrix: Callable[[Events], NDArray[Any]],
    settings: Training,
    *,
    parts: tuple[int, int, int] = (3, 1, 1),
    rotations: int = 1,
    seeds: Sequence[int] = (0,),
    device: str = "cpu",
    threads: int = 1,
    build: Callable[[Any, int, Training], Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClassifierResult:
    """Tell two samples apart with networks: a training per seed and rotation.

    Parameters
    ----------
    method : str
        Name for the result.
    reference, generated : Events
    matrix : callable
        Gives the inputs (n, d) of events.
    settings : Training
    parts : (int, int, int)
        Shares of the events that train, select the epoch and calibrate, and are scored.
    rotations : int
        Trainings per seed; each scores other events.
    seeds : sequence of int
        One per independent run; each shuffles the events anew.
    device : str
    threads : int
        On a CPU. With one, the sums have one order on every machine.
    build : callable, optional
        As for `train_and_score`.
    progress : callable, optional
        Called with (epochs done, epochs in all).

    Raises
    ------
    DataError, SchemaMismatch, WeightError
        As `pool`; or if an input is not finite, or rotations are more than the parts allow.
    """
    torch = require("torch", "train", "a classifier test with a network")
    folds, most = sum(parts), sum(parts) // parts[2]
    if not 1 <= rotations <= most:
        msg = f"rotations={rotations}: must be between 1 and {most}"
        raise DataError(msg)
    if device.startswith("cuda") and not torch.cuda.is_available():
        msg = f"device='{device}': torch sees no CUDA device here. Use device='cpu'"
        raise DataError(msg)
    pools = [pool(reference, generated, folds, seed) for seed in seeds]
    inputs = np.concatenate([matrix(events) for events in (reference, generated)])
    if not np.isfinite(inputs).all():
        msg = "a cell or an incident energy is not finite. Remove such events first (Events.check finds them)"
        raise DataError(msg)
    tally = Tally(len(reference), len(generated))
    done, total = 0, len(seeds) * rotations * settings.epochs
    tell = progress or (lambda *_: None)
    with torch_threads(torch, threads):
        for seed, events in zip(seeds, pools, strict=True):
            for k in range(rotations):
                place = (events.fold - k * parts[2]) % folds
                test = place < parts[2]
                selection = ~test & (place < parts[1] + parts[2])
                scores = train_and_score(
                    torch,
                    inputs,
                    events,
                    ~test & ~selection,
                    selection,
                    settings,
                    seed=(seed, k),
                    device=device,
                    build=build or perceptron,
                    tick=lambda epoch, before=done: tell(before + epoch, total),  # type: ignore[misc]
                )
                done += settings.epochs
                tell(done, total)
                fold, probability = judge(events, scores, test, scores, selection)
                tally.add(test, scores[test], probability, fold)
    return tally.result(method, parts[2] / parts[0])


def perceptron(torch: Any, inputs: int, settings: Training) -> Any:
    """Build a network of `settings.hidden` equal layers with one logit."""
    nn = torch.nn
    sizes = [inputs, *[settings.width] * settings.hidden]
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.LeakyReLU(0.01))]
    return nn.Sequential(*layers, nn.Linear(settings.width, 1), nn.Flatten(0))


def train_and_score(
    torch: Any,
    inputs: NDArray[Any],
    events: Pool,
    training: NDArray[np.bool_],
    selection: NDArray[np.bool_],
    settings: Training,
    *,
    seed: tuple[int, int],
    device: str = "cpu",
    build: Callable[[Any, int, Training], Any] = perceptron,
    tick: Callable[[int], None] = lambda _: None,
) -> Array:
    """Train a network, keep its epoch of the best accuracy, and score the events that it was not trained on.

    Parameters
    ----------
    torch : module
    inputs : array (n, d)
        Rows of `events`; may be stored in another precision than the network's.
    events : Pool
    training, selection : array (n,)
        Rows that train, and rows whose accuracy selects the epoch.
    settings : Training
    seed : (int, int)
        Seed and number of the training.
    device : str
        ``"cpu"`` or ``"cuda"``; torch's.
    build : callable
        ``build(torch, d, settings)`` gives the network.
    tick : callable
        Told every epoch.

    Returns
    -------
    array (n,)
        Sigmoid of the logits; NaN for the `training` rows.
    """
    dtype = getattr(torch, settings.dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        network = build(torch, inputs.shape[1], settings).to(device=device, dtype=dtype)
    features = torch.from_numpy(inputs)
    rows = np.flatnonzero(training)
    weight = np.zeros(len(inputs))
    weight[rows] = events.balanced(training)
    targets = torch.from_numpy(np.stack([events.label, weight])).to(device=device, dtype=dtype)

    def given(chosen: Any) -> Any:
        return features[chosen].to(device=device, dtype=dtype)

    generator = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    best, best_state, waited = -1.0, network.state_dict(), 0
    for epoch in range(1, settings.epochs + 1):
        network.train()
        for chosen in torch.from_numpy(generator.permutation(rows)).split(settings.batch_size(len(rows))):
            if len(chosen) == 1 and build is not perceptron:
                continue  # a single event has no spread to normalise a batch by
            label, loss_weight = targets[:, chosen.to(device)]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(given(chosen)), label, weight=loss_weight
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        right = (_predict(torch, network, given, selection) > 0.5) == events.label[selection]
        accuracy = float(np.average(right, weights=events.balanced(selection)))
        waited += 1
        if accuracy > best:
            best, waited = accuracy, 0
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        tick(epoch)
        if waited == settings.patience or accuracy == 1.0:  # the published codes end there, too
            break
    network.load_state_dict(best_state)
    scores = np.full(len(inputs), np.nan)
    scores[~training] = _predict(torch, network, given, ~training)
    return scores


def _predict(torch: Any, network: Any, given: Callable[[Any], Any], which: NDArray[np.bool_]) -> Array:
    network.eval()
    with torch.no_grad():
        logits = [network(given(part)) for part in torch.from_numpy(np.flatnonzero(which)).split(PREDICTED)]
        return np.asarray(torch.cat(logits).double().sigmoid().cpu().numpy(), np.float64)


@contextmanager
def torch_threads(torch: Any, number: int) -> Iterator[None]:
    """Use that many threads, and afterwards as many as before. One thread sums in one order on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)

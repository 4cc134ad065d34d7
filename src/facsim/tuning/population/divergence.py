"""Adaptive divergence: a weak critic while two samples are far apart, a strong one when they are close."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facsim.nets.perceptron import Perceptron

__all__ = ["Critic", "CriticKind", "Networks", "Trees", "Verdict"]

Array = NDArray[np.float64]
CriticKind = Literal["trees", "network"]

LN2 = math.log(2)
CLIP = 1e-3  # of probabilities: a small sample gives no certainty


@dataclass(frozen=True)
class Verdict:
    """What a critic makes of two samples of equal size.

    Parameters
    ----------
    divergence : float
        Jensen-Shannon, in nats (0 to ln 2), as events show it that the critic was not trained on.
    gap : float
        Cross entropy of those events less that of the training: large says that the sample is too small.
    fake : array (n,)
        Probability of every generated event to be generated, if possible from a critic that has not seen it.
    capacity : float
        Share of the critic's full strength that was used.
    """

    divergence: float
    gap: float
    fake: Array
    capacity: float


class Critic(Protocol):
    """Tells generated events (n, k) from as many real ones."""

    def __call__(self, real: Array, fake: Array) -> Verdict:
        """Train, and judge."""
        ...


@dataclass(frozen=True)
class Trees:
    r"""Gradient boosting that adds trees until what it sees is enough.

    .. math:: AD = D_{\alpha^*}, \quad \alpha^* = \min \{\alpha : D_\alpha \ge (1 - \alpha) \ln 2 \}

    with the share alpha of all trees and the divergence of the training events. Distant samples need a tree or two,
    which hardly overfit: so few events are enough.

    Parameters
    ----------
    seed : int
    adaptive : bool, optional
        Otherwise all trees are used: the plain Jensen-Shannon divergence.
    trees, leaves : int, optional
    rate : float, optional

    Notes
    -----
    Borisyak, Gaintseva and Ustyuzhanin, arXiv:1912.00520, definition 2 and algorithm 2 (linear capacity). Twofold: each
    half of the events is judged by the trees of the other half.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> far = Trees(0)(rng.normal(0, 1, (200, 1)), rng.normal(8, 1, (200, 1)))
    >>> near = Trees(0)(rng.normal(0, 1, (200, 1)), rng.normal(0, 1, (200, 1)))
    >>> far.divergence > 0.4, far.capacity < 0.5, near.divergence < 0.05, near.capacity > 0.5
    (True, True, True, True)
    """

    seed: int
    adaptive: bool = True
    trees: int = 40
    leaves: int = 4
    rate: float = 0.1

    def __call__(self, real: Array, fake: Array) -> Verdict:
        """Train, and judge."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        x, label, half = _both(real, fake, self.seed)
        probability, known, capacity = np.empty(len(x)), [], []
        for k in (0, 1):
            model = HistGradientBoostingClassifier(
                max_iter=self.trees,
                learning_rate=self.rate,
                max_leaf_nodes=self.leaves,
                min_samples_leaf=max(5, len(x) // 100),
                early_stopping=False,
                random_state=self.seed,
            )
            train = half == k
            with threadpool_limits(limits=1):
                model.fit(x[train], label[train])
                stages = [p[:, 1] for p in model.staged_predict_proba(x)]
            seen = [LN2 - _entropy(p[train], label[train]) for p in stages]
            used = self.trees
            if self.adaptive:
                enough = [d >= (1 - i / self.trees) * LN2 for i, d in enumerate(seen, 1)]
                used = enough.index(True) + 1  # with all trees any divergence is enough
            known.append(LN2 - seen[used - 1])
            probability[~train] = stages[used - 1][~train]
            capacity.append(used / self.trees)
        return _verdict(probability, label, float(np.mean(known)), float(np.mean(capacity)))


class Networks:
    r"""A perceptron whose dropout falls as the samples come closer.

    .. math:: p = \min(c (1 - t), 0.9), \quad t = \langle CE \rangle / \ln 2

    with the running cross entropy CE of all calls so far. It keeps its weights from call to call.

    Parameters
    ----------
    inputs : int
        Columns.
    seed : int
    adaptive : bool, optional
        Without it there is no dropout: the plain Jensen-Shannon divergence.
    strength : float, optional
        c.
    hidden, steps : int, optional
        Width; steps of Adam per call.

    Notes
    -----
    arXiv:1912.00520, algorithm 3 with linear dropout, memory 0.99. Half of the events train, the other half is judged
    for the divergence; all get a probability.
    """

    def __init__(
        self, inputs: int, seed: int, *, adaptive: bool = True, strength: float = 1.0, hidden: int = 64, steps: int = 60
    ) -> None:
        self.adaptive, self.strength, self.steps, self.seed = adaptive, strength, steps, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.enter = Perceptron(inputs, 0, hidden, 1)
            self.leave = Perceptron(hidden, 1, hidden, 1)
        self.parameters = [*self.enter.parameters(), *self.leave.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, lr=2e-3)
        self.noise = torch.Generator().manual_seed(seed)
        self.running = 0.0
        self.scale: tuple[Array, Array] | None = None
        self.calls = 0

    def __call__(self, real: Array, fake: Array) -> Verdict:
        """Train, and judge."""
        if self.scale is None:
            both = np.concatenate([real, fake])
            spread = both.std(0)
            self.scale = both.mean(0), np.where(spread > 0, spread, spread.max() or 1.0)
        self.calls += 1
        x, label, half = _both(
            (real - self.scale[0]) / self.scale[1], (fake - self.scale[0]) / self.scale[1], self.calls
        )
        inputs, target = torch.from_numpy(x).float(), torch.from_numpy(label).float()
        train = torch.from_numpy(np.flatnonzero(half == 0))
        dropped = min(self.strength * max(1 - self.running, 0.0), 0.9) if self.adaptive else 0.0
        for _ in range(self.steps):
            rows = train[torch.randint(len(train), (min(128, len(train)),), generator=self.noise)]
            inner = self.enter(inputs[rows])
            kept = (torch.rand(inner.shape, generator=self.noise) >= dropped) / (1 - dropped)
            loss = nn.functional.binary_cross_entropy_with_logits(self.leave(inner * kept)[:, 0], target[rows])
            for parameter, gradient in zip(self.parameters, torch.autograd.grad(loss, self.parameters), strict=True):
                parameter.grad = gradient
            self.optimiser.step()
            self.running = 0.99 * self.running + 0.01 * min(loss.item() / LN2, 1.0)
        with torch.no_grad():
            probability = np.asarray(self.leave(self.enter(inputs))[:, 0].double().sigmoid().numpy())
        known, other = (_entropy(probability[half == k], label[half == k]) for k in (0, 1))
        return Verdict(max(LN2 - other, 0.0), other - known, probability[label == 1], 1 - dropped)


def _both(real: Array, fake: Array, seed: int) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Inputs, label (1 is fake) and half of all events."""
    label = np.repeat([0, 1], [len(real), len(fake)])
    place = np.random.default_rng([seed, 0xAD])
    half = np.concatenate([place.permutation(len(side)) % 2 for side in (real, fake)])
    return np.concatenate([real, fake]), label, half


def _entropy(probability: Array, label: NDArray[np.intp]) -> float:
    """Cross entropy of labels, nats."""
    right = np.where(label == 1, probability, 1 - probability)
    return float(-np.log(np.clip(right, CLIP, 1)).mean())


def _verdict(probability: Array, label: NDArray[np.intp], known: float, capacity: float) -> Verdict:
    other = _entropy(probability, label)
    return Verdict(max(LN2 - other, 0.0), other - known, probability[label == 1], capacity)

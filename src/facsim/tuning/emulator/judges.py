"""Networks that look at events beside their parameters: one tells truth from copy, one reads parameters back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.events import Events
from facsim.metrics.classifier import ClassifierResult
from facsim.metrics.mlp import Training, by_network
from facsim.nets.perceptron import Perceptron
from facsim.observables.kinds import image_block

__all__ = ["Reader", "conditional_auc"]

PIECE = 2048  # events looked at together


def conditional_auc(
    truth: Events, copy: Events, *, epochs: int = 30, patience: int = 6, seed: int = 0
) -> ClassifierResult:
    """Tell truth from copy by event and parameters together (C2ST conditional on the parameters).

    Five folds of a network: images through convolutions, all else as it is, and the conditions beside it. Features are
    in units of the truth's spread (one for all pixels of an image), conditions in theirs.

    Parameters
    ----------
    truth, copy : Events
        Best under the same conditions.
    epochs, patience : int, optional
        Longest training, and epochs without progress after which it ends.
    seed : int, optional

    Returns
    -------
    ClassifierResult
        0.5 within its error for two samples of one truth. With few events a network has little to learn from, and
        flatters: quote their number.
    """
    eye = _Eye.of(truth)
    centre, spread = truth.conditions.mean(0), truth.conditions.std(0)

    def matrix(events: Events) -> NDArray[np.float32]:
        told = (events.conditions - centre) / np.where(spread > 0, spread, 1)
        return np.column_stack([eye.scaled(events.features), told]).astype(np.float32)

    def build(_: Any, inputs: int, settings: Training) -> nn.Module:  # noqa: ARG001 - the interface
        return nn.Sequential(eye.net(truth.schema.condition_width, 1), nn.Flatten(0))

    settings = Training(batch=128, epochs=epochs, patience=patience)
    return by_network("conditional", truth, copy, matrix, settings, rotations=5, seeds=(seed,), build=build)


class Reader:
    """Reads parameters, from 0 to 1 each, from events (and what is given of them): a network fitted to the truth.

    Parameters
    ----------
    truth : Events
        To learn from; their conditions are the parameters, then what is given.
    unit : array (n, p)
        Their parameters, from 0 to 1.
    steps : int, optional
    seed : int, optional
    """

    def __init__(self, truth: Events, unit: NDArray[np.float64], *, steps: int = 1500, seed: int = 0) -> None:
        self.eye, self.parameters = _Eye.of(truth), unit.shape[1]
        given = truth.conditions[:, self.parameters :]
        self.centre, spread = given.mean(0), given.std(0)
        self.spread = np.where(spread > 0, spread, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = self.eye.net(given.shape[1], self.parameters)
        x, target = torch.from_numpy(self._matrix(truth)), torch.from_numpy(unit).float()
        place = np.random.default_rng([seed, 0x4EAD])
        optimiser = torch.optim.Adam(self.net.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            rows = torch.from_numpy(place.integers(len(x), size=128))
            loss = (self.net(x[rows]) - target[rows]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        self.net.eval().requires_grad_(requires_grad=False)

    def __call__(self, events: Events) -> NDArray[np.float64]:
        """Estimates (n, p)."""
        x = torch.from_numpy(self._matrix(events))
        with torch.no_grad():
            found = torch.cat([self.net(x[i : i + PIECE]) for i in range(0, len(x), PIECE)])
        return np.asarray(found.numpy(), np.float64)

    def of_features(self, features: Tensor, given: Tensor) -> Tensor:
        """Estimates (n, p) of features (n, d) and what is given (n, k), with gradients."""
        told = (given - torch.from_numpy(self.centre)) / torch.from_numpy(self.spread)
        seen = (features - torch.from_numpy(self.eye.centre)) / torch.from_numpy(self.eye.spread)
        found: Tensor = self.net(torch.cat([seen.float(), told.float()], 1))
        return found

    def _matrix(self, events: Events) -> NDArray[np.float32]:
        told = (events.conditions[:, self.parameters :] - self.centre) / self.spread
        return np.column_stack([self.eye.scaled(events.features), told]).astype(np.float32)


class _Eye:
    """How features are scaled and looked at: `shape` is that of an image, or None."""

    def __init__(self, centre: NDArray[np.float32], spread: NDArray[np.float32], shape: tuple[int, ...] | None) -> None:
        self.centre, self.spread, self.shape = centre, spread, shape

    @classmethod
    def of(cls, events: Events) -> _Eye:
        name = image_block(events.schema)
        centre, spread = events.features.mean(0), events.features.std(0)
        if name is not None:
            spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
        return cls(centre, np.where(spread > 0, spread, 1), events.schema.block(name).shape if name else None)

    def scaled(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((features - self.centre) / self.spread, np.float32)

    def net(self, told: int, outputs: int) -> nn.Module:
        return _Net(len(self.centre), self.shape, told, outputs)


class _Net(nn.Module):
    """Events (n, d + k), the last k columns what the network is told, to (n, outputs)."""

    def __init__(self, width: int, shape: tuple[int, ...] | None, told: int, outputs: int) -> None:
        super().__init__()
        self.width, self.shape = width, shape
        seen = width
        if shape is not None:
            sizes = [-(-s // 4) for s in shape]
            seen = 32 * sizes[0] * sizes[1]
            planes = told + 3  # what it is told, and where it is
            self.tower = nn.Sequential(
                nn.Conv2d(planes, 16, 5, 2, 2), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.SiLU(), nn.Flatten()
            )
            places = [torch.linspace(-1, 1, s) for s in shape]
            self.register_buffer("places", torch.stack(torch.meshgrid(*places, indexing="ij")), persistent=False)
        self.head = Perceptron(seen + told, outputs, 128, 2, "silu")

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n, outputs)."""
        seen, told = x[:, : self.width], x[:, self.width :]
        if self.shape is not None:
            n = len(x)
            planes = [seen.view(n, 1, *self.shape), told[:, :, None, None].expand(-1, -1, *self.shape)]
            seen = self.tower(torch.cat([*planes, self.places.expand(n, -1, -1, -1)], 1))  # type: ignore[operator]
        out: Tensor = self.head(torch.cat([seen, told], 1))
        return out

"""What events are compared by: their features, or the parameters that a network reads from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.errors import DataError
from facsim.events import Events
from facsim.nets.perceptron import Perceptron
from facsim.schema import Schema

__all__ = ["View", "ViewKind"]

ViewKind = Literal["auto", "features", "summary"]

MOST_FEATURES = 12  # of an event that "auto" compares as it is
PIXELS = 8  # along both axes, from which on a block is an image
PIECE = 2048  # events looked at together
LITTLE = 0.05  # of the parameters' spread: below it a summary counts as uninformed and is not blown up


class View(nn.Module):
    r"""Columns of order one by which generated events are held against data, with gradients.

    Parameters
    ----------
    schema : Schema
        Features, and as conditions what is given of every event; this is a part of the view, unchanged.
    parameters : int
        How many the simulator has.
    kind : {"auto", "features", "summary"}
        ``features``: every column, centred and scaled. ``summary``: a network's estimate of the parameters' mean given
        the event (images through convolutions), as many columns as parameters. ``auto``: features up to 12 columns.
    seed : int
        Of the network.

    Examples
    --------
    >>> from facsim import Block
    >>> schema = Schema((Block("x"),))
    >>> events = Events(np.linspace(0, 8, 50)[:, None], np.empty((50, 0)), schema)
    >>> view = View(schema, parameters=1).fit(events, np.linspace(0, 1, 50)[:, None])
    >>> float(view.array(events).std().round(1)), view.kind
    (1.0, 'features')
    """

    centre: Tensor
    spread: Tensor
    middle: Tensor
    scale: Tensor

    def __init__(self, schema: Schema, parameters: int, kind: ViewKind = "auto", seed: int = 0) -> None:
        super().__init__()
        if kind not in {"auto", "features", "summary"}:
            msg = f"space='{kind}': must be 'auto', 'features' or 'summary'"
            raise DataError(msg)
        self.kind = kind if kind != "auto" else "features" if schema.width <= MOST_FEATURES else "summary"
        inputs, outputs = schema.width, schema.width if self.kind == "features" else parameters
        self.width = outputs + schema.condition_width
        self.reader: _Reader | None = None
        if self.kind == "summary":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.reader = _Reader(schema, parameters)
        for name, size in (("centre", inputs), ("middle", self.width)):
            self.register_buffer(name, torch.zeros(size))
        for name, size in (("spread", inputs), ("scale", self.width)):
            self.register_buffer(name, torch.ones(size))

    def forward(self, features: Tensor, given: Tensor) -> Tensor:
        """Columns (n, width) of features (n, d) and what is given (n, k)."""
        return (self._raw(features, given) - self.middle) / self.scale

    def _raw(self, features: Tensor, given: Tensor) -> Tensor:
        if self.reader is None:
            return torch.cat([features, given], 1)
        return torch.cat([self.reader((features - self.centre) / self.spread, given), given], 1)

    def array(self, events: Events) -> NDArray[np.float64]:
        """The same of events, as an array."""
        with torch.no_grad():
            parts = [
                self(
                    torch.from_numpy(events.features[i : i + PIECE]), torch.from_numpy(events.conditions[i : i + PIECE])
                )
                for i in range(0, len(events), PIECE)
            ]
        return np.asarray(torch.cat(parts).numpy(), np.float64)

    def fit(
        self,
        events: Events,
        unit: NDArray[np.float64],
        *,
        steps: int = 1000,
        batch: int = 128,
        rate: float = 2e-3,
        seed: int = 0,
        tick: Callable[[], None] = lambda: None,
    ) -> View:
        """Fit scales and, for a summary, the network to simulated events.

        Parameters
        ----------
        events : Events
            Features, and as conditions what is given.
        unit : array (n, p)
            Their parameters, from 0 to 1.
        steps, batch, rate, seed : optional
            Of the network's training.
        tick : callable, optional
            Told every step.
        """
        x, given = torch.from_numpy(events.features), torch.from_numpy(events.conditions)
        target = torch.from_numpy(unit).float()
        if self.reader is not None:
            self._scale_inputs(x)
            self._train(x, given, target, steps, batch, rate, np.random.default_rng([seed, 0x71E3]), tick)
        self.eval()
        with torch.no_grad():
            rows = [slice(i, i + PIECE) for i in range(0, len(x), PIECE)]
            raw = torch.cat([self._raw(x[piece], given[piece]) for piece in rows])
            spread = raw.std(0)
            if self.reader is not None:
                p = target.shape[1]
                spread[:p] += LITTLE * target.std(0)
            self.middle.copy_(raw.mean(0))
            self.scale.copy_(torch.where(spread > 0, spread, 1.0))
        return self

    def _scale_inputs(self, x: Tensor) -> None:
        """One scale per column of a table, one for all pixels of an image: noise of dark pixels stays small."""
        self.centre.copy_(x.mean(0))
        spread = x.std(0)
        assert self.reader is not None  # noqa: S101 - only a summary has inputs to scale
        for columns in self.reader.images:
            spread[columns] = spread[columns].square().mean().sqrt()
        self.spread.copy_(torch.where(spread > 0, spread, 1.0))

    def _train(
        self,
        x: Tensor,
        given: Tensor,
        target: Tensor,
        steps: int,
        batch: int,
        rate: float,
        place: np.random.Generator,
        tick: Callable[[], None],
    ) -> None:
        assert self.reader is not None  # noqa: S101
        parameters = list(self.reader.parameters())
        optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            rows = torch.from_numpy(place.integers(len(x), size=batch))
            found = self.reader((x[rows] - self.centre) / self.spread, given[rows])
            loss = (found - target[rows]).square().mean()
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            tick()


class _Reader(nn.Module):
    """Parameters (n, p) from events: images through three strided convolutions, all else as it is."""

    rest: Tensor

    def __init__(self, schema: Schema, parameters: int, hidden: int = 128) -> None:
        super().__init__()
        self.shapes = [b.shape for b in schema.features if len(b.shape) == 2 and min(b.shape) >= PIXELS]
        self.images = [schema.columns(b.name) for b in schema.features if b.shape in self.shapes]
        rest = np.ones(schema.width, bool)
        for columns in self.images:
            rest[columns] = False
        self.register_buffer("rest", torch.from_numpy(np.flatnonzero(rest)), persistent=False)
        self.towers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(1, 16, 5, 2, 2),
                nn.SiLU(),
                nn.Conv2d(16, 32, 3, 2, 1),
                nn.SiLU(),
                nn.Conv2d(32, 32, 3, 2, 1),
                nn.SiLU(),
                nn.Flatten(),
            )
            for _ in self.shapes
        )
        width = sum(32 * _thirds(a) * _thirds(b) for a, b in self.shapes)
        self.head = Perceptron(width + int(rest.sum()) + schema.condition_width, parameters, hidden, 2, "silu")

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        seen = [
            tower(x[:, columns].reshape(-1, 1, *shape))
            for tower, columns, shape in zip(self.towers, self.images, self.shapes, strict=True)
        ]
        out: Tensor = self.head(torch.cat([*seen, x[:, self.rest], given], 1))
        return out


def _thirds(pixels: int) -> int:
    """Pixels along an axis that three strides of two leave."""
    for _ in range(3):
        pixels = (pixels + 1) // 2
    return pixels

"""A small generator that is fitted in seconds: conditional mean, and around it the energy score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from facsim.errors import DataError
from facsim.nets.perceptron import Perceptron

__all__ = ["EnergyGenerator"]

VALIDATED = 10  # times per fit
LEAST = 20  # events


class EnergyGenerator(nn.Module):
    r"""Generator y = f(c) + s g(c, z) of few columns y given conditions c, without a critic.

    f is fitted by least squares; g then minimises the energy score of the residuals r in units of their spread s,

    .. math:: \tfrac12 (|r - g_1| + |r - g_2|) - \tfrac12 |g_1 - g_2| ,

    with two draws of the noise: its expectation is half the squared Cramer (energy) distance of the generated to the
    true conditional law, plus a constant. One event per point of conditions is enough.

    Parameters
    ----------
    conditions, outputs : int
        Columns of c and y.
    hidden, layers : int, optional
        Of both networks.
    extra : int, optional
        Columns of noise beyond one per output.
    seed : int, optional
        Of the initial weights.

    Attributes
    ----------
    latent : int
        Columns of noise.

    Notes
    -----
    Gneiting and Raftery, J. Am. Stat. Assoc. 102 (2007) 359 (the score is proper); as a regression of laws: Shen and
    Meinshausen, arXiv:2307.00835. It is the objective of a Cramer GAN with the identity for a critic, which is enough
    for columns that are few and of comparable scale.

    Examples
    --------
    >>> c = np.random.default_rng(0).uniform(-1, 1, (2000, 1))
    >>> y = c + 0.1 * np.random.default_rng(1).normal(size=(2000, 1))
    >>> model = EnergyGenerator(1, 1, hidden=32).fit(c, y, steps=300, seed=0)
    >>> drawn = model(torch.full((1000, 1), 0.5), torch.randn(1000, model.latent))
    >>> bool(abs(drawn.mean() - 0.5) < 0.05), bool(abs(drawn.std() - 0.1) < 0.05)
    (True, True)
    """

    centre: Tensor
    spread: Tensor
    middle: Tensor
    scale: Tensor
    residual: Tensor
    slope: Tensor

    def __init__(
        self, conditions: int, outputs: int, *, hidden: int = 96, layers: int = 2, extra: int = 4, seed: int = 0
    ) -> None:
        super().__init__()
        self.latent, self.outputs = outputs + extra, outputs
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.bend = Perceptron(conditions, outputs, hidden, layers, "silu")
            self.shape = Perceptron(conditions + self.latent, outputs, hidden, layers, "silu")
        assert self.bend.leave is not None  # noqa: S101 - it has outputs
        nn.init.zeros_(self.bend.leave.weight)
        nn.init.zeros_(self.bend.leave.bias)
        self.direct = nn.Parameter(torch.ones(outputs))
        self.register_buffer("slope", torch.zeros(conditions, outputs))
        for name, width in (("centre", conditions), ("middle", outputs)):
            self.register_buffer(name, torch.zeros(width))
        for name, width in (("spread", conditions), ("scale", outputs), ("residual", outputs)):
            self.register_buffer(name, torch.ones(width))

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Columns (n, outputs) for conditions (n, k) and standard normal noise (n, latent)."""
        c = (conditions - self.centre) / self.spread
        out: Tensor = self.middle + self.scale * (self._mean(c) + self.residual * self._around(c, noise))
        return out

    def _mean(self, c: Tensor) -> Tensor:
        """A straight line, known from the first fit, and what bends it."""
        mean: Tensor = c @ self.slope + self.bend(c)
        return mean

    def _around(self, c: Tensor, noise: Tensor) -> Tensor:
        around: Tensor = self.direct * noise[:, : self.outputs] + self.shape(torch.cat([c, noise], 1))
        return around

    def fit(
        self,
        conditions: ArrayLike,
        values: ArrayLike,
        *,
        steps: int = 1000,
        batch: int = 256,
        rate: float = 3e-3,
        seed: int = 0,
        tick: Callable[[], None] = lambda: None,
    ) -> EnergyGenerator:
        """Fit to events; a second call goes on from the networks that are there, with the scales of the first.

        Parameters
        ----------
        conditions, values : array (n, k), (n, outputs)
        steps : int, optional
            Of each of the two networks.
        batch, rate, seed : optional
        tick : callable, optional
            Told every step.

        Returns
        -------
        EnergyGenerator
            Itself, with the weights of the best score on a tenth of the events.

        Raises
        ------
        DataError
            If there are fewer than 20 events or a value is not finite.
        """
        c, y = (torch.from_numpy(np.asarray(v, np.float32)) for v in (conditions, values))
        if len(c) < LEAST or not bool(torch.isfinite(c).all() and torch.isfinite(y).all()):
            msg = f"{len(c)} events to fit a generator to: at least {LEAST} are needed, and all must be finite"
            raise DataError(msg)
        place = np.random.default_rng([seed, 0xE6E])
        order = torch.from_numpy(place.permutation(len(c)))
        held, known = order[: max(len(c) // 10, 5)], order[max(len(c) // 10, 5) :]
        if not bool((self.scale != 1).any() or (self.spread != 1).any()):
            self.centre.copy_(c.mean(0))
            self.spread.copy_(c.std(0).clamp(min=1e-6))
            self.middle.copy_(y.mean(0))
            self.scale.copy_(y.std(0).clamp(min=1e-6))
            line = torch.linalg.lstsq((c[known] - self.centre) / self.spread, (y[known] - self.middle) / self.scale)
            self.slope.copy_(line.solution)
        c, y = (c - self.centre) / self.spread, (y - self.middle) / self.scale
        noise = torch.Generator().manual_seed(int(place.integers(2**31)))

        def square(rows: Tensor) -> Tensor:
            error: Tensor = self._mean(c[rows]) - y[rows]
            return error.square().mean()

        def score(rows: Tensor) -> Tensor:
            residual = (y[rows] - about[rows]) / self.residual
            first, second = (
                self._around(c[rows], torch.randn(len(rows), self.latent, generator=noise)) for _ in range(2)
            )
            return (_norm(residual - first) + _norm(residual - second) - _norm(first - second)).mean() / 2

        turns = ((square, list(self.bend.parameters())), (score, [self.direct, *self.shape.parameters()]))
        for loss, parameters in turns:
            with torch.no_grad():  # the residuals' scale from events that the mean was not fitted to
                about = self._mean(c)
                self.residual.copy_((y - about)[held].square().mean(0).sqrt().clamp(min=1e-4))
            self._train(loss, parameters, known, held, steps, batch, rate, place, tick)
        return self.eval()

    def _train(
        self,
        loss: Callable[[Tensor], Tensor],
        parameters: list[nn.Parameter],
        known: Tensor,
        held: Tensor,
        steps: int,
        batch: int,
        rate: float,
        place: np.random.Generator,
        tick: Callable[[], None],
    ) -> None:
        optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        best, kept = float("inf"), [p.detach().clone() for p in parameters]
        for step in range(1, steps + 1):
            rows = known[torch.from_numpy(place.integers(len(known), size=batch))]
            gradients = torch.autograd.grad(loss(rows), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            tick()
            if step % max(steps // VALIDATED, 1) == 0:
                with torch.no_grad():
                    now = float(loss(held))
                if now < best:
                    best, kept = now, [p.detach().clone() for p in parameters]
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)


def _norm(x: Tensor) -> Tensor:
    """Length of every row, with a gradient at zero, too."""
    return x.square().sum(1).add(1e-12).sqrt()

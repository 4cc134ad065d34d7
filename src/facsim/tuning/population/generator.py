"""A network that draws parameter points inside the box of a space."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.nets.perceptron import Perceptron
from facsim.simulators.parametric import Space

__all__ = ["Frontier", "PointGenerator", "whole_steps"]

APART = 0.8  # spread of the parts
TRIED = 16384  # points of the box that show where the valid region ends


class PointGenerator(nn.Module):
    r"""Noise to points of the unit cube, nearly uniform before training.

    .. math:: u = \Phi(a_k + A_k z + f(z, k))

    with the normal cumulative distribution Phi, a shift a_k and a matrix A_k for each of several equal parts k, and a
    network f that is zero at first. Shifts are drawn with a spread of 0.8 and matrices are 0.6 times the identity, so
    that all parts together fill the box up to its border: nearly the answer of maximum entropy. One continuous map of z
    would need thousands of steps to part two modes.

    Parameters
    ----------
    parameters : int
    hidden, layers : int, optional
        Of the network f.
    parts : int, optional
        How many k.
    seed : int, optional

    Examples
    --------
    >>> points = PointGenerator(2)(torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)))
    >>> bool(points.min() >= 0), bool(points.max() <= 1), round(points.mean().item(), 1)
    (True, True, 0.5)
    """

    def __init__(self, parameters: int, *, hidden: int = 100, layers: int = 2, parts: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.parts, self.latent = parts, parameters + 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.bend = Perceptron(parameters + parts, parameters, hidden, layers, "silu")
            shift = torch.randn(parts, parameters)
        assert self.bend.leave is not None  # noqa: S101 - it has outputs
        nn.init.zeros_(self.bend.leave.weight)
        nn.init.zeros_(self.bend.leave.bias)
        self.shift = nn.Parameter(APART * (shift - shift.mean(0)) / shift.std(0))
        self.direct = nn.Parameter(math.sqrt(1 - APART**2) * torch.eye(parameters).repeat(parts, 1, 1))

    def forward(self, noise: Tensor) -> Tensor:
        """Points (n, p) of the unit cube for standard normal noise (n, p + 1); the last column chooses the part."""
        z = noise[:, :-1]
        part = (torch.special.ndtr(noise[:, -1]) * self.parts).long().clamp(max=self.parts - 1)
        label = nn.functional.one_hot(part, self.parts).to(z)
        straight = torch.einsum("npq,nq->np", self.direct[part], z)
        points: Tensor = torch.special.ndtr(self.shift[part] + straight + self.bend(torch.cat([z, label], 1)))
        return points

    def draw(self, space: Space, n: int, seed: int) -> NDArray[np.float64]:
        """Valid points (n, p) in the simulator's units, by rejection; fewer if next to none is valid."""
        noise = torch.Generator().manual_seed(seed)
        found: list[NDArray[np.float64]] = []
        for _ in range(100):
            with torch.no_grad():
                unit = self(torch.randn(max(n, 256), self.latent, generator=noise))
            points = space.from_unit(unit.double().numpy())
            found.append(points[space.contains(points)])
            if sum(map(len, found)) >= n:
                break
        return np.concatenate(found)[:n]


class Frontier(nn.Module):
    """Where points of the box are valid, with a gradient that leads there. Costs no call of the simulator.

    Parameters
    ----------
    space : Space
        One with a rule of validity.
    seed : int
    steps : int, optional
    """

    def __init__(self, space: Space, seed: int, steps: int = 400) -> None:
        super().__init__()
        place = np.random.default_rng([seed, 0xF707])
        unit = place.random((TRIED, len(space)))
        label = torch.from_numpy(space.contains(space.from_unit(unit))).float()
        points = torch.from_numpy(unit).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = Perceptron(len(space), 1, 64, 2, "silu")
        parameters = list(self.net.parameters())
        optimiser = torch.optim.Adam(parameters, lr=5e-3)
        for _ in range(steps):
            rows = torch.from_numpy(place.integers(TRIED, size=512))
            loss = nn.functional.binary_cross_entropy_with_logits(self(points[rows]), label[rows])
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            optimiser.step()
        self.requires_grad_(requires_grad=False)

    def forward(self, unit: Tensor) -> Tensor:
        """Logit (n,) of points (n, p) of the unit cube being valid."""
        logit: Tensor = self.net(4 * unit - 2)[:, 0]
        return logit


def whole_steps(unit: Tensor, space: Space) -> Tensor:
    """Move whole parameters to the middle of their share; the gradient passes as if nothing had happened.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> space = Space((Parameter("n", 0, 3, whole=True),))
    >>> whole_steps(torch.tensor([[0.1], [0.3]]), space).tolist()
    [[0.125], [0.375]]
    """
    if not space.whole.any():
        return unit
    near = space.to_unit(space.from_unit(unit.detach().double().numpy()))
    return unit + (torch.from_numpy(near).to(unit) - unit).detach()

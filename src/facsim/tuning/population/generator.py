"""A network that draws parameter points inside the box of a space."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.nets.perceptron import Perceptron
from facsim.simulators.parametric import Space

__all__ = ["Frontier", "PointGenerator", "whole_steps"]

TRIED = 16384  # points of the box that show where the valid region ends


class PointGenerator(nn.Module):
    r"""Noise to points of the unit cube, uniform before training: u = Phi(A z + f(z)), A the identity and f zero.

    Phi is the normal cumulative distribution. A law that fills the box up to its border, which is the answer of maximum
    entropy, is thus the starting point and costs the network nothing.

    Parameters
    ----------
    parameters : int
    hidden, layers : int, optional
        Of the network f.
    extra : int, optional
        Columns of noise beyond one per parameter.
    seed : int, optional

    Examples
    --------
    >>> points = PointGenerator(2)(torch.randn(1000, 6, generator=torch.Generator().manual_seed(0)))
    >>> bool(points.min() >= 0), bool(points.max() <= 1), round(points.mean().item(), 1)
    (True, True, 0.5)
    """

    def __init__(self, parameters: int, *, hidden: int = 100, layers: int = 2, extra: int = 4, seed: int = 0) -> None:
        super().__init__()
        self.latent = parameters + extra
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.bend = Perceptron(self.latent, parameters, hidden, layers, "silu")
        assert self.bend.leave is not None  # noqa: S101 - it has outputs
        nn.init.zeros_(self.bend.leave.weight)
        nn.init.zeros_(self.bend.leave.bias)
        self.direct = nn.Parameter(torch.eye(parameters, self.latent))

    def forward(self, noise: Tensor) -> Tensor:
        """Points (n, p) of the unit cube for standard normal noise (n, latent)."""
        points: Tensor = torch.special.ndtr(noise @ self.direct.T + self.bend(noise))
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

"""The posterior's network: summary, a Gaussian in first approximation, and a flow for what it misses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facsim.models.matching import Velocity, midpoint
from facsim.nets.residual import ResidualMLP
from facsim.schema import Block
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.summary import SetSummary

__all__ = ["Gaussian", "PosteriorNet"]

LEAST_WIDTH, MOST_WIDTH = -9.0, 3.0  # logarithms


class Gaussian(nn.Module):
    """Mean (n, p) and Cholesky factor (n, p, p) of a normal distribution, from context (n, c); standard at the start.

    Examples
    --------
    >>> mean, root = Gaussian(4, 2, hidden=8)(torch.randn(3, 4))
    >>> torch.equal(mean, torch.zeros(3, 2)), torch.equal(root[0], torch.eye(2))
    (True, True)
    """

    def __init__(self, context: int, width: int, hidden: int) -> None:
        super().__init__()
        self.width = width
        self.net = ResidualMLP(context, 2 * width + width * (width - 1) // 2, hidden, 1)
        for tensor in self.net.leave.parameters():
            nn.init.zeros_(tensor)

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and lower triangular root of the covariance."""
        p = self.width
        mean, log_width, below = self.net(context).split([p, p, p * (p - 1) // 2], 1)
        width = log_width.clamp(LEAST_WIDTH, MOST_WIDTH).exp()
        root = torch.diag_embed(width)
        rows, columns = torch.tril_indices(p, p, -1)
        # in units of the row's width, so that correlations do not depend on scales
        root = root.index_put((torch.arange(len(root))[:, None], rows, columns), below * width[:, rows])
        return mean, root


class PosteriorNet(nn.Module):
    r"""Posterior of coordinates z (p,) given events, as a conditional flow on standardised residuals.

    .. math:: z = \mu(s) + L(s)\, r, \quad \dot r_t = v(r_t, t, s), \quad r_0 \sim N(0, 1)

    with the summary s of the events. :math:`\mu, L` maximise a Gaussian likelihood, so that the flow finds its target
    centred and of unit width however narrow the posterior is; it brings the shape.

    Parameters
    ----------
    blocks : sequence of Block
        What an event holds.
    width : int
        Parameters, p.
    settings : PosteriorSettings

    Notes
    -----
    Flow matching: Lipman et al., arXiv:2210.02747; as a posterior: Wildberger et al., arXiv:2305.17161. The Gaussian in
    front is ours.
    """

    def __init__(self, blocks: Sequence[Block], width: int, settings: PosteriorSettings) -> None:
        super().__init__()
        s = settings
        self.width = width
        self.summary = SetSummary(blocks, s.summary, s.hidden, s.summary_blocks, s.channels)
        self.gaussian = Gaussian(s.summary, width, s.hidden)
        self.velocity = Velocity(width, s.summary, s.hidden, s.blocks, s.hidden)

    def losses(self, z: Tensor, x: Tensor, weights: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood per parameter of the Gaussian, and error of the velocity; 1 or so at the start.

        Parameters
        ----------
        z, noise : Tensor (b, p)
        x : Tensor (b, n, d)
        weights : Tensor (b, n)
        time : Tensor (b, 1)
        """
        context = self.summary(x, weights)
        mean, root = self.gaussian(context)
        residual = torch.linalg.solve_triangular(root, (z - mean)[:, :, None], upper=False)[:, :, 0]
        nll = 0.5 * residual**2 + root.diagonal(dim1=1, dim2=2).log()
        target = residual.detach()
        error = self.velocity((1 - time) * noise + time * target, time, context) - (target - noise)
        # in units of the error that independent normal columns would leave
        return nll.mean(), (error**2 * (time**2 + (1 - time) ** 2)).mean()

    def forward(self, context: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Coordinates (n, p) from noise (n, p) under summaries (n, s)."""
        mean, root = self.gaussian(context)
        residual = midpoint(self.velocity, noise, context, steps)
        out: Tensor = mean + (root @ residual[:, :, None])[:, :, 0]
        return out

    def log_prob(self, z: Tensor, context: Tensor, steps: int) -> Tensor:
        """Logarithm (n,) of the density at coordinates (n, p): the flow backwards, with its exact divergence."""
        mean, root = self.gaussian(context)
        y = torch.linalg.solve_triangular(root, (z - mean)[:, :, None], upper=False)[:, :, 0]
        volume = -root.diagonal(dim1=1, dim2=2).log().sum(1)
        h = 1 / steps
        for i in reversed(range(steps)):
            late = y.new_full((len(y), 1), (i + 1) * h)
            velocity, _ = self._velocity_and_divergence(y, late, context)
            half, divergence = self._velocity_and_divergence(y - h / 2 * velocity, late - h / 2, context)
            y, volume = y - h * half, volume - h * divergence
        out: Tensor = volume - 0.5 * (y**2).sum(1) - 0.5 * self.width * math.log(2 * math.pi)
        return out

    def _velocity_and_divergence(self, y: Tensor, time: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            velocity = self.velocity(y, time, context)
            parts = [
                torch.autograd.grad(velocity[:, i].sum(), y, retain_graph=i + 1 < self.width)[0][:, i]
                for i in range(self.width)
            ]
        return velocity.detach(), torch.stack(parts).sum(0)

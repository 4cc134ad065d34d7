"""The posterior's network: summary, a Gaussian in first approximation, and a flow for what it misses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facsim.models.matching import midpoint
from facsim.nets import ConditionedMLP, TimeEmbedding
from facsim.nets.residual import ResidualMLP
from facsim.schema import Block
from facsim.tuning.posterior.settings import PosteriorSettings
from facsim.tuning.posterior.summary import SetSummary

__all__ = ["Gaussian", "PosteriorNet", "Standardiser", "Velocity"]

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


class Standardiser(nn.Module):
    """Mean and Cholesky factor of the posterior of coordinates, from events: the first approximation."""

    def __init__(self, blocks: Sequence[Block], width: int, settings: PosteriorSettings) -> None:
        super().__init__()
        s = settings
        self.summary = SetSummary(blocks, s.summary, s.hidden, s.summary_blocks, s.channels)
        self.gaussian = Gaussian(self.summary.width, width, s.hidden)

    def forward(self, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (b, p) and root (b, p, p) for sets (b, n, d) with event weights (b, n)."""
        mean, root = self.gaussian(self.summary(x, weights))
        return mean, root

    def loss(self, z: Tensor, x: Tensor, weights: Tensor) -> Tensor:
        """Negative log-likelihood per parameter, up to a constant."""
        mean, root = self(x, weights)
        out: Tensor = (0.5 * standardised(z, mean, root) ** 2 + root.diagonal(dim1=1, dim2=2).log()).mean()
        return out


class Velocity(nn.Module):
    """Velocity at (x, t) between noise (t = 0) and residuals (t = 1), as a correction to that of independent columns.

    As `facsim.models.matching.Velocity`, but the context is an input, too: where a posterior is a thin shell, its place
    is a sum of context and coordinates, which products of theirs are slow to form.
    """

    def __init__(self, width: int, context: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.time = TimeEmbedding()
        self.net = ConditionedMLP(width + context, width, context + self.time.width, hidden, blocks, hidden)

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Velocity (n, width) at x (n, width), time (n, 1), context (n, c)."""
        variance = time**2 + (1 - time) ** 2
        spread = variance.sqrt()
        correction: Tensor = self.net(torch.cat([x / spread, context], 1), torch.cat([context, self.time(time)], 1))
        return (2 * time - 1) / variance * x + correction / spread


class PosteriorNet(nn.Module):
    r"""Posterior of coordinates z (p,) given events, as a conditional flow on standardised residuals.

    .. math:: z = \mu(x) + L(x)\, r, \quad \dot r_t = v(r_t, t, s(x)), \quad r_0 \sim N(0, 1)

    :math:`\mu, L` maximise a Gaussian likelihood and are then left as they are: the flow finds its target centred and
    of unit width however narrow the posterior is, and brings the shape.

    Parameters
    ----------
    blocks : sequence of Block
        What an event holds.
    width : int
        Parameters, p.
    settings : PosteriorSettings

    Notes
    -----
    Flow matching: Lipman et al., arXiv:2210.02747; as a posterior: Wildberger et al., arXiv:2305.17161, who also look
    at late times more often. The Gaussian in front is ours. Trained together with the flow it never rests, and blurs
    thin posteriors: two crescents came out twice as thick as they are.
    """

    def __init__(self, blocks: Sequence[Block], width: int, settings: PosteriorSettings) -> None:
        super().__init__()
        s = settings
        self.width = width
        self.first = Standardiser(blocks, width, settings)
        self.summary = SetSummary(blocks, s.summary, s.hidden, s.summary_blocks, s.channels)
        self.velocity = Velocity(width, self.summary.width, s.hidden, s.blocks)

    def context(self, x: Tensor, weights: Tensor) -> Tensor:
        """All that is known of sets (b, n, d): mean, root and summary, (b, p + p * p + s)."""
        mean, root = self.first(x, weights)
        return torch.cat([mean, root.flatten(1), self.summary(x, weights)], 1)

    def loss(self, z: Tensor, x: Tensor, weights: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Squared error of the velocity in units of the one that independent normal residuals would leave.

        Parameters
        ----------
        z, noise : Tensor (b, p)
        x : Tensor (b, n, d)
        weights : Tensor (b, n)
        time : Tensor (b, 1)
        """
        with torch.no_grad():
            target = standardised(z, *self.first(x, weights))
        error = self.velocity((1 - time) * noise + time * target, time, self.summary(x, weights)) - (target - noise)
        out: Tensor = (error**2 * (time**2 + (1 - time) ** 2)).mean()
        return out

    def forward(self, context: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Coordinates (n, p) from noise (n, p) under contexts (n, c)."""
        mean, root, summary = self._parts(context)
        residual = midpoint(self.velocity, noise, summary, steps)
        out: Tensor = mean + (root @ residual[:, :, None])[:, :, 0]
        return out

    def log_prob(self, z: Tensor, context: Tensor, steps: int) -> Tensor:
        """Logarithm (n,) of the density at coordinates (n, p): the flow backwards, with its exact divergence."""
        mean, root, summary = self._parts(context)
        y = standardised(z, mean, root)
        volume = -root.diagonal(dim1=1, dim2=2).log().sum(1)
        h = 1 / steps
        for i in reversed(range(steps)):
            late = y.new_full((len(y), 1), (i + 1) * h)
            velocity, _ = self._velocity_and_divergence(y, late, summary)
            half, divergence = self._velocity_and_divergence(y - h / 2 * velocity, late - h / 2, summary)
            y, volume = y - h * half, volume - h * divergence
        out: Tensor = volume - 0.5 * (y**2).sum(1) - 0.5 * self.width * math.log(2 * math.pi)
        return out

    def _parts(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p = self.width
        mean, root, summary = context.tensor_split([p, p + p * p], 1)
        return mean, root.view(-1, p, p), summary

    def _velocity_and_divergence(self, y: Tensor, time: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            velocity = self.velocity(y, time, context)
            parts = [
                torch.autograd.grad(velocity[:, i].sum(), y, retain_graph=i + 1 < self.width)[0][:, i]
                for i in range(self.width)
            ]
        return velocity.detach(), torch.stack(parts).sum(0)


def standardised(z: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    """Residuals (n, p) of coordinates in units of a normal distribution."""
    out: Tensor = torch.linalg.solve_triangular(root, (z - mean)[:, :, None], upper=False)[:, :, 0]
    return out

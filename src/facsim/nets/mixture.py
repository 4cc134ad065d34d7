"""A density as a mixture of normal distributions whose parameters a network says."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from facsim.nets.residual import NormedMLP

__all__ = ["MixtureNet"]

LEAST_WIDTH, MOST_WIDTH = -9.0, 4.0  # logarithms


class _Said(NamedTuple):
    """Parameters of k components, in units in which rows have zero mean and a spread of 1: shapes (..., k, .)."""

    share: Tensor  # (..., k), logits
    mean: Tensor  # (..., k, d)
    log_width: Tensor  # (..., k, d)
    below: Tensor  # (..., k, d (d - 1) / 2)
    flags: Tensor  # (..., k, flags), logits


class MixtureNet(nn.Module):
    r"""Density of rows y (d,) as a mixture of normal distributions whose parameters depend on a context.

    .. math:: p(y|c) = \sum_j \pi_j(c)\, N(y; \mu_j(c), L_j(c) L_j(c)^T)
        \prod_i \rho_{ji}^{f_i} (1 - \rho_{ji})^{1 - f_i}

    Bishop, NCRG/94/004 (1994), with full covariances, and perhaps with flags f, which within a component are
    independent of each other and of y (a latent class model).

    Parameters
    ----------
    context : int
        Columns of c. Some of them may be given with the rows; see `log_prob`.
    width : int
        d.
    components, hidden, blocks : int
        Of the mixture, and of the network (`NormedMLP`).
    flags : int, optional
        Columns of f.
    dropout : float, optional
        Of the network, in training.

    Examples
    --------
    >>> net = MixtureNet(2, 3, components=4, hidden=8, blocks=1)
    >>> net.paired(torch.zeros(5, 2), torch.zeros(5, 3)).shape
    torch.Size([5])
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        context: int,
        width: int,
        components: int,
        hidden: int,
        blocks: int,
        flags: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.components = width, components
        self.sizes = (1, width, width, width * (width - 1) // 2, flags)
        self.net = NormedMLP(context, components * sum(self.sizes), hidden, blocks, dropout)
        # Means that follow the parameters must do so to a fraction of the narrowest width: their linear part is exact.
        self.linear = nn.Linear(context, width)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @torch.no_grad()
    def fit(self, context: Tensor, y: Tensor) -> None:
        """Start from what contexts (m, c) and rows (m, d) tell at once: centre, scale and linear dependence."""
        self.centre.copy_(y.mean(0))
        scale = y.std(0, unbiased=False)
        self.scale.copy_(torch.where(scale > 0, scale, torch.ones_like(scale)))
        inputs = torch.cat([context, torch.ones(len(y), 1)], 1)
        found = torch.linalg.lstsq(inputs.double(), ((y - self.centre) / self.scale).double()).solution.float()
        self.linear.weight.copy_(found[:-1].T)
        self.linear.bias.copy_(found[-1])

    @torch.no_grad()
    def scatter(self, spread: float) -> None:
        """Move the components apart, by random `spread` in units of the rows: equal ones would learn the same."""
        last = cast("nn.Linear", self.net.leave[-1])
        bias = last.bias.view(self.components, -1)
        bias[:, 1 : 1 + self.width] += spread * torch.randn(self.components, self.width)

    def log_prob(self, context: Tensor, y: Tensor) -> Tensor:
        """Logarithm (n, k) of the densities of rows (k, g + d), whose first g columns are given, under n contexts."""
        given, rows = y[:, : y.shape[1] - self.width], y[:, y.shape[1] - self.width :]
        n, k = len(context), len(y)
        if not given.shape[1]:
            return self._mixed(self._parts(self.net(context)[:, None]), self.linear(context)[:, None], rows[None])
        both = torch.cat([context[:, None].expand(n, k, -1), given[None].expand(n, k, -1)], 2)
        return self._mixed(self._parts(self.net(both.flatten(0, 1)).view(n, k, -1)), self.linear(both), rows[None])

    def paired(self, context: Tensor, y: Tensor, flags: Tensor | None = None) -> Tensor:
        """Logarithm (n,) of the density of row i, and of its flags (n, f), under context i."""
        given, rows = y[:, : y.shape[1] - self.width], y[:, y.shape[1] - self.width :]
        inputs = torch.cat([context, given], 1)
        return self._mixed(self._parts(self.net(inputs)), self.linear(inputs), rows, flags)

    def draw(self, context: Tensor, which: Tensor, normal: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (n, d) and flags (n, f) under contexts (n, c), of uniform and normal numbers.

        Parameters
        ----------
        which : Tensor (n, 1)
            Uniform; picks the component.
        normal : Tensor (n, d)
        level : Tensor (n, f)
            Uniform; of the flags.
        """
        said = self._parts(self.net(context))
        passed = (which > said.share.softmax(-1).cumsum(-1)[:, :-1]).to(normal.dtype).sum(1, keepdim=True)
        order = torch.arange(self.components, device=which.device)
        picked = (passed == order).to(normal.dtype)[..., None]  # (n, k, 1), one of them 1
        mean, log_width, below, logits = ((picked * part).sum(1) for part in said[1:])
        columns, at = normal[:, :1], 0
        for i in range(1, self.width):  # the triangle, in units of the widths; row by row, which keeps exports small
            column = normal[:, i : i + 1] + (below[:, at : at + i] * columns).sum(1, keepdim=True)
            columns, at = torch.cat([columns, column], 1), at + i
        width = log_width.clamp(LEAST_WIDTH, MOST_WIDTH).exp()
        rows = (self.linear(context) + mean + width * columns) * self.scale + self.centre
        return rows, (level < logits.sigmoid()).to(rows.dtype)

    def _parts(self, raw: Tensor) -> _Said:
        parts = raw.unflatten(-1, (self.components, sum(self.sizes))).split(self.sizes, -1)  # type: ignore[no-untyped-call]
        return _Said(parts[0][..., 0], *parts[1:])

    def _mixed(self, said: _Said, linear: Tensor, rows: Tensor, flags: Tensor | None = None) -> Tensor:
        d = self.width
        y = ((rows - self.centre) / self.scale - linear)[..., None, :] - said.mean
        log_width = said.log_width.clamp(LEAST_WIDTH, MOST_WIDTH)
        u = y * (-log_width).exp()
        if d > 1:
            # In units of the widths, so that correlations do not depend on scales: u_i = y_i/w_i - sum_j b_ij y_j/w_j
            at, columns = torch.tril_indices(d, d, -1)
            u = u.index_add(-1, at, -said.below * u[..., columns])
        density = -0.5 * (u**2).sum(-1) - log_width.sum(-1) - 0.5 * d * math.log(2 * math.pi)
        if flags is not None:
            f = flags[..., None, :]
            density = density + (f * logsigmoid(said.flags) + (1 - f) * logsigmoid(-said.flags)).sum(-1)
        out: Tensor = torch.logsumexp(said.share.log_softmax(-1) + density, -1) - self.scale.log().sum()
        return out

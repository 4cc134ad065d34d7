"""What a network makes of the events of one point: each event embedded, the embeddings averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from facsim.nets.residual import ResidualMLP
from facsim.schema import Block

__all__ = ["EventNet", "SetSummary"]

LEAST_IMAGE = 8  # pixels along both axes from which a block is looked at as an image
MOST_PLAIN = 16
LINE = 10  # quantities of the straight line through an image
LEAST_WIDTH = 1e-4  # squared, half an image is 1
SOFT = 4.0  # standard deviations up to which columns enter linearly


class SetSummary(nn.Module):
    r"""Summary of a set of n events of one parameter point: :math:`s = \rho(\bar\phi, \log n)`.

    .. math:: \bar\phi = \sum_i w_i \phi(x_i) / \sum_i w_i

    (Zaheer et al., arXiv:1703.06114). Beside it stand the means of up to 16 plain columns, which nothing has bent.

    Parameters
    ----------
    blocks : sequence of Block
        What an event holds; blocks of 8 x 8 numbers or more are images.
    width : int
        Columns of an embedding, and of the summary without the plain ones.
    hidden, depth : int
        Width and residual blocks of the networks.
    channels : int
        Planes of an image's first layer.

    Examples
    --------
    >>> net = SetSummary([Block("x", (3,))], width=4, hidden=16, depth=1, channels=4)
    >>> x = torch.randn(5, 7, 3)
    >>> torch.allclose(net(x, torch.ones(5, 7)), net(x.flip(1), torch.ones(5, 7)), atol=1e-6)
    True
    """

    def __init__(self, blocks: Sequence[Block], width: int, hidden: int, depth: int, channels: int) -> None:
        super().__init__()
        self.event = EventNet(blocks, width, hidden, depth, channels)
        self.join = ResidualMLP(width + 1, width, hidden, 1)
        plain = len(self.event.plain)
        self.plain = plain if plain <= MOST_PLAIN else 0
        self.width = width + self.plain

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Summaries (b, width) of sets (b, n, d) with event weights (b, n); an event of weight 0 is not there."""
        each = self.event(x.flatten(0, 1)).view(*x.shape[:2], -1)
        total = weights.sum(1, keepdim=True)
        mean = (weights[:, :, None] * each).sum(1) / total
        # the number of unweighted events with the same statistical error
        size = total**2 / (weights**2).sum(1, keepdim=True)
        joined: Tensor = self.join(torch.cat([mean, size.log()], 1))
        if not self.plain:
            return joined
        columns = self.event.columns(x.flatten(0, 1)).view(*x.shape[:2], -1)
        return torch.cat([joined, (weights[:, :, None] * columns).sum(1) / total], 1)


class EventNet(nn.Module):
    """Embedding (m, width) of single events (m, d).

    Parameters as for `SetSummary`. Columns are standardised (`fit`), and far ones are drawn in.
    """

    plain: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, blocks: Sequence[Block], width: int, hidden: int, depth: int, channels: int) -> None:
        super().__init__()
        self.images: list[tuple[slice, tuple[int, int]]] = []
        plain: list[int] = []
        start = 0
        for block in blocks:
            columns = slice(start, start + block.size)
            start += block.size
            if len(block.shape) == 2 and min(block.shape) >= LEAST_IMAGE:
                self.images.append((columns, (block.shape[0], block.shape[1])))
            else:
                plain.extend(range(columns.start, columns.stop))
        self.eyes = nn.ModuleList(_Eye(*shape, channels=channels, width=hidden) for _, shape in self.images)
        self.register_buffer("plain", torch.tensor(plain, dtype=torch.long), persistent=False)
        self.register_buffer("centre", torch.zeros(start))
        self.register_buffer("scale", torch.ones(start))
        self.net = ResidualMLP(len(plain) + hidden * len(self.images), width, hidden, depth)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take centre and scale of the columns from events (m, d); the pixels of an image share them."""
        centre, scale = x.mean(0), x.std(0, unbiased=False)
        for columns, _ in self.images:
            centre[columns], scale[columns] = x[:, columns].mean(), x[:, columns].std()
        self.centre.copy_(centre)
        self.scale.copy_(torch.where(scale > 1e-6 * centre.abs().clamp(min=1e-30), scale, torch.ones_like(scale)))

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (m, width) of events (m, d)."""
        y = (x - self.centre) / self.scale
        parts = [self.columns(x)]
        parts += [eye(y[:, c].view(-1, 1, *s)) for eye, (c, s) in zip(self.eyes, self.images, strict=True)]
        out: Tensor = self.net(torch.cat(parts, 1))
        return out

    def columns(self, x: Tensor) -> Tensor:
        """Plain columns (m, c), standardised; far ones are drawn in."""
        y = ((x - self.centre) / self.scale)[:, self.plain]
        return SOFT * torch.asinh(y / SOFT)


class _Eye(nn.Module):
    """Image (m, 1, H, W) to (m, width): three convolutions, and beside them what a physicist would look at first.

    Moments of rows and columns, and of the whole: light, centre, widths, and the straight line through it. Ratios of
    moments are what convolutions with small kernels find slowly.
    """

    moments: Tensor
    places: Tensor

    def __init__(self, rows: int, columns: int, channels: int, width: int) -> None:
        super().__init__()
        planes = (1, channels, 2 * channels, 4 * channels)
        layers: list[nn.Module] = []
        for before, after in pairwise(planes):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
        self.convolutions = nn.Sequential(*layers)
        seen = planes[-1] * math.ceil(rows / 8) * math.ceil(columns / 8)
        powers = torch.linspace(-1, 1, max(rows, columns))[None] ** torch.arange(3)[:, None]  # (3, length)
        self.register_buffer("moments", powers / max(rows, columns) ** 0.5, persistent=False)
        v, u = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
        terms = torch.stack([torch.ones_like(u), u, v, u * u, u * v, v * v], -1)
        self.register_buffer("places", terms.flatten(0, 1), persistent=False)  # (pixels, 6)
        self.dark = nn.Parameter(torch.ones(()))  # below it, in standard deviations, a pixel has no light
        self.out = nn.Linear(seen + 3 * (rows + columns) + LINE, width)
        self.shape = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.shape
        image = x[:, 0]
        of_columns = torch.einsum("mrc,kr->mkc", image, self.moments[:, :rows]).flatten(1)
        of_rows = torch.einsum("mrc,kc->mkr", image, self.moments[:, :columns]).flatten(1)
        parts = [self.convolutions(x).flatten(1), of_columns, of_rows, self._line(image.flatten(1))]
        out: Tensor = self.out(torch.cat(parts, 1))
        return out

    def _line(self, pixels: Tensor) -> Tensor:
        """Light, centre, widths and correlation, and the straight lines v(u) and u(v) through it, (m, 10)."""
        total, u, v, uu, uv, vv = (nn.functional.relu(pixels - self.dark) @ self.places).unbind(1)
        light = total.clamp(min=1e-6)
        u, v = u / light, v / light
        uu, uv, vv = uu / light - u * u, uv / light - u * v, vv / light - v * v
        wide, high = uu.clamp(min=LEAST_WIDTH), vv.clamp(min=LEAST_WIDTH)
        up, across = uv / wide, uv / high
        # far from the light the lines lead anywhere
        cut = [torch.asinh(t) for t in (up, v - up * u, across, u - across * v)]
        return torch.stack([total.log1p(), u, v, wide.sqrt(), high.sqrt(), uv / (wide * high).sqrt(), *cut], 1)

"""One-dimensional generative network for photon detectors: the outer product of what two coordinates say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facsim.nets.film import FiLM

__all__ = ["OuterProduct", "OuterProductNet"]

MOMENTUM = 0.1  # torch's word for a running mean that keeps 0.9 of itself


class _Dense(nn.Module):
    """Dense, batch normalisation, modulation by further conditions, rectifier."""

    def __init__(self, inputs: int, outputs: int, context: int = 0) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.BatchNorm1d(outputs, momentum=MOMENTUM)
        self.film = FiLM(context, outputs) if context else None

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        y: Tensor = self.norm(self.linear(x))
        return torch.relu(y if self.film is None else self.film(y, context))


class OuterProduct(nn.Module):
    r"""One branch: :math:`I(x) \, r(y) \, c(z)^T` of an intensity, rows and columns, then a dense layer.

    Parameters
    ----------
    axes : (int, int, int)
        Which coordinate gives the intensity, the rows and the columns.
    rows, columns, hidden : int
        Widths.
    context : int, optional
        Columns of further conditions.
    """

    def __init__(self, axes: tuple[int, int, int], rows: int, columns: int, hidden: int, context: int = 0) -> None:
        super().__init__()
        self.axes = axes
        self.intensity, self.rows, self.columns = (_Dense(1, width, context) for width in (1, rows, columns))
        nn.init.constant_(self.intensity.norm.bias, 2.0)  # the rectifier lets all of the box through, not half of it
        self.hidden = _Dense(rows * columns, hidden, context)

    def forward(self, points: Tensor, context: Tensor) -> Tensor:
        """Hidden layer (n, hidden) for coordinates (n, 3)."""
        x, y, z = (points[:, axis : axis + 1] for axis in self.axes)
        rows, columns = self.rows(y, context), self.columns(z, context)
        product = (rows[:, :, None] * columns[:, None, :]).flatten(1)
        out: Tensor = self.hidden(product * self.intensity(x, context), context)
        return out


class OuterProductNet(nn.Module):
    r"""Branches side by side, extra layers, and one linear output per detector.

    Hidden layers have batch normalisation and a rectifier; further conditions, where there are any, go through a
    perceptron and scale and shift every hidden layer (ours: the publication has none).

    Parameters
    ----------
    branches : sequence of mapping
        Arguments of every `OuterProduct` but the context.
    outputs : int
        Detectors.
    tiers : int, optional
        Extra layers of as many units as there are outputs.
    further : int, optional
        Columns of further conditions.
    embedding : int, optional
        Width of their perceptron.

    Notes
    -----
    W. Mu, A. I. Himmel, B. Ramson, arXiv:2109.07277. For DUNE's 480 detectors one branch of 10 rows, 12 columns and 240
    hidden units has 145,818 parameters at tier 0 and 378,618 at tier 1, the running means and variances included.

    Examples
    --------
    >>> net = OuterProductNet([{"axes": (0, 1, 2), "rows": 10, "columns": 12, "hidden": 240}], 480)
    >>> net(torch.randn(5, 3), torch.empty(5, 0)).shape, net.size
    (torch.Size([5, 480]), 145818)
    """

    def __init__(
        self, branches: Sequence[dict[str, object]], outputs: int, tiers: int = 0, further: int = 0, embedding: int = 64
    ) -> None:
        super().__init__()
        width = embedding if further else 0
        self.embed = nn.Sequential(nn.Linear(further, width), nn.SiLU()) if further else None
        self.branches = nn.ModuleList(OuterProduct(**branch, context=width) for branch in branches)  # type: ignore[arg-type]
        inner = sum(int(branch["hidden"]) for branch in branches)  # type: ignore[call-overload]
        widths = [inner, *[outputs] * tiers]
        self.tiers = nn.ModuleList(_Dense(widths[k], outputs, width) for k in range(tiers))
        self.leave = nn.Linear(widths[-1], outputs)

    @property
    def size(self) -> int:
        """Parameters and running statistics, as they are counted in the publication's framework."""
        running = sum(b.numel() for name, b in self.named_buffers() if name.endswith(("running_mean", "running_var")))
        return running + sum(p.numel() for p in self.parameters())

    def forward(self, points: Tensor, further: Tensor) -> Tensor:
        """Outputs (n, outputs) for coordinates (n, 3) and further conditions (n, further)."""
        context = further if self.embed is None else self.embed(further)
        x = torch.cat([branch(points, context) for branch in self.branches], 1)
        for tier in self.tiers:
            x = tier(x, context)
        out: Tensor = self.leave(x)
        return out

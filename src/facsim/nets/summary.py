"""What a physicist would look at first in a shower, with gradients: energies, centres, widths, occupancies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from facsim.nets.occupancy import soft_occupancy

__all__ = ["ShowerSummary"]


class ShowerSummary(nn.Module):
    r"""Energy, centre and width along two axes, and occupancy of every layer: (n, width) -> (n, 6 layers).

    .. math:: E = \sum I, \quad \bar u = \frac{\sum I u}{E + \delta}, \quad
              \sigma_u = \sqrt{\frac{\sum I u^2}{E + \delta} - \bar u^2 + 10^{-4}}

    Energies enter as :math:`\mathrm{asinh}(E / \delta)` over that of 1 GeV, coordinates u in units of the layer's
    largest, occupancies as `soft_occupancy`. All have gradients, other than the share of cells above zero.

    Parameters
    ----------
    columns : sequence of slice
        Where the cells of each layer stand.
    coordinates : sequence of (array, array)
        Coordinates of these cells along both axes, any unit.
    floor : float, optional
        :math:`\delta`, GeV: below it energies enter linearly, and a layer counts as dark.

    Examples
    --------
    >>> summary = ShowerSummary([slice(0, 3)], [([-1, 0, 1], [0, 0, 0])], floor=1e-6)
    >>> energy, x, y, width_x, width_y, lit = summary(torch.tensor([[1.0, 0.0, 1.0]]))[0].tolist()
    >>> round(x, 3), round(width_x, 3), round(width_y, 3)
    (0.0, 1.0, 0.01)
    """

    axes: Tensor

    def __init__(
        self, columns: Sequence[slice], coordinates: Sequence[tuple[ArrayLike, ArrayLike]], floor: float = 1e-3
    ) -> None:
        super().__init__()
        self.columns, self.floor = list(columns), floor
        self.features = 6 * len(self.columns)
        axes = []
        for pair in coordinates:
            both = torch.stack([torch.as_tensor(u, dtype=torch.float32) for u in pair], 1)  # (cells, 2)
            axes.append(both / both.abs().amax(0).clamp(min=1e-9))
        self.register_buffer("axes", torch.cat(axes), persistent=False)
        self.sizes = [len(a) for a in axes]

    def forward(self, x: Tensor) -> Tensor:
        """Summary (n, 6 layers) of cells (n, width) in GeV."""
        scale = torch.asinh(x.new_tensor(1 / self.floor))
        found = []
        for columns, axes in zip(self.columns, torch.split(self.axes, self.sizes), strict=True):
            cells = x[:, columns]
            energy = cells.sum(1, keepdim=True)
            share = cells / (energy.abs() + self.floor)
            centre = share @ axes
            width = (share @ axes.square() - centre.square()).clamp(min=0) + 1e-4
            found += [torch.asinh(energy / self.floor) / scale, centre, width.sqrt(), soft_occupancy(cells)]
        return torch.cat(found, 1)

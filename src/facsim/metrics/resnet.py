"""The 3-D residual network of CaloChallenge's strictest classifier test (needs torch)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from facsim.errors import SchemaMismatch
from facsim.metrics.mlp import Training
from facsim.schema import Schema

__all__ = ["resnet"]

PLANES = (32, 64, 64, 128)
CELL_UNIT = 0.01  # shares of the incident energy enter in per cent, or batch normalisation drowns them in its epsilon


def resnet(schema: Schema) -> Callable[[Any, int, Training], Any]:
    """Return what builds an 18-layer residual network for showers whose layers have one shape.

    Parameters
    ----------
    schema : Schema
        Of the showers; all layers must have equally many cells along both axes.

    Returns
    -------
    callable
        ``build(torch, inputs, settings)`` as `facsim.metrics.mlp.train_and_score` wants it. The first input is the
        logarithm of the incident energy, the others are the cells in storage order.

    Raises
    ------
    SchemaMismatch
        If the layers differ in shape.

    Notes
    -----
    arXiv:2410.21611 for data sets 2 and 3: residual blocks (He et al., arXiv:1512.03385) of two 3 x 3 x 3 convolutions
    with 32, 64, 64 and 128 planes, twice each, after a 7 x 7 x 7 convolution and a maximum over 3 x 3 x 3; the incident
    energy joins the 128 averages before the last layer. The sectors' ends are not joined. The publication does not
    tabulate how it was trained; here it is trained as the other networks, in single precision, with cells in per cent.
    """
    shapes = {block.shape for block in schema.layers}
    if len(shapes) != 1:
        msg = f"the CNN needs layers of one shape, there are {sorted(shapes)}. Use inputs='low' or 'high'"
        raise SchemaMismatch(msg)
    grid = (len(schema.layers), *shapes.pop())

    def build(torch: Any, inputs: int, settings: Training) -> Any:
        del inputs, settings  # both follow from the shape
        return _network(torch, grid)

    return build


def _network(torch: Any, grid: tuple[int, ...]) -> Any:
    nn = torch.nn

    def convolution(before: int, after: int, size: int, stride: int) -> Any:
        # The border is padded by hand before the first convolution: with one input plane and a padding of its own,
        # oneDNN of torch 2.13 takes the gradient of the weights from memory that nobody wrote.
        border = size // 2 if before > 1 else 0
        layer = nn.Conv3d(before, after, size, stride, padding=border, bias=False)
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if before == 1:
            return nn.Sequential(nn.ConstantPad3d(size // 2, 0.0), layer, nn.BatchNorm3d(after))
        return nn.Sequential(layer, nn.BatchNorm3d(after))

    class Residual(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            first, second = convolution(before, after, 3, stride), convolution(after, after, 3, 1)
            self.path = nn.Sequential(first, nn.ReLU(), second)
            same = before == after and stride == 1
            self.shortcut = nn.Identity() if same else convolution(before, after, 1, stride)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.path(x) + self.shortcut(x))

    class Network(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            blocks = [nn.Sequential(convolution(1, PLANES[0], 7, 2), nn.ReLU(), nn.MaxPool3d(3, 2, 1))]
            for i, (before, after) in enumerate(itertools.pairwise((PLANES[0], *PLANES))):
                blocks += [Residual(before, after, 1 if i == 0 else 2), Residual(after, after, 1)]
            self.cells = nn.Sequential(*blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten())
            self.energy = nn.BatchNorm1d(1)
            self.last = nn.Linear(PLANES[-1] + 1, 1)

        def forward(self, x: Any) -> Any:
            found = self.cells(x[:, 1:].reshape(-1, 1, *grid) / CELL_UNIT)
            return self.last(torch.cat([found, self.energy(x[:, :1])], dim=1)).flatten()

    return Network()

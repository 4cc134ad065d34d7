"""Networks from layouts in TMVA's notation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facsim.errors import OptionStringError
from facsim.nets.layout_layers import Drop, Function, Planes, Repeat, initialize
from facsim.nets.local import LocallyConnected2d
from facsim.nets.recurrent import Cell, RecurrentLayer
from facsim.tmva.filters import Conv, Deconv, Filter, Local
from facsim.tmva.layers import BatchNorm, Dense, Layer, MaxPool, Shape, Upsample
from facsim.tmva.layout import Layout, parameters, walk
from facsim.tmva.recurrent import GRU, Recurrent

__all__ = ["LARGEST", "LayoutNetwork", "network_of"]

LARGEST = 2**28
"""Parameters of a network, unless told otherwise: 1 GiB in single precision."""


class LayoutNetwork(nn.Sequential):
    """Events (n, ...) to rows (n, numbers): layers one after another.

    Attributes
    ----------
    inputs, outputs : (int, int, int)
        Depth, height and width of an event before and after; rows hold them in this order, width fastest.
    """

    def __init__(self, layers: Sequence[nn.Module], inputs: Shape, outputs: Shape) -> None:
        super().__init__(*layers)
        self.inputs, self.outputs = inputs, outputs

    def drop(self, probabilities: Sequence[float]) -> None:
        """Give layer i the probability i (0 beyond the last) to drop an input in training, where it has dropout."""
        for module in self:
            if isinstance(module, Drop):
                module.p = probabilities[module.layer] if module.layer < len(probabilities) else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, numbers) of events x (n, ...) of any shape with as many numbers as `inputs`."""
        x = x.flatten(1)
        for module in self:
            x = module(x)
        return x


def network_of(
    layout: Layout,
    inputs: Shape,
    *,
    initialization: str = "XAVIER",
    dropout: Sequence[float] = (),
    variables: int | None = None,
    outputs: int = 1,
    largest: int = LARGEST,
) -> LayoutNetwork:
    """Build the network that a layout describes.

    Parameters
    ----------
    layout : Layout
    inputs : (int, int, int)
        Depth, height and width of an event.
    initialization : {"XAVIER", "XAVIERUNIFORM", "GAUSS", "UNIFORM", "ZERO", "IDENTITY"}, optional
        Law of the first weights (see `initialize`), drawn from torch's generator; biases are 0.
    dropout : sequence of float, optional
        Probability to drop an input of layer i in training (DropConfig): dense layers and filters heed theirs, the
        others have none, as in TMVA.
    variables : int, optional
        N of width formulas; by default the product of `inputs`.
    outputs : int, optional
        Width of a dense layer that names none.
    largest : int, optional
        Most parameters.

    Returns
    -------
    LayoutNetwork
        From events (n, ...) to rows (n, numbers). The last layer is as written: a loss or an output function on
        logits is the caller's (see `Layout.logits`).

    Raises
    ------
    OptionStringError
        If shapes do not fit, or there are more than `largest` parameters.
    RecipeError
        For an unknown initialization.

    Examples
    --------
    >>> import torch
    >>> from facsim.tmva import parse_layout
    >>> network = network_of(parse_layout("DENSE|49|RELU,UNFLAT|1|7|7,DECONV|1|4|4|2|2|1|1|TANH"), (1, 1, 10))
    >>> network(torch.randn(5, 10)).shape, network.outputs
    (torch.Size([5, 196]), (1, 14, 14))
    """
    steps = walk(layout, inputs, variables, outputs)
    _check_size(layout, parameters(layout, inputs, variables=variables, outputs=outputs), largest)
    modules: list[nn.Module] = []
    row, shape = True, inputs  # whether the numbers lie in rows or in planes (n, depth, height, width)
    for i, (layer, before, after) in enumerate(steps):
        wanted = _wants_row(layer, before)
        if wanted != row:
            modules.append(nn.Flatten() if wanted else Planes(*before))
            row = wanted
        if i < len(dropout) and dropout[i] and isinstance(layer, (Dense, Filter)):
            modules.append(Drop(dropout[i], i))
        modules += _modules(layer, before, after, initialization)
        shape = after
    if not row:
        modules.append(nn.Flatten())
    return LayoutNetwork(modules, inputs, shape)


def _check_size(layout: Layout, counts: Sequence[int], largest: int) -> None:
    if sum(counts) > largest:
        worst = max(range(len(counts)), key=counts.__getitem__)
        place = sum(len(str(layer)) + 1 for layer in layout.layers[:worst])
        msg = f"{sum(counts)} parameters, {counts[worst]} of them in layer {worst + 1}; at most {largest} are built"
        raise OptionStringError(msg, str(layout), place, "Make the layer narrower, or raise largest=.")


def _wants_row(layer: Layer, before: Shape) -> bool:
    """Whether a layer takes rows, or planes."""
    if isinstance(layer, BatchNorm):
        return before[:2] == (1, 1)
    return not isinstance(layer, (Filter, MaxPool, Upsample))


def _modules(layer: Layer, before: Shape, after: Shape, law: str) -> list[nn.Module]:
    if isinstance(layer, Dense):
        return [_first(nn.Linear(math.prod(before), after[2]), law), *_activation(layer.activation)]
    if isinstance(layer, Filter):
        return [_filter(layer, before, law), *_activation(layer.activation)]
    if isinstance(layer, MaxPool):
        return [nn.MaxPool2d((layer.height, layer.width), (layer.stride_rows, layer.stride_columns))]
    if isinstance(layer, Upsample):
        return [Repeat(before, layer.rows, layer.columns)]
    if isinstance(layer, BatchNorm):
        # torch keeps 1 - momentum of the old running moments, TMVA momentum; None is the cumulative average
        momentum = None if layer.momentum < 0 else 1 - layer.momentum
        kind = nn.BatchNorm1d if before[:2] == (1, 1) else nn.BatchNorm2d
        return [kind(layer.channels(before), eps=layer.epsilon, momentum=momentum)]
    if isinstance(layer, Recurrent):
        return [Planes(before[0] * before[1], before[2]), _recurrent(layer, before, law), nn.Flatten()]
    return []  # a reshape: rows hold depth, height and width in this order


def _activation(name: str) -> list[nn.Module]:
    return [] if name == "LINEAR" else [Function(name)]


def _first(module: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, law: str) -> nn.Module:
    """Fill weights (rows, ...) by `law`, biases with 0."""
    weight = module.weight.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else module.weight
    matrix = torch.empty_like(weight.flatten(1))  # (outputs or planes, what each is made from)
    initialize(matrix, law)
    with torch.no_grad():
        weight.copy_(matrix.view(weight.shape))
        if module.bias is not None:
            module.bias.zero_()
    return module


def _filter(layer: Filter, before: Shape, law: str) -> nn.Module:
    kernel, stride = (layer.height, layer.width), (layer.stride_rows, layer.stride_columns)
    padding = (layer.pad_height, layer.pad_width)
    if isinstance(layer, Conv):
        return _first(nn.Conv2d(before[0], layer.depth, kernel, stride, padding), law)
    if isinstance(layer, Deconv):
        return _first(nn.ConvTranspose2d(before[0], layer.depth, kernel, stride, padding), law)
    if isinstance(layer, Local):
        local = LocallyConnected2d(before[0], layer.depth, before[1:], kernel, stride=stride, padding=padding)
        initialize(local.weight, law)
        return local
    raise TypeError(layer)


def _recurrent(layer: Recurrent, before: Shape, law: str) -> nn.Module:
    cell: Cell = layer.NAME  # type: ignore[assignment]
    if isinstance(layer, GRU) and layer.reset_gate_after:
        cell = "GRU_AFTER"
    module = RecurrentLayer(before[2], layer.state, cell, sequence=layer.return_sequence, remember=layer.remember_state)
    initialize(module.weight, law)  # each gate by itself
    initialize(module.state_weight, law)
    return module

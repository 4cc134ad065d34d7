"""Locally connected layers: convolutions whose weights differ from place to place."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

__all__ = ["Fans", "LocallyConnected2d", "keras_fans", "shared"]

Pair = tuple[int, int]
Fans = Literal["field", "keras1", "keras2"]

SHORT = 48
"""Fields of view below this length per row of the kernel are copied together; measured."""


class LocallyConnected2d(nn.Module):
    r"""Unshared convolution of (n, channels, H, W) to (n, filters, H', W'): every place has weights of its own.

    .. math:: y_{fij} = \beta_{fij} + \sum_{cab} W_{ijfcab}\, x_{c,\,i s_1 + a,\,j s_2 + b}

    Parameters
    ----------
    channels, filters : int
        Planes in and out.
    size : (int, int)
        H and W of the input.
    kernel : (int, int)
        Field of view.
    stride : (int, int), optional
    padding : (int, int), optional
        Zeros on each side, along H and W.
    bias : bool, optional
        One number per filter and place.
    init : {"he_uniform", "glorot_uniform", "glorot_normal"}, optional
        Of the weights; biases start at zero.
    fans : {"field", "keras1", "keras2"}, optional
        What counts as fan; see `keras_fans`.

    Notes
    -----
    Memory is ordered (H, W, channels, n), events last, so that every place is one product of small matrices with long
    contiguous rows, and windows along W are overlapping views instead of copies. Inputs and outputs are views of that
    order; layers after one another need no rearrangement. `docs/measurements.md` has the alternatives.

    Examples
    --------
    >>> layer = LocallyConnected2d(6, 1, (26, 26), (2, 2), bias=False)
    >>> layer(torch.randn(3, 6, 26, 26)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([3, 1, 25, 25]), 15000)
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        size: Pair,
        kernel: Pair,
        *,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        bias: bool = True,
        init: Literal["he_uniform", "glorot_uniform", "glorot_normal"] = "glorot_uniform",
        fans: Fans = "field",
    ) -> None:
        super().__init__()
        self.channels, self.kernel, self.stride, self.padding = channels, kernel, stride, padding
        rows, columns = ((m + 2 * p - k) // s + 1 for m, p, k, s in zip(size, padding, kernel, stride, strict=True))
        self.size = (rows, columns)
        field = channels * math.prod(kernel)  # ordered (kernel row, kernel column, channel)
        self.weight = nn.Parameter(torch.empty(rows, columns, filters, field))
        self.bias = nn.Parameter(torch.zeros(rows, columns, filters, 1)) if bias else None
        fan_in, fan_out = keras_fans(rows * columns, field, filters, fans)
        variance = 2 / fan_in if init == "he_uniform" else 2 / (fan_in + fan_out)
        if init == "glorot_normal":
            nn.init.normal_(self.weight, std=math.sqrt(variance))
        else:
            nn.init.uniform_(self.weight, -math.sqrt(3 * variance), math.sqrt(3 * variance))

    def forward(self, x: Tensor) -> Tensor:
        """Output (n, filters, H', W') of x (n, channels, H, W)."""
        x = x.permute(2, 3, 1, 0).contiguous()
        if any(self.padding):
            rows, columns = self.padding
            x = nn.functional.pad(x, (0, 0, 0, 0, columns, columns, rows, rows))
        y = _connect(x, self.weight, self.kernel, self.stride)
        return (y if self.bias is None else y + self.bias).permute(3, 2, 0, 1)


def shared(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Ordinary convolution of x (H, W, channels, n) with weight (filters, channels, kernel, kernel).

    The same products with one set of weights for all places; for one or two channels faster than a library's. The
    result is (H', W', filters, n).
    """
    kernel = (weight.shape[2], weight.shape[3])
    places = (x.shape[0] - kernel[0] + 1, x.shape[1] - kernel[1] + 1)
    everywhere = weight.permute(0, 2, 3, 1).flatten(1).expand(*places, -1, -1)
    return _connect(x, everywhere, kernel, (1, 1)) + bias[:, None]


def keras_fans(places: int, field: int, filters: int, fans: Fans) -> tuple[float, float]:
    """Fans in and out of locally connected weights (places, field, filters), from which initialisers take their scale.

    ``field`` counts what a number really depends on. Keras 1 took the square root of all weights for both, Keras 2.0
    mistook places and field for a kernel's axes, so that weights start much smaller: LAGAN was trained with the one,
    CaloGAN with the other.

    Examples
    --------
    >>> keras_fans(288, 24, 1, "field"), keras_fans(288, 24, 1, "keras2")
    ((24.0, 1.0), (165888.0, 6912.0))
    """
    if fans == "keras1":
        both = math.sqrt(places * field * filters)
        return both, both
    factor = float(places * field) if fans == "keras2" else 1.0
    return factor * field, factor * filters


def _connect(x: Tensor, weight: Tensor, kernel: Pair, stride: Pair) -> Tensor:
    if torch.compiler.is_compiling():  # an exporter wants plain operations
        (height, width), (down, along), channels = kernel, stride, x.shape[2]
        last = x.shape[0] - height + 1
        rows = [x[a : a + last : down].flatten(1, 2) for a in range(height)]
        fields = [r.unfold(1, width * channels, along * channels).transpose(2, 3) for r in rows]
        return torch.matmul(weight, torch.cat(fields, 2))
    return _run(_Apply, x, weight, kernel, stride)


def _run(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    output: Tensor = function.apply(*inputs)  # type: ignore[no-untyped-call]
    return output


def _views(x: Tensor, i: int, kernel: Pair, stride: Pair) -> list[Tensor]:
    """Fields of view of output row i, of x (H, W, channels, n), in parts (W', field part, n) along the field.

    A row of the kernel sees a window that slides over contiguous memory: an overlapping view. Short ones are put
    together, since products of tiny matrices are slow.
    """
    (height, width), (down, along) = kernel, stride
    channels = x.shape[2]
    rows = x[i * down : i * down + height].flatten(1, 2)
    windows = rows.unfold(1, width * channels, along * channels).transpose(2, 3)  # (height, W', width x channels, n)
    views = list(windows.unbind())
    return views if width * channels >= SHORT else [torch.cat(views, 1)]


# y, dL/dx and dL/dW are bilinear in two of (x, W, dL/dy) each, so that the derivatives of all three are the three
# again: second derivatives (unrolling, gradient penalties) come for free. Going row by row, nothing as large as all
# fields of view is ever in memory; fetching that much fresh memory from the system takes longer than the arithmetic.


class _Apply(torch.autograd.Function):
    """Output (H', W', filters, n) of x (H, W, channels, n) and weights (H', W', filters, field)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, kernel: Pair, stride: Pair) -> Tensor:
        y = x.new_empty(*weight.shape[:3], x.shape[3])
        for i, row in enumerate(weight):
            first = 0
            for view in _views(x, i, kernel, stride):
                part = row[:, :, first : first + view.shape[1]]
                torch.baddbmm(y[i], part, view, beta=1 if first else 0, out=y[i])
                first += view.shape[1]
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:2])
        ctx.geometry = inputs[2:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (gradient,), (x, weight) = grads, ctx.saved_tensors
        to_x, to_weight = ctx.needs_input_grad[:2]
        return (
            _run(_ToInput, gradient, weight, x.shape[:3], *ctx.geometry) if to_x else None,
            _run(_ToWeight, gradient, x, *ctx.geometry) if to_weight else None,
            None,
            None,
        )


class _ToInput(torch.autograd.Function):
    """Gradient (H, W, channels, n) at the input from that at the output (H', W', filters, n), and the weights."""

    @staticmethod
    def forward(gradient: Tensor, weight: Tensor, shape: tuple[int, ...], kernel: Pair, stride: Pair) -> Tensor:
        (height, width, channels), (down, along) = shape, stride
        rows, columns, _, n = gradient.shape
        out = gradient.new_zeros(height, width, channels, n)
        step = kernel[1] * channels
        at_once = 1 if step >= SHORT else kernel[0]  # rows of the kernel
        back = gradient.new_empty(columns, at_once * step, n)
        fields = back.view(columns, at_once, kernel[1], channels, n)
        for i in range(rows):
            for a in range(0, kernel[0], at_once):
                part = weight[i, :, :, a * step : (a + at_once) * step]
                torch.bmm(part.transpose(1, 2), gradient[i], out=back)
                for k in range(at_once):
                    for b in range(kernel[1]):
                        out[i * down + a + k, b : b + (columns - 1) * along + 1 : along] += fields[:, k, b]
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:2])
        ctx.geometry = inputs[3:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (back,), (gradient, weight) = grads, ctx.saved_tensors
        to_gradient, to_weight = ctx.needs_input_grad[:2]
        return (
            _run(_Apply, back, weight, *ctx.geometry) if to_gradient else None,
            _run(_ToWeight, gradient, back, *ctx.geometry) if to_weight else None,
            None,
            None,
            None,
        )


class _ToWeight(torch.autograd.Function):
    """Gradient (H', W', filters, field) at the weights from that at the output, and the input."""

    @staticmethod
    def forward(gradient: Tensor, x: Tensor, kernel: Pair, stride: Pair) -> Tensor:
        out = x.new_empty(*gradient.shape[:3], kernel[0] * kernel[1] * x.shape[2])
        for i, row in enumerate(out):
            parts = [torch.bmm(gradient[i], view.transpose(1, 2)) for view in _views(x, i, kernel, stride)]
            torch.cat(parts, 2, out=row)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:2])
        ctx.geometry = inputs[2:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (back,), (gradient, x) = grads, ctx.saved_tensors
        to_gradient, to_x = ctx.needs_input_grad[:2]
        return (
            _run(_Apply, x, back, *ctx.geometry) if to_gradient else None,
            _run(_ToInput, gradient, back, x.shape[:3], *ctx.geometry) if to_x else None,
            None,
            None,
        )

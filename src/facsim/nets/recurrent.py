"""Recurrent layers written as their formulas, with one bias per gate as TMVA has them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Cell", "RecurrentLayer"]

Cell = Literal["RNN", "LSTM", "GRU", "GRU_AFTER"]

_GATES: dict[Cell, int] = {"RNN": 1, "LSTM": 4, "GRU": 3, "GRU_AFTER": 3}


class RecurrentLayer(nn.Module):
    r"""States (n, steps or 1, state) of sequences (n, steps, inputs), from a state of zeros.

    With gates g = W_g x + U_g h + b_g and the logistic function s:

    .. math::
        RNN:&\; h' = \tanh(g_1) \\
        LSTM:&\; c' = s(g_2) c + s(g_1) \tanh(g_3), \quad h' = s(g_4) \tanh(c') \\
        GRU:&\; h' = z h + (1 - z) \tanh(W_3 x + b_3 + U_3 (r h)), \quad r = s(g_1), z = s(g_2)

    ``GRU_AFTER`` has r (U_3 h) instead of U_3 (r h).

    Parameters
    ----------
    inputs, state : int
        Widths of a step and of the state.
    cell : {"RNN", "LSTM", "GRU", "GRU_AFTER"}
    sequence : bool, optional
        Give the states of all steps, else the last.
    remember : bool, optional
        In training, start from the state that the last batch of the same size left. Evaluation starts from zeros, so
        that an event does not depend on its neighbours; the state is not saved.

    Notes
    -----
    torch's own layers have two biases per gate, and a GRU of the second kind only.

    Examples
    --------
    >>> layer = RecurrentLayer(3, 10, "LSTM", sequence=True)
    >>> layer(torch.randn(2, 7, 3)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([2, 7, 10]), 560)
    """

    def __init__(self, inputs: int, state: int, cell: Cell, *, sequence: bool = False, remember: bool = False) -> None:
        super().__init__()
        self.state, self.cell, self.sequence, self.remember = state, cell, sequence, remember
        gates = _GATES[cell]
        bound = state**-0.5
        self.weight = nn.Parameter(torch.empty(gates, state, inputs).uniform_(-bound, bound))
        self.state_weight = nn.Parameter(torch.empty(gates, state, state).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(gates, state))
        self._left: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """States (n, steps or 1, state) of x (n, steps, inputs)."""
        seen = nn.functional.linear(x, self.weight.flatten(0, 1), self.bias.flatten())  # (n, steps, gates x state)
        h, c = self._start(x)
        states = []
        for gates in seen.unbind(1):
            h, c = self._step(gates, h, c)
            states.append(h)
        if self.remember and self.training:
            self._left = h.detach(), c.detach()
        return torch.stack(states if self.sequence else states[-1:], 1)

    def _start(self, x: Tensor) -> tuple[Tensor, Tensor]:
        left = self._left if self.remember and self.training else None
        if left is not None and left[0].shape[0] == x.shape[0]:
            return left
        zeros = x.new_zeros(1, self.state)  # one row for all events: a constant of an exported graph
        return zeros, zeros

    def _step(self, seen: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Next state and cell from what a step shows to the gates (n, gates x state)."""
        u = self.state_weight
        if self.cell == "RNN":
            return torch.tanh(seen + h @ u[0].T), c
        if self.cell == "LSTM":
            i, f, g, o = torch.split(seen + h @ u.flatten(0, 1).T, self.state, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        reset, update, new = torch.split(seen, self.state, 1)
        r = torch.sigmoid(reset + h @ u[0].T)
        z = torch.sigmoid(update + h @ u[1].T)
        back = r * (h @ u[2].T) if self.cell == "GRU_AFTER" else (r * h) @ u[2].T
        return z * h + (1 - z) * torch.tanh(new + back), c

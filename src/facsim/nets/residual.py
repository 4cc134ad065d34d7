"""Residual perceptrons, with blocks that the conditions scale and shift, and without."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ConditionedMLP", "NormedMLP", "ResidualMLP"]


class _Block(nn.Module):
    """Pre-norm residual block with FiLM conditioning (Perez et al., arXiv:1709.07871); the identity at the start."""

    def __init__(self, hidden: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.film = nn.Linear(condition, 2 * hidden)
        self.widen = nn.Linear(hidden, hidden)
        self.narrow = nn.Linear(hidden, hidden)
        for layer in (self.film, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, dim=-1)
        y = self.norm(x) * (1 + scale) + shift
        out: Tensor = x + self.narrow(nn.functional.silu(self.widen(y)))
        return out


class ConditionedMLP(nn.Module):
    """Residual network (n, inputs), (n, context) -> (n, outputs); its output is zero before training.

    Parameters
    ----------
    inputs, outputs : int
        Columns in and out.
    context : int
        Columns of the conditions, which act on every block.
    hidden : int, optional
        Width of the residual stream.
    blocks : int, optional
        Number of residual blocks.
    embedding : int, optional
        Width of the conditions' own perceptron.

    Examples
    --------
    >>> import torch
    >>> ConditionedMLP(10, 4, context=2)(torch.randn(3, 10), torch.randn(3, 2)).abs().max().item()
    0.0
    """

    def __init__(
        self, inputs: int, outputs: int, context: int, hidden: int = 256, blocks: int = 2, embedding: int = 128
    ) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(context, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU())
        self.enter = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(_Block(hidden, embedding) for _ in range(blocks))
        self.leave = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Outputs for inputs (n, inputs) under context (n, context)."""
        condition = self.embed(context)
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, condition)
        out: Tensor = self.leave(h)
        return out


class NormedMLP(nn.Module):
    """Smooth residual network (n, inputs) -> (n, outputs): x + W' silu(W norm(x)); its output is zero before training.

    Without conditions what `ConditionedMLP` is with them: for densities and regressions, which have no kinks.

    Parameters
    ----------
    inputs, outputs : int
        Columns in and out.
    hidden : int, optional
        Width of the residual stream.
    blocks : int, optional
        Number of residual blocks.
    dropout : float, optional
        Probability that what enters the last layer of a block, or of all, is dropped in training.

    Examples
    --------
    >>> import torch
    >>> NormedMLP(10, 4, hidden=16)(torch.randn(3, 10)).abs().max().item()
    0.0
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 128, blocks: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        drop = [nn.Dropout(dropout)] if dropout else []
        self.enter = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.SiLU(), *drop, nn.Linear(hidden, hidden))
            for _ in range(blocks)
        )
        self.leave = nn.Sequential(nn.LayerNorm(hidden), nn.SiLU(), *drop, nn.Linear(hidden, outputs))
        for block in (*self.blocks, self.leave):
            for tensor in block[-1].parameters():
                nn.init.zeros_(tensor)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs for inputs (n, inputs)."""
        h = self.enter(x)
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.leave(h)
        return out


class ResidualMLP(nn.Module):
    """Residual network (n, inputs) -> (n, outputs) without normalisation: x + W' a(W a(x)), leaky rectifiers a.

    Parameters
    ----------
    inputs : int
        Columns in.
    outputs : int
        Columns of a linear layer at the end; 0 leaves it away, and the activated residual stream comes out.
    hidden : int, optional
        Width of the residual stream.
    blocks : int, optional
        Number of residual blocks; He et al., arXiv:1603.05027 (activation first).
    slope : float, optional
        Of the rectifiers, for negative numbers.

    Examples
    --------
    >>> import torch
    >>> ResidualMLP(10, 1, hidden=32)(torch.randn(3, 10)).shape
    torch.Size([3, 1])
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 256, blocks: int = 2, slope: float = 0.2) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LeakyReLU(slope), nn.Linear(hidden, hidden), nn.LeakyReLU(slope), nn.Linear(hidden, hidden)
            )
            for _ in range(blocks)
        )
        self.last = nn.LeakyReLU(slope)
        self.leave = nn.Linear(hidden, outputs) if outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Outputs for inputs (n, inputs)."""
        h = self.enter(x)
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.leave(self.last(h))
        return out

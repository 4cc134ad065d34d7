"""Where the conditions meet the noise: side by side, or multiplied element by element."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Concatenate", "Hadamard"]


class Concatenate(nn.Module):
    """Noise (n, noise) and conditions (n, context) side by side: (n, noise + context).

    Examples
    --------
    >>> Concatenate(200, 2).width
    202
    """

    def __init__(self, noise: int, context: int) -> None:
        super().__init__()
        self.width = noise + context

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """One row per event."""
        return torch.cat([noise, context], 1)


class Hadamard(nn.Module):
    """Noise times a learnt embedding of the conditions: z * W c, (n, noise).

    For a one-hot c this is the embedding of LAGAN (arXiv:1701.05927) and of AC-GAN's public code: every class has a
    latent space of its own, scaled axis by axis. For a real c, such as an energy, it scales the latent radius.

    Parameters
    ----------
    noise : int
        Columns of noise.
    context : int
        Columns of the conditions. All zero conditions give a constant: schemas without conditions use `Concatenate`.

    Examples
    --------
    >>> import torch
    >>> Hadamard(200, 2)(torch.randn(3, 200), torch.eye(2)[[0, 1, 1]]).shape
    torch.Size([3, 200])
    """

    def __init__(self, noise: int, context: int) -> None:
        super().__init__()
        self.width = noise
        self.embedding = nn.Linear(context, noise, bias=False)
        nn.init.xavier_normal_(self.embedding.weight)

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """One row per event."""
        out: Tensor = noise * self.embedding(context)
        return out

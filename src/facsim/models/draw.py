"""Random numbers of a training step, the same whether one process sees the batch or several share it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["Draw"]


class Draw:
    """Random numbers that depend on (seed, step) only.

    With several processes every one draws the numbers of the whole batch and keeps its own rows: then the sum of
    the gradients is that of one process with the whole batch, and a resumed training needs no saved generator.

    Parameters
    ----------
    seed, step : int
        What the numbers depend on.
    rank, world : int, optional
        This process, and how many share a batch.
    device : torch.device, optional
        Where the numbers are wanted; they are always drawn on the CPU.

    Examples
    --------
    >>> import torch
    >>> whole = Draw(1, 2).normal(4, 3)
    >>> torch.equal(whole[2:], Draw(1, 2, rank=1, world=2).normal(2, 3))
    True
    """

    def __init__(
        self, seed: int, step: int, *, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> None:
        self.place = (seed % 2**32, step % 2**32)
        self.generator = torch.Generator().manual_seed(self._seed())
        self.rank, self.world, self.device = rank, world, device

    def normal(self, rows: int, columns: int) -> Tensor:
        """Standard normal numbers (rows, columns)."""
        return self._own(torch.randn(rows * self.world, columns, generator=self.generator), rows)

    def uniform(self, rows: int, columns: int) -> Tensor:
        """Uniform numbers in [0, 1), (rows, columns)."""
        return self._own(torch.rand(rows * self.world, columns, generator=self.generator), rows)

    def number(self, purpose: int) -> int:
        """A seed for a generator of somebody else's, different in every process."""
        return self._seed(purpose + 1, self.rank)

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens, the same in all processes."""
        return probability >= 1 or torch.rand((), generator=self.generator).item() < probability

    def times(self, rows: int) -> Tensor:
        """Stratified uniform times (rows, 1): one in each of as many equal parts of [0, 1), in random order."""
        total = rows * self.world
        order = torch.randperm(total, generator=self.generator)
        spread = torch.rand(total, generator=self.generator)
        return self._own(((order + spread) / total)[:, None], rows)

    def _seed(self, *more: int) -> int:
        """Mixed, since torch's generator on the CPU looks at the lower 32 bits of a seed alone."""
        return int(np.random.SeedSequence([*self.place, *more]).generate_state(1)[0])

    def _own(self, numbers: Tensor, rows: int) -> Tensor:
        return numbers[self.rank * rows : (self.rank + 1) * rows].to(self.device)

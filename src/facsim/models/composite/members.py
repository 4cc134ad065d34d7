"""What ensembles have in common: every event comes from one of the members, or all from a chosen one."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from facsim.events import Events
from facsim.models.base import Surrogate
from facsim.runtime.members import Member

__all__ = ["Members", "mixed"]


class Members(Surrogate):
    r"""A surrogate that draws every event from one of K members: the model with the averaged density.

    Member :math:`\lfloor K \Phi(z_0) \rfloor` makes the event, with :math:`z_0` the first column of noise; all members
    take the columns behind it. A subclass gives `members`, `widest` and `of_member`.
    """

    @property
    @abstractmethod
    def members(self) -> int:
        """How many."""

    @property
    @abstractmethod
    def widest(self) -> int:
        """Columns of noise that the greediest member takes."""

    @abstractmethod
    def of_member(self, member: int, conditions: Tensor, noise: Tensor) -> Tensor:
        """Features (n, d) of a member, for conditions (n, k) and noise (n, widest)."""

    @property
    def latent(self) -> int:
        """Columns of noise per event: one for the choice, and those of a member."""
        return 1 + self.widest

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Features (n, d) of the mixture; computes all members, so that it can be exported as one graph."""
        return mixed(self.of_member, self.members, conditions, noise)

    def sample(
        self,
        conditions: ArrayLike | Events | Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        threads: int | None = None,
        strict: bool = False,
        member: int | None = None,
    ) -> Events:
        """Draw one event per row of `conditions`, from the mixture or from one member.

        Parameters
        ----------
        conditions, seed, threads, strict
            See `facsim.sharding.ShardSampler.sample`.
        member : int, optional
            Draw all events from this one, from 0; with the same seed all members get the same noise.
        """
        if member is None:
            return super().sample(conditions, seed=seed, threads=threads, strict=strict)
        with self.at_rest():
            return Member(self, member).sample(conditions, seed=seed, threads=threads, strict=strict)

    def stream(
        self,
        conditions: ArrayLike | Events | Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        start: int = 0,
        threads: int | None = None,
        strict: bool = False,
        member: int | None = None,
    ) -> Iterator[Events]:
        """Yield the events of `sample` in pieces; see `facsim.sharding.ShardSampler.stream`."""
        if member is None:
            return super().stream(conditions, seed=seed, start=start, threads=threads, strict=strict)
        return Member(self, member).stream(conditions, seed=seed, start=start, threads=threads, strict=strict)

    def _generate(self, conditions: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each member makes its own events only: K times cheaper than `forward`."""
        given, z = (torch.from_numpy(a).to(self.low.device) for a in (conditions, noise))
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                chosen = chosen_members(z, self.members)[:, 0]
                made = z.new_empty(len(z), self.schema.width)
                for k in range(self.members):
                    rows = chosen == k
                    if bool(rows.any()):
                        made[rows] = self.of_member(k, given[rows], z[rows, 1:])
        finally:
            torch.set_num_threads(before)
        return cast("NDArray[np.float32]", made.cpu().numpy())


def mixed(of_member: Callable[[int, Tensor, Tensor], Tensor], count: int, conditions: Tensor, noise: Tensor) -> Tensor:
    """Features (n, d), each event from the member that the first column of noise chooses; all are computed."""
    chosen, noise = chosen_members(noise, count), noise[:, 1:]
    made = of_member(0, conditions, noise)
    for k in range(1, count):
        made = torch.where(chosen == k, of_member(k, conditions, noise), made)
    return made


def chosen_members(noise: Tensor, count: int) -> Tensor:
    """Number of the member (n, 1) that makes each event."""
    level = 0.5 * (1 + torch.erf(noise[:, :1] / math.sqrt(2)))
    return (level * count).floor().clamp(0, count - 1)

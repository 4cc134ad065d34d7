"""One member of an ensemble, as a sampler of its own: of a fitted model or of an exported file."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import CapabilityError, DataError
from facsim.schema import Schema
from facsim.sharding import ShardSampler

__all__ = ["Member", "mark", "members"]


def members(sampler: Any) -> int:
    """How many members an ensemble has; 0 of any other sampler."""
    provenance = getattr(sampler, "provenance", None) or {}
    return int(getattr(sampler, "members", 0) or provenance.get("members", 0))


def mark(member: int, count: int) -> float:
    r"""First number of the noise with which an ensemble draws from one member.

    Its mixture takes member :math:`\lfloor K \Phi(z_0) \rfloor`; whoever runs an exported ensemble chooses one by
    setting :math:`z_0` to the middle of its interval.

    Examples
    --------
    >>> mark(1, 3), round(mark(0, 2), 4)
    (0.0, -0.6745)
    """
    return NormalDist().inv_cdf((member + 0.5) / count)


class Member(ShardSampler):
    """Draw from one member of an ensemble, with the noise of the others.

    Members see the same conditions and the same noise, so that their differences are those of the models: the
    statistical errors of two members' samples mostly cancel.

    Parameters
    ----------
    sampler : ShardSampler
        A fitted or an exported ensemble.
    number : int
        From 0.

    Raises
    ------
    CapabilityError
        If the sampler is no ensemble.
    DataError
        If it has no such member.
    """

    def __init__(self, sampler: Any, number: int) -> None:
        count = members(sampler)
        if not count:
            what = getattr(sampler, "name", type(sampler).__name__)
            msg = f"'{what}' is no ensemble and has no member {number}: fit one with a recipe of family ensemble"
            raise CapabilityError(msg)
        if not 0 <= number < count:
            msg = f"member={number}: the ensemble has the members 0 to {count - 1}"
            raise DataError(msg)
        self.sampler, self.number = sampler, number
        self.mark = np.float32(mark(number, count))
        self.provenance = {**getattr(sampler, "provenance", {}), "member": number}

    @property
    def schema(self) -> Schema:
        """That of the ensemble."""
        schema: Schema = self.sampler.schema
        return schema

    @property
    def latent(self) -> int:
        """That of the ensemble."""
        return int(self.sampler.latent)

    @property
    def condition_range(self) -> tuple[ArrayLike, ArrayLike]:
        """That of the ensemble."""
        low, high = self.sampler.condition_range
        return low, high

    def _generate(self, conditions: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        noise = noise.copy()
        noise[:, 0] = self.mark
        features: NDArray[np.float32] = self.sampler._generate(conditions, noise)
        return features

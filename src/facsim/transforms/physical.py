"""Events as they are: for models that are made of others, each with a transform of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facsim.schema import Schema
from facsim.transforms.base import Code, Transform
from facsim.transforms.context import ConditionContext, ConditionScales

__all__ = ["PhysicalTransform"]


class PhysicalTransform(Transform):
    """Latent numbers are the features themselves, in physical units; only the conditions are scaled.

    Parameters
    ----------
    schema : Schema
    scales : str or mapping, optional
        See `ConditionContext`.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block
    >>> transform = PhysicalTransform(Schema((Block("isMuon", (), "mask"),), (Block("P", (), "real", "GeV"),)))
    >>> transform.encode(torch.ones(2, 1), torch.zeros(2, 1)).high.tolist()
    [[1.0], [1.0]]
    """

    exact = True

    def __init__(self, schema: Schema, scales: ConditionScales = "standard") -> None:
        super().__init__()
        self.schema = schema
        self.stages = (schema.width,)
        self.conditions = ConditionContext(schema, scales=scales)
        self.context_widths = (self.conditions.width,)

    def fit(
        self,
        features: NDArray[np.float32],  # noqa: ARG002
        conditions: NDArray[np.float32],
        weights: NDArray[np.float64] | None,  # noqa: ARG002
    ) -> None:
        """Fit the scale of the conditions."""
        self.conditions.fit(conditions)

    def encode(self, features: Tensor, conditions: Tensor) -> Code:  # noqa: ARG002
        """The features."""
        return Code(features, features)

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """The features."""
        return latent

    def context(self, stage: int, latent: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002
        """The scaled conditions."""
        scaled: Tensor = self.conditions(conditions)
        return scaled

    def mirror(self, permutation: NDArray[np.int64]) -> NDArray[np.int64]:
        """Features are permuted as they are."""
        return permutation

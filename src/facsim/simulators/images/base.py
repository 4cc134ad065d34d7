"""What detectors with images have in common: conditions within stated ranges, and names for what is outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facsim.errors import RangeError
from facsim.schema import Block, Schema
from facsim.simulators.toys.base import Conditions, Toy

__all__ = ["ImageDetector"]

Array = NDArray[np.float64]


class ImageDetector(Toy):
    """A detector that answers to one particle with one image, block ``response``."""

    given: ClassVar[tuple[Block, ...]]
    """Conditions."""
    ranges: ClassVar[Mapping[str, tuple[float, float]]]
    """Lowest and highest value that each condition may have."""
    image: ClassVar[Block]
    """The image."""

    @property
    def schema(self) -> Schema:
        """Columns of the events."""
        return Schema((self.image,), self.given, self.name)

    def _given(self, conditions: Conditions, seed: int) -> NDArray[np.float32]:
        matrix = super()._given(conditions, seed)
        for values, block in zip(matrix.T, self.given, strict=True):
            low, high = self.ranges[block.name]
            outside = (values < np.float32(low)) | (values > np.float32(high))
            if outside.any():
                row, unit = int(outside.argmax()), f" {block.unit}" * bool(block.unit)
                msg = (
                    f"{self.name}: {block.name}={values[row]:g}{unit} of event {row} is outside {low:g} to {high:g} "
                    f"({int(outside.sum())} of {len(values)} events are): remove these events"
                )
                raise RangeError(msg)
        return matrix

"""Detectors that answer with an image: pads of a time-projection chamber, fibres of a zero-degree calorimeter."""

from facsim.simulators.images.base import ImageDetector
from facsim.simulators.images.tpc import Tpc
from facsim.simulators.images.zdc import Zdc

__all__ = ["ImageDetector", "Tpc", "Zdc"]

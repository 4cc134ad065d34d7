"""Detectors that answer with numbers: Cherenkov light, muon chambers, and identification with both. Numpy alone."""

from facsim.simulators.cherenkov.detector import Detector, TrackDetector, repeat
from facsim.simulators.cherenkov.radiator import Radiator
from facsim.simulators.cherenkov.rich import GASES, Rich
from facsim.simulators.cherenkov.table import detector, detector_names, detector_options, write_detector

__all__ = [
    "GASES",
    "Detector",
    "Radiator",
    "Rich",
    "TrackDetector",
    "detector",
    "detector_names",
    "detector_options",
    "repeat",
    "write_detector",
]

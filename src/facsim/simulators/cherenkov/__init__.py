"""Detectors that answer with numbers: Cherenkov light, muon chambers, and identification with both. Numpy alone."""

from facsim.simulators.cherenkov.calibration import (
    DECAYS,
    Calibration,
    MuonCalibration,
    PIDCalibration,
    RichCalibration,
)
from facsim.simulators.cherenkov.detector import Detector, TrackDetector, repeat
from facsim.simulators.cherenkov.dirc import BAR, Dirc
from facsim.simulators.cherenkov.muon import UNDEFINED, Muon
from facsim.simulators.cherenkov.particles import MASS, PARTICLES
from facsim.simulators.cherenkov.pid import GlobalPID
from facsim.simulators.cherenkov.radiator import Radiator
from facsim.simulators.cherenkov.rich import GASES, Rich
from facsim.simulators.cherenkov.table import detector, detector_names, detector_options, write_detector

__all__ = [
    "BAR",
    "DECAYS",
    "GASES",
    "MASS",
    "PARTICLES",
    "UNDEFINED",
    "Calibration",
    "Detector",
    "Dirc",
    "GlobalPID",
    "Muon",
    "MuonCalibration",
    "PIDCalibration",
    "Radiator",
    "Rich",
    "RichCalibration",
    "TrackDetector",
    "detector",
    "detector_names",
    "detector_options",
    "repeat",
    "write_detector",
]
